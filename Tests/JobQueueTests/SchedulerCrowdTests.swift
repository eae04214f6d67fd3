import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// Several schedulers at once, and many schedules.
@Suite(.serialized) struct SchedulerCrowdTests {
    /// Runs `count` schedulers, each with connections of its own, while `body` looks on.
    nonisolated(nonsending) static func withSchedulers(
        _ count: Int, on fixture: SchedulerFixture, _ body: () async throws -> Void
    ) async throws {
        let shutdown = ShutdownSignal()
        let ready = Wakeup()
        let pools = try (0..<count).map { _ in PostgresPool(try PostgresConfiguration(url: fixture.database.url), maximumConnections: 2) }
        try await withThrowingDiscardingTaskGroup { group in
            for pool in pools {
                group.addTask { await Scheduler(pool: pool, onReady: { ready.signal() }).run(until: shutdown) }
            }
            defer { shutdown.request(grace: .seconds(5)) }
            #expect(await ready.wait(upTo: .seconds(20)))
            try await body()
        }
        for pool in pools { await pool.close() }
    }

    @Test("R50: two and twenty schedulers give each due time of an every-second pattern exactly once", arguments: [2, 20])
    func crowd(count: Int) async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let allowed = try await fixture.addJob("allow", pattern: "* * * * * *", overlap: "ALLOW")
            let skipped = try await fixture.addJob("skip", pattern: "* * * * * *")
            let replaced = try await fixture.addJob("replace", pattern: "* * * * * *", overlap: "REPLACE")
            try await Self.withSchedulers(count, on: fixture) {
                try await eventually(within: .seconds(30), "six ticks of each job") {
                    try await fixture.count(
                        "SELECT FROM schedule_ticks GROUP BY job_config_id HAVING count(*) >= 6") == 3
                }
            }
            for job in [allowed, skipped, replaced] { #expect(try await fixture.missingSeconds(job) == 0) }
            #expect(try await fixture.mismatches() == 0)
            #expect(try await fixture.outcomes(allowed).keys.sorted() == ["ENQUEUED"])
            // Nobody runs it: the first one stays live and everything after it overlaps.
            #expect(try await fixture.outcomes(skipped)["ENQUEUED"] == 1)
            #expect(try await fixture.count("SELECT FROM job_live WHERE job_config_id = \(replaced)") == 1)
        }
    }

    @Test("a change of a configuration takes effect within 2 s: new, paused, resumed, edited, deleted")
    func changes() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            try await Self.withSchedulers(1, on: fixture) {
                // ALLOW: every due time makes one, also those before the first look.
                let job = try await fixture.addJob("job", pattern: "* * * * * *", overlap: "ALLOW")
                func appears(_ what: String, _ condition: SQL) async throws {
                    let since: String = try await fixture.pool.query("SELECT clock_timestamp()::text AS now").first!.get("now")
                    try await eventually(within: .seconds(60), what) {
                        try await fixture.count("SELECT FROM schedule_ticks WHERE due_at > \(since)::timestamptz AND " + condition) > 0
                    }
                    let lag: Double = try await fixture.pool.query(
                        "SELECT extract(epoch FROM min(recorded_at) - \(since)::timestamptz) AS lag FROM schedule_ticks WHERE due_at > \(since)::timestamptz AND "
                            + condition
                    ).first!.get("lag")
                    // The next due time is up to a second away itself.
                    #expect(lag < 3, "\(what) after \(lag) s")
                }
                try await appears("the first tick", "outcome = 'ENQUEUED'")
                _ = try await fixture.pool.query("SELECT pause_job('job')")
                try await appears("a paused tick", "outcome = 'SKIPPED_PAUSED'")
                _ = try await fixture.pool.query("SELECT resume_job('job')")
                try await appears("a tick after resuming", "outcome <> 'SKIPPED_PAUSED'")
                _ = try await fixture.pool.query("UPDATE job_configurations SET overlap_policy = 'SKIP' WHERE id = \(job)")
                try await appears("a tick of the new policy", "outcome = 'SKIPPED_OVERLAP'")
                _ = try await fixture.pool.query("UPDATE job_configurations SET deleted_at = now() WHERE id = \(job)")
                try await eventually(within: .seconds(3), "the end of the schedule") {
                    try await fixture.count("SELECT FROM job_schedules WHERE next_due_at IS NOT NULL") == 0
                }
                #expect(try await fixture.missingSeconds(job) == 0)
                #expect(try await fixture.mismatches() == 0)
            }
        }
    }

    @Test("every second keeps its tick while its configuration is edited all the time")
    func editedMeanwhile() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: "* * * * * *", overlap: "ALLOW")
            try await Self.withSchedulers(3, on: fixture) {
                try await eventually(within: .seconds(30), "six ticks") {
                    _ = try await fixture.pool.query("UPDATE job_configurations SET priority = (priority + 1) % 100 WHERE id = \(job)")
                    _ = await Wakeup().wait(upTo: .milliseconds(130))
                    return try await fixture.outcomes(job)["ENQUEUED"] ?? 0 >= 6
                }
            }
            #expect(try await fixture.missingSeconds(job) == 0)
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test("R50: a scheduler that sleeps on its locks loses them to the server, and the others do its work")
    func sleeper() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly())
            _ = try await fixture.scheduler.runOnce()
            try await fixture.rewind(job, by: 3_600)
            await #expect(throws: PostgresError.self) {
                try await fixture.pool.transaction { transaction in
                    _ = try await SchedulerTick.run(in: transaction, dueBy: 9_000_000_000_000_000)
                    // Stopped here, as by SIGSTOP: the others pass by its locks until the server has cut it off.
                    _ = try await fixture.scheduler.runOnce()
                    #expect(try await fixture.outcomes(job).isEmpty)
                    try await eventually(within: .seconds(20), "another scheduler does it") {
                        _ = try await fixture.scheduler.runOnce()
                        return try await fixture.outcomes(job) == ["ENQUEUED": 1]
                    }
                }
            }
            #expect(try await fixture.count("SELECT FROM job_executions") == 1)
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test("R53: 10,000 schedules due in the same second are all enqueued, each once", arguments: [1, 3])
    func tenThousand(schedulers: Int) async throws {
        try await SchedulerFixture.withDatabase { fixture in
            _ = try await fixture.pool.query(
                """
                INSERT INTO job_configurations (name, job_type, cron_pattern, time_zone)
                SELECT 'job ' || n, 'NOOP', '0 5 * * *', 'UTC' FROM generate_series(1, 10000) AS n
                """, deadline: .seconds(60))
            let clock = ContinuousClock()
            let planning = try await clock.measure { _ = try await fixture.scheduler.runOnce() }
            _ = try await fixture.pool.query("UPDATE job_schedules SET looked_until = now() - interval '1 day', next_due_at = now()")
            let ticking = try await clock.measure {
                try await withThrowingDiscardingTaskGroup { group in
                    for _ in 0..<schedulers { group.addTask { _ = try await fixture.scheduler.runOnce() } }
                }
            }
            let idle = try await clock.measure { _ = try await fixture.scheduler.runOnce() }
            print("10,000 schedules, \(schedulers) at once: planned in \(planning), enqueued in \(ticking), idle turn \(idle)")
            #expect(try await fixture.count("SELECT FROM job_executions") == 10_000)
            #expect(try await fixture.count("SELECT FROM schedule_ticks WHERE outcome = 'ENQUEUED'") == 10_000)
            #expect(try await fixture.mismatches() == 0)
        }
    }
}
