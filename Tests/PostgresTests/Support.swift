import Postgres
import Synchronization
import TestSupport
import Testing

/// The error that `body` throws, which must be one of the database's.
func databaseError(_ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) async throws -> PostgresError {
    do {
        try await body()
    } catch let error as PostgresError {
        return error
    }
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    throw CancellationError()
}

/// A pool on a server by its connection string, closed after `body`.
func withPool<T: Sendable>(
    _ url: String, maximum: Int = 8, usesNamedStatements: Bool = true, deadline: Duration = .seconds(30),
    _ body: (PostgresPool) async throws -> T
) async throws -> T {
    let configuration = try PostgresConfiguration(
        url: url, applicationName: "chimera-tests", usesNamedStatements: usesNamedStatements, statementDeadline: deadline)
    let pool = PostgresPool(configuration, maximumConnections: maximum)
    do {
        let value = try await body(pool)
        await pool.close()
        return value
    } catch {
        await pool.close()
        throw error
    }
}

extension PostgresPool {
    /// The only value of a result.
    func value<T: PostgresDecodable>(_ sql: SQL, as type: T.Type = T.self) async throws -> T {
        let rows = try await query(sql)
        return try #require(rows.first).get(#require(rows.columns.first))
    }
}

/// Collects what callbacks say, in order.
actor Journal<Entry: Sendable> {
    private(set) var entries: [Entry] = []
    func add(_ entry: Entry) { entries.append(entry) }
}

/// A number that several tasks raise.
final class Counter: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
    func increment() { count.add(1, ordering: .sequentiallyConsistent) }
}
