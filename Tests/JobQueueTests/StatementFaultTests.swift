import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// R24: what becomes of a run whose own statement does not end, or always loses against others.
@Suite struct StatementFaultTests {
    private struct Script: Job {
        let body: @Sendable (RunContext) async throws -> Void
        func run(_ context: RunContext) async throws -> JobResult {
            try await body(context)
            return .succeeded(metrics: nil)
        }
    }

    private func outcome(
        _ pool: PostgresPool, attempt: Int = 1, failures: Int = 0, maxAttempts: Int = 3,
        _ body: @escaping @Sendable (RunContext) async throws -> Void
    ) async -> String {
        let lease = Lease(length: .seconds(900))
        lease.renewed(askedAt: MonotonicClock.now())
        let runner = Attempt(jobs: ["TEST": Script(body: body)], pool: pool, lease: lease, logs: ExecutionLogWriter(wakeup: Wakeup()))
        var run = ClaimedRun.sample(attempt: attempt, maxAttempts: maxAttempts)
        run.failures = failures
        switch await runner.run(Assignment(run: run, configuration: .sample(), term: Lease.Term(number: 1)), pause: SlotPause { _ in }) {
        case .failed(let error, _): return "failed \(error.code)"
        case .retried(let error, _, _): return "retried \(error.code): \(error.message)"
        case .interrupted(let error, _): return "interrupted \(error.code)"
        default: return "something else"
        }
    }

    @Test(
        "R24: a statement that never ends within its deadline uses an attempt while the database answers otherwise, and none while it is away"
    )
    func deadline() async throws {
        try await TestDatabase.withDatabase { database in
            var address = try #require(URLComponents(string: database.url))
            let proxy = try TCPProxy(to: try #require(address.port))
            address.port = proxy.port
            let configuration = try PostgresConfiguration(url: try #require(address.string), statementDeadline: .seconds(2))
            let pool = PostgresPool(configuration, maximumConnections: 2)
            let stuck: @Sendable (RunContext) async throws -> Void = { _ in _ = try await pool.query("SELECT pg_sleep(600)") }
            #expect(
                await outcome(pool, stuck)
                    == "retried DATABASE: one of its statements did not end within 2 s, while PostgreSQL answered others")
            #expect(await outcome(pool, attempt: 3, stuck) == "failed DATABASE", "its attempts are used up")
            proxy.set(.blackHole)
            #expect(await outcome(pool, attempt: 3, stuck) == "interrupted DATABASE_AWAY")
            await pool.close()
        }
    }

    @Test(
        "R24: conflicts and shortages use no attempt, until one run met them so often that they are its own",
        arguments: ["40001", "40P01", "53200"])
    func conflicts(sqlState: String) async throws {
        try await TestDatabase.withDatabase { database in
            let losing: @Sendable (RunContext) async throws -> Void = { _ in
                _ = try await database.pool.query("DO $$ BEGIN RAISE SQLSTATE '\(spliced(sqlState))'; END $$")
            }
            #expect(await outcome(database.pool, attempt: 3, losing) == "interrupted DATABASE_AWAY")
            let mostHandBacks = 20
            #expect(
                await outcome(database.pool, attempt: mostHandBacks + 3, failures: 2, maxAttempts: 23, losing)
                    == "interrupted DATABASE_AWAY")
            let often = await outcome(database.pool, attempt: mostHandBacks + 2, maxAttempts: 24, losing)
            #expect(often.hasPrefix("retried DATABASE: "))
            #expect(await outcome(database.pool, attempt: 24, failures: 2, maxAttempts: 24, losing) == "failed DATABASE")
        }
    }

    @Test("R24: a lock that others hold too long, and the server's own limit, use attempts; a full disk never does")
    func limits() async throws {
        try await TestDatabase.withDatabase { database in
            let pool = database.pool
            _ = try await pool.query("CREATE TABLE held (a int)")
            try await pool.transaction { holder in
                _ = try await holder.query("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
                let limit: @Sendable (String) -> @Sendable (RunContext) async throws -> Void = { setting in
                    { _ in
                        try await pool.transaction { transaction in
                            try await transaction.script("SET LOCAL \(setting) = '50ms'; SELECT * FROM held")
                        }
                    }
                }
                #expect(await outcome(pool, limit("lock_timeout")).hasPrefix("retried DATABASE: "))
                #expect(await outcome(pool, limit("statement_timeout")).hasPrefix("retried DATABASE: "))
                #expect(await outcome(pool, attempt: 3, limit("lock_timeout")) == "failed DATABASE")
            }
            let full: @Sendable (RunContext) async throws -> Void = { _ in
                _ = try await pool.query("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$")
            }
            #expect(await outcome(pool, attempt: 500, maxAttempts: 500, full) == "interrupted DATABASE_AWAY")
        }
    }
}
