import Postgres
import Runtime

/// Watches runs from outside: stops those whose time is up, those that are no longer ours, and gives back rows that carry this
/// worker's id though it does not know them.
struct RunWatch: Sendable {
    /// How often timeouts are looked for.
    static let timeoutInterval: Duration = .milliseconds(500)
    /// How long a claimed run waits while no slot comes free.
    private static let longestWait: Duration = .seconds(1)
    /// How often lost runs are looked for; cancellations announce themselves. Code stops within 2 s of either.
    static let lookInterval: Duration = .seconds(1)
    /// How often the worker compares the rows that carry its id with what it knows.
    static let reconciliationInterval: Duration = .seconds(5)
    /// How long a look may be left out because nothing was claimed since a clean one: a claim whose answer was given up may commit after it.
    private static let longestRest: Duration = .seconds(60)
    /// A look that hangs longer is given up: the next one may find another connection.
    private static let lookDeadline: Duration = .seconds(5)

    let identity: WorkerIdentity
    let pool: PostgresPool
    let slots: Slots
    let outcomes: OutcomeWriter
    let attempt: Attempt
    let claims: @Sendable () -> ClaimRounds
    /// Signalled by cancellations.
    let wakeup: Wakeup
    private let rest: Duration
    private let logger = Logger(label: "watch")

    init(
        identity: WorkerIdentity, pool: PostgresPool, slots: Slots, outcomes: OutcomeWriter, attempt: Attempt,
        claims: @escaping @Sendable () -> ClaimRounds, wakeup: Wakeup,
        rest: Duration = Self.longestRest
    ) {
        self.identity = identity
        self.pool = pool
        self.slots = slots
        self.outcomes = outcomes
        self.attempt = attempt
        self.claims = claims
        self.wakeup = wakeup
        self.rest = rest
    }

    /// Watches until the task is cancelled. Each of the three has its own turn: a timeout never waits for a database that is slow or away.
    func run() async {
        await withDiscardingTaskGroup { watches in
            watches.addTask { await stopOverdueRuns() }
            watches.addTask { await stopLostRuns() }
            watches.addTask { await giveBackUnknownRows() }
        }
    }

    private func stopOverdueRuns() async {
        while !Task.isCancelled {
            _ = await Wakeup().wait(upTo: Self.timeoutInterval)
            guard !Task.isCancelled else { return }
            let waiting = slots.handBackWaiting(after: Self.longestWait)
            if waiting > 0 { logger.notice("runs that were claimed and find no slot are handed back", ["runs": "\(waiting)"]) }
            let overdue = slots.overdue()
            guard !overdue.isEmpty else { continue }
            logger.warning("timeout", ["runs": "\(overdue.count)"])
            slots.stop(overdue, as: attempt.timeout)
        }
    }

    private func stopLostRuns() async {
        var looks = PollTimes(every: Self.lookInterval)
        while !Task.isCancelled {
            let isCancellation = await wakeup.wait(upTo: looks.wait())
            // Quick runs end before anybody could take them away; only a cancellation may mean one of them.
            let held = slots.held().filter { isCancellation || ($0.runningFor ?? .zero) > .milliseconds(300) }.map(\.run)
            guard !held.isEmpty else { continue }
            guard let lost = try? await pool.query(QueueStatements.lostRuns(held), deadline: Self.lookDeadline), !lost.isEmpty else {
                continue
            }
            let lostIDs = Set(lost.compactMap { $0["id"] })
            let stopped = Dictionary(held.filter { lostIDs.contains($0.id) }.map { ($0.id, $0.token) }) { max($0, $1) }
            slots.stop(stopped) { _, _ in .fencedOff }
        }
    }

    private func giveBackUnknownRows() async {
        var suspects: [HeldRow: Int] = [:]
        var looks = PollTimes(every: Self.reconciliationInterval)
        // The claims that had taken something when a look found no row, known or not: until there is another, there is hardly anything to find.
        var clean: Int?
        var lookedAt = MonotonicClock.now()
        while !Task.isCancelled {
            _ = await Wakeup().wait(upTo: looks.wait())
            let taking = claims().taking
            guard clean != taking || MonotonicClock.now() - lookedAt >= rest else { continue }
            lookedAt = MonotonicClock.now()
            suspects = await giveBackUnknownRows(suspects: suspects) { clean = taking }
        }
    }

    /// Takes the rows that were unknown at the last look, each with the claims that had begun by then, and gives those of this one. A row that
    /// is still unknown when all those claims have ended is no claim on its way here: its answer was lost.
    func giveBackUnknownRows(suspects: [HeldRow: Int], whenNone: () -> Void = {}) async -> [HeldRow: Int] {
        guard let rows = try? await pool.query(QueueStatements.heldRows(worker: identity.id), deadline: Self.lookDeadline) else {
            return suspects
        }
        if rows.isEmpty { whenNone() }
        let rounds = claims()
        let known = Set(slots.held().map(\.run.id)).union(outcomes.unwrittenIDs)
        let unknown = rows.compactMap { try? HeldRow(id: $0.get("id"), token: $0.get("token")) }.filter { !known.contains($0.id) }
        let certain = unknown.filter { row in suspects[row].map { $0 <= rounds.ended } ?? false }
        if !certain.isEmpty {
            logger.warning("rows of this worker that it does not know are given back", ["rows": "\(certain.count)"])
            _ = try? await pool.query(QueueStatements.giveBack(rows: certain.sorted { $0.id < $1.id }), deadline: Self.lookDeadline)
        }
        return Dictionary(unknown.map { ($0, suspects[$0] ?? rounds.begun) }) { first, _ in first }
    }
}

/// A row that the database says a worker runs.
struct HeldRow: Hashable, Sendable {
    let id: ExecutionID
    let token: Int64
}
