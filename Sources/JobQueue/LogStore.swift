import Postgres
import Runtime
import Synchronization

/// Stores the lines that jobs logged: with the ends of their runs as a rule, and later when their table is locked or cannot be made, which holds up
/// no end.
final class LogStore: Sendable {
    private static let largestBatch = 1_000
    /// How long lines rest that could not be stored.
    private static let rest: Duration = .seconds(2)

    private let lines: ExecutionLogWriter
    private let pool: PostgresPool
    private let outcomes: OutcomeStore
    private let logger = Logger(label: "outcomes")
    /// When lines that could not be stored are tried again; nil: they go as usual.
    private let nextTry = Mutex<Duration?>(nil)

    init(pool: PostgresPool, lines: ExecutionLogWriter, outcomes: OutcomeStore) {
        self.pool = pool
        self.lines = lines
        self.outcomes = outcomes
    }

    /// How long there is nothing to do; nil: as long as nobody logs.
    var wait: Duration? {
        guard !lines.isEmpty else { return nil }
        return nextTry.withLock { max(.zero, ($0 ?? .zero) - MonotonicClock.now()) }
    }

    /// Lines and ends in one transaction, which costs a round trip and a commit less. False: nothing was written, for one of them is not as
    /// usual; then each has a way of its own.
    func store(with ends: SQL) async throws -> Bool {
        guard !lines.isEmpty, nextTry.withLock({ $0 }) == nil else { return false }
        let taken = take()
        guard taken.count <= Self.largestBatch else {
            lines.putBack(taken)
            return false
        }
        do {
            _ = try await pool.queries(QueueStatements.logs(taken, now: MonotonicClock.now(), isLate: false) + [ends])
            lines.stored()
            return true
        } catch {
            lines.putBack(taken)
            guard let error = error as? PostgresError else { throw error }
            guard error.refusesRows || error.isMissingPartition || error.isLockTimeout || error.isRetryableTransaction else { throw error }
            return false
        }
    }

    /// Stores the lines that wait, unless they rest. A batch that PostgreSQL refuses is written by halves, down to the line that cannot be stored: it
    /// costs the others nothing.
    func store() async throws {
        guard wait == .zero else { return }
        let isLate = nextTry.withLock { $0 } != nil
        let taken = take()
        // The next one last.
        var batches = stride(from: 0, to: taken.count, by: Self.largestBatch).reversed().map { start in
            taken[start..<min(start + Self.largestBatch, taken.count)]
        }
        while let batch = batches.popLast() {
            do {
                try await outcomes.repeatingConflicts {
                    _ = try await self.pool.queries(QueueStatements.logs(Array(batch), now: MonotonicClock.now(), isLate: isLate))
                }
            } catch let error as PostgresError where error.refusesRows {
                guard batch.count > 1 else {
                    logger.warning("a line of a job could not be stored", ["error": "\(error)"])
                    continue
                }
                let middle = batch.startIndex + batch.count / 2
                batches += [batch[middle...], batch[..<middle]]
            } catch {
                lines.putBack(Array(taken[batch.startIndex...]))
                guard let error = error as? PostgresError, error.isMissingPartition || error.isLockTimeout else { throw error }
                if !isLate { logger.warning("lines of jobs wait to be stored; ends of runs do not", ["error": "\(error)"]) }
                nextTry.withLock { $0 = MonotonicClock.now() + Self.rest }
                return
            }
        }
        lines.stored()
        nextTry.withLock { $0 = nil }
    }

    private func take() -> [LogLine] {
        let (taken, dropped) = lines.take()
        if dropped > 0 { logger.warning("jobs logged faster than lines could be stored", ["dropped": "\(dropped)"]) }
        return taken
    }
}
