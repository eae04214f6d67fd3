import Postgres
import Runtime
import Synchronization

/// Parents whose rows somebody had locked when a child of theirs ended: it ended without them, and if it was the last one they end here, as
/// soon as the lock is gone. Where this worker leaves before, the sweep ends them.
final class LockedParents: Sendable {
    private struct State {
        var parents: Set<ExecutionID> = []
        var nextTry = Duration.zero
    }

    private let pool: PostgresPool
    private let interval: Duration
    private let state = Mutex(State())

    /// Tries them every `interval`.
    init(pool: PostgresPool, interval: Duration) {
        self.pool = pool
        self.interval = interval
    }

    var isEmpty: Bool { state.withLock { $0.parents.isEmpty } }

    func add(_ parents: Set<ExecutionID>) {
        state.withLock { $0.parents.formUnion(parents) }
    }

    /// Ends those that wait for nothing any more; keeps those that are still locked for the next time.
    func end() async throws {
        let now = MonotonicClock.now()
        let parents = state.withLock { $0.nextTry <= now ? $0.parents : [] }
        guard !parents.isEmpty else { return }
        let locked = try await pool.transaction { transaction in
            let free = Set(try await transaction.query(QueueStatements.lockParents(parents)).compactMap { $0["id"] })
            if !free.isEmpty { _ = try await transaction.query(QueueStatements.endParents(free)) }
            return Set(try await transaction.query(QueueStatements.waitingParents(parents)).compactMap { $0["id"] }).subtracting(free)
        }
        state.withLock { state in
            state.parents.subtract(parents.subtracting(locked))
            state.nextTry = MonotonicClock.now() + interval
        }
    }
}
