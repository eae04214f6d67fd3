import Postgres
import Runtime
import Synchronization

/// Renews the worker's lease every third of it or a little earlier, on a connection of its own, apart from jobs and claims, and tells of the end of a term at
/// the moment it comes.
final class LeaseKeeper: Sendable {
    let identity: WorkerIdentity
    let lease: Lease
    /// Used by nobody else.
    let pool: PostgresPool
    let runningCount: @Sendable () -> Int
    /// Called after every renewal.
    let onRenewed: @Sendable () -> Void
    /// Called when a term of the lease is over: what was claimed in another term than the one that lasts now cannot be trusted to be ours.
    let onLost: @Sendable (_ now: Lease.Term?) -> Void
    /// When the lease was last asked for while it was not held; nil once all rescues that may have followed are forgiven.
    private let cameBackAt = Mutex<Duration?>(nil)
    private let logger = Logger(label: "lease")

    init(
        identity: WorkerIdentity, lease: Lease, pool: PostgresPool, runningCount: @escaping @Sendable () -> Int,
        onRenewed: @escaping @Sendable () -> Void, onLost: @escaping @Sendable (_ now: Lease.Term?) -> Void
    ) {
        self.identity = identity
        self.lease = lease
        self.pool = pool
        self.runningCount = runningCount
        self.onRenewed = onRenewed
        self.onLost = onLost
    }

    /// Renews until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await self.watchTerms() }
            var renewals = PollTimes(every: lease.length / 3)
            while !Task.isCancelled {
                let isRenewed = await renewOnce()
                // All workers miss an absent database: they do not all ask for it at one moment.
                let again = min(lease.length / 12, .seconds(1)) * Double.random(in: 0.5...1)
                _ = await Wakeup().wait(upTo: isRenewed ? renewals.wait() : again)
            }
            tasks.cancelAll()
        }
    }

    /// Apart from the renewals, each of which may hang until its deadline, and on the lease's own clock: a worker that was suspended notices
    /// as soon as it runs again.
    private func watchTerms() async {
        var last = lease.term
        while !Task.isCancelled {
            let left = lease.timeLeft
            // No longer than a second: timers do not count the time of a machine that is suspended.
            _ = await lease.renewals.wait(upTo: left > .zero ? min(left, .seconds(1)) : .seconds(1))
            let now = lease.term
            if let last, now != last {
                let running = runningCount()
                logger.error(
                    "the lease could not be renewed in time; "
                        + (running == 0 ? "nothing was running" : "runs are stopped and handed back"),
                    ["running": "\(running)"])
                onLost(now)
            }
            last = now
        }
    }

    /// One renewal. False when the database did not confirm it.
    @discardableResult
    func renewOnce() async -> Bool {
        let askedAt = MonotonicClock.now()
        if !lease.isHeld { cameBackAt.withLock { $0 = askedAt } }
        do {
            _ = try await pool.query(
                QueueStatements.renewLease(identity, lease: lease.length, running: runningCount()),
                deadline: max(lease.length / 4, .milliseconds(500)))
            lease.renewed(askedAt: askedAt)
            await forgiveRescues(askedAt)
            onRenewed()
            return true
        } catch  where Task.isCancelled {
            return false
        } catch {
            logger.warning("could not renew the lease", ["error": "\(error)"])
            return false
        }
    }

    /// After the lease had ended: runs that were rescued from this worker do not count as lost with it. At every renewal for one more lease,
    /// for a rescue that saw the lease ended may commit after the renewal.
    private func forgiveRescues(_ now: Duration) async {
        guard let cameBackAt = cameBackAt.withLock({ $0 }) else { return }
        do {
            _ = try await pool.query(
                QueueStatements.forgiveRescues(worker: identity.id), deadline: max(lease.length / 4, .milliseconds(500)))
            if now - cameBackAt > lease.length { self.cameBackAt.withLock { $0 = nil } }
        } catch {
            logger.warning("could not tell that this worker is back; trying again", ["error": "\(error)"])
        }
    }

    /// Gives the lease up; what this worker still holds is rescued by others at once.
    func release() async {
        lease.released()
        _ = try? await pool.query(QueueStatements.releaseLease(worker: identity.id), deadline: .seconds(2))
    }
}
