import Cron
import Postgres
import Runtime
import Synchronization

/// Turns the cron patterns of job configurations into executions. Any number may run at once: locks, the key of `schedule_ticks` and one
/// transaction for execution, tick and next due time make each due time happen once, and only the database's clock counts (SPEC §4).
package struct Scheduler: Sendable {
    /// A change of a configuration takes effect within 2 s, so it is looked for this often.
    static let pollInterval: Duration = .seconds(1)
    /// How often lost runs are looked for, a third of the usual lease.
    private static let maintenanceInterval: Duration = .seconds(10)

    private let pool: PostgresPool
    private let planner: SchedulePlanner
    private let wakeup: Wakeup
    private let onReady: @Sendable () -> Void
    private let onProgress: @Sendable (_ failures: Int) -> Void
    private let zoneFiles = ZoneFiles()
    private let logger = Logger(label: "scheduler")

    /// `pool` is the caller's to close, two connections are enough; `onReady` once a first look at the database succeeded, `onProgress` at
    /// every turn, with how many looks failed in a row (it feeds the watchdog); a signal on `wakeup` makes it look at once.
    package init(
        pool: PostgresPool, wakeup: Wakeup = Wakeup(), onReady: @escaping @Sendable () -> Void = {},
        onProgress: @escaping @Sendable (_ failures: Int) -> Void = { _ in }
    ) {
        self.pool = pool
        self.planner = SchedulePlanner(pool: pool)
        self.wakeup = wakeup
        self.onReady = onReady
        self.onProgress = onProgress
    }

    /// Runs until `shutdown` is requested (a transaction under way may end until the deadline), and looks after the queue's tables meanwhile.
    package func run(until shutdown: ShutdownSignal) async {
        await withDiscardingTaskGroup { services in
            services.addTask { await Maintenance(pool: pool, interval: Self.maintenanceInterval).run() }
            await withTaskGroup { turns in
                turns.addTask { await turn(until: shutdown) }
                turns.addTask {
                    await shutdown.wait()
                    wakeup.signal()
                    _ = await Wakeup().wait(upTo: shutdown.timeLeft ?? .zero)
                }
                await turns.next()
                turns.cancelAll()
            }
            services.cancelAll()
        }
    }

    /// Has the zone files read again and what an update of `tzdata` moved planned anew, as soon as the database answers; `run` does it at its
    /// start, SIGHUP asks for it later.
    package func reload() {
        zoneFiles.areNews.store(true, ordering: .releasing)
        wakeup.signal()
    }

    /// Whether the zone files may be others than the schedules were planned by.
    private final class ZoneFiles: Sendable {
        let areNews = Atomic(false)
    }

    private func followZoneFiles() async throws {
        guard zoneFiles.areNews.exchange(false, ordering: .acquiringAndReleasing) else { return }
        do {
            TimeZoneRules.forgetLoadedZones()
            try await planner.followZoneFiles()
        } catch {
            zoneFiles.areNews.store(true, ordering: .releasing)
            throw error
        }
    }

    /// Plans what changed and enqueues what is due. Gives the time until something is due next, nil when nothing will be.
    package func runOnce() async throws -> Duration? {
        try await followZoneFiles()
        var glance = try await look(after: 0)
        onProgress(0)
        if glance.hasChanges {
            do {
                try await planner.planAll()
            } catch let error as PostgresError where error.isRefusal {
                // Somebody holds a new job's row: those that are planned go on.
                logger.warning("schedules that changed cannot be planned now", ["error": "\(error)"])
            }
            onProgress(0)
        }
        if glance.hasChanges || glance.untilDue.map({ $0 <= .zero }) ?? false {
            try await tickAll(dueBy: glance.now)
            // What is still due from before this is held by another scheduler, or was refused.
            glance = try await look(after: glance.now)
        }
        return glance.untilDue.map { max($0, .zero) }
    }

    private func turn(until shutdown: ShutdownSignal) async {
        var backoff = Backoff(to: Self.pollInterval)
        var isReady = false
        reload()
        while !shutdown.isRequested && !Task.isCancelled {
            onProgress(backoff.failures)
            var wait = Self.pollInterval * Double.random(in: 0.85...1)
            do {
                wait = min(try await runOnce() ?? wait, wait)
                backoff.succeeded()
                if !isReady {
                    isReady = true
                    logger.notice("schedules")
                    onReady()
                }
            } catch {
                wait = backoff.failed()
                if backoff.isNews {
                    logger.warning("could not look at the schedules; trying again", ["error": "\(error)", "tries": "\(backoff.failures)"])
                }
            }
            _ = await wakeup.wait(upTo: wait)
        }
    }

    /// Decides everything that was due at `moment` and is not held by another scheduler, a transaction for each batch.
    private func tickAll(dueBy moment: Int64) async throws {
        var refused: Set<Int> = []
        var limit = SchedulerTick.batch
        while true {
            do {
                let report = try await tick(dueBy: moment, limit: limit, except: refused)
                // A transaction that stopped early, at its limit of ticks, left schedules that nobody holds now.
                if report.found < limit && report.decided.count == report.found { return }
            } catch let refusal as ScheduleRefused {
                onProgress(0)
                logger.error(
                    "a job's schedule is refused by the database; it is tried again in the next turn",
                    ["job_config_id": "\(refusal.jobConfigID)", "error": "\(refusal.reason)"])
                refused.insert(refusal.jobConfigID)
            } catch let error as PostgresError where error.isRefusal {
                // One of many: the others go one by one.
                onProgress(0)
                limit = 1
            }
        }
    }

    private func tick(dueBy moment: Int64, limit: Int, except refused: Set<Int>) async throws -> TickReport {
        let report = try await pool.transaction { transaction in
            try await SchedulerTick.run(in: transaction, dueBy: moment, limit: limit, except: refused)
        }
        onProgress(0)
        guard report.found > 0 else { return report }
        assert(Failpoint.reach("tick.committed"))
        let fields = [
            "schedules": "\(report.decided.count)", "due_times": "\(report.dueTimes)", "executions": "\(report.enqueued)",
            "cancelled": "\(report.cancelled)",
        ]
        logger.debug("due times decided", fields)
        let punctualFrom = report.now / 1_000_000 - ScheduleDecision.punctualSeconds
        let missed = report.decided.filter { $0.decision.ticks.contains { $0.dueAt < punctualFrom } }
        if !missed.isEmpty {
            logger.notice("due times were missed; misfire_policy decided", fields.merging(["schedules": "\(missed.count)"]) { $1 })
        }
        return report
    }

    private struct Glance {
        /// The database's clock, Unix microseconds.
        let now: Int64
        let hasChanges: Bool
        let untilDue: Duration?
    }

    private func look(after moment: Int64) async throws -> Glance {
        guard let row = try await pool.query(ScheduleStatements.glance(after: moment)).first else {
            throw PostgresError(kind: .decoding, message: "the database did not tell the time")
        }
        let now = try row.get("now", as: Int64.self)
        return Glance(
            now: now, hasChanges: try row.get("has_changes"),
            untilDue: try row.getIfPresent("next_due_at", as: Int64.self).map { .microseconds($0 - now) })
    }
}
