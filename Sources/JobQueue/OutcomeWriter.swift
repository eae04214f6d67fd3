import Postgres
import Runtime
import Synchronization

/// A run that ended for good, as `finish_executions` takes it.
struct FinishedRun: Sendable {
    let run: ClaimedRun
    let status: String
    let attemptOutcome: String
    let metrics: String?
    let error: String?
}

/// A run that becomes PENDING again, as `return_executions` takes it.
struct ReturnedRun: Sendable {
    let run: ClaimedRun
    let attemptOutcome: String
    let error: String
    let delay: Duration?
}

/// Writes how runs ended, many in one statement, and the lines they logged before. A write that fails is repeated while the process
/// lives: every one is fenced, so a late one changes nothing that is no longer ours.
final class OutcomeWriter: Sendable {
    private static let largestBatch = 1_000

    private let pool: PostgresPool
    private let logs: ExecutionLogWriter
    private let wakeup: Wakeup
    private struct Unwritten {
        var waiting: [(run: ClaimedRun, outcome: RunOutcome)] = []
        var writing: [(run: ClaimedRun, outcome: RunOutcome)] = []
    }
    private let unwritten = Mutex(Unwritten())
    /// Called after outcomes were written, with whether limits may now let others through.
    private let onWritten: @Sendable (_ freesPlaces: Bool) -> Void
    private let logger = Logger(label: "outcomes")

    init(pool: PostgresPool, logs: ExecutionLogWriter, wakeup: Wakeup, onWritten: @escaping @Sendable (_ freesPlaces: Bool) -> Void) {
        self.pool = pool
        self.logs = logs
        self.wakeup = wakeup
        self.onWritten = onWritten
    }

    func submit(_ run: ClaimedRun, _ outcome: RunOutcome) {
        let isFirst = unwritten.withLock { unwritten in
            unwritten.waiting.append((run, outcome))
            return unwritten.waiting.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    /// How many outcomes are not in the database yet.
    var unwrittenCount: Int { unwritten.withLock { $0.waiting.count + $0.writing.count } }

    /// The executions whose ends are not in the database yet.
    var unwrittenIDs: Set<ExecutionID> { unwritten.withLock { Set(($0.waiting + $0.writing).map(\.run.id)) } }

    /// Writes until the task is cancelled.
    func run() async {
        var failures = 0
        while !Task.isCancelled {
            if unwritten.withLock({ $0.waiting.isEmpty }) && logs.isEmpty {
                _ = await wakeup.wait(upTo: .seconds(5))
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
            try await write(outcomes)
            if !outcomes.isEmpty { assert(Failpoint.reach("ends.committed")) }
        } catch {
            unwritten.withLock { unwritten in
                unwritten.waiting.insert(contentsOf: unwritten.writing, at: 0)
                unwritten.writing = []
            }
            throw error
        }
        if !outcomes.isEmpty {
            unwritten.withLock { $0.writing = [] }
            onWritten(outcomes.contains { $0.run.isGated })
        }
        if let waitingLines { throw waitingLines }
    }

    private func writeLogs() async throws {
        let (lines, dropped) = logs.take()
        if dropped > 0 { logger.warning("jobs logged faster than lines could be stored", ["dropped": "\(dropped)"]) }
        for start in stride(from: 0, to: lines.count, by: Self.largestBatch) {
            let batch = Array(lines[start..<min(start + Self.largestBatch, lines.count)])
            do {
                _ = try await repeatingConflicts { try await self.pool.query(QueueStatements.logs(batch, now: MonotonicClock.now())) }
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

    private func write(_ outcomes: [(run: ClaimedRun, outcome: RunOutcome)]) async throws {
        var ends: [FinishedRun] = []
        var returns: [ReturnedRun] = []
        var plans: [(run: ClaimedRun, children: [PlannedChild], unit: String)] = []
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
                plans.append((run, children, unit))
            case .fencedOff:
                break
            }
        }
        // Sorted by id: two writers that meet the same rows lock them in the same order.
        try await writeAll(ends.sorted { $0.run.id < $1.run.id }, QueueStatements.finish) { end, error in Self.refused(end.run, error) }
        try await writeAll(returns.sorted { $0.run.id < $1.run.id }, QueueStatements.giveBack) { returned, _ in
            ReturnedRun(run: returned.run, attemptOutcome: returned.attemptOutcome, error: "{}", delay: returned.delay)
        }
        for plan in plans {
            do {
                _ = try await repeatingConflicts {
                    try await self.pool.query(QueueStatements.fanOut(plan.run, children: plan.children, unit: plan.unit))
                }
            } catch let error as PostgresError where error.refusesRows {
                try await writeAll([Self.refused(plan.run, error)], QueueStatements.finish) { end, _ in end }
            }
        }
    }

    /// The end of a run whose result PostgreSQL does not take.
    private static func refused(_ run: ClaimedRun, _ error: PostgresError) -> FinishedRun {
        let failure = RunError(code: "RESULT_REFUSED", message: "PostgreSQL refused its result: \(error.message)", isRetryable: false)
        return FinishedRun(run: run, status: "FAILED", attemptOutcome: "FAILED", metrics: nil, error: failure.details(for: run))
    }

    /// One statement for all; when the database refuses it, one for each, so that a single bad row never stops the rest (R08).
    private func writeAll<Item>(
        _ items: [Item], _ statement: ([Item]) -> SQL, instead: (Item, PostgresError) -> Item
    ) async throws {
        guard !items.isEmpty else { return }
        do {
            _ = try await repeatingConflicts { try await self.pool.query(statement(items)) }
        } catch let error as PostgresError where error.refusesRows && items.count > 1 {
            for item in items { try await writeAll([item], statement, instead: instead) }
        } catch let error as PostgresError where error.refusesRows {
            logger.error("PostgreSQL refused the end of a run", ["error": "\(error)"])
            do {
                _ = try await repeatingConflicts { try await self.pool.query(statement([instead(items[0], error)])) }
            } catch let error as PostgresError where error.refusesRows {
                // Its row stays as it is and is given back when this worker looks for rows that it does not know.
                logger.error("PostgreSQL refuses every end of a run", ["error": "\(error)"])
            }
        }
    }

    /// Repeats a statement after a deadlock or a serialisation failure, and after making the day's partition when it was missing.
    private func repeatingConflicts(_ body: () async throws -> PostgresRows) async throws -> PostgresRows {
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

extension PostgresError {
    /// The day's table is not there, and could not be made.
    fileprivate var isMissingPartition: Bool { sqlState == "23514" && message.contains("no partition") }

    /// The rows themselves are at fault, and would be again; anything else (a full disk, a timeout, a lost connection) passes.
    fileprivate var refusesRows: Bool {
        switch kind {
        case .constraint where isMissingPartition: false
        case .constraint, .invalidInput, .raised, .undefined: true
        default: false
        }
    }
}
