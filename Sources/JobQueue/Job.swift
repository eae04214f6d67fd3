import Postgres
import Runtime

/// Code that runs executions of one `job_type`. It must end soon after its task is cancelled; one that does not is abandoned, and
/// whatever it still writes is fenced off.
package protocol Job: Sendable {
    /// Runs one attempt. Throws `RunError`, `RunPostponed`, `PostgresError`, or anything else (tried again).
    func run(_ context: RunContext) async throws -> JobResult

    /// How long what it started may go on once its task was cancelled: a run that is handed back or tried again is due after that.
    var windDown: Duration { get }
}

extension Job {
    /// Most jobs start nothing that outlives their task.
    package var windDown: Duration { .zero }
}

/// What a run may use: its row, its job's configuration, and fenced ways to write.
package final class RunContext: Sendable {
    /// The attempt that runs.
    package let run: ClaimedRun
    /// Its job, as it stood at the claim or at most a second before.
    package let configuration: JobConfiguration
    /// The job's config with the execution's params laid over it.
    package let options: JSONValue
    /// The database, for reads and for `fenced`.
    package let pool: PostgresPool
    private let lease: Lease
    private let term: Lease.Term
    private let logWriter: ExecutionLogWriter
    private let slotPause: SlotPause

    init(
        run: ClaimedRun, configuration: JobConfiguration, options: JSONValue, pool: PostgresPool, lease: Lease, term: Lease.Term,
        logWriter: ExecutionLogWriter, slotPause: SlotPause
    ) {
        self.run = run
        self.configuration = configuration
        self.options = options
        self.pool = pool
        self.lease = lease
        self.term = term
        self.logWriter = logWriter
        self.slotPause = slotPause
    }

    /// Throws unless this run may still cause effects: called right before every request to a partner.
    package func checkHold() throws {
        assert(Failpoint.reach("request.before"))
        try Task.checkCancellation()
        guard lease.term == term else {
            throw LeaseLost()
        }
    }

    /// How long this run surely stays ours from now, the lease's margin kept; zero when others may have taken it.
    var leaseRemaining: Duration { lease.term == term ? lease.timeLeft : .zero }

    /// What the worker keeps of its lease to come to an end in.
    var leaseMargin: Duration { lease.margin }

    /// Waits for a moment that lies ahead, while other runs use this one's slot.
    package func wait(for length: Duration) async throws {
        try await slotPause.wait(length)
        try checkHold()
    }

    /// Runs `body` in a transaction that commits only while this run's token is current. Throws `FencedOff` otherwise.
    package func fenced<T: Sendable>(_ body: @escaping @Sendable (PostgresTransaction) async throws -> T) async throws -> T {
        try await fenced(after: []) { transaction, _ in try await body(transaction) }
    }

    /// Likewise with statements known beforehand, which cost no round trip of their own: `body` gets the rows of each.
    package func fenced<T: Sendable>(
        after first: [SQL], _ body: @escaping @Sendable (PostgresTransaction, [PostgresRows]) async throws -> T
    ) async throws -> T {
        try checkHold()
        return try await pool.transaction(after: first) { transaction, rows in
            let value = try await body(transaction, rows)
            // Last, and locked: a rescue or a cancellation cannot come between this look and the commit, and waits only so long.
            guard try await !transaction.query(QueueStatements.fence(id: self.run.id, token: self.run.token)).isEmpty else {
                throw FencedOff()
            }
            assert(Failpoint.reach("fenced.before-commit"))
            return value
        }
    }

    /// Likewise for statements that are known beforehand, which costs less; gives the rows of the last one.
    package func fenced(_ statements: [SQL]) async throws -> PostgresRows {
        try checkHold()
        let fence = QueueStatements.fence(id: run.id, token: run.token)
        let rows = try await pool.transaction(of: statements + [fence]) { assert(Failpoint.reach("fenced.before-commit")) }
        guard let rows else { throw FencedOff() }
        return rows[statements.count - 1]
    }

    /// Writes a line to `execution_logs`, soon and fenced.
    package func log(_ level: LogLevel, _ message: String, _ fields: [String: JSONValue] = [:]) {
        logWriter.append(run: run, level: level, message: message, fields: fields)
    }

    /// Whether the run has written so many lines that it is to wait until some are stored, if what writes them can wait.
    var isLogBehind: Bool { logWriter.isBehind(run) }

    /// Shows how far the run is; `total` nil: not known.
    package func report(done: Int, total: Int?, unit: String) async {
        let total: JSONValue = total.map { .integer(Int64($0)) } ?? .null
        let progress: JSONValue = ["done": .integer(Int64(done)), "total": total, "unit": .string(unit)]
        _ = try? await pool.query(QueueStatements.progress(id: run.id, token: run.token, progress: progress))
    }
}

/// The worker could not renew its lease in time; the run is handed back and uses no attempt.
package struct LeaseLost: Error, Sendable {
    /// Carries nothing.
    package init() {}
}

/// The run's token is no longer current: somebody cancelled it or took it over.
package struct FencedOff: Error, Sendable {
    /// Carries nothing.
    package init() {}
}
