import Foundation
import Postgres
import TestRig
import TestSupport

/// Everything at once for a long time; afterwards what it uses is what it used at the beginning.
func soakScenario(minutes: Double) -> Scenario {
    Scenario(
        number: "SOAK", injected: "everything at once for \(minutes.formatted()) minutes, and one restart of everything",
        limit: .seconds(minutes * 60 + 400)
    ) { trial in
        // Autovacuum comes round every minute where nobody changes it: too rarely for a soak of five.
        let server = try await RestartableServer.start(settings: ["autovacuum_naptime": "2s", "log_autovacuum_min_duration": "-1"])
        let settings = RigSettings(stores: 3, products: 60, sandbox: ["--latency-ms", "10"], server: server)
        try await Rig.watched(settings) { rig, watch in
            let soak = try await Soak(rig, trial)
            // Half before the restart and half after it; of each the first two fifths are warming up.
            let half = Duration.seconds(minutes * 30)
            var usage: [Usage] = []
            for part in 0..<2 {
                try await soak.start()
                try await soak.stir(for: half * 0.4)
                let warm = try await soak.usage()
                try await soak.stir(for: half * 0.6)
                let end = try await soak.usage()
                try end.requireBack(at: warm, part == 0 ? "before the restart" : "after the restart", trial)
                usage += [warm, end]
                if part == 0 { try await soak.stopEverything(server) }
            }
            try usage[3].requireSameSizes(as: usage[0], trial)
            let before = usage[1].growth(since: usage[0])
            let after = usage[3].growth(since: usage[2])
            try after.requireSame(as: before, trial)
            try await soak.endSchedules()
            try await Oracle(rig: rig, ambiguousCuts: 2, watch: watch).drainAndJudge()
            let messages = try await soak.requireEveryMessage()
            try await soak.leave()
            try await Oracle(rig: rig).requireNoSessions()
            let dueTimes = try await soak.requireEveryDueTime()
            trial.figure("\(dueTimes) due times, none missing; \(messages); \(watch.figure)")
        }
    }
}

/// The programs and the work of a soak.
private final class Soak {
    /// A job that is due again and again.
    private struct ScheduledJob {
        let name: String
        let type: String
        let pattern: String
        var config = "{}"
        /// NOOP and the like come every second whatever is under way; what takes long skips.
        var overlap = "ALLOW"
    }

    /// Another kind of work is one line more.
    private static let jobs = [
        ScheduledJob(name: "beat", type: "NOOP", pattern: "* * * * * *", config: #"{"sleep_ms": 5}"#),
        ScheduledJob(name: "many", type: "NOOP", pattern: "* * * * * *", config: #"{"children": 30, "sleep_ms": 2}"#),
        ScheduledJob(name: "flaky", type: "NOOP", pattern: "* * * * * *", config: #"{"fail": "once"}"#),
        ScheduledJob(name: "doomed", type: "NOOP", pattern: "*/3 * * * * *", config: #"{"fail": "always"}"#),
        ScheduledJob(name: "refused", type: "NOOP", pattern: "*/5 * * * * *", config: #"{"fail": "permanent"}"#),
        ScheduledJob(name: "long", type: "NOOP", pattern: "*/4 * * * * *", config: #"{"sleep_ms": 3000}"#),
        ScheduledJob(name: "shops", type: "SYNC_PRODUCTS", pattern: "*/5 * * * * *", overlap: "SKIP"),
        ScheduledJob(name: "differences", type: "COMPARE_DATA", pattern: "*/10 * * * * *", overlap: "SKIP"),
        ScheduledJob(name: "program", type: "CUSTOM", pattern: "*/2 * * * * *", config: #"{"program": "talks"}"#),
        ScheduledJob(name: "clean-up", type: "CLEANUP_LOGS", pattern: "*/15 * * * * *", overlap: "SKIP"),
    ]

    private let rig: Rig
    private let trial: Trial
    /// Where CUSTOM's program is.
    private let programs: String
    private var workers: [RunningProgram] = []
    private var scheduler: RunningProgram?

    init(_ rig: Rig, _ trial: Trial) async throws {
        self.rig = rig
        self.trial = trial
        programs = FileManager.default.temporaryDirectory.appending(path: "chimera-soak-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: programs, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        let file = programs + "/talks"
        try "#!/bin/sh\nseq 1 20\necho half a line >&2\n".write(toFile: file, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
        try await rig.addChannels()
        for job in Self.jobs {
            _ = try await rig.pool.query(
                """
                INSERT INTO job_configurations (name, job_type, cron_pattern, time_zone, overlap_policy, misfire_policy, max_attempts,
                  retry_delay_seconds, config)
                VALUES (\(job.name), \(job.type), \(job.pattern), \(rig.zone.name), \(job.overlap), 'RUN_ALL', 2, 1, \(job.config)::jsonb)
                """)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: programs) }

    func start() async throws {
        scheduler = try rig.scheduler()
        workers = try (0..<2).map { _ in
            try rig.worker(["--lease", "5", "--slots", "12"], environment: ["CHIMERA_CUSTOM_DIR": programs])
        }
        for worker in workers { _ = try await worker.line(containing: "works", within: .seconds(60)) }
    }

    /// Lets the time go by; now and then a price changes, an execution is cancelled or retried, a job is paused and resumed.
    func stir(for length: Duration) async throws {
        let end = ContinuousClock.now + length
        let codes = try await rig.sandbox.products(of: 1).map(\.code)
        while ContinuousClock.now < end {
            try await trial.pause(500...1_500)
            for program in workers + [scheduler].compactMap(\.self) { try program.requireAlive("program") }
            switch trial.random(0...4) {
            case 0:
                let cents = trial.random(100...999)
                try await rig.sandbox.setPrices(
                    store: 1, code: trial.choose(codes), price: "20.00", clubPrice: "\(cents / 100).\(cents % 100 + 100)")
            case 1:
                _ = try await rig.pool.query(
                    "SELECT cancel_execution(l.id) FROM job_live AS l JOIN job_configurations AS j ON j.id = l.job_config_id AND j.name = 'long' LIMIT 1"
                )
            case 2:
                _ = try await rig.pool.query(
                    "SELECT retry_execution(id) FROM (SELECT id FROM job_finished WHERE status = 'FAILED' ORDER BY id DESC LIMIT 1) AS f")
            case 3:
                _ = try await rig.pool.query("SELECT pause_job('beat')")
                _ = try await rig.pool.query("SELECT resume_job('beat')")
            default: break
            }
        }
    }

    /// PostgreSQL restarts; a worker and the scheduler are asked to leave, the other worker is killed.
    func stopEverything(_ server: RestartableServer) async throws {
        scheduler?.signal(SIGTERM)
        workers[0].signal(SIGTERM)
        workers[1].signal(SIGKILL)
        try await server.restart(.fast)
        for program in [scheduler, workers[0]].compactMap(\.self) {
            let end = try await program.waitForExit(within: .seconds(60))
            try require(
                end == .exited(0), "in the restart a program left with \(end): \(program.errors.suffix(5).joined(separator: " | "))")
        }
        try await eventually(within: .seconds(60), "the database") { (try? await rig.pool.query("SELECT 1")) != nil }
    }

    func endSchedules() async throws {
        _ = try await rig.pool.query("UPDATE job_configurations SET active = false")
        // A look that began before sees them once more.
        try await scheduler?.leave("scheduler")
    }

    func leave() async throws {
        for worker in workers { try await worker.leave("worker") }
    }

    /// Throws when a due time of the jobs that come every second has no tick; gives how many there are.
    func requireEveryDueTime() async throws -> Int {
        var ticks = 0
        for job in Self.jobs where job.pattern == "* * * * * *" {
            ticks += try await Drills(rig: rig).requireEveryTick(of: job.name, atLeast: 30)
        }
        return ticks
    }

    /// Throws when a message was not sent, when the webhook did not receive one that was, or received more twice than one killed worker
    /// can have under way; gives a sentence.
    func requireEveryMessage() async throws -> String {
        try await eventually(within: .seconds(120), "the last message") {
            try await rig.value("SELECT count(*) = 0 AS value FROM notification_deliveries WHERE status = 'PENDING'")
        }
        // A recovery whose worker was killed may be overtaken by the next failure.
        let failed: Int = try await rig.value(
            "SELECT count(*) AS value FROM notification_deliveries WHERE status <> 'SENT' AND coalesce(last_error, '') NOT LIKE 'overtaken by%'"
        )
        try require(failed == 0, "\(failed) messages failed")
        let sent = Set(
            try await rig.pool.query(
                """
                SELECT 'msg_' || d.id AS id FROM notification_deliveries AS d JOIN notification_channels AS c ON c.id = d.channel_id
                WHERE c.type = 'WEBHOOK' AND d.status = 'SENT'
                """
            ).map { try $0.get("id", as: String.self) })
        let received = try await rig.sandbox.received("webhook", "received").compactMap { $0["id"]?.stringValue }
        let missing = sent.subtracting(received)
        try require(
            sent.count > 10 && missing.isEmpty, "of \(sent.count) messages the webhook did not receive \(missing.sorted().prefix(5))")
        try require(Set(received).isSubset(of: sent), "the webhook received messages that no row tells of")
        let twice = received.count - Set(received).count
        try require(twice <= 8, "\(twice) messages reached the webhook twice")
        return "\(sent.count) webhooks, \(twice) twice"
    }

    func usage() async throws -> Usage {
        var programs: [String: Vitals] = [:]
        for (place, worker) in workers.enumerated() { programs["worker \(place + 1)"] = try Vitals(worker) }
        if let scheduler { programs["scheduler"] = try Vitals(scheduler) }
        return try await Usage(rig, programs)
    }
}
