import Postgres
import Runtime
import Synchronization

/// The runs of which nothing could be written, for a reason that passes.
struct Unwritable: Sendable {
    /// Somebody keeps their rows locked.
    var locked: Set<ExecutionID> = []
    /// PostgreSQL takes no end of theirs: their day's table cannot be made, or somebody's rule refuses whatever it says.
    var refused: Set<ExecutionID> = []

    mutating func formUnion(_ other: Unwritable) {
        locked.formUnion(other.locked)
        refused.formUnion(other.refused)
    }
}

/// Stores what became of runs: many in one statement, and each by itself when the database refuses them together.
final class OutcomeStore: Sendable {
    /// Making the day's tables is not tried again sooner: where it does not help, an operator has to.
    private static let partitionInterval: Duration = .seconds(4)

    let pool: PostgresPool
    /// Whether this worker claims no more: then others are told of the places that its runs leave.
    let isLeaving: @Sendable () -> Bool
    private let madePartitionsAt = Mutex<Duration?>(nil)
    private let logger = Logger(label: "outcomes")

    init(pool: PostgresPool, isLeaving: @escaping @Sendable () -> Bool) {
        self.pool = pool
        self.isLeaving = isLeaving
    }

    /// The one statement for outcomes that are all ends; nil when there are others, or none.
    func ends(_ outcomes: [(run: ClaimedRun, outcome: RunOutcome)]) -> SQL? {
        let ends = outcomes.compactMap { FinishedRun($0.run, $0.outcome) }
        guard !ends.isEmpty, ends.count == outcomes.count else { return nil }
        return finish(ends.sorted { $0.run.id < $1.run.id }, .waitsShortly)
    }

    private func finish(_ ends: [FinishedRun], _ locks: RowLocks) -> SQL {
        QueueStatements.finish(ends, locks, wakesOthers: isLeaving())
    }

    /// Gives the runs of which nothing was written.
    func write(_ outcomes: [(run: ClaimedRun, outcome: RunOutcome)], skipsLocked: Bool = false) async throws -> Unwritable {
        let ends = outcomes.compactMap { FinishedRun($0.run, $0.outcome) }
        var returns: [ReturnedRun] = []
        var plans: [PlannedRun] = []
        for (run, outcome) in outcomes {
            switch outcome {
            case .retried(let error, let timedOut, let delay):
                returns.append(
                    ReturnedRun(run: run, attemptOutcome: timedOut ? "TIMED_OUT" : "RETRY", error: error.details(for: run), delay: delay))
            case .interrupted(let error, let delay):
                returns.append(ReturnedRun(run: run, attemptOutcome: "INTERRUPTED", error: error.details(for: run), delay: delay))
            case .fannedOut(let children, let unit):
                plans.append(PlannedRun(run: run, children: children, unit: unit))
            case .succeeded, .failed, .fencedOff:
                break
            }
        }
        // Sorted by id: two writers that meet the same rows lock them in the same order.
        var unwritable = try await writeAll(ends.sorted { $0.run.id < $1.run.id }, finish, skipsLocked) { end, error in
            Self.refused(end.run, error)
        }
        unwritable.formUnion(
            try await writeAll(returns.sorted { $0.run.id < $1.run.id }, QueueStatements.giveBack, skipsLocked) { returned, _ in
                ReturnedRun(run: returned.run, attemptOutcome: returned.attemptOutcome, error: "{}", delay: returned.delay)
            })
        for plan in plans {
            do {
                unwritable.formUnion(try await execute([plan], Self.fanOut, skipsLocked))
            } catch let error as PostgresError where error.refusesRows {
                unwritable.formUnion(
                    try await writeAll([Self.refused(plan.run, error)], finish, skipsLocked) { end, _ in end })
            }
        }
        return unwritable
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
    /// of which nothing was written.
    private func writeAll<Item: RunEnd>(
        _ items: [Item], _ statement: ([Item], RowLocks) -> SQL, _ skipsLocked: Bool,
        instead: (Item, PostgresError) -> Item
    ) async throws -> Unwritable {
        guard !items.isEmpty else { return Unwritable() }
        do {
            return try await execute(items, statement, skipsLocked)
        } catch let error as PostgresError where (error.refusesRows || error.isMissingPartition) && items.count > 1 {
            var unwritable = Unwritable()
            for item in items { unwritable.formUnion(try await writeAll([item], statement, skipsLocked, instead: instead)) }
            return unwritable
        } catch let error as PostgresError where error.isMissingPartition {
            // Said once: it is tried again like what is locked.
            if !skipsLocked { logger.warning("the end of a run waits for its day's table", ["error": "\(error)"]) }
            return Unwritable(refused: [items[0].run.id])
        } catch let error as PostgresError where error.refusesRows {
            let what = ["execution": "\(items[0].run.id)", "error": "\(error)"]
            if !skipsLocked { logger.error("PostgreSQL refused the end of a run", what) }
            do {
                return try await execute([instead(items[0], error)], statement, skipsLocked)
            } catch let error as PostgresError where error.refusesRows {
                if !skipsLocked { logger.error("PostgreSQL refuses every end of a run, which waits until one is taken", what) }
                return Unwritable(refused: [items[0].run.id])
            }
        }
    }

    /// All in one statement. When that waited too long for a lock, those that nobody has locked; gives the others.
    private func execute<Item: RunEnd>(
        _ items: [Item], _ statement: ([Item], RowLocks) -> SQL, _ skipsLocked: Bool
    ) async throws -> Unwritable {
        do {
            guard skipsLocked else {
                try await repeatingConflicts { _ = try await self.pool.query(statement(items, .waitsShortly)) }
                return Unwritable()
            }
            return Unwritable(locked: try await executeUnlocked(items, statement))
        } catch let error as PostgresError where error.isLockTimeout {
            if !skipsLocked {
                logger.warning("the ends of runs wait for a lock; those that nobody has locked are written", ["runs": "\(items.count)"])
                return try await execute(items, statement, true)
            }
            // Not their rows, but what one of them has to write elsewhere is locked: each by itself, in another order each time, up to the
            // first that waits; the rest is tried later, for each would wait for a second and all others with it.
            guard items.count > 1 else { return Unwritable(locked: [items[0].run.id]) }
            var unwritable = Unwritable()
            let order = items.shuffled()
            for (place, item) in order.enumerated() {
                unwritable.formUnion(try await execute([item], statement, true))
                guard unwritable.locked.isEmpty else {
                    unwritable.locked.formUnion(order[place...].map(\.run.id))
                    break
                }
            }
            return unwritable
        }
    }

    /// Those whose rows nobody has locked. A parent whose row somebody has is left to `sweep_parents`: it ends with the next round of housekeeping.
    private func executeUnlocked<Item: RunEnd>(
        _ items: [Item], _ statement: ([Item], RowLocks) -> SQL
    ) async throws -> Set<ExecutionID> {
        var locked: Set<ExecutionID> = []
        try await repeatingConflicts {
            locked = try await self.pool.transaction { transaction in
                let rows = try await transaction.query(QueueStatements.lockUnlocked(items.map(\.run)))
                let free = Set(rows.compactMap { $0["is_free"] == "t" ? $0["id"] : nil })
                let writable = items.filter { free.contains($0.run.id) }
                if !writable.isEmpty { _ = try await transaction.query(statement(writable, .holds(free))) }
                return Set(rows.compactMap { $0["is_free"] == "f" ? $0["id"] : nil })
            }
        }
        return locked
    }

    /// Repeats a statement after a deadlock or a serialisation failure, and after making the day's partition when it was missing.
    func repeatingConflicts(_ body: () async throws -> Void) async throws {
        var tries = 0
        while true {
            do {
                return try await body()
            } catch let error as PostgresError where tries < 5 && error.isRetryableTransaction {
                tries += 1
            } catch let error as PostgresError where error.isMissingPartition && mayMakePartitions() {
                _ = try await pool.query(QueueStatements.createPartitions)
            }
        }
    }

    private func mayMakePartitions() -> Bool {
        let now = MonotonicClock.now()
        return madePartitionsAt.withLock { last in
            if let last, now - last < Self.partitionInterval { return false }
            last = now
            return true
        }
    }
}

extension FinishedRun {
    /// Nil for an outcome that ends nothing.
    fileprivate init?(_ run: ClaimedRun, _ outcome: RunOutcome) {
        switch outcome {
        case .succeeded(let metrics):
            self.init(run: run, status: "SUCCESS", attemptOutcome: "SUCCESS", metrics: metrics, error: nil)
        case .failed(let error, let timedOut):
            self.init(
                run: run, status: "FAILED", attemptOutcome: timedOut ? "TIMED_OUT" : "FAILED", metrics: error.metrics?.replacingNUL.text,
                error: error.details(for: run))
        case .retried, .interrupted, .fannedOut, .fencedOff:
            return nil
        }
    }
}
