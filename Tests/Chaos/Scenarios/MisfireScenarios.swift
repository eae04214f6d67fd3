import Foundation
import Postgres
import TestRig
import TestSupport

/// R51 and R53: schedulers that were away, and runs that last longer than their interval.
extension Catalogue {
    /// What three hours without a scheduler leave behind, by misfire policy; the rest is decided by what is in time again.
    private struct Absence {
        let rig: Rig
        let job: String

        /// The fate of the due times that were missed, by outcome.
        func missed() async throws -> [String: Int] {
            let rows = try await rig.pool.query(
                """
                SELECT t.outcome, sum(t.count)::bigint AS n FROM schedule_ticks AS t JOIN job_configurations AS c ON c.id = t.job_config_id
                WHERE c.name = \(job) AND t.due_at < t.recorded_at - interval '60 seconds' GROUP BY t.outcome
                """)
            return try rows.reduce(into: [:]) { $0[try $1.get("outcome")] = try $1.get("n") }
        }

        /// Throws unless every one of the due times has its tick and the missed ones fared as expected.
        func expect(_ expected: [String: ClosedRange<Int>], every seconds: Int) async throws {
            let found = try await missed()
            try require(
                found.keys.sorted() == expected.keys.sorted() && expected.allSatisfy { $1.contains(found[$0] ?? 0) },
                "\(job): \(found), expected \(expected)")
            let gaps: Int = try await rig.value(
                """
                SELECT count(*) AS value FROM (
                  SELECT t.due_at - lag(t.due_at) OVER (ORDER BY t.due_at) AS step, t.count
                  FROM schedule_ticks AS t JOIN job_configurations AS c ON c.id = t.job_config_id WHERE c.name = \(job)) AS s
                WHERE step <> count * \(seconds) * interval '1 second'
                """)
            try require(gaps == 0, "\(job): \(gaps) gaps between its due times")
        }
    }

    /// Schedulers come back after three hours: what each policy makes of 180 missed minutes and 10,800 missed seconds.
    static let absentScheduler = Scenario(number: "R51", injected: "no scheduler for three hours, then two, and a worker") { trial in
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let drills = Drills(rig: rig)
            // Half a minute away from now: nothing is near the border between missed and in time.
            let second: Int = try await rig.value("SELECT (extract(second FROM clock_timestamp())::int + 30) % 60 AS value")
            for policy in ["RUN_ONCE", "RUN_ALL", "SKIP"] {
                try await drills.addJob(policy, pattern: "\(second) * * * * *", misfire: policy)
            }
            try await drills.addJob("seconds", pattern: "* * * * * *", misfire: "RUN_ONCE")
            let first = try rig.scheduler()
            try await eventually("the plans") {
                try await rig.value("SELECT count(*) = 4 AS value FROM job_schedules WHERE next_due_at IS NOT NULL")
            }
            try await first.leave("scheduler")
            try await sleepForThreeHours(rig, second: second)
            let before: Int = try await rig.value("SELECT count(*) AS value FROM job_executions")
            let began = ContinuousClock.now
            let schedulers = [try rig.scheduler(), try rig.scheduler()]
            let fleet = try await Fleet(rig, count: 1, [])
            try await eventually("the decisions") {
                try await rig.value("SELECT count(DISTINCT job_config_id) = 4 AS value FROM schedule_ticks")
            }
            let took = Double((ContinuousClock.now - began) / .milliseconds(1)) / 1000
            for scheduler in schedulers { try await scheduler.leave("scheduler") }
            try await Absence(rig: rig, job: "RUN_ONCE").expect(["ENQUEUED": 1...1, "COALESCED": 177...180], every: 60)
            try await Absence(rig: rig, job: "RUN_ALL").expect(["ENQUEUED": 100...100, "SKIPPED_MISFIRE": 77...81], every: 60)
            try await Absence(rig: rig, job: "SKIP").expect(["SKIPPED_MISFIRE": 178...181], every: 60)
            // One of them may have come exactly 60 s before the decision.
            try await Absence(rig: rig, job: "seconds").expect(
                ["ENQUEUED": 1...2, "COALESCED": 10_739...10_860], every: 1)
            let enqueued: Int = try await rig.value("SELECT count(*) AS value FROM schedule_ticks WHERE outcome = 'ENQUEUED'")
            try await Oracle(rig: rig, committed: before + enqueued).drainAndJudge()
            try await fleet.leave()
            let missed: Int = try await rig.value(
                "SELECT sum(count)::bigint AS value FROM schedule_ticks WHERE due_at < recorded_at - interval '60 seconds'")
            trial.figure("\(missed) missed due times decided \(Drills.text(took)) s after the start, \(enqueued) executions")
        }
    }

    /// Makes the tables look as if the last scheduler had left three hours ago.
    private static func sleepForThreeHours(_ rig: Rig, second: Int) async throws {
        try await rig.pool.transaction { transaction in
            _ = try await transaction.query("SET LOCAL session_replication_role = replica")
            _ = try await transaction.query("DELETE FROM schedule_ticks")
            _ = try await transaction.query("UPDATE job_configurations SET updated_at = updated_at - interval '1 day'")
            _ = try await transaction.query(
                """
                UPDATE job_schedules AS s SET planned_for = c.updated_at, looked_until = began,
                  next_due_at = CASE c.name WHEN 'seconds' THEN began + interval '1 second'
                    ELSE began + \(second) * interval '1 second' END
                FROM job_configurations AS c, (SELECT date_trunc('minute', now()) - interval '3 hours' AS began) AS b
                WHERE c.id = s.job_config_id
                """)
        }
    }

    /// Schedulers are replaced all the time: asked to leave, killed, killed between enqueue and commit, and right after it.
    static let replacedSchedulers = Scenario(
        number: "R51", injected: "schedulers replaced by a deploy, killed, killed between enqueue and advance and right after"
    ) { trial in
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let drills = Drills(rig: rig)
            for policy in ["ALLOW", "QUEUE"] { try await drills.addJob(policy, pattern: "* * * * * *", overlap: policy) }
            let fleet = try await Fleet(rig, count: 1, [])
            var replaced: [String: Int] = [:]
            var scheduler = try rig.scheduler()
            for _ in 0..<12 {
                let way = trial.choose(["deployed", "killed", "killed before its commit", "killed after its commit"])
                replaced[way, default: 0] += 1
                let point = ["killed before its commit": "tick.recorded", "killed after its commit": "tick.committed"][way]
                if let point {
                    _ = try await scheduler.line(containing: "schedules", within: .seconds(60))
                    try await scheduler.leave("scheduler")
                    scheduler = try rig.scheduler(environment: ["CHIMERA_FAILPOINT": "\(point):\(trial.random(1...2))=kill"])
                    let end = try await scheduler.waitForExit(within: .seconds(60))
                    try require(end == .signalled(SIGKILL), "the scheduler never reached \(point): \(end)")
                    scheduler = try rig.scheduler()
                    continue
                }
                try await trial.pause(300...1_700)
                if way == "deployed" {
                    // As systemd does it on two machines: the new one is there before the old one leaves.
                    let next = try rig.scheduler()
                    _ = try await next.line(containing: "schedules", within: .seconds(60))
                    try await scheduler.leave("scheduler")
                    scheduler = next
                } else {
                    scheduler.signal(SIGKILL)
                    scheduler = try rig.scheduler()
                }
            }
            _ = try await scheduler.line(containing: "schedules", within: .seconds(60))
            try await scheduler.leave("scheduler")
            let ticks = try await drills.requireEveryTick(of: "ALLOW", atLeast: 8) + drills.requireEveryTick(of: "QUEUE", atLeast: 8)
            let enqueued: Int = try await rig.value("SELECT count(*) AS value FROM schedule_ticks WHERE outcome = 'ENQUEUED'")
            try await Oracle(rig: rig, committed: enqueued).drainAndJudge()
            try await fleet.leave()
            trial.figure(
                "\(replaced.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")); \(ticks) due times, each once"
            )
        }
    }

    /// Runs of two and a half intervals under each policy.
    static let longRuns = Scenario(number: "R53", injected: "runs that last longer than their interval, under each policy") { trial in
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let drills = Drills(rig: rig)
            let policies = ["SKIP", "QUEUE", "ALLOW", "REPLACE"]
            for policy in policies { try await drills.addJob(policy, pattern: "* * * * * *", overlap: policy, sleepMilliseconds: 2_500) }
            let fleet = try await Fleet(rig, count: 2, ["--slots", "16"])
            let scheduler = try rig.scheduler()
            try await eventually("fifteen due times of each") {
                try await rig.value(
                    "SELECT count(*) = 4 AS value FROM (SELECT FROM schedule_ticks GROUP BY job_config_id HAVING count(*) >= 15) AS t")
            }
            try await scheduler.leave("scheduler")
            for policy in policies { _ = try await drills.requireEveryTick(of: policy, atLeast: 15) }
            let enqueued: Int = try await rig.value("SELECT count(*) AS value FROM schedule_ticks WHERE outcome = 'ENQUEUED'")
            try await Oracle(rig: rig, committed: enqueued).drainAndJudge()
            try await fleet.leave()
            var figures: [String] = []
            for policy in policies {
                let most = try await mostAtOnce(rig, policy)
                let ended: [String: Int] = try await rig.pool.query(
                    """
                    SELECT e.status, count(*) AS n FROM job_finished AS e JOIN job_configurations AS c ON c.id = e.job_config_id
                    WHERE c.name = \(policy) GROUP BY e.status
                    """
                ).reduce(into: [:]) { $0[try $1.get("status")] = try $1.get("n") }
                switch policy {
                case "ALLOW": try require(most >= 2 && ended["SUCCESS"] ?? 0 >= 15, "ALLOW ran at most \(most) at once: \(ended)")
                case "REPLACE": try require(most == 1 && ended["CANCELLED"] ?? 0 >= 14, "REPLACE ran \(most) at once: \(ended)")
                default: try require(most == 1 && ended["SUCCESS"] ?? 0 >= 4, "\(policy) ran \(most) at once: \(ended)")
                }
                figures.append("\(policy) \(ended["SUCCESS"] ?? 0) runs, \(most) at once")
            }
            trial.figure(figures.joined(separator: "; "))
        }
    }

    /// How many runs of a job were under way at the same time, by their rows.
    private static func mostAtOnce(_ rig: Rig, _ job: String) async throws -> Int {
        try await rig.value(
            """
            WITH runs AS (
              SELECT e.started_at, e.finished_at FROM job_finished AS e JOIN job_configurations AS c ON c.id = e.job_config_id
              WHERE c.name = \(job) AND e.started_at IS NOT NULL)
            SELECT coalesce(max((SELECT count(*) FROM runs AS o WHERE o.started_at <= r.started_at AND o.finished_at > r.started_at)), 0) AS value
            FROM runs AS r
            """)
    }
}
