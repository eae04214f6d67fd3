import Synchronization

/// A session lent for a scope; afterwards it refuses to work.
final class Lease: Sendable {
    let session: Session
    private let hasEnded = Atomic(false)

    init(_ session: Session) { self.session = session }

    func end() { hasEnded.store(true, ordering: .releasing) }

    func perform<T: Sendable>(
        within deadline: Duration?, isCancellable: Bool = true,
        _ work: @escaping @Sendable (Session, LibpqConnection, Operation) throws(PostgresError) -> T
    ) async throws(PostgresError) -> T {
        guard !hasEnded.load(ordering: .acquiring) else {
            throw PostgresError(kind: .other, message: "a connection was used after the scope that it was lent for")
        }
        let end = ContinuousClock.now + (deadline ?? session.configuration.statementDeadline)
        return try await session.perform(until: end, isCancellable: isCancellable, work)
    }
}

/// One connection, for the time of `PostgresPool.withConnection`.
package struct PostgresConnection: LeasedConnection {
    let lease: Lease

    /// As `PostgresPool.transaction`, on this connection; must not be nested.
    nonisolated(nonsending) package func transaction<T: Sendable>(
        _ body: (PostgresTransaction) async throws -> T
    ) async throws -> T {
        try await transaction(after: []) { transaction, _ in try await body(transaction) }
    }

    /// Likewise, after statements that go out with BEGIN.
    nonisolated(nonsending) func transaction<T: Sendable>(
        after first: [SQL], _ body: (PostgresTransaction, [PostgresRows]) async throws -> T
    ) async throws -> T {
        try await repeatingConflicts { try await transactionOnce(after: first, body) }
    }

    /// As `PostgresPool.transaction(of:)`, on this connection.
    func transaction(of statements: [SQL], willCommit: @escaping @Sendable () -> Void) async throws -> [PostgresRows]? {
        try await repeatingConflicts {
            do {
                return try await lease.perform(within: nil) { session, connection, operation throws(PostgresError) in
                    try session.transaction(of: statements, willCommit: willCommit, connection, operation)
                }
            } catch {
                await tidyUp()
                throw error
            }
        }
    }

    /// Again as a whole when the server says that transactions met; `body` leaves none open.
    nonisolated(nonsending) private func repeatingConflicts<T>(_ body: () async throws -> T) async throws -> T {
        for attempt in 1... {
            do {
                return try await body()
            } catch let error as PostgresError where error.isRetryableTransaction && attempt < 5 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 5...20) << attempt))
            }
        }
        preconditionFailure("the loop above ends by returning or throwing")
    }

    private func tidyUp() async {
        if lease.session.condition == .needsTidying { try? await lease.session.tidyUp() }
    }

    nonisolated(nonsending) private func transactionOnce<T: Sendable>(
        after first: [SQL], _ body: (PostgresTransaction, [PostgresRows]) async throws -> T
    ) async throws -> T {
        do {
            let rows = try await lease.perform(within: nil) { session, connection, operation throws(PostgresError) in
                try session.begin(with: first, connection, operation)
            }
            let value = try await body(PostgresTransaction(lease: lease), rows)
            try Task.checkCancellation()
            // Once sent, a COMMIT is waited for: breaking it off would only leave its outcome open.
            try await lease.perform(within: nil, isCancellable: false) { session, connection, operation throws(PostgresError) in
                try session.commit(connection, operation)
            }
            return value
        } catch {
            await tidyUp()
            throw error
        }
    }
}

/// An open transaction, for the time of `transaction`.
package struct PostgresTransaction: LeasedConnection {
    let lease: Lease
}

/// What can run a statement: a pool, a connection, a transaction.
package protocol PostgresExecutor: Sendable {
    /// Runs one statement; `deadline` nil is the configuration's.
    func query(_ sql: SQL, deadline: Duration?) async throws(PostgresError) -> PostgresRows
}

extension PostgresExecutor {
    /// Runs one statement within the configuration's deadline.
    package func query(_ sql: SQL) async throws(PostgresError) -> PostgresRows { try await query(sql, deadline: nil) }
}

extension PostgresPool: PostgresExecutor {}

/// What connections and transactions have in common.
protocol LeasedConnection: PostgresExecutor {
    var lease: Lease { get }
}
