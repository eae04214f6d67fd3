import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// The way up, the way down, and what a program makes of the schema it finds.
@Suite struct MigrationTests {
    static let migrations = Migration.ofQueue
    /// The queue's own; those between are other targets'.
    private static let numbers = migrations.map(\.number)

    private func migrator(_ database: TestDatabase, _ migrations: [Migration] = migrations) -> Migrator {
        Migrator(pool: database.pool, migrations: migrations)
    }

    @Test("up from nothing makes the schema of schema.golden; CHIMERA_RECORD=1 records it and fails")
    func golden() async throws {
        let schema = try await TestDatabase.withDatabase { database in
            let done = try await migrator(database).up()
            #expect(done.map(\.number) == Self.numbers)
            return try await SchemaGolden.dump(database.pool, withBodies: false)
        }
        if ProcessInfo.processInfo.environment["CHIMERA_RECORD"] != nil {
            try schema.write(to: SchemaGolden.file, atomically: true, encoding: .utf8)
            Issue.record("schema.golden was recorded; look at the difference and run again without CHIMERA_RECORD")
        }
        let golden = try String(contentsOf: SchemaGolden.file, encoding: .utf8)
        let difference = schema.split(separator: "\n").difference(from: golden.split(separator: "\n"))
        #expect(difference.isEmpty, "CHIMERA_RECORD=1 records the schema when the change is meant")
    }

    @Test("down to 0 leaves nothing, and up again makes the same")
    func downAndUp() async throws {
        try await TestDatabase.withDatabase { database in
            let migrator = migrator(database)
            _ = try await migrator.up()
            let before = try await SchemaGolden.dump(database.pool)
            #expect(try await migrator.down(to: 0).map(\.number) == Self.numbers.reversed())
            let left = try await database.pool.query(
                """
                SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
                UNION ALL SELECT typname::text FROM pg_type WHERE typnamespace = current_schema()::regnamespace
                """
            ).compactMap { $0[0] }
            #expect(left == [])
            #expect(try await migrator.down(to: 0).isEmpty)
            _ = try await migrator.up()
            #expect(try await SchemaGolden.dump(database.pool) == before)
        }
    }

    @Test("every single step down and up again makes the same")
    func singleSteps() async throws {
        try await TestDatabase.withDatabase { database in
            let migrator = migrator(database)
            var schemas: [String] = []
            for count in 1...Self.numbers.count {
                _ = try await self.migrator(database, Array(Self.migrations.prefix(count))).up()
                schemas.append(try await SchemaGolden.dump(database.pool))
            }
            for place in (1..<Self.numbers.count).reversed() {
                let (below, number) = (Self.numbers[place - 1], Self.numbers[place])
                #expect(try await migrator.down(to: below).map(\.number) == [number])
                #expect(try await SchemaGolden.dump(database.pool) == schemas[place - 1], "down to \(below)")
                #expect(try await self.migrator(database, Array(Self.migrations.prefix(place + 1))).up().map(\.number) == [number])
                #expect(try await SchemaGolden.dump(database.pool) == schemas[place], "up to \(number)")
                _ = try await migrator.down(to: below)
            }
        }
    }

    @Test("R32: four programs that migrate at once apply each step once")
    func atOnce() async throws {
        try await TestDatabase.withDatabase { database in
            let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<4 { group.addTask { try await migrator(database).up().map(\.number) } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied.sorted() == Self.numbers)
            #expect(try await migrator(database).status().allSatisfy { $0.appliedAt != nil })
        }
    }

    @Test("R32: a migration that breaks off leaves the step before, and the next run goes on from there")
    func halfWay() async throws {
        try await TestDatabase.withDatabase { database in
            let cut = Migration(
                number: 4, name: "cut", up: "CREATE TABLE half (a int); SELECT pg_terminate_backend(pg_backend_pid())", down: "")
            await #expect(throws: (any Error).self) { try await migrator(database, Array(Self.migrations.prefix(3)) + [cut]).up() }
            let tables = try await database.pool.query("SELECT count(*) AS n FROM pg_class WHERE relname = 'half'").first?.get(
                "n", as: Int.self)
            #expect(tables == 0)
            #expect(try await migrator(database).up().map(\.number) == Array(Self.numbers.dropFirst(3)))
        }
    }

    @Test(
        "a schema that holds tables of our names is refused with the way out", arguments: ["stores", "job_executions", "schema_migrations"])
    func foreign(table: String) async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE \(spliced(table)) (id int, version text)")
            let error = await #expect(throws: OperatorError.self) { try await migrator(database).up() }
            #expect(error?.exitCode == .configuration)
            #expect(error?.message.contains("search_path") == true && error?.message.contains(table) == true)
            let tables = try await database.pool.query("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            #expect(tables.compactMap { $0[0] } == [table])
        }
    }

    @Test("so is any relation of our names, be it another role's or of another kind: nothing is made before")
    func foreignRelations() async throws {
        try await TestDatabase.withDatabase { database in
            let url = try TestCluster.shared.administratorURL(database: database.name)
            for (make, drop) in [
                ("CREATE TABLE workers (id int)", "DROP TABLE workers"), ("CREATE SEQUENCE queue_clock", "DROP SEQUENCE queue_clock"),
                ("CREATE MATERIALIZED VIEW stores AS SELECT 1", "DROP MATERIALIZED VIEW stores"),
                ("CREATE TYPE products AS (code int)", "DROP TYPE products"),
            ] {
                _ = try await withAdministrator(url) { try await $0.query("\(spliced(make))") }
                let error = await #expect(throws: OperatorError.self) { try await migrator(database).up() }
                #expect(error?.exitCode == .configuration && error?.message.contains("search_path") == true, "\(make)")
                #expect(try await database.pool.query("SELECT 1 FROM pg_class WHERE relname = 'schema_migrations'").isEmpty)
                _ = try await withAdministrator(url) { try await $0.query("\(spliced(drop))") }
            }
            #expect(try await migrator(database).up().count == Self.numbers.count)
        }
    }

    @Test("every relation that migrations make is among those that are looked for")
    func ownRelations() async throws {
        try await TestDatabase.withDatabase(template: .complete) { database in
            let made = try await database.pool.query(
                """
                SELECT relname::text FROM pg_class AS c
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relname !~ '_[0-9]{8}$'
                  AND NOT (relkind = 'S' AND EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))) ORDER BY 1
                """
            ).compactMap { $0[0] }
            #expect(Set(made).subtracting(MigrationStatements.relations) == [])
            #expect(Set(MigrationStatements.relations).subtracting(made) == [])
        }
    }

    @Test("another schema of the same database is ours to use, with functions that find their tables from anywhere")
    func otherSchema() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE stores (id int)")
            _ = try await database.pool.query("CREATE SCHEMA chimera")
            let pool = PostgresPool(
                try PostgresConfiguration(url: database.url + "?options=-csearch_path%3Dchimera"), maximumConnections: 2)
            #expect(try await Migrator(pool: pool, migrations: Self.migrations).up().count == Self.numbers.count)
            _ = try await database.pool.query("INSERT INTO chimera.job_configurations (name, job_type) VALUES ('far', 'NOOP')")
            let id = try await database.pool.query("SELECT chimera.enqueue_job('far')::text AS id").first?.get("id", as: String.self)
            let cancelled = try await database.pool.query("SELECT chimera.cancel_execution(\(id ?? "")::uuid) AS done").first?.get(
                "done", as: Bool.self)
            #expect(cancelled == true)
            let paths = try await database.pool.query(
                """
                SELECT DISTINCT setting FROM pg_proc AS p, unnest(p.proconfig) AS setting
                WHERE p.pronamespace = 'chimera'::regnamespace AND setting LIKE 'search_path=%'
                """
            ).compactMap { $0["setting"] }
            #expect(paths == ["search_path=chimera, pg_temp"])
            await pool.close()
        }
    }

    @Test("R32: a program runs with its own version and the next one, and says 78 to every other")
    func versions() async throws {
        try await TestDatabase.withDatabase { database in
            let migrator = migrator(database)
            try await #expect(refusal(of: migrator)?.contains("chimera migrate up") == true, "nothing is there")
            _ = try await self.migrator(database, Array(Self.migrations.dropLast())).up()
            try await #expect(refusal(of: migrator)?.contains("chimera migrate up") == true, "an older one")
            _ = try await migrator.up()
            try await #expect(refusal(of: migrator) == nil, "its own")
            _ = try await database.pool.query("INSERT INTO schema_migrations (number, name) VALUES (13, 'next')")
            try await #expect(refusal(of: migrator) == nil, "the next one")
            let error = await #expect(throws: OperatorError.self) { try await migrator.down(to: 0) }
            #expect(error?.exitCode == .configuration, "an older program must not go down from a newer schema")
            #expect(try await migrator.up().isEmpty, "nothing is missing")
            _ = try await database.pool.query("UPDATE schema_migrations SET incompatible = true WHERE number = 13")
            try await #expect(refusal(of: migrator)?.contains("incompatible") == true)
            _ = try await database.pool.query("UPDATE schema_migrations SET incompatible = false WHERE number = 13")
            _ = try await database.pool.query("INSERT INTO schema_migrations (number, name) VALUES (14, 'the one after')")
            try await #expect(refusal(of: migrator)?.contains("upgrade") == true, "two ahead")
            let up = await #expect(throws: OperatorError.self) { try await migrator.up() }
            #expect(up?.exitCode == .configuration && up?.message.contains("upgrade") == true, "nor may it take such a schema for done")
        }
    }

    /// What the version check says; nil: the program may run.
    private func refusal(of migrator: Migrator) async throws -> String? {
        do {
            try await migrator.checkVersion()
            return nil
        } catch let error as OperatorError {
            #expect(error.exitCode == .configuration && error.exitCode.rawValue == 78)
            return error.message
        }
    }
}
