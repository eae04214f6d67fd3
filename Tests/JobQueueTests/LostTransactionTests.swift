import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// A worker that stops inside a transaction keeps its locks until somebody ends it (R02).
@Suite struct LostTransactionTests {
    @Test("a lost worker's open transaction is ended; what it began when it was back and those of others are left alone")
    func lostTransactions() async throws {
        try await Queue.withDatabase { queue in
            let (lost, alive) = (try await queue.addWorker(), try await queue.addWorker())
            func begin(_ connection: PostgresConnection, as worker: String) async throws {
                try await connection.script("SET application_name = 'chimera worker \(worker)'; BEGIN; SELECT 1")
            }
            try await queue.pool.withConnection { left in
                try await begin(left, as: lost)
                try await queue.pool.withConnection { neighbour in
                    try await begin(neighbour, as: alive)
                    try await queue.run("UPDATE workers SET lease = '1 ms', lease_until = clock_timestamp() WHERE id = \(lost)::uuid")
                    try await queue.pool.withConnection { back in
                        try await begin(back, as: lost)
                        #expect(try await queue.number("SELECT end_lost_transactions()") == 1)
                        for connection in [back, neighbour] { try await connection.script("SELECT 1; ROLLBACK; RESET application_name") }
                    }
                }
                await #expect(throws: PostgresError.self) { try await left.script("SELECT 1") }
            }
        }
    }

    @Test("a worker that renewed its lease while somebody looked for lost ones keeps its transaction")
    func renewedMeanwhile() async throws {
        try await Queue.withDatabase { queue in
            let worker = try await queue.addWorker()
            try await queue.pool.withConnection { slow in
                try await slow.script("SET application_name = 'chimera worker \(worker)'; BEGIN; SELECT 1")
                try await queue.run("UPDATE workers SET lease = '1 ms', lease_until = clock_timestamp()")
                let ended = try await queue.pool.withConnection { holder in
                    try await holder.script("SELECT pg_advisory_lock(7)")
                    async let ended = queue.number(
                        "SELECT end_lost_transactions() FROM (SELECT pg_advisory_xact_lock(7) OFFSET 0) AS looks_later")
                    try await eventually {
                        try await queue.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 1
                    }
                    try await queue.run("UPDATE workers SET lease = '1 hour', lease_until = clock_timestamp() + interval '1 hour'")
                    try await holder.script("SELECT pg_advisory_unlock(7)")
                    return try await ended
                }
                #expect(ended == 0)
                try await slow.script("SELECT 1; ROLLBACK; RESET application_name")
            }
        }
    }
}
