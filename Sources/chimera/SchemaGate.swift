import JobQueue
import Postgres
import Runtime

/// Lets a long-running program work as long as the schema is one that it may run against.
struct SchemaGate {
    /// How often it looks while the program works: a statement each time, of the 2 a second that an idle worker may send.
    private static let interval: Duration = .seconds(30)
    /// A statement alone waits for an absent database longer than a service manager waits for us to stop.
    private static let patience: Duration = .seconds(5)

    private let migrator: Migrator
    private let logger = Logger(label: "schema")

    init(pool: PostgresPool) {
        migrator = Migrator(pool: pool, migrations: Composition.migrations)
    }

    /// Waits while the database is away, then runs `work`, which ends when the program's end is asked for. Throws when the schema is not one
    /// to run against, also when it becomes so meanwhile: then the program stops first, as after SIGTERM.
    func admit(_ program: LongRunning, _ work: @escaping @Sendable () async -> Void) async throws {
        try await pass(program)
        guard !program.shutdown.isRequested else { return }
        async let refusal = watch(program)
        await work()
        if let refusal = await refusal { throw refusal }
    }

    private func pass(_ program: LongRunning) async throws {
        var backoff = Backoff(from: .milliseconds(500), to: .milliseconds(500))
        while !program.shutdown.isRequested {
            do {
                return try await program.shutdown.cancelling { try await look() }
            } catch  where program.shutdown.isRequested {
                return
            } catch  where error is DeadlineExceeded || (error as? PostgresError)?.isWorthReconnecting == true {
                let wait = backoff.failed()
                program.systemd.status("waits for the database")
                if backoff.isNews { logger.warning("waits for the database", ["error": "\(error)"]) }
                try? await Task.sleep(for: wait)
            }
        }
    }

    /// Looks again and again until the program's end is asked for; asks for it when the schema is no longer one to run against, and gives why.
    private func watch(_ program: LongRunning) async -> OperatorError? {
        var looks = PollTimes(every: Self.interval)
        while !program.shutdown.isRequested {
            do {
                let pause = looks.wait()
                try await program.shutdown.cancelling {
                    _ = await Wakeup().wait(upTo: pause)
                    try await look()
                }
            } catch let refusal as OperatorError {
                guard !program.shutdown.isRequested else { return nil }
                program.stop(because: refusal)
                return refusal
            } catch {
                // A look that fails decides nothing: the database is away, slow, or being migrated just now.
                logger.debug("could not look at the schema; trying again", ["error": "\(error)"])
            }
        }
        return nil
    }

    private func look() async throws {
        try await withDeadline(Self.patience) { [migrator] in try await migrator.checkVersion() }
    }
}
