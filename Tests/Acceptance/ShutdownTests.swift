import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// R13, exit codes, and what systemd hears.
@Suite struct ShutdownTests {
    private func withDrill(maxAttempts: Int = 1, _ body: (Rig) async throws -> Void) async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            _ = try await rig.pool.query(
                "INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', \(maxAttempts))")
            try await body(rig)
        }
    }

    @Test("SIGTERM and SIGINT end an idle worker at once, with 0, and nothing of it is left", arguments: [SIGTERM, SIGINT])
    func idle(signal: Int32) async throws {
        try await withDrill { rig in
            let worker = try rig.worker()
            _ = try await worker.line(containing: "works")
            let asked = ContinuousClock.now
            worker.signal(signal)
            #expect(try await worker.waitForExit() == .exited(0))
            #expect(asked.duration(to: .now) < .seconds(8))
            try await eventually("its sessions are gone") {
                try await rig.value(
                    "SELECT count(*) = 0 AS value FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'chimera worker%'"
                )
            }
            let held: Int = try await rig.value("SELECT count(*) AS value FROM workers WHERE lease_until > clock_timestamp()")
            #expect(held == 0)
        }
    }

    @Test("SIGTERM lets a job finish within the grace, and claims nothing more")
    func midJob() async throws {
        try await withDrill { rig in
            let worker = try rig.worker(["--grace", "30", "--lease", "3"])
            let id = try await rig.trigger("drill", params: ["sleep_ms": 4_000])
            try await rig.waitFor("RUNNING", id)
            worker.signal(SIGTERM)
            _ = try await worker.line(containing: "waits for its runs")
            let late = try await rig.trigger("drill")
            #expect(try await worker.waitForExit(within: .seconds(40)) == .exited(0))
            let ended = try await rig.execution(id)
            #expect(ended.status == "SUCCESS" && ended.attempt == 1, "\(worker.errors)")
            #expect(try await rig.execution(late).status == "PENDING")
        }
    }

    @Test("a job longer than the grace is handed back at once: max_attempts = 1 survives a deploy")
    func deploy() async throws {
        try await withDrill { rig in
            let worker = try rig.worker(["--grace", "1"])
            let id = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            try await rig.waitFor("RUNNING", id)
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(30)) == .exited(0))
            let returned = try await rig.execution(id)
            #expect(returned.status == "PENDING" && returned.attempt == 1 && returned.maxAttempts == 2 && returned.rescues == 0)
            _ = try await rig.pool.query("UPDATE job_executions SET params = '{}' WHERE id = \(id)::uuid")
            _ = try rig.worker()
            #expect(try await rig.finished(id).status == "SUCCESS")
            #expect(try await rig.attempts(of: id) == ["INTERRUPTED", "SUCCESS"])
        }
    }

    @Test("a second signal ends a worker at once; its runs are rescued")
    func twice() async throws {
        try await withDrill { rig in
            let worker = try rig.worker(["--lease", "2"])
            let id = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            try await rig.waitFor("RUNNING", id)
            worker.signal(SIGTERM)
            _ = try await worker.line(containing: "stops")
            worker.signal(SIGTERM)
            let end = try await worker.waitForExit(within: .seconds(5))
            #expect(end == .exited(128 + SIGTERM))
            #expect(try await rig.execution(id).status == "RUNNING")
            _ = try rig.worker(["--lease", "2"])
            try await eventually(within: .seconds(30), "the rescue") { try await rig.execution(id).attempt == 2 }
            #expect(try await rig.attempts(of: id).first == "RESCUED")
        }
    }

    @Test("SIGTERM during an outage of the database, at the start and while a job runs, ends with 0; nothing is lost")
    func duringOutage() async throws {
        let server = try await RestartableServer.start()
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            let worker = try rig.worker(["--grace", "2", "--lease", "3"])
            let id = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            try await rig.waitFor("RUNNING", id)
            try await server.stop(.fast)
            worker.signal(SIGTERM)
            // The grace, and the five seconds in which it tries to write what became of its runs.
            #expect(try await worker.waitForExit(within: .seconds(20)) == .exited(0))
            let waiting = try rig.worker()
            _ = try await waiting.line(containing: "cannot connect to the database", within: .seconds(30))
            waiting.signal(SIGTERM)
            #expect(try await waiting.waitForExit(within: .seconds(20)) == .exited(0))
            let patient = try rig.worker(["--lease", "3"])
            _ = try await patient.line(containing: "waits for the database", within: .seconds(30))
            try await server.start()
            try await eventually(within: .seconds(60), "the second attempt") {
                (try? await rig.execution(id).attempt) == 2
            }
            #expect(try await rig.attempts(of: id).first == "RESCUED")
        }
    }

    @Test("SIGTERM while an attempt waits for its turn leaves it to others, due when it was due")
    func duringBackoff() async throws {
        try await withDrill(maxAttempts: 3) { rig in
            _ = try await rig.pool.query("UPDATE job_configurations SET retry_delay_seconds = 2 WHERE name = 'drill'")
            let worker = try rig.worker()
            let id = try await rig.trigger("drill", params: ["fail": "once"])
            try await eventually(within: .seconds(30), "the first failure") { try await rig.attempts(of: id) == ["RETRY"] }
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit() == .exited(0))
            _ = try rig.worker()
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS" && ended.attempt == 2 && ended.maxAttempts == 3)
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let arguments: [String]
        let environment: [String: String]
        let code: Int32
        let says: String
    }

    static let refusals = [
        Refusal(testDescription: "no database named", arguments: [], environment: ["DATABASE_URL": ""], code: 78, says: "DATABASE_URL"),
        Refusal(
            testDescription: "an unreadable connection string", arguments: [],
            environment: ["DATABASE_URL": "postgresql://u:geheim@h:5432/x?nonsense=1"], code: 78, says: "DATABASE_URL"),
        Refusal(
            testDescription: "a key file that is not there", arguments: [], environment: ["CHIMERA_KEY_FILE": "/nonexistent.key"], code: 78,
            says: "CHIMERA_KEY_FILE"),
        Refusal(testDescription: "an unknown log level", arguments: [], environment: ["CHIMERA_LOG_LEVEL": "loud"], code: 78, says: "loud"),
        Refusal(
            testDescription: "a wrong CHIMERA_LISTEN", arguments: [], environment: ["CHIMERA_LISTEN": "maybe"], code: 78,
            says: "CHIMERA_LISTEN"),
        Refusal(testDescription: "an unknown flag", arguments: ["--slotz", "3"], environment: [:], code: 64, says: "--slotz"),
        Refusal(
            testDescription: "a number of slots that is none", arguments: ["--slots", "many"], environment: [:], code: 64, says: "--slots"),
        Refusal(testDescription: "a lease of nothing", arguments: ["--lease", "0"], environment: [:], code: 64, says: "--lease"),
    ]

    @Test("a worker that cannot begin says in one sentence why, with the exit code of its kind", arguments: refusals)
    func refuses(refusal: Refusal) async throws {
        try await withDrill { rig in
            let worker = try rig.worker(refusal.arguments, environment: refusal.environment)
            #expect(try await worker.waitForExit(within: .seconds(20)) == .exited(refusal.code))
            let text = worker.errors.joined(separator: "\n")
            #expect(text.contains(refusal.says) && !text.contains("geheim") && worker.errors.count <= 2, "\(text)")
        }
    }

    @Test("a worker refuses a schema that is not there, and one too new")
    func wrongSchema() async throws {
        try await withDrill { rig in
            _ = try await rig.pool.query("INSERT INTO schema_migrations (number, name) VALUES (9998, 'from the future')")
            let old = try rig.worker()
            #expect(try await old.waitForExit(within: .seconds(20)) == .exited(78))
            #expect(old.errors.joined().contains("9998"))
            let empty = try rig.worker(environment: ["PGOPTIONS": "-c search_path=nowhere"])
            #expect(try await empty.waitForExit(within: .seconds(20)) == .exited(78))
            #expect(empty.errors.joined().contains("chimera migrate up"))
        }
    }

    @Test("systemd hears READY once the lease is held, WATCHDOG while claims go on, and STOPPING")
    func systemd() async throws {
        try await withDrill { rig in
            let socket = try FakeNotifySocket()
            let worker = try rig.worker(environment: ["NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "2000000"])
            try await socket.message(containing: "READY=1", within: .seconds(30))
            let leases: Int = try await rig.value("SELECT count(*) AS value FROM workers WHERE lease_until > clock_timestamp()")
            #expect(leases == 1)
            try await socket.message(containing: "STATUS=runs under way: 0, slots: ", within: .seconds(20))
            try await eventually(within: .seconds(20), "three pings") { socket.messages.count { $0.contains("WATCHDOG=1") } >= 3 }
            #expect(try #require(socket.messages.first { $0.contains("READY=1") || $0.contains("WATCHDOG=1") }).contains("READY=1"))
            let id = try await rig.trigger("drill", params: ["sleep_ms": 3_000])
            try await rig.waitFor("RUNNING", id)
            worker.signal(SIGTERM)
            try await socket.message(containing: "STOPPING=1")
            let pings = socket.messages.count { $0.contains("WATCHDOG=1") }
            #expect(try await worker.waitForExit(within: .seconds(30)) == .exited(0))
            #expect(socket.messages.count { $0.contains("WATCHDOG=1") } > pings, "a worker that drains is alive")
        }
    }

    @Test("R20: a scheduler whose database is silent goes on saying that it lives, often enough for WatchdogSec=30")
    func schedulerInAnOutage() async throws {
        try await withDrill { rig in
            let socket = try FakeNotifySocket()
            let proxy = try rig.proxyToDatabase()
            let scheduler = try rig.scheduler(url: rig.url(through: proxy), environment: ["NOTIFY_SOCKET": socket.path])
            try await socket.message(containing: "READY=1", within: .seconds(30))
            proxy.set(.blackHole)
            var last = socket.messages.count
            for _ in 0..<2 {
                try await eventually(within: .seconds(25), "another ping") { socket.messages.count > last }
                last = socket.messages.count
            }
            scheduler.signal(SIGTERM)
            #expect(try await scheduler.waitForExit(within: .seconds(30)) == .exited(0))
        }
    }

    @Test("R11: a claim loop that stands still feeds no watchdog")
    func watchdogFollowsTheLoop() async throws {
        try await withDrill { rig in
            let socket = try FakeNotifySocket()
            let worker = try rig.worker(environment: ["NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "2000000"])
            try await socket.message(containing: "WATCHDOG=1", within: .seconds(30))
            // Locked out of its tables the claim loop stands still, and so must the pings.
            try await rig.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE job_live, workers IN ACCESS EXCLUSIVE MODE")
                let then = ContinuousClock.now + .seconds(2)
                try await eventually(within: .seconds(10)) { ContinuousClock.now >= then }
                let pings = socket.messages.count { $0.contains("WATCHDOG=1") }
                let later = ContinuousClock.now + .seconds(3)
                try await eventually(within: .seconds(10)) { ContinuousClock.now >= later }
                #expect(socket.messages.count { $0.contains("WATCHDOG=1") } == pings)
            }
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(40)) == .exited(0))
        }
    }

    @Test("R11: a claim that hangs is given up and tried again before the 30 s are over after which systemd takes a worker for dead")
    func hangingClaim() async throws {
        try await withDrill { rig in
            let socket = try FakeNotifySocket()
            let worker = try rig.worker(environment: ["NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "30000000"])
            try await socket.message(containing: "WATCHDOG=1", within: .seconds(30))
            try await rig.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE job_live IN ACCESS EXCLUSIVE MODE")
                try await eventually("a claim that waits") {
                    try await rig.value(
                        """
                        SELECT count(*) > 0 AS value FROM pg_stat_activity
                        WHERE datname = current_database() AND query LIKE '%claim_executions%' AND wait_event_type = 'Lock'
                        """)
                }
                let pings = socket.messages.count { $0.contains("WATCHDOG=1") }
                try await eventually(within: .seconds(20), "a ping") { socket.messages.count { $0.contains("WATCHDOG=1") } > pings }
            }
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(40)) == .exited(0))
        }
    }
}
