import Postgres
import Runtime

/// Brings a database's schema to a version and says which one it has.
package struct Migrator: Sendable {
    /// One line of `migrate status`.
    package struct Step: Sendable {
        /// The migration's number.
        package let number: Int
        /// The migration's name.
        package let name: String
        /// When it was applied, as PostgreSQL writes it; nil: not yet.
        package let appliedAt: String?
        /// Whether this program knows it; a later one applied it otherwise.
        package let isKnown: Bool
    }

    /// What `schema_migrations` holds of a migration.
    private struct Applied {
        let name: String
        let at: String
        let isIncompatible: Bool
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

    /// Every migration that this program knows or that was applied, by number, and when it was.
    package func status() async throws -> [Step] {
        var others = try await appliedMigrations()
        let known = migrations.map { migration in
            Step(
                number: migration.number, name: migration.name, appliedAt: others.removeValue(forKey: migration.number)?.at, isKnown: true)
        }
        let unknown = others.map { Step(number: $0, name: $1.name, appliedAt: $1.at, isKnown: false) }
        return (known + unknown).sorted { $0.number < $1.number }
    }

    /// Applies what is missing, each migration in a transaction of its own, and gives their names. Two programs may do so at once. Refuses a
    /// schema that is too new for this program.
    package func up() async throws -> [Migration] {
        var done: [Migration] = []
        for migration in migrations {
            let isDone = try await pool.transaction { transaction in
                try await begin(transaction)
                let applied = try await Self.applied(in: transaction)
                try refuseTooNew(applied)
                guard applied[migration.number] == nil else { return false }
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
        try refuseTooNew(applied)
        let newest = applied.keys.max() ?? 0
        guard newest < ownVersion else { return }
        throw OperatorError(
            exitCode: .configuration,
            message: newest == 0
                ? "the schema is empty; run: chimera migrate up"
                : "the schema has version \(newest), this program needs \(ownVersion); run: chimera migrate up")
    }

    /// Throws when a later program brought the schema further than this one can go along.
    private func refuseTooNew(_ applied: [Int: Applied]) throws {
        let newest = applied.keys.max() ?? 0
        let advice: String
        if newest > ownVersion + 1 {
            advice =
                "the schema has version \(newest), this program knows \(ownVersion) and can run with \(ownVersion + 1) at most; upgrade it"
        } else if newest > ownVersion, applied[newest]?.isIncompatible == true {
            advice = "version \(newest) of the schema is marked incompatible with this program, which knows \(ownVersion); upgrade it"
        } else {
            return
        }
        throw OperatorError(exitCode: .configuration, message: advice)
    }

    /// One statement as a rule, for programs at work ask again and again; the second one tells an absent table from a right that is missing.
    private func appliedMigrations() async throws -> [Int: Applied] {
        do {
            return try await Self.applied(in: pool)
        } catch let error as PostgresError where error.kind == .undefined {
            guard try await pool.query(MigrationStatements.hasTable).isEmpty else { throw error }
            return [:]
        }
    }

    /// What `schema_migrations` holds, by number.
    private static func applied(in executor: some PostgresExecutor) async throws -> [Int: Applied] {
        try await executor.query(MigrationStatements.applied).reduce(into: [:]) { applied, row in
            applied[try row.get("number")] = Applied(
                name: try row.get("name"), at: try row.get("applied_at"), isIncompatible: try row.get("incompatible"))
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
            let foreign = try await transaction.query(MigrationStatements.foreignRelations).compactMap { $0["name"] }
            guard foreign.isEmpty else {
                throw OperatorError(
                    exitCode: .configuration,
                    message:
                        "schema \(schema) holds tables of these names that are not Chimera's: \(foreign.joined(separator: ", ")); use a schema of its own: "
                        + "CREATE SCHEMA chimera, then DATABASE_URL=…?options=-csearch_path%3Dchimera")
            }
            guard try await transaction.query(MigrationStatements.isUnicode).first?.get("is_unicode") == true else {
                throw OperatorError(
                    exitCode: .configuration,
                    message: "the database's encoding is not UTF8; make one with: createdb --encoding UTF8 --template template0")
            }
            try await transaction.script(MigrationStatements.createTable)
        }
        _ = try await transaction.query(MigrationStatements.fixSearchPath)
    }
}
