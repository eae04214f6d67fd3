import JobQueue
import Postgres
import TestSupport

extension DatabaseTemplate {
    /// The queue's tables, nothing in them.
    static let queue = DatabaseTemplate("queue") { pool in
        let migrations: [Migration] = [
            .m01Foundations, .m02Integrations, .m03Jobs, .m04Executions, .m05ExecutionGuards, .m06Ends, .m07Claims, .m08Operations,
            .m09Schedules,
        ]
        for migration in migrations {
            try await pool.transaction { transaction in try await transaction.script(migration.up) }
        }
    }
}
