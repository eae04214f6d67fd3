import Glibc
import JobQueue
import Postgres
import Runtime
import Synchronization

/// A migrated schema on the user's server for the time of one measurement.
struct BenchSchema: Sendable {
    static let name = "chimera_bench"
    /// For what takes its time: filling millions of rows, a checkpoint, dropping it all.
    static let patience: Duration = .seconds(3600)

    /// A connection string whose default schema it is.
    let url: String
    /// How programs speak to it.
    let configuration: PostgresConfiguration
    /// Connections to it.
    let pool: PostgresPool
    let settings: ProgramSettings

    /// Makes it, lends it to `body`, and drops it whatever happens; SIGINT and SIGTERM end `body`, a second one leaves it behind.
    static func lend(
        _ invocation: Invocation, _ body: @escaping @Sendable (BenchSchema) async throws -> [BenchReport]
    ) async throws -> [BenchReport] {
        let signals = Signals([SIGINT, SIGTERM])
        let server = try await OperatorDatabase(invocation, checksVersion: false).pool
        do {
            _ = try await server.query(BenchStatements.createSchema)
        } catch {
            guard error.sqlState == "42P06" else { throw error }
            throw OperatorError(
                exitCode: .configuration,
                message: "schema \(name) is there already: another bench is at work, or one was killed; "
                    + "what is left of it goes with DROP SCHEMA \(name) CASCADE")
        }
        let work = Task {
            let schema = try BenchSchema(invocation)
            do {
                _ = try await Migrator(pool: schema.pool, migrations: Composition.migrations).up()
                let value = try await body(schema)
                await schema.pool.close()
                return value
            } catch {
                await schema.pool.close()
                throw error
            }
        }
        let stop = StopRequest()
        let watcher = Task { await stop.watch(signals) { work.cancel() } }
        let result = await work.result
        // Sessions of what was broken off may hold locks for a moment.
        _ = try await server.query(BenchStatements.dropSchema, deadline: patience)
        watcher.cancel()
        if let signal = stop.signal {
            throw OperatorError(exitCode: ExitCode(rawValue: 128 + signal), message: "the bench was stopped; schema \(name) is gone again")
        }
        return try result.get()
    }

    private init(_ invocation: Invocation) throws {
        settings = invocation.settings
        let given = try settings.database(applicationName: "chimera bench")
        url = given.connectionString(defaultSchema: Self.name)
        configuration = try PostgresConfiguration(
            url: url, applicationName: "chimera bench", usesNamedStatements: given.usesNamedStatements, statementDeadline: .seconds(120))
        pool = PostgresPool(configuration, maximumConnections: 8)
    }

    /// Adds the jobs and, where wanted, a history, as large as the tables of an old installation.
    func fill(_ size: BenchSize) async throws {
        _ = try await pool.query(BenchStatements.addJobs(size.configurations))
        guard size.finished > 0 else { return }
        StandardOutput.progress("\(size.finished) finished executions")
        let batch = 1_000_000
        for first in stride(from: 0, to: size.finished, by: batch) {
            let count = min(batch, size.finished - first)
            try await pool.transaction { transaction in
                try await transaction.script(Migration.becomeInternal)
                _ = try await transaction.query(BenchStatements.addHistory(count), deadline: Self.patience)
            }
            StandardOutput.progress("\(first + count) of \(size.finished) finished executions")
        }
        _ = try await pool.query(BenchStatements.vacuumHistory, deadline: Self.patience)
    }

    /// The id of the first job that was added.
    func firstJob() async throws -> Int { try await pool.query(BenchStatements.firstJob).first?.get("id") ?? 0 }

    /// Writes dirty pages down, so that what follows begins in the same state; skipped where the user may not.
    func checkpoint() async throws {
        do {
            _ = try await pool.query(BenchStatements.checkpoint, deadline: Self.patience)
        } catch {
            guard error.sqlState == "42501" else { throw error }
        }
    }
}

/// The first signal that asked for the end.
private final class StopRequest: Sendable {
    private let first = Mutex<Int32?>(nil)

    var signal: Int32? { first.withLock { $0 } }

    /// Calls `cancel` at the first signal and leaves at the second.
    func watch(_ signals: Signals, cancel: @Sendable () -> Void) async {
        for await signal in signals.stream {
            if self.signal != nil { _exit(128 + signal) }
            first.withLock { $0 = signal }
            StandardOutput.note("chimera: stops and drops schema \(BenchSchema.name)")
            cancel()
        }
    }
}
