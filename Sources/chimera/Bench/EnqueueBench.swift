import Postgres
import Runtime
import Synchronization

/// What it costs to put executions into the queue, nobody working on it.
struct EnqueueBench {
    private static let rounds = 3
    private static let clients = 4
    private static let length: Duration = .seconds(1)

    let schema: BenchSchema
    let size: BenchSize

    func run() async throws -> BenchReport {
        for statement in BenchStatements.bareTable + BenchStatements.keyedTable { _ = try await schema.pool.query(statement) }
        try await schema.checkpoint()
        var report = BenchReport("enqueue")
        try await bulk(&report)
        // Somebody listens, as workers would.
        let listener = PostgresListener(schema.configuration, channels: ["chimera_jobs"], onNotify: { _, _ in }, onConnected: {})
        let (waking, silent) = try await withThrowingTaskGroup(of: Void.self) { services in
            services.addTask { await listener.run() }
            let rates = try await singles()
            services.cancelAll()
            return rates
        }
        report.add(
            "singles_per_second", "single INSERTs by \(Self.clients) connections; bare: without the wake-up", waking, bare: silent, "/s")
        StandardOutput.progress("")
        return report
    }

    /// Every figure is that of a round's one statement; the ways take turns.
    private func bulk(_ report: inout BenchReport) async throws {
        var (ours, keyed, plain) = (Samples(), Samples(), Samples())
        for round in 1...Self.rounds {
            StandardOutput.progress("\(size.jobs) rows at once, round \(round) of \(Self.rounds)")
            ours.add(try await rate(of: BenchStatements.addExecutions(size.jobs, jobs: size.configurations)))
            keyed.add(try await rate(of: BenchStatements.addKeyed(size.jobs)))
            plain.add(try await rate(of: BenchStatements.addBare(size.jobs)))
        }
        report.add("rows", .integer(Int64(size.jobs)))
        report.add(
            "bulk_per_second", "INSERT … SELECT, rows a second; bare: the same key and index", ours.median, bare: keyed.median, "/s")
        report.add("plain_per_second", "the same into a bare table with a bigint as its key", plain.median, "/s")
    }

    private func rate(of insert: SQL) async throws -> Double {
        let start = MonotonicClock.now()
        _ = try await schema.pool.query(insert, deadline: BenchSchema.patience)
        return Double(size.jobs) / (MonotonicClock.now() - start).inSeconds
    }

    private func singles() async throws -> (waking: Double, silent: Double) {
        var (waking, silent) = (Samples(), Samples())
        for round in 1...Self.rounds {
            StandardOutput.progress("single rows, round \(round) of \(Self.rounds)")
            _ = try await schema.pool.query(BenchStatements.wakes(true))
            waking.add(try await singleRate())
            _ = try await schema.pool.query(BenchStatements.wakes(false))
            silent.add(try await singleRate())
        }
        return (waking.median, silent.median)
    }

    private func singleRate() async throws -> Double {
        let start = MonotonicClock.now()
        let end = start + Self.length
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<Self.clients { group.addTask { try await insert(until: end) } }
            return try await group.reduce(0, +)
        }
        return Double(count) / (MonotonicClock.now() - start).inSeconds
    }

    /// One connection's statements, one after the other; gives their number.
    private func insert(until end: Duration) async throws -> Int {
        let firstJob = try await schema.firstJob()
        return try await schema.pool.withConnection { connection in
            var count = 0
            while MonotonicClock.now() < end {
                _ = try await connection.query(BenchStatements.addExecution(job: firstJob))
                count += 1
            }
            return count
        }
    }
}
