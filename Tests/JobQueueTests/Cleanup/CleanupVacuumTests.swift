import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// A clean-up beside autovacuum, which may take up an old partition at any time.
@Suite struct CleanupVacuumTests {
    @Test("an autovacuum that works on an old partition, slow and for long, makes way for its drop")
    func makesWay() async throws {
        let server = try await RestartableServer.start(settings: ["autovacuum_naptime": "1s"])
        let pool = PostgresPool(try PostgresConfiguration(url: server.url()), maximumConnections: 3)
        let administrator = PostgresPool(try PostgresConfiguration(url: server.administratorURL()), maximumConnections: 1)
        for migration in [
            .m01Foundations, .m02Integrations, .m03Jobs, .m04Executions, .m05ExecutionGuards, .m06Ends, .m07Claims, .m08Operations,
            .m09Schedules, .m12Retention,
        ] as [Migration] {
            try await pool.transaction { transaction in try await transaction.script(migration.up) }
        }
        let partition: String =
            try await pool.query(
                "SELECT 'execution_logs_' || to_char((now() AT TIME ZONE 'UTC')::date - 20, 'YYYYMMDD') AS name FROM create_day_partitions((now() AT TIME ZONE 'UTC')::date - 20)"
            ).first?.get("name") ?? ""
        _ = try await pool.query(
            """
            INSERT INTO execution_logs (execution_id, attempt, logged_at, message)
            SELECT uuid_v7(), 1, ((now() AT TIME ZONE 'UTC')::date - 20)::timestamp AT TIME ZONE 'UTC', repeat('x', 500) FROM generate_series(1, 20000)
            """)
        // A hundred milliseconds for every page: it would take minutes.
        _ = try await pool.query(
            """
            ALTER TABLE \(spliced(partition)) SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
              autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 100000000)
            """)
        _ = try await pool.query("DELETE FROM execution_logs WHERE id % 2 = 0")
        try await eventually("an autovacuum is at it") {
            try await administrator.query("SELECT FROM pg_stat_progress_vacuum WHERE relid = \(partition)::regclass").count == 1
        }
        var outcomes: [String] = []
        while outcomes.last != "DROPPED", outcomes.count < 5 {
            outcomes.append(try await pool.query(CleanupStatements.drop(partition, days: 7)).first?["outcome"] ?? "")
        }
        #expect(outcomes.last == "DROPPED", "\(outcomes)")
        await administrator.close()
        await pool.close()
    }
}
