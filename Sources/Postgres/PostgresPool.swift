import Dispatch
import Runtime
import Synchronization

/// Lends connections to the database, replaces broken ones, and opens no more than `maximumConnections`.
///
/// The server plans each statement anew in every session, so few sessions that are used often cost less than many: those beyond
/// `usualConnections` are opened for who waited 100 ms for one, for they may all be held up by somebody's lock.
package final class PostgresPool: Sendable {
    /// What the pool connects with.
    package let configuration: PostgresConfiguration
    private let state: Mutex<PoolState>
    private let timers = DispatchQueue(label: "chimera.postgres.pool")
    private let logger = Logger(label: "postgres")

    /// Makes a pool; connects when somebody asks. `usualConnections` nil: all of them.
    package init(_ configuration: PostgresConfiguration, maximumConnections: Int = 8, usualConnections: Int? = nil) {
        self.configuration = configuration
        state = Mutex(PoolState(maximum: maximumConnections, usual: usualConnections ?? maximumConnections))
    }

    /// Runs one statement on any connection. `deadline` counts the wait for a connection; nil is the configuration's.
    /// A connection lost on the way is thrown, not tried again: only the caller knows whether twice does harm.
    package func query(_ sql: SQL, deadline: Duration? = nil) async throws(PostgresError) -> PostgresRows {
        let end = ContinuousClock.now + (deadline ?? configuration.statementDeadline)
        let session = try await acquire(until: end)
        do throws(PostgresError) {
            let rows = try await session.perform(until: end) { session, connection, operation throws(PostgresError) in
                try session.execute(sql, connection, operation)
            }
            await release(session)
            return rows
        } catch {
            await release(session)
            throw error
        }
    }

    /// Lends one connection for the time of `body`; an open transaction is rolled back afterwards. `deadline` is that of the wait for a
    /// connection; nil is the configuration's.
    nonisolated(nonsending) package func withConnection<T: Sendable>(
        deadline: Duration? = nil, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        let session = try await acquire(until: .now + (deadline ?? configuration.statementDeadline))
        let lease = Lease(session)
        do {
            let value = try await body(PostgresConnection(lease: lease))
            await release(lease)
            return value
        } catch {
            await release(lease)
            throw error
        }
    }

    /// Runs `body` between BEGIN and COMMIT, and again as a whole (5 times at most) when the server says 40001 or 40P01; rolls back when it throws.
    /// A COMMIT whose answer never came throws `.commitUnknown`.
    nonisolated(nonsending) package func transaction<T: Sendable>(
        _ body: (PostgresTransaction) async throws -> T
    ) async throws -> T {
        try await withConnection { connection in try await connection.transaction(body) }
    }

    /// Likewise with statements known beforehand, which go out in one go with BEGIN: `body` gets the rows of each.
    nonisolated(nonsending) package func transaction<T: Sendable>(
        after first: [SQL], _ body: (PostgresTransaction, [PostgresRows]) async throws -> T
    ) async throws -> T {
        try await withConnection { connection in try await connection.transaction(after: first, body) }
    }

    /// Runs `statements` in one transaction, without coming back to the caller in between. Commits when the last one gives a row; else rolls back
    /// and gives nil. `willCommit` is called right before. Repeats and errors are those of `transaction`.
    package func transaction(of statements: [SQL], willCommit: @escaping @Sendable () -> Void = {}) async throws -> [PostgresRows]? {
        try await withConnection { connection in try await connection.transaction(of: statements, willCommit: willCommit) }
    }

    /// Runs statements in one go, as one transaction; gives the rows of each. When one fails, none stands. A connection lost on the way is
    /// thrown, as by `query`.
    package func queries(_ statements: [SQL]) async throws -> [PostgresRows] {
        try await withConnection { connection in
            try await connection.lease.perform(within: nil) { session, connection, operation throws(PostgresError) in
                try session.queries(statements, connection, operation)
            }
        }
    }

    /// Closes idle connections at once and the others when they come back; waits for those up to a statement's deadline.
    package func close() async {
        let closer = Suspension<Void>()
        perform(state.withLock { $0.close(closer) })
        timers.asyncAfter(deadline: .now() + .milliseconds(Int(configuration.statementDeadline.wholeMilliseconds))) {
            closer.resume(with: ())
        }
        await closer.wait(onCancel: {})
    }

    /// Connections open or being opened, and tasks that wait for one.
    package var load: (idle: Int, leased: Int, opening: Int, waiting: Int) {
        state.withLock { ($0.idle.count, $0.leased, $0.opening, $0.waiting) }
    }

    /// A connection that was alive a moment ago, in the order of asking.
    func acquire(until deadline: ContinuousClock.Instant) async throws(PostgresError) -> Session {
        while true {
            if Task.isCancelled { throw .cancelledByCaller }
            let answer = Suspension<Result<Session, PostgresError>>()
            let (id, actions) = state.withLock { $0.acquire(answer, deadline: deadline, now: .now) }
            perform(actions)
            let session = try await answer.wait { [weak self] in
                guard let waiter = self?.state.withLock({ $0.withdraw(id) }) else { return }
                waiter.answer.resume(with: .failure(.cancelledByCaller))
            }.get()
            if session.looksAlive { return session }
            discard(session)
        }
    }

    private func release(_ lease: Lease) async {
        lease.end()
        await release(lease.session)
    }

    private func release(_ session: Session) async {
        if session.condition == .needsTidying {
            try? await session.tidyUp()
        }
        guard session.condition == .ready else { return discard(session) }
        perform(state.withLock { $0.giveBack(session, now: .now) })
    }

    private func discard(_ session: Session) {
        session.close()
        perform(state.withLock { $0.discard(now: .now) })
    }

    private func perform(_ actions: [PoolState.Action]) {
        for action in actions {
            switch action {
            case .answer(let answer, let result): answer.resume(with: result)
            case .open: open()
            case .close(let session): session.close()
            case .drained(let closers): for closer in closers { closer.resume(with: ()) }
            case .retry(let delay): after(delay) { $0.retry(now: .now) }
            case .expire(let instant): after(ContinuousClock.now.duration(to: instant)) { $0.expire(armedFor: instant, now: .now) }
            case .trim: after(PoolState.idleLimit) { $0.trim(now: .now) }
            }
        }
    }

    private func open() {
        let session = Session(configuration)
        session.open { [self] result in
            switch result {
            case .success:
                let (isRecovery, actions) = state.withLock { $0.opened(session, now: .now) }
                if isRecovery { logger.notice("the database answers again") }
                perform(actions)
            case .failure(let error):
                let jitter = Double.random(in: 0..<1)
                let (isNews, actions) = state.withLock { $0.openFailed(error, now: .now, jitter: jitter) }
                if isNews { logger.warning("cannot connect to the database; trying again", ["reason": error.description]) }
                perform(actions)
            }
        }
    }

    private func after(_ delay: Duration, _ change: @escaping @Sendable (inout PoolState) -> [PoolState.Action]) {
        timers.asyncAfter(deadline: .now() + .milliseconds(Int(delay.wholeMilliseconds))) { [weak self] in
            guard let self else { return }
            perform(state.withLock { change(&$0) })
        }
    }
}
