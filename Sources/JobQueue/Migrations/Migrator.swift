import Postgres
import Runtime

/// Brings a database's schema to a version and says which one it has.
package struct Migrator: Sendable {
    /// One line of `migrate status`.
    package struct Step: Sendable {
        /// The migration.
        package let migration: Migration
        /// When it was applied, as PostgreSQL writes it; nil: not yet.
        package let appliedAt: String?
    }

    private let pool: PostgresPool
    private let migrations: [Migration]

    /// `migrations`: all that the program knows, by number.
    package init(pool: PostgresPool, migrations: [Migration]) {
        self.pool = pool
        self.migrations = migrations.sorted { $0.number < $1.number }
    }

    /// The version that this program was made for.
    package var ownVersion: Int { migrations.last?.number ?? 0 }

    /// Every known migration and when it was applied.
    package func status() async throws -> [Step] {
        let applied = try await appliedMigrations()
        return migrations.map { Step(migration: $0, appliedAt: applied[$0.number]?.at) }
    }

    /// Applies what is missing, each migration in a transaction of its own, and gives their names. Two programs may do so at once.
    package func up() async throws -> [Migration] {
        var done: [Migration] = []
        for migration in migrations {
            let isDone = try await pool.transaction { transaction in
                try await begin(transaction)
                guard try await transaction.query(MigrationStatements.isApplied(migration.number)).isEmpty else { return false }
                try await transaction.script(migration.up)
                _ = try await transaction.query(MigrationStatements.record(migration))
                return true
            }
            if isDone { done.append(migration) }
        }
        return done
    }

    /// Undoes every migration above `version`, newest first, and gives their names; 0 leaves nothing behind.
    package func down(to version: Int) async throws -> [Migration] {
        let newest = try await appliedMigrations().keys.max() ?? 0
        guard newest <= ownVersion else {
            throw OperatorError(
                exitCode: .configuration,
                message: "the schema has version \(newest), this program knows \(ownVersion): use the newer program to go down")
        }
        var undone: [Migration] = []
        for migration in migrations.reversed() where migration.number > version {
            let isUndone = try await pool.transaction { transaction in
                try await begin(transaction)
                guard try await !transaction.query(MigrationStatements.isApplied(migration.number)).isEmpty else { return false }
                try await transaction.script(migration.down)
                _ = try await transaction.query(MigrationStatements.forget(migration.number))
                return true
            }
            if isUndone { undone.append(migration) }
        }
        if version <= 0 {
            try await pool.transaction { transaction in
                _ = try await transaction.query(MigrationStatements.lock)
                guard try await !transaction.query(MigrationStatements.hasTable).isEmpty,
                    try await transaction.query(MigrationStatements.applied).isEmpty
                else { return }
                try await transaction.script(MigrationStatements.dropTable)
            }
        }
        return undone
    }

    /// Throws unless this program may run against the schema: its own version or the next one, and none marked incompatible.
    package func checkVersion() async throws {
        let applied = try await appliedMigrations()
        let newest = applied.keys.max() ?? 0
        let advice: String
        if newest == 0 {
            advice = "the schema is empty; run: chimera migrate up"
        } else if newest < ownVersion {
            advice = "the schema has version \(newest), this program needs \(ownVersion); run: chimera migrate up"
        } else if newest > ownVersion + 1 {
            advice =
                "the schema has version \(newest), this program knows \(ownVersion) and can run with \(ownVersion + 1) at most; upgrade it"
        } else if newest > ownVersion, applied[newest]?.isIncompatible == true {
            advice = "version \(newest) of the schema is marked incompatible with this program, which knows \(ownVersion); upgrade it"
        } else {
            return
        }
        throw OperatorError(exitCode: .configuration, message: advice)
    }

    private func appliedMigrations() async throws -> [Int: (at: String, isIncompatible: Bool)] {
        guard try await !pool.query(MigrationStatements.hasTable).isEmpty else { return [:] }
        let rows = try await pool.query(MigrationStatements.applied)
        return try rows.reduce(into: [:]) { applied, row in
            applied[try row.get("number")] = (try row.get("applied_at"), try row.get("incompatible"))
        }
    }

    /// One migrating program at a time; refuses a schema that is somebody else's.
    private func begin(_ transaction: PostgresTransaction) async throws {
        _ = try await transaction.query(MigrationStatements.lock)
        if try await transaction.query(MigrationStatements.hasTable).isEmpty {
            let schema = try await transaction.query(MigrationStatements.currentSchema).first?["schema"] ?? nil
            guard let schema else {
                throw OperatorError(
                    exitCode: .configuration,
                    message: "the connection has no default schema; create one that search_path names, or set options=-csearch_path")
            }
            let foreign = try await transaction.query(MigrationStatements.foreignTables).compactMap { $0["name"] }
            guard foreign.isEmpty else {
                throw OperatorError(
                    exitCode: .configuration,
                    message:
                        "schema \(schema) holds tables of these names that are not Chimera's: \(foreign.joined(separator: ", ")); use a schema of its own: "
                        + "CREATE SCHEMA chimera, then DATABASE_URL=…?options=-csearch_path%3Dchimera")
            }
            try await transaction.script(MigrationStatements.createTable)
        }
        _ = try await transaction.query(MigrationStatements.fixSearchPath)
    }
}
