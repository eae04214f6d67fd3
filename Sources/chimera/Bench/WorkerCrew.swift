import Glibc
import Postgres
import Runtime

/// The workers of a drain: started, held back until all are ready, let loose at once.
final class WorkerCrew {
    /// What they had used when they were let loose.
    struct Startup {
        let processorSeconds: Double
        let megabytes: Double
    }

    private let schema: BenchSchema
    private let count: Int
    private var workers: [WorkerProcess] = []

    init(schema: BenchSchema, count: Int) {
        self.schema = schema
        self.count = count
    }

    /// Lets them loose after a last `look`. A lock on the live executions is what holds them back.
    func start<Look: Sendable>(_ look: @escaping @Sendable () async throws -> Look) async throws -> (look: Look, startup: Startup) {
        try await schema.pool.withConnection { connection in
            try await connection.transaction { transaction in
                _ = try await transaction.query(BenchStatements.holdClaims)
                for _ in workers.count..<count {
                    workers.append(try WorkerProcess(url: schema.url, environment: schema.settings.environment))
                }
                try await waitUntilReady(transaction)
                let seen = try await look()
                let startup = Startup(
                    processorSeconds: workers.reduce(0) { $0 + ProcessTable.processorSeconds($1.pid).own },
                    megabytes: workers.map { ProcessTable.residentMegabytes($0.pid) }.max() ?? 0)
                return (seen, startup)
            }
        }
    }

    private func waitUntilReady(_ transaction: PostgresTransaction) async throws {
        // A claim that waits for 10 s is given up and made again, so a slow start does no harm.
        let deadline = MonotonicClock.now() + .seconds(60)
        while MonotonicClock.now() < deadline {
            if let row = try await transaction.query(BenchStatements.starters).first,
                try row.get("registered", as: Int.self) >= count, try row.get("waiting", as: Int.self) >= count
            {
                try await Task.sleep(for: .milliseconds(200))
                return
            }
            for (place, worker) in workers.enumerated() where try worker.end() != nil {
                workers.remove(at: place)
                throw OperatorError(exitCode: .internal, message: "a worker ended before it began")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw OperatorError(exitCode: .unavailable, message: "the workers were not ready within a minute")
    }

    /// Until all have drained; throws when one fails, and leaves the others running.
    func waitForEnds() async throws -> [WorkerProcess.End] {
        var ends: [WorkerProcess.End] = []
        while let worker = workers.first {
            for other in workers.dropFirst() { other.notePeak() }
            if let end = try worker.end() {
                workers.removeFirst()
                guard end.status == 0 else {
                    throw OperatorError(exitCode: .internal, message: "a worker did not end well (status \(end.status))")
                }
                ends.append(end)
            } else {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        return ends
    }

    /// Stops what still runs: asked first, killed after ten seconds.
    func stop() async {
        for worker in workers { kill(worker.pid, SIGTERM) }
        let deadline = MonotonicClock.now() + .seconds(10)
        while let worker = workers.first {
            if MonotonicClock.now() > deadline { kill(worker.pid, SIGKILL) }
            do {
                if try worker.end() != nil { workers.removeFirst() }
            } catch {
                workers.removeFirst()
            }
            // In a task of its own: this one may be cancelled.
            await Task { try? await Task.sleep(for: .milliseconds(20)) }.value
        }
    }
}
