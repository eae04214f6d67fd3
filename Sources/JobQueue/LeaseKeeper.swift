import Postgres
import Runtime
import Synchronization

/// Renews the worker's lease every third of it, on a connection of its own, apart from jobs and claims.
final class LeaseKeeper: Sendable {
    let identity: WorkerIdentity
    let lease: Lease
    /// Used by nobody else.
    let pool: PostgresPool
    let runningCount: @Sendable () -> Int
    /// Called after every renewal, and when the lease can no longer be trusted.
    let onRenewed: @Sendable () -> Void
    let onLost: @Sendable () -> Void
    /// When the lease was last asked for while it was not held; nil once all rescues that may have followed are forgiven.
    private let cameBackAt = Mutex<Duration?>(nil)
    private let logger = Logger(label: "lease")

    init(
        identity: WorkerIdentity, lease: Lease, pool: PostgresPool, runningCount: @escaping @Sendable () -> Int,
        onRenewed: @escaping @Sendable () -> Void, onLost: @escaping @Sendable () -> Void
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
        var wasHeld = false
        while !Task.isCancelled {
            let isRenewed = await renewOnce()
            if isRenewed && !wasHeld { wasHeld = true }
            if !lease.isHeld && wasHeld {
                wasHeld = false
                logger.error("the lease could not be renewed in time; runs are stopped and handed back")
                onLost()
            }
            _ = try? await Task.sleep(for: isRenewed ? lease.length / 3 : min(lease.length / 12, .seconds(1)))
            if wasHeld && !lease.isHeld {
                // Suspended, or this loop was held up: what ran meanwhile cannot be trusted to be ours.
                wasHeld = false
                logger.error("the lease ended while this worker stood still; runs are stopped and handed back")
                onLost()
            }
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
