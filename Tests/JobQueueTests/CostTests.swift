import Foundation
import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// What an execution costs PostgreSQL from claim to finish, beside the figures that were recorded. Nothing is timed: statements and WAL do
/// not depend on what else the machine does.
@Suite(.serialized) struct CostTests {
    private static let jobs = 2_000
    private static let batch = 500
    /// How much more than recorded is let pass.
    private static let tolerance = 1.15

    /// A server of its own, where nothing but the test writes WAL, with a migrated database.
    private func withQueue(_ body: (_ queue: CostedQueue, _ url: String) async throws -> Void) async throws {
        let server = try await RestartableServer.start(settings: [
            "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all", "autovacuum": "off",
            "checkpoint_timeout": "1d", "full_page_writes": "off",
        ])
        let url = server.url()
        let migration = try RunningProgram("chimera", ["migrate", "up"], environment: ["DATABASE_URL": url])
        try #require(try await migration.waitForExit(within: .seconds(120)) == .exited(0), "\(migration.errors)")
        let queue = CostedQueue(pool: PostgresPool(try PostgresConfiguration(url: url), maximumConnections: 1))
        _ = try await withAdministrator(server.administratorURL()) { try await $0.query("CREATE EXTENSION pg_stat_statements") }
        try await queue.run("INSERT INTO job_configurations (name, job_type) VALUES ('job', 'NOOP')")
        do {
            try await body(queue, url)
            await queue.pool.close()
        } catch {
            await queue.pool.close()
            throw error
        }
    }

    @Test("claim and finish of 2,000 executions: WAL, and statements inside the queue's functions")
    func insideTheServer() async throws {
        try await withQueue { queue, _ in
            let worker = try await queue.text(
                """
                INSERT INTO workers (id, host, pid, version, lease, lease_until, slots)
                VALUES (gen_random_uuid(), 'host', 1, 'test', '1 hour', clock_timestamp() + interval '1 hour', 4) RETURNING id
                """)
            // Plans are made and functions compiled before anything is counted.
            try await queue.enqueue(Self.batch)
            try await queue.drain(worker, batch: Self.batch)
            try await queue.enqueue(Self.jobs)
            let before = try await queue.cost()
            try await queue.drain(worker, batch: Self.batch)
            let cost = try await queue.cost().since(before)
            print("claim and finish of \(Self.jobs): \(cost.walBytes) B of WAL, \(cost.statements) statements")
            expect(cost.walBytes, atMost: Self.recordedWAL, "bytes of WAL")
            expect(cost.statements, atMost: Self.recordedStatements, "statements")
        }
    }

    @Test("a worker sends its statements for many executions at once")
    func fromTheWorker() async throws {
        try await withQueue { queue, url in
            // How many rows a claim takes depends on how long jobs took lately, so on the machine: the best of some drains counts.
            var best = Cost(walBytes: .max, statements: .max)
            for _ in 1...5 {
                try await queue.enqueue(Self.jobs)
                let before = try await queue.cost(isTopLevel: true)
                let worker = try RunningProgram(
                    "chimera", ["worker", "--drain"], environment: ["DATABASE_URL": url, "CHIMERA_LOG_LEVEL": "warning"])
                try #require(try await worker.waitForExit(within: .seconds(120)) == .exited(0), "\(worker.errors)")
                let cost = try await queue.cost(isTopLevel: true).since(before)
                print("a worker's drain of \(Self.jobs): \(cost.walBytes) B of WAL, \(cost.statements) statements")
                best = Cost(walBytes: min(best.walBytes, cost.walBytes), statements: min(best.statements, cost.statements))
            }
            #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'") == 5 * Self.jobs)
            expect(best.walBytes, atMost: Self.recordedWorkerWAL, "bytes of WAL")
            expect(best.statements, atMost: Self.recordedWorkerStatements, "statements")
        }
    }

    @Test("a run that ends and lets the next one through costs one claim, and one more when its place is offered to all")
    func limitedRuns() async throws {
        try await withQueue { queue, url in
            try await queue.run("UPDATE job_configurations SET max_concurrency = 1, config = '{\"sleep_ms\": 20}'")
            try await queue.enqueue(50)
            let worker = try RunningProgram(
                "chimera", ["worker", "--drain"], environment: ["DATABASE_URL": url, "CHIMERA_LOG_LEVEL": "warning"])
            try #require(try await worker.waitForExit(within: .seconds(120)) == .exited(0), "\(worker.errors)")
            #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS' AND attempt = 1") == 50)
            let claims = try await queue.number(
                "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE toplevel AND query LIKE '%FROM claim_executions(%'")
            print("50 runs, one at a time: \(claims) claims")
            expect(claims, atMost: Self.recordedLimitedClaims, "claims")
        }
    }

    // Recorded; when a figure falls for good, record it anew.
    private static let recordedWAL = 1_967_000
    private static let recordedStatements = 48
    private static let recordedWorkerWAL = 1_966_000
    private static let recordedWorkerStatements = 104
    private static let recordedLimitedClaims = 65

    private func expect(_ measured: Int, atMost recorded: Int, _ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            Double(measured) <= Double(recorded) * Self.tolerance, "\(measured) \(what), recorded are \(recorded)",
            sourceLocation: sourceLocation)
        #expect(measured > 0, "nothing was counted", sourceLocation: sourceLocation)
    }
}

/// What the server counted.
private struct Cost {
    let walBytes: Int
    let statements: Int

    func since(_ earlier: Cost) -> Cost { Cost(walBytes: walBytes - earlier.walBytes, statements: statements - earlier.statements) }
}

/// A queue on a server that counts.
private struct CostedQueue: DatabaseFixture {
    let pool: PostgresPool

    func enqueue(_ count: Int) async throws {
        try await run(
            "INSERT INTO job_executions (job_config_id, run_at) SELECT min(id), now() - interval '1 second' FROM job_configurations, generate_series(1, \(count)::int) AS n GROUP BY n"
        )
    }

    /// Claims and finishes, a batch at a time, until nothing is due.
    func drain(_ worker: String, batch: Int) async throws {
        while true {
            let claimed = try await Queue.claim(worker, batch: batch, on: pool)
            guard !claimed.isEmpty else { return }
            let ends = claimed.map { FinishedRun(run: $0, status: "SUCCESS", attemptOutcome: "SUCCESS", metrics: nil, error: nil) }
            let finished = try await texts(QueueStatements.finish(ends))
            try #require(finished.count == claimed.count)
        }
    }

    /// What was written and executed until now, the counting left out.
    func cost(isTopLevel: Bool = false) async throws -> Cost {
        Cost(
            walBytes: try await number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"),
            statements: try await number(
                """
                SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
                WHERE (toplevel OR NOT \(isTopLevel)) AND query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE '%pg_wal_lsn_diff%'
                """))
    }
}
