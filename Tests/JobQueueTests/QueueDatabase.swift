import Postgres
import TestSupport

@testable import JobQueue

extension DatabaseTemplate {
    /// The queue's tables, nothing in them.
    static let queue = DatabaseTemplate("queue") { pool in
        let migrations: [Migration] = [
            .m01Foundations, .m02Integrations, .m03Jobs, .m04Executions, .m05ExecutionGuards, .m06Ends, .m07Claims, .m08Operations,
            .m09Schedules, .m12Retention,
        ]
        for migration in migrations {
            try await pool.transaction { transaction in
                _ = try await transaction.query(MigrationStatements.fixSearchPath)
                try await transaction.script(migration.up)
            }
        }
    }

    /// Everything that `chimera migrate` makes: what the product's other tables do when executions end is part of it.
    static let complete = DatabaseTemplate("complete") { pool in
        let name = try await pool.query("SELECT current_database()::text AS name").first?["name"] ?? ""
        let url = try TestCluster.shared.url(database: name)
        let program = try RunningProgram("chimera", ["migrate", "up"], environment: ["DATABASE_URL": url])
        let end = try await program.waitForExit(within: .seconds(60))
        guard end == .exited(0) else { throw Unexpected("chimera migrate: \(end) \(program.errors)") }
    }
}
