import Postgres
import Runtime

/// Watches runs from outside: stops those whose time is up, those that are no longer ours, and gives back rows that carry this
/// worker's id though it does not know them.
struct RunWatch: Sendable {
    /// Long enough to cost nothing, short enough that code stops within 2 s of a cancellation.
    static let interval: Duration = .milliseconds(500)

    /// How often the worker compares the rows that carry its id with what it knows.
    static let reconciliationInterval: Duration = .seconds(5)

    let identity: WorkerIdentity
    let pool: PostgresPool
    let slots: Slots
    let outcomes: OutcomeWriter
    let attempt: Attempt
    /// Signalled by cancellations.
    let wakeup: Wakeup
    private let logger = Logger(label: "watch")

    init(identity: WorkerIdentity, pool: PostgresPool, slots: Slots, outcomes: OutcomeWriter, attempt: Attempt, wakeup: Wakeup) {
        self.identity = identity
        self.pool = pool
        self.slots = slots
        self.outcomes = outcomes
        self.attempt = attempt
        self.wakeup = wakeup
    }

    /// Watches until the task is cancelled.
    func run() async {
        var lastLook = Duration.zero
        var lastReconciliation = MonotonicClock.now()
        var suspects: Set<HeldRow> = []
        while !Task.isCancelled {
            let isCancellation = await wakeup.wait(upTo: Self.interval)
            let overdue = slots.overdue()
            if !overdue.isEmpty {
                logger.warning("timeout", ["runs": "\(overdue.count)"])
                slots.stop(overdue, as: attempt.timeout)
            }
            guard isCancellation || MonotonicClock.now() - lastLook >= Self.interval * 2 else { continue }
            lastLook = MonotonicClock.now()
            await stopLostRuns()
            if MonotonicClock.now() - lastReconciliation >= Self.reconciliationInterval {
                lastReconciliation = MonotonicClock.now()
                suspects = await giveBackUnknownRows(suspects: suspects)
            }
        }
    }

    private func stopLostRuns() async {
        let held = slots.held().filter { ($0.runningFor ?? .zero) > .milliseconds(300) }.map(\.run)
        guard !held.isEmpty, let lost = try? await pool.query(QueueStatements.lostRuns(held)), !lost.isEmpty else { return }
        let lostIDs = Set(lost.compactMap { $0["id"] })
        let stopped = Dictionary(uniqueKeysWithValues: held.filter { lostIDs.contains($0.id) }.map { ($0.id, $0.token) })
        slots.stop(stopped) { _, _ in .fencedOff }
    }

    /// Rows seen unknown twice, some seconds apart, are no claim on its way here: the claim's answer was lost.
    private func giveBackUnknownRows(suspects: Set<HeldRow>) async -> Set<HeldRow> {
        guard let rows = try? await pool.query(QueueStatements.heldRows(worker: identity.id)) else { return [] }
        let known = Set(slots.held().map(\.run.id)).union(outcomes.unwrittenIDs)
        let unknown = Set(rows.compactMap { row in (try? HeldRow(id: row.get("id"), token: row.get("token"))) }).filter {
            !known.contains($0.id)
        }
        let certain = unknown.intersection(suspects)
        if !certain.isEmpty {
            logger.warning("rows of this worker that it does not know are given back", ["rows": "\(certain.count)"])
            _ = try? await pool.query(QueueStatements.giveBack(rows: certain.sorted { $0.id < $1.id }))
        }
        return unknown.subtracting(certain)
    }
}

/// A row that the database says a worker runs.
struct HeldRow: Hashable, Sendable {
    let id: ExecutionID
    let token: Int64
}
