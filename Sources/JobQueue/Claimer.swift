import Foundation
import Postgres
import Runtime
import Synchronization

/// Claims due executions and hands them to the slots: at once while claims come back full, on a wake-up or after the poll interval else.
final class Claimer: Sendable {
    /// Polling always goes on underneath notifications.
    static let pollInterval: Duration = .seconds(1)

    /// So many times in a row a worker takes the place itself that a run of its own left. Then all are told: others may have nothing to do.
    private static let turnsInARow = 3
    /// So long it leaves such a place to them, unless it hears the notification before.
    private static let othersLead: Duration = .milliseconds(2)

    /// A claim takes milliseconds. One that hangs is given up before a service manager takes the worker for dead (WatchdogSec=30).
    private static let deadline: Duration = .seconds(10)

    private let identity: WorkerIdentity
    private let pool: PostgresPool
    let configurations: ConfigurationCache
    private let slots: Slots
    private let lease: Lease
    private let signals: ClaimSignals
    private let hearsNotifications: Bool
    private let leaveWhenDrained: Bool
    private let onProgress: @Sendable () -> Void
    private let counts = Mutex(ClaimRounds(begun: 0, ended: 0))
    private let logger = Logger(label: "claim")

    /// `hearsNotifications`: somebody listens and tells `signals` of them.
    init(
        identity: WorkerIdentity, pool: PostgresPool, slots: Slots, lease: Lease, signals: ClaimSignals, hearsNotifications: Bool,
        leaveWhenDrained: Bool, onProgress: @escaping @Sendable () -> Void
    ) {
        self.identity = identity
        self.pool = pool
        self.configurations = ConfigurationCache(pool: pool)
        self.slots = slots
        self.lease = lease
        self.signals = signals
        self.hearsNotifications = hearsNotifications
        self.leaveWhenDrained = leaveWhenDrained
        self.onProgress = onProgress
    }

    /// Claims until shutdown is requested, or, for a worker that drains, until nothing claimable is due and nothing is held or unwritten.
    func run(until shutdown: ShutdownSignal, isIdle: @Sendable () -> Bool) async {
        var scan = ClaimScan()
        var polls = PollTimes(every: Self.pollInterval)
        var backoff = Backoff()
        var ownTurns = 0
        // Places that others were not told of yet.
        var owesPlaces = false
        while !shutdown.isRequested && !Task.isCancelled {
            onProgress()
            let freesPlaces = signals.takeFreedPlaces() || owesPlaces
            owesPlaces = false
            if freesPlaces { ownTurns += 1 }
            if ownTurns > Self.turnsInARow, hearsNotifications {
                ownTurns = 0
                await wakeOthers()
                await signals.wait(upTo: Self.othersLead)
            }
            let room = slots.takeRoom()
            guard room > 0, let term = lease.term else {
                if freesPlaces { await wakeOthers() }
                await signals.wait(upTo: Self.pollInterval)
                continue
            }
            let start = MonotonicClock.now()
            let mark = scan.mark(at: start)
            let wasIdle = isIdle()
            do {
                guard let claimed = try await claim(room, after: mark, in: term) else {
                    owesPlaces = freesPlaces
                    continue
                }
                backoff.succeeded()
                let isFull = claimed.count >= room
                scan.record(claimed, from: mark, at: start, took: MonotonicClock.now() - start, isFull: isFull)
                if isFull {
                    if freesPlaces { await wakeOthers() }
                    continue
                }
                if leaveWhenDrained && claimed.isEmpty && mark.isStart && wasIdle && isIdle() { return }
                // Who hears of nothing looks on while there is something.
                let mayFollow = !hearsNotifications && !claimed.isEmpty
                await signals.wait(upTo: signals.untilSecondLook(after: start) ?? (mayFollow ? ClaimSignals.secondLook : polls.wait()))
            } catch {
                owesPlaces = freesPlaces
                let wait = backoff.failed()
                if backoff.isNews { logger.warning("could not claim", ["error": "\(error)", "tries": "\(backoff.failures)"]) }
                if let conflict = error as? PostgresError, conflict.isRetryableTransaction, backoff.failures < 5 { continue }
                await signals.wait(upTo: wait)
            }
        }
        if signals.takeFreedPlaces() || owesPlaces { await wakeOthers() }
    }

    /// Places that this worker's runs left are for others, too. Should that fail, they poll.
    private func wakeOthers() async {
        _ = try? await pool.query(QueueStatements.wakeWorkers, deadline: Self.deadline)
    }

    /// How many claims were begun, and how many of them have given what they took to the slots.
    var rounds: ClaimRounds { counts.withLock { $0 } }

    /// One claim; gives what it took, in order. Nil: the term ended while it waited for a connection, and it was not sent.
    private func claim(_ room: Int, after mark: Watermark, in term: Lease.Term) async throws -> [ClaimedRun]? {
        let end = ContinuousClock.now + Self.deadline
        counts.withLock { $0.begun += 1 }
        // Unless it is known that it took nothing.
        var mayHaveTaken = true
        defer {
            counts.withLock { counts in
                counts.ended = counts.begun
                if mayHaveTaken { counts.taking += 1 }
            }
        }
        let rows = try await pool.withConnection(deadline: Self.deadline) { connection -> PostgresRows? in
            // After an outage the row would only be handed back.
            guard lease.term == term else { return nil }
            return try await connection.query(
                QueueStatements.claim(worker: identity.id, batch: room, after: mark),
                deadline: ContinuousClock.now.duration(to: end))
        }
        guard let rows, !rows.isEmpty else {
            mayHaveTaken = false
            return rows.map { _ in [] }
        }
        assert(Failpoint.reach("claim.committed"))
        let claimed = try rows.map(ClaimedRun.init).sorted { $0.comesBefore($1) }
        do {
            let known = try await configurations.configurations(of: Set(claimed.map(\.jobConfigID)))
            // The lease may have ended on the way, and others have rescued what was claimed under it.
            guard lease.term == term else {
                slots.refuse(claimed)
                return claimed
            }
            slots.submit(claimed.map { Assignment(run: $0, configuration: known[$0.jobConfigID], term: term) })
        } catch {
            // They are ours already: without their configuration they can only be handed back.
            slots.refuse(claimed)
            throw error
        }
        return claimed
    }
}

/// Claims come one after the other; each counts when it begins and when what it took is in the slots, or lost.
struct ClaimRounds: Sendable {
    var begun: Int
    var ended: Int
    /// How many of those that ended took something or may have, for their answer was lost.
    var taking = 0
}
