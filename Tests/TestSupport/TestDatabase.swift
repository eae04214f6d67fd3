import Dispatch
import Glibc
import Postgres
import Runtime
import Synchronization

/// What the database of a test begins with.
package struct DatabaseTemplate: Sendable {
    let name: String
    let migrate: (@Sendable (PostgresPool) async throws -> Void)?

    /// Nothing at all.
    package static let empty = DatabaseTemplate(name: "empty", migrate: nil)

    private init(name: String, migrate: (@Sendable (PostgresPool) async throws -> Void)?) {
        self.name = name
        self.migrate = migrate
    }

    /// What `migratedBy` makes; it runs once per process and name.
    package init(_ name: String, migratedBy migrate: @escaping @Sendable (PostgresPool) async throws -> Void) {
        self.init(name: name, migrate: migrate)
    }
}

/// A database for one test alone.
package final class TestDatabase: Sendable {
    /// Its name on the server.
    package let name: String
    /// A connection string for it, for programs under test.
    package let url: String
    /// Connections to it, closed at the end of the test.
    package let pool: PostgresPool

    private static let number = Atomic(0)

    private init(name: String, url: String) throws {
        self.name = name
        self.url = url
        pool = PostgresPool(try PostgresConfiguration(url: url), maximumConnections: 8)
    }

    /// Makes a database cloned from the template, lends it to `body`, and drops it with every connection to it.
    nonisolated(nonsending) package static func withDatabase<T: Sendable>(
        template: DatabaseTemplate = .empty, _ body: (TestDatabase) async throws -> T
    ) async throws -> T {
        let cluster = try TestCluster.shared
        let source = try await cluster.databaseName(of: template)
        let name = "chimera_test_\(getpid())_\(number.add(1, ordering: .relaxed).newValue)"
        try await cluster.createDatabase(name, copyOf: source)
        let database = try TestDatabase(name: name, url: cluster.url(database: name))
        do {
            let value = try await body(database)
            await database.end(on: cluster)
            return value
        } catch {
            await database.end(on: cluster)
            throw error
        }
    }

    /// Connections of the test that are still lent out are cut by the drop; their pool is closed after it, so that nobody waits for them.
    private func end(on cluster: TestCluster) async {
        try? await cluster.dropDatabase(name)
        await pool.close()
    }
}

/// Asks again and again until the answer is yes; throws when it was not by the deadline.
nonisolated(nonsending) package func eventually(
    within limit: Duration = .seconds(60), _ what: String = "the condition", _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < deadline else { throw TestSupportError("\(what) did not hold within \(limit)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Does something a little later: for faults at random moments, not for waiting.
package func after(_ delay: Duration, _ action: @escaping @Sendable () -> Void) -> Task<Void, Never> {
    Task {
        try? await Task.sleep(for: delay)
        action()
    }
}

/// Runs blocking work away from the threads that tasks share.
func offTheTaskThreads<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
    let answer = Suspension<Result<T, any Error>>()
    DispatchQueue(label: "chimera.tests.blocking").async { answer.resume(with: Result { try work() }) }
    return try await answer.wait(onCancel: {}).get()
}
