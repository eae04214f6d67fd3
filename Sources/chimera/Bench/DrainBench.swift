import Postgres
import Runtime

/// Many due executions and workers that are let loose on them at one moment.
struct DrainBench: Sendable {
    private static let bareBatch = 500
    private static let bareConnections = 2
    /// The rate of bare rows does not change with their number.
    private static let mostBare = 100_000

    let schema: BenchSchema
    let size: BenchSize

    /// What the server counted until a moment.
    private struct Counters {
        let walBytes: Int
        let walSyncs: Int
        let transactions: Int
        let statements: Int?
        let serverSeconds: Double?
    }

    func run() async throws -> BenchReport {
        let bare = try await drainBare()
        let statementsSchema = try await schema.pool.query(BenchStatements.statementsSchema).first?["schema"]
        let processor = try await ServerProcessor(schema.pool)
        let first = try await schema.pool.query(BenchStatements.newID).first?["id"] ?? ""
        StandardOutput.progress("\(size.jobs) executions")
        let empty = try await counters(statementsSchema, processor)
        _ = try await schema.pool.query(
            BenchStatements.addExecutions(size.jobs, jobs: size.configurations), deadline: BenchSchema.patience)
        let full = try await counters(statementsSchema, processor)
        try await schema.checkpoint()
        StandardOutput.progress("\(size.workers) at work on \(size.jobs) executions")
        let crew = WorkerCrew(schema: schema, count: size.workers)
        let (before, startup, ends) = try await work(crew, statementsSchema, processor)
        let after = try await counters(statementsSchema, processor)
        StandardOutput.progress("")

        guard let drained = try await schema.pool.query(BenchStatements.drained(since: first), deadline: BenchSchema.patience).first,
            try drained.get("jobs", as: Int.self) == size.jobs, try drained.get("is_clean", as: Bool.self)
        else { throw OperatorError(exitCode: .internal, message: "not every execution succeeded at its first attempt") }
        return try report(drained, bare: bare, added: full.walBytes - empty.walBytes, before, after, startup, ends)
    }

    private func work(
        _ crew: WorkerCrew, _ statementsSchema: String?, _ processor: ServerProcessor?
    ) async throws -> (before: Counters, startup: WorkerCrew.Startup, ends: [WorkerProcess.End]) {
        do {
            let (before, startup) = try await crew.start { try await counters(statementsSchema, processor) }
            return (before, startup, try await crew.waitForEnds())
        } catch {
            await crew.stop()
            throw error
        }
    }

    private func report(
        _ drained: PostgresRow, bare: Double, added walBytes: Int, _ before: Counters, _ after: Counters, _ startup: WorkerCrew.Startup,
        _ ends: [WorkerProcess.End]
    ) throws -> BenchReport {
        let jobs = Double(size.jobs)
        var report = BenchReport("drain")
        report.add("jobs", .integer(Int64(size.jobs)))
        report.add("workers", .integer(Int64(size.workers)))
        report.add("finished_before", .integer(Int64(size.finished)))
        report.add("configurations", .integer(Int64(size.configurations)))
        report.add("jobs_per_second", "jobs a second", jobs / (try drained.get("seconds")), bare: bare, "/s")
        let tenth = Double(size.jobs / 10)
        report.add("first_tenth_per_second", "the first tenth of them", tenth / (try drained.get("first_tenth")), "/s")
        report.add("last_tenth_per_second", "the last tenth of them", tenth / (try drained.get("last_tenth")), "/s")
        let workerSeconds = ends.reduce(0) { $0 + $1.processorSeconds } - startup.processorSeconds
        report.add("worker_cpu_us", "CPU of the workers, a job", workerSeconds / jobs * 1e6, "µs", digits: 1)
        if let began = before.serverSeconds, let ended = after.serverSeconds {
            report.add("postgres_cpu_us", "CPU of PostgreSQL, a job", (ended - began) / jobs * 1e6, "µs", digits: 1)
        }
        report.add("insert_wal_bytes", "WAL of the INSERT, a job", Double(walBytes) / jobs, "B")
        report.add("wal_bytes", "WAL, a job", Double(after.walBytes - before.walBytes) / jobs, "B")
        report.add("wal_syncs", "WAL syncs, a job", Double(after.walSyncs - before.walSyncs) / jobs, "", digits: 5)
        if let began = before.statements, let ended = after.statements {
            report.add("statements", "statements, a job", Double(ended - began) / jobs, "", digits: 5)
        }
        report.add("transactions", "transactions, a job", Double(after.transactions - before.transactions) / jobs, "", digits: 5)
        report.add("idle_megabytes", "largest worker before the first claim", startup.megabytes, "MB", digits: 1)
        report.add("peak_megabytes", "largest worker at its peak", ends.map(\.peakMegabytes).max() ?? 0, "MB", digits: 1)
        return report
    }

    private func counters(_ statementsSchema: String?, _ processor: ServerProcessor?) async throws -> Counters {
        let serverSeconds = processor?.seconds()
        guard let row = try await schema.pool.query(BenchStatements.counters).first else {
            throw OperatorError(exitCode: .internal, message: "PostgreSQL told no counters")
        }
        var statements: Int?
        if let statementsSchema {
            // Installed and not loaded by the server, or not for this user: then transactions have to do.
            statements = try? await schema.pool.query(BenchStatements.statementCalls(schema: statementsSchema)).first?.get("calls")
        }
        return Counters(
            walBytes: try row.get("wal_bytes"), walSyncs: try row.get("wal_syncs"), transactions: try row.get("transactions"),
            statements: statements, serverSeconds: serverSeconds)
    }

    /// Jobs a second of the bare statements.
    private func drainBare() async throws -> Double {
        let count = min(size.jobs, Self.mostBare)
        StandardOutput.progress("\(count) bare rows")
        for statement in BenchStatements.bareTable { _ = try await schema.pool.query(statement) }
        _ = try await schema.pool.query(BenchStatements.addBare(count), deadline: BenchSchema.patience)
        _ = try await schema.pool.query(BenchStatements.vacuumBare, deadline: BenchSchema.patience)
        try await schema.checkpoint()
        let start = MonotonicClock.now()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.bareConnections { group.addTask { try await claimAndFinish() } }
            try await group.waitForAll()
        }
        return Double(count) / (MonotonicClock.now() - start).inSeconds
    }

    private func claimAndFinish() async throws {
        try await schema.pool.withConnection { connection in
            while let ids = try await connection.query(BenchStatements.claimBare(Self.bareBatch)).first?["ids"] {
                _ = try await connection.query(BenchStatements.finishBare(ids))
            }
        }
    }
}
