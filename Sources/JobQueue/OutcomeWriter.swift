import Postgres
import Runtime
import Synchronization

/// Writes how runs ended, many in one statement, and the lines they logged before. A write that fails is repeated while the process
/// lives: every one is fenced, so a late one changes nothing that is no longer ours.
final class OutcomeWriter: Sendable {
    private static let largestBatch = 1_000
    /// How often the ends are tried whose rows others keep locked.
    private static let lockedOutInterval: Duration = .milliseconds(250)
    /// How often those are tried that PostgreSQL does not take.
    private static let refusedInterval: Duration = .seconds(5)

    private let lines: LogStore
    private let wakeup: Wakeup
    private typealias Outcomes = [(run: ClaimedRun, outcome: RunOutcome)]

    /// What waits apart and holds up no others.
    private struct SetAside {
        var outcomes: Outcomes = []
        var nextTry = Duration.zero
    }

    private struct Unwritten {
        var waiting: Outcomes = []
        var writing: Outcomes = []
        /// Their rows are locked by somebody, an operator in `psql` perhaps.
        var lockedOut = SetAside()
        var refused = SetAside()

        var count: Int { waiting.count + writing.count + lockedOut.outcomes.count + refused.outcomes.count }
        var all: Outcomes { waiting + writing + lockedOut.outcomes + refused.outcomes }

        mutating func setAside(_ outcomes: Outcomes, _ unwritable: Unwritable) {
            // Not in the same round once more.
            if !unwritable.locked.isEmpty { lockedOut.nextTry = max(lockedOut.nextTry, MonotonicClock.now() + lockedOutInterval) }
            lockedOut.outcomes += outcomes.filter { unwritable.locked.contains($0.run.id) }
            refused.outcomes += outcomes.filter { unwritable.refused.contains($0.run.id) }
        }
    }
    private let unwritten = Mutex(Unwritten())
    private let store: OutcomeStore
    /// Called after outcomes were written, with whether limits may now let others through.
    private let onWritten: @Sendable (_ freesPlaces: Bool) -> Void
    private let logger = Logger(label: "outcomes")

    /// `isLeaving`: whether this worker claims no more; then others are told of the places that its runs leave.
    init(
        pool: PostgresPool, logs: ExecutionLogWriter, wakeup: Wakeup, isLeaving: @escaping @Sendable () -> Bool = { false },
        onWritten: @escaping @Sendable (_ freesPlaces: Bool) -> Void
    ) {
        self.wakeup = wakeup
        self.onWritten = onWritten
        store = OutcomeStore(pool: pool, isLeaving: isLeaving)
        lines = LogStore(pool: pool, lines: logs, outcomes: store)
    }

    func submit(_ run: ClaimedRun, _ outcome: RunOutcome) {
        let isFirst = unwritten.withLock { unwritten in
            unwritten.waiting.append((run, outcome))
            return unwritten.waiting.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    /// How many outcomes are not in the database yet.
    var unwrittenCount: Int { unwritten.withLock { $0.count } }

    /// The executions whose ends are not in the database yet.
    var unwrittenIDs: Set<ExecutionID> { unwritten.withLock { Set($0.all.map(\.run.id)) } }

    /// Writes until the task is cancelled.
    func run() async {
        var backoff = Backoff()
        while !Task.isCancelled {
            if unwritten.withLock({ $0.waiting.isEmpty }) && lines.wait != .zero {
                let isFree = unwritten.withLock { $0.lockedOut.outcomes.isEmpty }
                _ = await wakeup.wait(upTo: min(lines.wait ?? .seconds(5), isFree ? .seconds(5) : Self.lockedOutInterval))
                if unwritten.withLock({ $0.waiting.isEmpty }) {
                    // Only lines: let a few gather, so that a job that logs a lot costs few transactions.
                    _ = await wakeup.wait(upTo: .milliseconds(200))
                }
            }
            do {
                try await writeOnce()
                backoff.succeeded()
            } catch  where Task.isCancelled {
                return
            } catch {
                let wait = backoff.failed()
                if backoff.isNews {
                    logger.warning("could not write the ends of runs; trying again", ["error": "\(error)", "waiting": "\(unwrittenCount)"])
                }
                _ = try? await Task.sleep(for: wait)
            }
        }
    }

    /// Writes what waits now; throws when the database cannot be reached, with nothing lost.
    func writeOnce() async throws {
        let outcomes = unwritten.withLock { unwritten in
            unwritten.writing = Array(unwritten.waiting.prefix(Self.largestBatch))
            unwritten.waiting.removeFirst(unwritten.writing.count)
            return unwritten.writing
        }
        do {
            if !outcomes.isEmpty { assert(Failpoint.reach("ends.before")) }
            var unwritable = Unwritable()
            let isWritten = if let ends = store.ends(outcomes) { try await lines.store(with: ends) } else { false }
            if !isWritten {
                try await lines.store()
                unwritable = try await store.write(outcomes)
            }
            unwritten.withLock { unwritten in
                unwritten.setAside(outcomes, unwritable)
                unwritten.writing = []
            }
            if !outcomes.isEmpty { assert(Failpoint.reach("ends.committed")) }
        } catch {
            unwritten.withLock { unwritten in
                unwritten.waiting.insert(contentsOf: unwritten.writing, at: 0)
                unwritten.writing = []
            }
            throw error
        }
        if !outcomes.isEmpty { onWritten(outcomes.contains { $0.run.isGated }) }
        try await write(\.lockedOut, every: Self.lockedOutInterval)
        try await write(\.refused, every: Self.refusedInterval)
    }

    /// Tries what waits apart: it ends once the lock is gone or PostgreSQL takes it, or is dropped when somebody else decided meanwhile.
    private func write(_ kind: any WritableKeyPath<Unwritten, SetAside> & Sendable, every interval: Duration) async throws {
        let now = MonotonicClock.now()
        let outcomes = unwritten.withLock { $0[keyPath: kind].nextTry <= now ? $0[keyPath: kind].outcomes : [] }
        guard !outcomes.isEmpty else { return }
        let unwritable = try await store.write(outcomes, skipsLocked: true)
        // A round that waited for locks takes a third of the time: others want to be written meanwhile.
        let rest = max(interval, (MonotonicClock.now() - now) * 2)
        let left = unwritable.locked.union(unwritable.refused)
        unwritten.withLock { unwritten in
            unwritten[keyPath: kind] = SetAside(nextTry: MonotonicClock.now() + rest)
            unwritten.setAside(outcomes, unwritable)
        }
        if left.count < outcomes.count { onWritten(outcomes.contains { $0.run.isGated && !left.contains($0.run.id) }) }
    }
}
