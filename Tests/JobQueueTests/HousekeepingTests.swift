import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// The round of everything that keeps the queue's tables going.
@Suite struct HousekeepingTests {
    @Test(
        "a process that leaves in the middle of a round ends it: what was cut off is no failure to be warned of, and nothing more is begun")
    func leaving() async throws {
        try await Queue.withDatabase { queue in
            let maintenance = Maintenance(pool: queue.pool, interval: .seconds(1))
            let round = try await queue.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE job_configurations")
                let round = Task { try await maintenance.runOnce(withHousekeeping: true) }
                try await eventually("the round waits for the lock") {
                    try await queue.number(
                        "SELECT count(*) FROM pg_locks WHERE relation = 'job_configurations'::regclass AND NOT granted") == 1
                }
                round.cancel()
                return round
            }
            let error = await #expect(throws: PostgresError.self) { try await round.value }
            #expect(error?.kind == .cancelled)
        }
    }

    @Test("lost runs are looked for by the shortest lease of all workers, whatever that of who looks")
    func shortLease() async throws {
        try await Queue.withDatabase { queue in
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(try await queue.addJob())[0]
            _ = try await queue.claimOne(worker)
            try await queue.run("UPDATE workers SET lease = '2 s', lease_until = clock_timestamp() + interval '2 s'")
            let maintenance = Task { await Maintenance(pool: queue.pool, interval: .seconds(3600)).run() }
            try await eventually("the rescue") { try await queue.status(id) == "PENDING" }
            maintenance.cancel()
            await maintenance.value
        }
    }
}
