import Cron
import JobQueue
import Postgres
import Runtime

/// `chimera scheduler`: turns cron patterns into executions until it is stopped, or once.
struct SchedulerCommand {
    /// A look at the schedules takes milliseconds. In an outage it is given up before a service manager takes the scheduler for dead
    /// (WatchdogSec=30).
    private static let deadline: Duration = .seconds(10)
    /// How long a transaction under way may go on after SIGTERM.
    private static let grace: Duration = .seconds(30)

    static let command = Command(
        words: ["scheduler"], summary: "Turns the jobs' cron patterns into executions until it is stopped",
        options: [Option(name: "--once", help: "one look at all schedules, then it leaves")],
        notes: """
            SIGTERM and SIGINT: ends what it is deciding and leaves; a second one: leaves at once. SIGHUP: reads the time zones again. Any
            number of schedulers may run: each due time is decided by one of them.
            """
    ) { invocation in
        try checkZones()
        guard !invocation.has("--once") else {
            // Here the operator waits for the answer: no database is an error at once.
            _ = try await Scheduler(pool: try await OperatorDatabase(invocation).pool).runOnce()
            return .ok
        }
        try await run(invocation.settings)
        return .ok
    }

    /// A scheduler without zones would take every job for one that cannot be scheduled, on behalf of all the others.
    private static func checkZones() throws {
        do {
            _ = try TimeZoneRules(named: "America/Sao_Paulo")
        } catch {
            throw OperatorError(
                exitCode: .configuration, message: "this host's time zones cannot be read; install tzdata, or mend TZDIR: \(error)")
        }
    }

    private static func run(_ settings: ProgramSettings) async throws {
        let database = try settings.database(applicationName: "chimera scheduler")
        let pool = PostgresPool(
            try settings.database(applicationName: "chimera scheduler", statementDeadline: deadline), maximumConnections: 3)
        let program = LongRunning(environment: settings.environment, grace: grace)
        let keyring = try CurrentKeyring(path: settings.keyFile)
        let outboxPool = PostgresPool(database, maximumConnections: 3)
        let outbox = Composition.deliveryLoop(pool: outboxPool, keyring: keyring, language: try settings.language())
        let scheduler = Scheduler(pool: pool, onReady: { program.isReady() }) { failures in
            program.systemd.watchdog(status: failures == 0 ? "schedules" : "cannot look at the schedules, \(failures) tries")
        }
        // A change of tzdata is followed by the scheduler itself: it rereads the zones and plans anew.
        let reload: @Sendable () -> Void = {
            do {
                try keyring.reload()
            } catch {
                Logger(label: "chimera").error("keeps its old keys", ["error": "\(error)"])
            }
            scheduler.reload()
        }
        try await program.run(reload: reload) {
            try await SchemaGate(pool: outboxPool).admit(program) {
                await withDiscardingTaskGroup { services in
                    services.addTask { await outbox.run(until: program.shutdown) }
                    await scheduler.run(until: program.shutdown)
                }
            }
            for pool in [pool, outboxPool] { await pool.close() }
        }
    }
}
