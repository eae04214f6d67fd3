import Postgres
import Runtime

/// How a worker is set up.
package struct WorkerSettings: Sendable {
    /// How many runs at once.
    package var slots: Int
    /// How long runs may go on after SIGTERM before they are handed back.
    package var grace: Duration
    /// How long a renewal of the lease lasts; it is renewed every third of it.
    package var lease: Duration
    /// Leaves when nothing claimable is due.
    package var drains: Bool
    /// LISTEN for wake-ups; polling goes on underneath.
    package var listens: Bool

    /// Takes all settings.
    package init(slots: Int, grace: Duration, lease: Duration, drains: Bool, listens: Bool) {
        self.slots = slots
        self.grace = grace
        self.lease = lease
        self.drains = drains
        self.listens = listens
    }
}

/// Claims due executions and runs them until it is told to stop. It makes its services and starts and stops them in order:
/// stop claiming, drain, hand back, flush, give up the lease.
package struct Worker: Sendable {
    private let identity: WorkerIdentity
    private let settings: WorkerSettings
    private let database: PostgresConfiguration
    private let jobs: [String: any Job]
    private let told: [String: Wakeup]
    private let onReady: @Sendable () -> Void
    private let onProgress: @Sendable (_ running: Int) -> Void
    private let logger = Logger(label: "worker")

    /// `jobs` by `job_type`; `told`: what else is signalled when its channel is notified, and when a connection that listens is new; `onReady`
    /// once the first lease is held, `onProgress` at every turn of the claim loop, with how many runs are under way (it feeds the
    /// watchdog).
    package init(
        identity: WorkerIdentity, settings: WorkerSettings, database: PostgresConfiguration, jobs: [String: any Job],
        told: [String: Wakeup] = [:], onReady: @escaping @Sendable () -> Void = {},
        onProgress: @escaping @Sendable (_ running: Int) -> Void = { _ in }
    ) {
        self.identity = identity
        self.settings = settings
        self.database = database.named(endingWith: identity.id)
        self.jobs = jobs
        self.told = told
        self.onReady = onReady
        self.onProgress = onProgress
    }

    /// Runs until `shutdown` is requested or, when it drains, until nothing is left to do.
    package func run(until shutdown: ShutdownSignal) async {
        let queuePool = PostgresPool(database, maximumConnections: 3, usualConnections: 2)
        let jobPool = PostgresPool(database, maximumConnections: min(max(settings.slots, 2), 8), usualConnections: 3)
        let leasePool = PostgresPool(database, maximumConnections: 1)
        let signals = ClaimSignals()
        let watchWakeup = Wakeup()
        let writeWakeup = Wakeup()
        let lease = Lease(length: settings.lease)
        let logs = ExecutionLogWriter(wakeup: writeWakeup)
        let attempt = Attempt(jobs: jobs, pool: jobPool, lease: lease, logs: logs)
        let outcomes = OutcomeWriter(pool: queuePool, logs: logs, wakeup: writeWakeup, isLeaving: { shutdown.isRequested }) { freesPlaces in
            if freesPlaces { signals.freedPlaces() } else if settings.drains { signals.signal() }
        }
        let slots = Slots(count: settings.slots, onRoom: signals.signal, execute: attempt.run, onSettled: outcomes.submit)
        let keeper = LeaseKeeper(
            identity: identity, lease: lease, pool: leasePool, runningCount: { slots.activeCount }, onRenewed: {},
            onLost: { slots.interrupt(claimedOutside: $0, as: attempt.interruption) })
        let claimer = Claimer(
            identity: identity, pool: queuePool, slots: slots, lease: lease, signals: signals, hearsNotifications: settings.listens,
            leaveWhenDrained: settings.drains, onProgress: { onProgress(slots.activeCount) })
        let watch = RunWatch(
            identity: identity, pool: queuePool, slots: slots, outcomes: outcomes, attempt: attempt, claims: { claimer.rounds },
            wakeup: watchWakeup)

        // Jobs may block the threads that tasks share; leases and timeouts go on.
        let thread = ServiceThread(label: "chimera.lease")
        // Where sessions are few, what claims comes before what listens and tells.
        _ = try? await queuePool.query(QueueStatements.probe, deadline: .seconds(5))
        await begin(keeper, until: shutdown)
        await withDiscardingTaskGroup { renewals in
            renewals.addTask(executorPreference: thread) { await keeper.run() }
            await withDiscardingTaskGroup { services in
                services.addTask { await outcomes.run() }
                services.addTask(executorPreference: thread) { await watch.run() }
                services.addTask { await Maintenance(pool: queuePool, interval: settings.lease / 3).run() }
                if settings.listens {
                    services.addTask { await listener(signals, cancellations: watchWakeup, configurations: claimer.configurations).run() }
                }
                services.addTask {
                    await shutdown.wait()
                    signals.signal()
                }
                await claim(claimer, until: shutdown) { slots.heldCount == 0 && outcomes.unwrittenCount == 0 }
                await drain(slots, attempt, until: shutdown)
                services.cancelAll()
            }
            // The last ends are written under the lease.
            await flush(outcomes)
            renewals.cancelAll()
        }
        await keeper.release()
        for pool in [jobPool, queuePool, leasePool] { await pool.close() }
    }

    private func listener(_ signals: ClaimSignals, cancellations: Wakeup, configurations: ConfigurationCache) -> PostgresListener {
        var heard: [String: @Sendable () -> Void] = told.mapValues { wakeup in { wakeup.signal() } }
        heard["chimera_jobs"] = signals.notified
        heard["chimera_cancel"] = cancellations.signal
        heard["chimera_configurations"] = configurations.forget
        let told = heard
        return PostgresListener(
            database, channels: told.keys.sorted(), onNotify: { channel, _ in told[channel]?() },
            onConnected: { told.values.forEach { $0() } })
    }

    /// Claims until the claimer ends by itself; after a request to stop, a claim that waits for an absent database is given up.
    private func claim(_ claimer: Claimer, until shutdown: ShutdownSignal, isIdle: @escaping @Sendable () -> Bool) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await claimer.run(until: shutdown, isIdle: isIdle) }
            group.addTask {
                await shutdown.wait()
                _ = await Wakeup().wait(upTo: .seconds(2))
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Takes the first lease, however long the database stays away.
    private func begin(_ keeper: LeaseKeeper, until shutdown: ShutdownSignal) async {
        while !shutdown.isRequested, await !keeper.renewOnce() {
            onProgress(0)
            _ = try? await Task.sleep(for: .milliseconds(500))
        }
        if !shutdown.isRequested {
            logger.notice("works", ["worker": identity.id, "slots": "\(settings.slots)"])
            onReady()
        }
    }

    /// Lets runs finish until the deadline, then hands them back.
    private func drain(_ slots: Slots, _ attempt: Attempt, until shutdown: ShutdownSignal) async {
        slots.refuse(slots.close())
        if slots.heldCount > 0 { logger.notice("waits for its runs", ["runs": "\(slots.heldCount)"]) }
        let deadline = shutdown.deadline ?? .zero
        while slots.heldCount > 0, MonotonicClock.now() < (shutdown.deadline ?? deadline) {
            onProgress(slots.activeCount)
            _ = try? await Task.sleep(for: .milliseconds(20))
        }
        if slots.heldCount > 0 {
            logger.notice("hands its runs back", ["runs": "\(slots.heldCount)"])
            slots.interrupt(as: attempt.interruption)
        }
    }

    /// Writes what is left, for at most 5 s: what cannot be written is rescued by others.
    private func flush(_ outcomes: OutcomeWriter) async {
        let deadline = MonotonicClock.now() + .seconds(5)
        repeat {
            // A statement alone waits for an absent database longer than a service manager waits for us.
            try? await withDeadline(deadline - MonotonicClock.now()) { try await outcomes.writeOnce() }
            if outcomes.unwrittenCount > 0 { _ = await Wakeup().wait(upTo: .milliseconds(50)) }
        } while outcomes.unwrittenCount > 0 && MonotonicClock.now() < deadline
        if outcomes.unwrittenCount > 0 {
            logger.error("the ends of runs could not be written; other workers will run them again", ["runs": "\(outcomes.unwrittenCount)"])
        }
    }
}
