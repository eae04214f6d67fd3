import Postgres
import Runtime
import Synchronization

/// Writes how runs ended, many in one statement, and the lines they logged before. A write that fails is repeated while the process
/// lives: every one is fenced, so a late one changes nothing that is no longer ours.
final class OutcomeWriter: Sendable {
    private static let largestBatch = 1_000
    /// How often the ends are tried whose rows others keep locked.
    private static let lockedOutInterval: Duration = .milliseconds(250)

    private let pool: PostgresPool
    private let logs: ExecutionLogWriter
    private let wakeup: Wakeup
    private struct Unwritten {
        var waiting: [(run: ClaimedRun, outcome: RunOutcome)] = []
        var writing: [(run: ClaimedRun, outcome: RunOutcome)] = []
        /// Their rows are locked by somebody, an operator in `psql` perhaps; they hold up no others.
        var lockedOut: [(run: ClaimedRun, outcome: RunOutcome)] = []
        /// When to try the locked out ones again.
        var nextTry = Duration.zero

        var all: [(run: ClaimedRun, outcome: RunOutcome)] { waiting + writing + lockedOut }
    }
    private let unwritten = Mutex(Unwritten())
    private let lockedParents: LockedParents
    /// Whether this worker claims no more: then others are told of the places that its runs leave.
    private let isLeaving: @Sendable () -> Bool
    /// Called after outcomes were written, with whether limits may now let others through.
    private let onWritten: @Sendable (_ freesPlaces: Bool) -> Void
    private let logger = Logger(label: "outcomes")

    init(
        pool: PostgresPool, logs: ExecutionLogWriter, wakeup: Wakeup, isLeaving: @escaping @Sendable () -> Bool = { false },
        onWritten: @escaping @Sendable (_ freesPlaces: Bool) -> Void
    ) {
        self.pool = pool
        self.logs = logs
        self.wakeup = wakeup
        self.isLeaving = isLeaving
        self.onWritten = onWritten
        lockedParents = LockedParents(pool: pool, interval: Self.lockedOutInterval)
    }

    func submit(_ run: ClaimedRun, _ outcome: RunOutcome) {
        let isFirst = unwritten.withLock { unwritten in
            unwritten.waiting.append((run, outcome))
            return unwritten.waiting.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    /// How many outcomes are not in the database yet.
    var unwrittenCount: Int { unwritten.withLock { $0.waiting.count + $0.writing.count + $0.lockedOut.count } }

    /// The executions whose ends are not in the database yet.
    var unwrittenIDs: Set<ExecutionID> { unwritten.withLock { Set($0.all.map(\.run.id)) } }

    /// Writes until the task is cancelled.
    func run() async {
        var failures = 0
        while !Task.isCancelled {
            if unwritten.withLock({ $0.waiting.isEmpty }) && logs.isEmpty {
                let isFree = unwritten.withLock { $0.lockedOut.isEmpty } && lockedParents.isEmpty
                _ = await wakeup.wait(upTo: isFree ? .seconds(5) : Self.lockedOutInterval)
                if unwritten.withLock({ $0.waiting.isEmpty }) {
                    // Only lines: let a few gather, so that a job that logs a lot costs few statements.
                    _ = await wakeup.wait(upTo: .milliseconds(200))
                }
            }
            do {
                try await writeOnce()
                failures = 0
            } catch  where Task.isCancelled {
                return
            } catch {
                failures += 1
                logger.warning("could not write the ends of runs; trying again", ["error": "\(error)", "waiting": "\(unwrittenCount)"])
                _ = try? await Task.sleep(for: min(.milliseconds(50 << min(failures, 6)), .seconds(2)))
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
        var waitingLines: PostgresError?
        do {
            do {
                try await writeLogs()
            } catch let error as PostgresError where error.isMissingPartition {
                // Lines have a place of their own: their wait holds up no end.
                waitingLines = error
            }
            if !outcomes.isEmpty { assert(Failpoint.reach("ends.before")) }
            let locked = try await write(outcomes)
            unwritten.withLock { unwritten in
                unwritten.lockedOut += outcomes.filter { locked.contains($0.run.id) }
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
        try await writeLockedOut()
        if let waitingLines { throw waitingLines }
    }

    /// Tries those whose rows were locked: they end once the lock is gone, or are dropped when somebody else decided meanwhile.
    private func writeLockedOut() async throws {
        let now = MonotonicClock.now()
        try await lockedParents.end()
        let outcomes = unwritten.withLock { $0.nextTry <= now ? $0.lockedOut : [] }
        guard !outcomes.isEmpty else { return }
        let locked = try await write(outcomes, skipsLocked: true)
        unwritten.withLock { unwritten in
            unwritten.lockedOut.removeAll { !locked.contains($0.run.id) }
            unwritten.nextTry = MonotonicClock.now() + Self.lockedOutInterval
        }
        if locked.count < outcomes.count { onWritten(outcomes.contains { $0.run.isGated && !locked.contains($0.run.id) }) }
    }

    private func writeLogs() async throws {
        let (lines, dropped) = logs.take()
        if dropped > 0 { logger.warning("jobs logged faster than lines could be stored", ["dropped": "\(dropped)"]) }
        for start in stride(from: 0, to: lines.count, by: Self.largestBatch) {
            let batch = Array(lines[start..<min(start + Self.largestBatch, lines.count)])
            do {
                try await repeatingConflicts { _ = try await self.pool.query(QueueStatements.logs(batch, now: MonotonicClock.now())) }
            } catch let error as PostgresError where error.refusesRows {
                try await writeOneByOne(batch, from: start, of: lines)
            } catch {
                logs.putBack(Array(lines[start...]))
                throw error
            }
        }
    }

    /// After a refusal: a line that cannot be stored costs the others nothing.
    private func writeOneByOne(_ batch: [LogLine], from start: Int, of lines: [LogLine]) async throws {
        for (place, line) in batch.enumerated() {
            do {
                _ = try await pool.query(QueueStatements.logs([line], now: MonotonicClock.now()))
            } catch  where error.refusesRows {
                logger.warning("a line of a job could not be stored", ["error": "\(error)"])
            } catch {
                logs.putBack(Array(lines[(start + place)...]))
                throw error
            }
        }
    }

    /// Gives the runs whose rows somebody keeps locked: nothing was written of those.
    private func write(_ outcomes: [(run: ClaimedRun, outcome: RunOutcome)], skipsLocked: Bool = false) async throws -> Set<ExecutionID> {
        var ends: [FinishedRun] = []
        var returns: [ReturnedRun] = []
        var plans: [PlannedRun] = []
        for (run, outcome) in outcomes {
            switch outcome {
            case .succeeded(let metrics):
                ends.append(FinishedRun(run: run, status: "SUCCESS", attemptOutcome: "SUCCESS", metrics: metrics, error: nil))
            case .failed(let error, let timedOut):
                ends.append(
                    FinishedRun(
                        run: run, status: "FAILED", attemptOutcome: timedOut ? "TIMED_OUT" : "FAILED", metrics: error.metrics?.text,
                        error: error.details(for: run)))
            case .retried(let error, let timedOut, let delay):
                returns.append(
                    ReturnedRun(run: run, attemptOutcome: timedOut ? "TIMED_OUT" : "RETRY", error: error.details(for: run), delay: delay))
            case .interrupted(let error, let delay):
                returns.append(ReturnedRun(run: run, attemptOutcome: "INTERRUPTED", error: error.details(for: run), delay: delay))
            case .fannedOut(let children, let unit):
                plans.append(PlannedRun(run: run, children: children, unit: unit))
            case .fencedOff:
                break
            }
        }
        let finish = { QueueStatements.finish($0, $1, wakesOthers: self.isLeaving()) }
        // Sorted by id: two writers that meet the same rows lock them in the same order.
        var locked = try await writeAll(ends.sorted { $0.run.id < $1.run.id }, finish, skipsLocked) { end, error in
            Self.refused(end.run, error)
        }
        locked.formUnion(
            try await writeAll(returns.sorted { $0.run.id < $1.run.id }, QueueStatements.giveBack, skipsLocked) { returned, _ in
                ReturnedRun(run: returned.run, attemptOutcome: returned.attemptOutcome, error: "{}", delay: returned.delay)
            })
        for plan in plans {
            do {
                locked.formUnion(try await execute([plan], Self.fanOut, skipsLocked))
            } catch let error as PostgresError where error.refusesRows {
                locked.formUnion(
                    try await writeAll([Self.refused(plan.run, error)], finish, skipsLocked) { end, _ in end })
            }
        }
        return locked
    }

    private static func fanOut(_ plans: [PlannedRun], _ locks: RowLocks) -> SQL {
        QueueStatements.fanOut(plans[0].run, children: plans[0].children, unit: plans[0].unit, locks)
    }

    /// The end of a run whose result PostgreSQL does not take.
    private static func refused(_ run: ClaimedRun, _ error: PostgresError) -> FinishedRun {
        let failure = RunError(code: "RESULT_REFUSED", message: "PostgreSQL refused its result: \(error.message)", isRetryable: false)
        return FinishedRun(run: run, status: "FAILED", attemptOutcome: "FAILED", metrics: nil, error: failure.details(for: run))
    }

    /// One statement for all; when the database refuses it, one for each, so that a single bad row never stops the rest (R08). Gives the runs
    /// whose rows are locked.
    private func writeAll<Item: RunEnd>(
        _ items: [Item], _ statement: ([Item], RowLocks) -> SQL, _ skipsLocked: Bool,
        instead: (Item, PostgresError) -> Item
    ) async throws -> Set<ExecutionID> {
        guard !items.isEmpty else { return [] }
        do {
            return try await execute(items, statement, skipsLocked)
        } catch let error as PostgresError where error.refusesRows && items.count > 1 {
            var locked: Set<ExecutionID> = []
            for item in items { locked.formUnion(try await writeAll([item], statement, skipsLocked, instead: instead)) }
            return locked
        } catch let error as PostgresError where error.refusesRows {
            logger.error("PostgreSQL refused the end of a run", ["error": "\(error)"])
            do {
                return try await execute([instead(items[0], error)], statement, skipsLocked)
            } catch let error as PostgresError where error.refusesRows {
                // Its row stays as it is and is given back when this worker looks for rows that it does not know.
                logger.error("PostgreSQL refuses every end of a run", ["error": "\(error)"])
                return []
            }
        }
    }

    /// All in one statement. When that waited too long for a lock, those that nobody has locked; gives the others.
    private func execute<Item: RunEnd>(
        _ items: [Item], _ statement: ([Item], RowLocks) -> SQL, _ skipsLocked: Bool
    ) async throws -> Set<ExecutionID> {
        do {
            guard skipsLocked else {
                try await repeatingConflicts { _ = try await self.pool.query(statement(items, .waitsShortly)) }
                return []
            }
            return try await executeUnlocked(items, statement)
        } catch let error as PostgresError where error.isLockTimeout {
            if !skipsLocked {
                logger.warning("the ends of runs wait for a lock; those that nobody has locked are written", ["runs": "\(items.count)"])
                return try await execute(items, statement, true)
            }
            // Not their rows, but what one of them has to write elsewhere is locked: each by itself, so that it alone waits.
            guard items.count > 1 else { return [items[0].run.id] }
            var locked: Set<ExecutionID> = []
            for item in items { locked.formUnion(try await execute([item], statement, true)) }
            return locked
        }
    }

    private func executeUnlocked<Item: RunEnd>(
        _ items: [Item], _ statement: ([Item], RowLocks) -> SQL
    ) async throws -> Set<ExecutionID> {
        var locked: Set<ExecutionID> = []
        var lockedParents: Set<ExecutionID> = []
        try await repeatingConflicts {
            (locked, lockedParents) = try await self.pool.transaction { transaction in
                let rows = try await transaction.query(QueueStatements.lockUnlocked(items.map(\.run)))
                let free = Set(rows.compactMap { $0["is_free"] == "t" ? $0["id"] : nil })
                let writable = items.filter { free.contains($0.run.id) }
                if !writable.isEmpty { _ = try await transaction.query(statement(writable, .holds(free))) }
                let parents = Set(writable.compactMap(\.run.parentID)).subtracting(free)
                return (Set(rows.compactMap { $0["is_free"] == "f" ? $0["id"] : nil }), parents)
            }
        }
        self.lockedParents.add(lockedParents)
        return locked
    }

    /// Repeats a statement after a deadlock or a serialisation failure, and after making the day's partition when it was missing.
    private func repeatingConflicts(_ body: () async throws -> Void) async throws {
        var tries = 0
        while true {
            do {
                return try await body()
            } catch let error as PostgresError where tries < 5 && error.isRetryableTransaction {
                tries += 1
            } catch let error as PostgresError where tries < 5 && error.isMissingPartition {
                tries += 1
                _ = try await pool.query(QueueStatements.createPartitions)
            }
        }
    }
}
