import Foundation
import JobQueue
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// R29 and R32 with the real programs: schemas that are damaged, older, newer, or being migrated.
@Suite struct SchemaFaultTests {
    private static let service = ["CHIMERA_KEY_FILE": "", "NOTIFY_SOCKET": "", "CHIMERA_LOG_FORMAT": "text"]

    /// How a program ends that is not expected to run, and what it says.
    private func refusal(_ arguments: [String], _ url: String) async throws -> (ProgramEnd, String) {
        let program = try RunningProgram("chimera", arguments, environment: Self.service.merging(["DATABASE_URL": url]) { $1 })
        let end = try await program.waitForExit(within: .seconds(60))
        return (end, program.errors.joined(separator: "\n"))
    }

    private func newest(_ rig: Rig) async throws -> Int { try await rig.value("SELECT max(number) AS value FROM schema_migrations") }

    private func pretend(_ rig: Rig, _ number: Int, incompatible: Bool = false) async throws {
        _ = try await rig.pool.query(
            "INSERT INTO schema_migrations (number, name, incompatible) VALUES (\(number), 'of a later program', \(incompatible))")
    }

    @Test("R29: a worker says which partition cannot be made and which index is invalid, and works on as far as it can")
    func damages() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let day: String = try await rig.value("SELECT to_char((now() AT TIME ZONE 'UTC')::date + 2, 'YYYYMMDD') AS value")
            try await rig.pool.withConnection {
                try await $0.script(
                    """
                    INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP');
                    DROP TABLE job_finished_\(day);
                    CREATE TABLE job_finished_\(day) (in_the_way int)
                    """)
            }
            try await rig.runAsAdministrator("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'job_ready'::regclass")
            let worker = try rig.worker()
            let partition = try await worker.line(containing: "partitions of", within: .seconds(30))
            #expect(partition.contains("ERROR") && partition.contains(day))
            let index = try await worker.line(containing: "REINDEX", within: .seconds(30))
            #expect(index.contains("ERROR") && index.contains("job_ready"))
            var ids: [String] = []
            for _ in 0..<10 { ids.append(try await rig.trigger("drill")) }
            for id in ids { #expect(try await rig.finished(id).status == "SUCCESS") }
        }
    }

    @Test("R32: a worker and a scheduler run with the next schema, and refuse an older one, one two ahead and an incompatible one with 78")
    func versions() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let own = try await newest(rig)
            for arguments in [["worker"], ["scheduler"], ["worker", "--drain"]] {
                for (number, incompatible, word) in [(own + 1, true, "incompatible"), (own + 2, false, "upgrade it")] {
                    try await pretend(rig, number, incompatible: incompatible)
                    let (end, errors) = try await refusal(arguments, rig.url)
                    #expect(end == .exited(78) && errors.contains(word), "\(arguments) with \(number): \(errors)")
                    _ = try await rig.pool.query("DELETE FROM schema_migrations WHERE number = \(number)")
                }
            }
            #expect(try await refusal(["migrate", "down", "--to", "\(own - 1)"], rig.url).0 == .exited(0))
            for arguments in [["worker"], ["scheduler"]] {
                let (end, errors) = try await refusal(arguments, rig.url)
                #expect(end == .exited(78) && errors.contains("chimera migrate up"), "\(arguments) with an older schema: \(errors)")
            }
        }
    }

    /// How a schema becomes one to refuse, and what a program says then.
    private static let turns = [
        (
            "INSERT INTO schema_migrations (number, name, incompatible) SELECT max(number) + 1, 'n', true FROM schema_migrations",
            "incompatible"
        ),
        (
            "INSERT INTO schema_migrations (number, name) SELECT max(number) + n, 'n' FROM schema_migrations, generate_series(1, 2) AS n GROUP BY n",
            "upgrade it"
        ),
        ("DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)", "chimera migrate up"),
    ]

    @Test(
        "R32: a schema becomes one to refuse under a worker and a scheduler at work: they leave with 78, as after SIGTERM", arguments: turns
    )
    func refusedUnderWork(change: String, words: String) async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            let (worker, scheduler) = (try rig.worker(["--grace", "2"]), try rig.scheduler())
            _ = try await scheduler.line(containing: "schedules", within: .seconds(30))
            let long = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            try await rig.waitFor("RUNNING", long)
            _ = try await rig.pool.query(spliced(change))
            let told = try await worker.line(containing: words, within: .seconds(60))
            #expect(told.contains("ERROR") && told.contains("stops"), "\(told)")
            let late = try await rig.trigger("drill")
            // The service manager's first signal comes to a program that stops already, and is not taken for a second one.
            worker.signal(SIGTERM)
            for program in [worker, scheduler] {
                #expect(try await program.waitForExit(within: .seconds(60)) == .exited(78), "\(program.errors)")
                #expect(
                    program.errors.count { $0.contains("stops: ") } == 1 && program.errors.last?.contains(words) == true,
                    "\(program.errors)")
            }
            let returned = try await rig.execution(long)
            #expect(returned.status == "PENDING" && returned.attempt == 1 && returned.maxAttempts == 2 && returned.rescues == 0)
            #expect(try await rig.execution(late).status == "PENDING")
        }
    }

    @Test("R32: a look at the schema that is kept waiting decides nothing, and holds up no claim")
    func slowLook() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            let worker = try rig.worker()
            _ = try await worker.line(containing: "works", within: .seconds(30))
            func looksWaiting() async throws -> Int {
                try await rig.value(
                    """
                    SELECT count(*) AS value FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name LIKE 'chimera worker%'
                    """)
            }
            try await rig.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE schema_migrations")
                try await eventually(within: .seconds(60), "a look that waits") { try await looksWaiting() == 1 }
                for _ in 0..<10 { try await rig.finished(try await rig.trigger("drill"), within: .seconds(3)) }
                try await eventually(within: .seconds(20), "a look that is given up") { try await looksWaiting() == 0 }
            }
            #expect(worker.end == nil)
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(40)) == .exited(0))
        }
    }

    @Test("R32: the schema gets its next version under a worker at work: it goes on, started before and after, and fails nothing")
    func upgradeUnderWork() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            let before = try rig.worker(["--slots", "4"])
            _ = try await rig.pool.query(
                "INSERT INTO job_executions (job_config_id, params) SELECT job_id('drill'), '{\"sleep_ms\": 5}' FROM generate_series(1, 1500)"
            )
            try await eventually("the first ends") { try await rig.value("SELECT count(*) > 50 AS value FROM job_finished") }
            // What a later version may do, as a later program does it: columns more, and plans that no longer fit.
            let later = Migration(
                number: try await newest(rig) + 1, name: "of a later program",
                up: """
                    ALTER TABLE job_executions ADD COLUMN region text NOT NULL DEFAULT 'south';
                    ALTER TABLE job_configurations ADD COLUMN owner text;
                    ALTER TABLE execution_logs ADD COLUMN host text;
                    ALTER TABLE workers ADD COLUMN zone text DEFAULT 'a';
                    """, down: "")
            #expect(try await Migrator(pool: rig.pool, migrations: [later]).up().count == 1)
            let after = try rig.worker(["--slots", "4"])
            _ = try await after.line(containing: "works", within: .seconds(30))
            try await eventually(within: .seconds(120), "the end of all executions") {
                try await rig.value("SELECT count(*) = 0 AS value FROM job_live")
            }
            let failed: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE status <> 'SUCCESS'")
            #expect(failed == 0)
            #expect(before.end == nil && after.end == nil)
        }
    }

    @Test("R32: two programs that migrate at once both succeed, and each step is applied once")
    func migrateAtOnce() async throws {
        try await TestDatabase.withDatabase { database in
            let ends = try await withThrowingTaskGroup(of: ProgramEnd.self) { group in
                for _ in 0..<2 { group.addTask { try await refusal(["migrate", "up"], database.url).0 } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(ends == [.exited(0), .exited(0)])
            let numbers = try await database.pool.query("SELECT number FROM schema_migrations ORDER BY 1").map {
                try $0.get("number", as: Int.self)
            }
            #expect(numbers == Array(1...numbers.count) && numbers.count >= 11)
        }
    }

    @Test("R32: a migration killed half-way leaves the step before it whole, and the next program goes on from there")
    func migrationKilled() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let own = try await newest(rig)
            let step = own - 3
            #expect(try await refusal(["migrate", "down", "--to", "\(step)"], rig.url).0 == .exited(0))
            // The step after the next one meets this lock in its midst.
            try await rig.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE integrations, job_configurations, job_executions IN ACCESS EXCLUSIVE MODE")
                let program = try RunningProgram(
                    "chimera", ["migrate", "up"], environment: Self.service.merging(["DATABASE_URL": rig.url]) { $1 })
                try await eventually("a migration that waits") {
                    try await rig.value(
                        """
                        SELECT count(*) > 0 AS value FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                          AND xact_start IS NOT NULL
                        """)
                }
                program.signal(SIGKILL)
                #expect(try await program.waitForExit(within: .seconds(30)) == .signalled(SIGKILL))
            }
            try await eventually("the server's end of it") {
                try await rig.value(
                    "SELECT count(*) = 0 AS value FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            }
            let reached = try await newest(rig)
            #expect(reached >= step && reached < own)
            let (end, errors) = try await refusal(["migrate", "up"], rig.url)
            #expect(end == .exited(0), "\(errors)")
            #expect(try await newest(rig) == own)
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            let id = try await rig.trigger("drill")
            try await rig.drain()
            #expect(try await rig.execution(id).status == "SUCCESS")
        }
    }
}
