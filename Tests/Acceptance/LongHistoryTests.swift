import Foundation
import Postgres
import TestRig
import TestSupport
import Testing

/// R26: what programs, commands and views read does not grow with what has ended, whatever the planner believes of it.
///
/// `CHIMERA_HISTORY=10000000` makes the history as long as that and prints what was read.
@Suite struct LongHistoryTests {
    @Test("R26: nobody reads the history, be the statistics stale, missing or fresh", .timeLimit(.minutes(30)))
    func blocks() async throws {
        try await Rig.with(RigSettings(stores: 3, products: 5)) { rig in
            let history = LongHistory(rig: rig)
            try await history.fill()
            for belief in LongHistory.Belief.allCases {
                try await history.believe(belief)
                for look in LongHistory.looks + history.services {
                    let read = try await history.blocks { try await look.body(rig) }
                    let bound = look.perDay * LongHistory.days
                    #expect(read <= bound, "\(look.name): \(read) blocks of the history, \(bound) at most, with \(belief.rawValue)")
                    history.report("\(belief.rawValue): \(look.name) \(read) blocks")
                }
                // The measure measures: somebody who does read it all is seen.
                let all = try await history.blocks { try await Look.psql("SELECT count(progress) AS n FROM job_finished").body(rig) }
                #expect(all > LongHistory.executions / 100, "\(all)")
                history.report("\(belief.rawValue): all of it \(all) blocks")
            }
        }
    }
}

/// Something that may read the history, and how many blocks of it at most for each of its days: a look by an index touches every day's
/// partition, and nothing may depend on how much is in them.
private struct Look: Sendable {
    let name: String
    let perDay: Int
    let body: @Sendable (Rig) async throws -> Void

    /// A command of an operator; `{old}` stands for an execution that failed long ago, `{parent}` for a sync of then.
    static func command(_ line: String, _ perDay: Int = 15) -> Look {
        Look(name: "chimera \(line)", perDay: perDay) { rig in
            var arguments: [String] = []
            for word in line.split(separator: " ").map(String.init) {
                switch word {
                case "{old}": arguments.append(try await rig.value("SELECT id AS value FROM history_samples WHERE name = 'old'"))
                case "{parent}": arguments.append(try await rig.value("SELECT id AS value FROM history_samples WHERE name = 'parent'"))
                default: arguments.append(word)
                }
            }
            let program = try RunningProgram("chimera", arguments, environment: ["DATABASE_URL": rig.url])
            let end = try await program.waitForExit(within: .seconds(300))
            // `status` of a morning without a sync says 1.
            guard end == .exited(0) || end == .exited(1) else { throw Unexpected("\(line): \(end) \(program.errors)") }
        }
    }

    /// A statement on a connection of its own, so that what it read is counted when it is closed.
    static func psql(_ sql: String, _ perDay: Int = 15) -> Look {
        Look(name: sql, perDay: perDay) { rig in
            let pool = PostgresPool(
                try PostgresConfiguration(url: rig.url, applicationName: "chimera psql", statementDeadline: .seconds(300)),
                maximumConnections: 1)
            do {
                // The test's own text.
                _ = try await pool.query("\(unsafe: sql)")
                await pool.close()
            } catch {
                await pool.close()
                throw error
            }
        }
    }
}

/// Executions of a month that have ended, most of them of one job.
private struct LongHistory: Sendable {
    static let asked = ProcessInfo.processInfo.environment["CHIMERA_HISTORY"].flatMap { Int($0) }
    static let executions = asked ?? 1_000_000
    static let days = asked == nil ? 30 : 90

    /// What the planner is told.
    enum Belief: String, CaseIterable, Sendable {
        case stale = "statistics of the empty tables"
        case missing = "no statistics"
        case fresh = "fresh statistics"
    }

    static let looks = [
        Look.command("status", 40), .command("job list"), .command("job show frequent"), .command("store list"), .command("channel list"),
        .command("execution list"), .command("execution list --all"), .command("execution list --job frequent"),
        .command("execution list --job rare"), .command("execution list --job never"), .command("execution list --status FAILED"),
        .command("execution list --job frequent --status FAILED"), .command("execution list --job rare --status FAILED"),
        .command("execution list --status CANCELLED"), .command("execution list --status PENDING"),
        .command("execution list --parent {parent}"), .command("execution show {old}", 25), .command("execution show {parent}"),
        .command("execution logs {parent}"),
        .psql("SELECT * FROM store_status", 30), .psql("SELECT * FROM queue_defects"),
        .psql("SELECT * FROM job_executions ORDER BY id DESC LIMIT 50"),
        .psql("SELECT * FROM job_attempts WHERE execution_id = (SELECT id::uuid FROM history_samples WHERE name = 'old')"),
        .psql("SELECT retry_execution(id::uuid) FROM history_samples WHERE name = 'old'", 30),
        .psql("SELECT cancel_execution(id) FROM job_live"),
    ]

    let rig: Rig

    /// Programs at work: fifty executions, a due time, and a look at what is late. An end writes to seven places.
    var services: [Look] {
        [
            Look(name: "a worker, for fifty executions", perDay: 130) { rig in
                _ = try await rig.pool.query("SELECT enqueue_job('rare') FROM generate_series(1, 50)")
                try await rig.drain()
            },
            Look(name: "a sync of three stores", perDay: 50) { rig in
                _ = try await rig.sync()
            },
            Look(name: "a scheduler and a look at what is late", perDay: 60) { rig in
                _ = try await rig.pool.query(
                    "UPDATE job_configurations SET expect_success_within = '10 minutes' WHERE name IN ('frequent', 'rare')")
                _ = try await rig.pool.query("DELETE FROM job_watches")
                _ = try await rig.pool.query("UPDATE job_schedules SET next_due_at = now() - interval '1 second'")
                let scheduler = try rig.scheduler()
                _ = try await scheduler.line(containing: "schedules", within: .seconds(60))
                try await eventually("a look at both jobs") {
                    try await rig.value("SELECT count(*) = 2 AS value FROM job_watches WHERE next_look_at > now()")
                }
                scheduler.signal(SIGTERM)
                try await scheduler.waitForExit(within: .seconds(60))
            },
        ]
    }

    /// Makes the tables, has them analysed while they are empty, and fills them.
    func fill() async throws {
        try await run("SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - n) FROM generate_series(0, \(Self.days)::int) AS n")
        for table in try await rig.pool.query(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND (relname ~ '^job_finished_|^job_attempts_past_' OR relname = 'schedule_ticks')"
        ) {
            // A name of the catalogue.
            try await run("ALTER TABLE \(unsafe: try table.get("relname")) SET (autovacuum_enabled = off)")
        }
        try await run(
            """
            INSERT INTO job_configurations (name, job_type, cron_pattern, time_zone) VALUES
              ('frequent', 'NOOP', '*/5 * * * *', 'UTC'), ('rare', 'NOOP', NULL, 'UTC'), ('never', 'NOOP', NULL, 'UTC')
            """)
        try await run("ANALYZE")
        let began = ContinuousClock.now
        try await rig.pool.transaction { transaction in
            // Past the guards and the triggers, straight into the partitions.
            _ = try await transaction.query("SET LOCAL session_replication_role = replica")
            for statement in Self.rows { _ = try await transaction.query(statement, deadline: .seconds(1_500)) }
        }
        report("\(Self.executions) executions inserted in \(ContinuousClock.now - began)")
    }

    func believe(_ belief: Belief) async throws {
        switch belief {
        case .stale: break
        case .missing:
            try await rig.runAsAdministrator(
                "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)")
            try await rig.runAsAdministrator("UPDATE pg_class SET reltuples = -1 WHERE relnamespace = current_schema()::regnamespace")
        case .fresh: _ = try await rig.pool.query("ANALYZE", deadline: .seconds(1_200))
        }
    }

    /// Blocks of finished executions and ticks, with their indexes, that were read meanwhile by whoever has left by then.
    func blocks(_ body: () async throws -> Void) async throws -> Int {
        try await nobodyIsThere()
        let before = try await counter()
        try await body()
        try await nobodyIsThere()
        return try await counter() - before
    }

    func report(_ line: String) {
        if Self.asked != nil { print("LongHistory: \(line)") }
    }

    private func nobodyIsThere() async throws {
        try await eventually("the end of every session") {
            try await rig.value(
                "SELECT count(*) = 0 AS value FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'chimera %'"
            )
        }
    }

    private func counter() async throws -> Int {
        try await rig.value(
            """
            SELECT sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0) + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0))::bigint AS value
            FROM pg_statio_user_tables WHERE relname ~ '^job_finished|^job_attempts_past' OR relname = 'schedule_ticks'
            """)
    }

    private func run(_ sql: SQL) async throws { _ = try await rig.pool.query(sql, deadline: .seconds(1_200)) }

    // What is spliced are numbers of this test.
    /// Evenly over the days: NOOPs, a hundredth of them failed; a sync a day, the newest yesterday; a few runs of a rare job on the first day; ticks.
    private static let rows: [SQL] = [
        """
        INSERT INTO job_finished (id, job_config_id, status, trigger, priority, run_at, scheduled_for, attempt, max_attempts, created_at, started_at,
          finished_at, worker, attempt_outcome, error_details)
        SELECT \(id("n")), j.id, s.status, 'SCHEDULE', 0, a.at, a.at, 1, 3, a.at, a.at, a.at, gen_random_uuid(), s.status,
          CASE s.status WHEN 'FAILED' THEN '{"code": "NOOP_FAILED", "message": "it failed", "retryable": false}'::jsonb END
        FROM generate_series(1, \(unsafe: "\(executions)")) AS n
          CROSS JOIN LATERAL (SELECT now() - \(unsafe: "\(days)") * interval '1 day' * (1 - n::float8 / \(unsafe: "\(executions)")) AS at) AS a
          CROSS JOIN LATERAL (SELECT CASE WHEN n % 100 = 0 THEN 'FAILED' ELSE 'SUCCESS' END AS status) AS s
          JOIN job_configurations AS j ON j.name = 'frequent'
        """,
        """
        INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id)
        SELECT job_config_id, scheduled_for, 'ENQUEUED', id FROM job_finished WHERE get_byte(uuid_send(id), 15) < 25
        ON CONFLICT DO NOTHING
        """,
        """
        INSERT INTO job_finished (id, job_config_id, status, trigger, priority, run_at, attempt, max_attempts, created_at, started_at, finished_at,
          attempt_outcome)
        SELECT \(id("n")), j.id, 'SUCCESS', 'MANUAL', 0, a.at, 1, 3, a.at, a.at, a.at, 'SUCCESS'
        FROM generate_series(1, 5) AS n
          CROSS JOIN LATERAL (SELECT now() - \(unsafe: "\(days)") * interval '1 day' + n * interval '1 minute' AS at) AS a
          JOIN job_configurations AS j ON j.name = 'rare'
        """,
        """
        INSERT INTO job_finished (id, job_config_id, parent_id, store_id, status, trigger, priority, run_at, attempt, max_attempts, created_at,
          started_at, finished_at, attempt_outcome)
        SELECT \(id("n * 10 + s")), j.id, CASE WHEN s > 0 THEN \(id("n * 10")) END, nullif(s, 0), 'SUCCESS', CASE WHEN s > 0 THEN 'PARENT' ELSE 'MANUAL' END,
          0, a.at, 1, 3, a.at, a.at, a.at, 'SUCCESS'
        FROM generate_series(1, \(unsafe: "\(days)") - 2) AS n CROSS JOIN generate_series(0, 3) AS s
          CROSS JOIN LATERAL (SELECT now() - \(unsafe: "\(days)") * interval '1 day' + n * interval '1 day' AS at) AS a
          JOIN job_configurations AS j ON j.name = 'sync-products'
        """,
        "CREATE TABLE history_samples (name text, id text)",
        """
        INSERT INTO history_samples
        (SELECT 'old', id::text FROM job_finished WHERE status = 'FAILED' ORDER BY id LIMIT 1)
        UNION ALL (SELECT 'parent', parent_id::text FROM job_finished WHERE parent_id IS NOT NULL ORDER BY id LIMIT 1)
        """,
    ]

    /// An id of the moment `a.at`, as the database makes them, with a number for the rest.
    private static func id(_ number: SQL) -> SQL {
        "(lpad(to_hex((extract(epoch FROM a.at) * 1000)::bigint), 12, '0') || '7000800' || lpad(to_hex(" + number + "), 13, '0'))::uuid"
    }
}
