import Postgres

/// What a test's database is asked in SQL, whatever else its fixture knows of it.
package protocol DatabaseFixture: Sendable {
    /// Connections to it.
    var pool: PostgresPool { get }
}

extension DatabaseFixture {
    /// Runs a statement.
    package func run(_ sql: SQL) async throws {
        _ = try await pool.query(sql)
    }

    /// The first column of the rows, as text; a NULL is `null`.
    package func texts(_ sql: SQL) async throws -> [String] {
        try await pool.query(sql).map { $0[0] ?? "null" }
    }

    /// The first value of a statement, as text; throws when there is none.
    package func text(_ sql: SQL) async throws -> String {
        guard let text = try await texts(sql).first else { throw Unexpected("it gave no row: \(sql.text)") }
        return text
    }

    /// The first value of a statement, a whole number; throws when it is none.
    package func number(_ sql: SQL) async throws -> Int {
        let text = try await text(sql)
        guard let number = Int(text) else { throw Unexpected("\(text) is no number: \(sql.text)") }
        return number
    }

    /// The error that a statement must end with; throws when it was accepted.
    package func refusal(_ sql: SQL) async throws -> PostgresError {
        do {
            _ = try await pool.query(sql)
        } catch {
            return error
        }
        throw Unexpected("it was accepted: \(sql.text)")
    }

    /// Runs a statement past all triggers: for rows that nobody could write.
    package func plantPastTriggers(_ sql: SQL) async throws {
        try await pool.transaction { transaction in
            try await transaction.script("SET LOCAL session_replication_role = replica")
            _ = try await transaction.query(sql)
        }
    }

    /// Runs a statement as a superuser of the shared server: what the database's owner may not.
    package func runAsAdministrator(_ sql: SQL) async throws {
        let url = try TestCluster.shared.administratorURL(database: try await text("SELECT current_database()"))
        _ = try await withAdministrator(url) { try await $0.query(sql) }
    }

    /// Runs a statement as the queue's own functions would, past the guards.
    package func plant(_ sql: SQL) async throws {
        try await pool.transaction { transaction in
            _ = try await transaction.query("SELECT " + becomesTheQueue)
            _ = try await transaction.query(sql)
        }
    }
}

/// An expression after which a transaction may write what only the queue's own functions may, such as the store of an execution.
package let becomesTheQueue: SQL = "set_config('commit_siblings', '997', true)"

/// The same in the FROM of an INSERT.
package let asTheQueue: SQL = "(SELECT " + becomesTheQueue + ") AS as_the_queue"

/// Lends a connection of a superuser, whose address this is, for what a database's owner may not.
package func withAdministrator<T: Sendable>(_ url: String, _ body: (PostgresPool) async throws -> T) async throws -> T {
    let administrator = PostgresPool(try PostgresConfiguration(url: url), maximumConnections: 1)
    do {
        let value = try await body(administrator)
        await administrator.close()
        return value
    } catch {
        await administrator.close()
        throw error
    }
}

/// Something that a test relies on did not hold.
package struct Unexpected: Error, CustomStringConvertible {
    /// What it was, in one sentence.
    package let description: String

    /// Says it in one sentence.
    package init(_ description: String) { self.description = description }
}

/// Text that stands in a test itself, as a piece of a statement.
package func spliced(_ text: String) -> SQL { SQL(stringLiteral: text) }
