import Foundation
import Postgres
import TestRig
import TestSupport

/// R31: clocks that are wrong, and clocks that jump.
extension Catalogue {
    /// Two of three workers and one of two schedulers believe that it is ten minutes earlier or later.
    static let wrongClocks = Scenario(
        number: "R31", injected: "of three workers and two schedulers three have clocks that are wrong by 10 min, under work of every kind"
    ) { trial in
        let ahead = try Shim()
        try ahead.setClock(ahead: .seconds(600))
        let behind = try Shim()
        try behind.setClock(ahead: .seconds(-600))
        let settings = RigSettings(products: 60, sandbox: ["--latency-ms", "20"], maxAttempts: 40)
        try await Rig.watched(settings) { rig, watch in
            let work = try await Workload(rig)
            let drills = Drills(rig: rig)
            try await drills.addJob("beat", pattern: "* * * * * *")
            try await addPatientJob(rig)
            // More than half of all listings are answered with the date from which to ask again, two seconds from the stand-in's now.
            try await rig.sandbox.setFaults((1...3).map { "cv-list-429-date:0.6@\($0)" })
            let arguments = ["--lease", "3", "--slots", "5"]
            let fleets = [
                try await Fleet(rig, count: 1, arguments), try await Fleet(rig, count: 1, arguments, environment: ahead.environment),
                try await Fleet(rig, count: 1, arguments, environment: behind.environment),
            ]
            let schedulers = [try rig.scheduler(), try rig.scheduler(environment: trial.choose([ahead, behind]).environment)]
            for scheduler in schedulers { _ = try await scheduler.line(containing: "schedules", within: .seconds(60)) }
            for round in 0..<6 {
                try await work.drills(40, milliseconds: 150)
                try await work.others()
                try await enqueuePatient(rig, count: 3)
                // Other prices, or nothing would be uploaded; a retry would see them, so the sync before has ended.
                try await eventually("the end of a sync") {
                    try await rig.value("SELECT NOT EXISTS (SELECT FROM job_live WHERE store_id IS NOT NULL) AS value")
                }
                try await changePrices(rig, round: round)
                _ = try await rig.trigger()
                try await trial.pause(600...1_400)
            }
            try await eventually("the last attempts") {
                try await rig.value("SELECT NOT EXISTS (SELECT FROM job_live WHERE trigger <> 'SCHEDULE') AS value")
            }
            for scheduler in schedulers { try await scheduler.leave("scheduler") }
            try await Oracle(rig: rig, watch: watch).drainAndJudge()
            for fleet in fleets { try await fleet.leave() }
            let ticks = try await drills.requireEveryTick(of: "beat", atLeast: 6)
            try require(try await work.interrupted() == 0, "a wrong clock took a run from its worker")
            try await requireEverybodyWorked(rig, fleets)
            try await requireServersTimes(rig)
            let waits = try await requireWaits(rig)
            try await work.requireOnlyTheDoomedFailed()
            trial.figure("\(try await work.ended()) executions, \(ticks) due times, each once; \(waits); \(watch.figure)")
        }
    }

    private static func changePrices(_ rig: Rig, round: Int) async throws {
        for store in 1...3 {
            guard let product = try await rig.sandbox.products(of: store).first else { throw Failed("store \(store) has no products") }
            try await rig.sandbox.setPrices(store: store, code: product.code, price: "90.00", clubPrice: "1\(round).00")
        }
    }

    /// Fails once and is tried again after two seconds.
    private static func addPatientJob(_ rig: Rig) async throws {
        _ = try await rig.pool.query(
            """
            INSERT INTO job_configurations (name, job_type, max_attempts, retry_delay_seconds, config)
            VALUES ('patient', 'NOOP', 3, 2, '{"fail": "once"}')
            """)
    }

    /// Half of them are due a second from now.
    private static func enqueuePatient(_ rig: Rig, count: Int) async throws {
        _ = try await rig.pool.query(
            "SELECT enqueue_job('patient', run_at => now() + n % 2 * interval '1 second') FROM generate_series(1, \(count)) AS n")
    }

    private static func requireEverybodyWorked(_ rig: Rig, _ fleets: [Fleet]) async throws {
        for worker in fleets.flatMap(\.all) {
            let ran: Int = try await rig.value(
                """
                SELECT count(*) AS value FROM job_attempts AS a JOIN workers AS w ON w.id = a.worker WHERE w.pid = \(Int(worker.pid))
                """)
            try require(ran > 5, "a worker ran only \(ran) attempts: nothing was shown of its clock")
        }
    }

    /// What programs wrote bears the server's time, and nothing began before it was due.
    private static func requireServersTimes(_ rig: Rig) async throws {
        let early: Int = try await rig.value(
            "SELECT count(*) AS value FROM job_finished WHERE started_at < run_at OR started_at < scheduled_for OR started_at < created_at")
        try require(early == 0, "\(early) runs began before they were due")
        let foreign: Int = try await rig.value(
            """
            SELECT (SELECT count(*) FROM execution_logs AS l JOIN job_executions AS e ON e.id = l.execution_id
                    WHERE l.logged_at NOT BETWEEN e.created_at - interval '1 second' AND e.finished_at + interval '1 second')
              + (SELECT count(*) FROM workers WHERE heartbeat_at NOT BETWEEN clock_timestamp() - interval '5 minutes' AND clock_timestamp())
              + (SELECT count(*) FROM schedule_ticks WHERE recorded_at NOT BETWEEN due_at AND due_at + interval '60 seconds')
              + (SELECT count(*) FROM campaigns WHERE starts_at NOT BETWEEN created_at + interval '4 minutes' AND created_at + interval '7 minutes')
              AS value
            """)
        try require(foreign == 0, "\(foreign) rows bear the time of a clock that is wrong")
    }

    /// How long retries waited, by the server's clock; the partner's are dates two seconds ahead, in whole seconds.
    private static func requireWaits(_ rig: Rig) async throws -> String {
        var figures: [String] = []
        for (what, condition, least, most) in [
            ("retries", "c.name = 'patient'", 1.59, 2.41), ("dates of the partner", "a.error_details ->> 'code' = 'HTTP_429'", 0.9, 3.1),
        ] {
            // The conditions are texts of this scenario.
            let row = try await rig.pool.query(
                """
                SELECT count(*) AS n, count(DISTINCT a.worker) AS workers, min(s.wait) AS least, max(s.wait) AS most
                FROM job_attempts_past AS a JOIN job_finished AS e ON e.id = a.execution_id AND e.attempt = a.attempt + 1
                  JOIN job_configurations AS c ON c.id = e.job_config_id
                  CROSS JOIN LATERAL (SELECT extract(epoch FROM e.run_at - a.finished_at)::float8 AS wait) AS s
                WHERE a.outcome = 'RETRY' AND \(unsafe: condition)
                """
            ).first
            guard let row, let shortest = try row.getIfPresent("least", as: Double.self),
                let longest = try row.getIfPresent("most", as: Double.self)
            else { throw Failed("no \(what) were seen: nothing was shown") }
            let workers: Int = try row.get("workers")
            // Of two workers one at least has a clock that is wrong.
            try require(workers >= 2, "\(what) were seen of \(workers) worker only: nothing was shown")
            try require(
                shortest >= least && longest <= most,
                String(format: "%@ waited %.2f to %.2f s, and %.2f to %.2f were asked for", what, shortest, longest, least, most))
            figures.append(String(format: "%ld %@ waited %.1f to %.1f s", try row.get("n", as: Int.self), what, shortest, longest))
        }
        return figures.joined(separator: ", ")
    }
}
