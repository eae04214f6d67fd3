#if DEBUG
    import Foundation
    import Postgres
    import Runtime
    import TestRig
    import TestSupport
    import Testing

    /// SPEC §5: a clean-up at its worst: two at once, one of them killed half-way, somebody who reads what is to go, and jobs of all kinds.
    @Suite struct CleanupTests {
        @Test("two clean-ups, one killed half-way, beside readers and jobs of all kinds: what a dry run named goes, nothing else does")
        func worst() async throws {
            try await Rig.withPrograms { rig, programs in
                let old = OldDays(rig: rig)
                try await old.plant()
                try programs.add("say", "#!/bin/sh\necho said\n")
                try await rig.addCustom("say", programs)
                try await rig.addComparison()
                let before = try await old.everything()
                let dry = try await rig.trigger("clean-one", params: ["dry_run": true])
                try await rig.drain()
                let foretold = try await rig.execution(dry)
                #expect(foretold.status == "SUCCESS" && foretold.metrics?["dry_run"] == true)
                #expect(try await old.everything() == before, "a dry run removed something")
                let named = Set(
                    try await rig.lines(of: dry).compactMap { $0.firstMatch(of: #/would drop (\w+)/#).map { String($0.output.1) } })
                #expect(named == old.doomedPartitions)

                try await rig.pool.transaction { reader in
                    // The name is of this test.
                    _ = try await reader.query("SELECT count(*) FROM \(unsafe: old.readPartition)")
                    let killed = try rig.worker(
                        programs, ["--lease", "2", "--slots", "2"], environment: ["CHIMERA_FAILPOINT": "cleanup.dropped:3=kill"])
                    let cleanups = [try await rig.trigger("clean-one"), try await rig.trigger("clean-two")]
                    #expect(try await killed.waitForExit(within: .seconds(60)) == .signalled(SIGKILL), "it never dropped three")
                    for _ in 1...2 { _ = try rig.worker(programs, ["--lease", "2", "--slots", "4"]) }
                    let jobs = ["sync-products", "say", "many", "family"]
                    // While a partition is read, and the clean-ups try for it, nobody else waits.
                    for job in jobs { #expect(try await rig.finished(try await rig.trigger(job)).status == "SUCCESS", "\(job)") }
                    #expect(try await rig.finished(try await rig.trigger("compare-data")).status == "SUCCESS")
                    for id in cleanups {
                        let ended = try await rig.finished(id, within: .seconds(180))
                        #expect(ended.status == "SUCCESS" && ended.severity == "warning", "\(ended.message)")
                        #expect(ended.metrics?["skipped"] == [.string(old.readPartition)])
                    }
                }
                #expect(Set(before.partitions).subtracting(try await old.partitions()) == named.subtracting([old.readPartition]))
                // Whoever read has left.
                let last = try await rig.finished(try await rig.trigger("clean-two"))
                #expect(last.status == "SUCCESS" && last.severity == "ok" && last.metrics?["removed"]?["execution_logs"] == 50)
                let after = try await old.everything()
                #expect(Set(before.partitions).subtracting(after.partitions) == named)
                #expect(
                    after.rows == [
                        "campaigns": ["newest", "of a live run"], "deliveries": ["pending"], "differences": [], "ticks": ["of a live run"],
                    ])
                try await old.expectKept()
                // What was foretold is what is missing now, table by table.
                #expect(
                    foretold.metrics?["removed"] == [
                        "execution_logs": 500, "job_executions": 2, "job_attempts": 0, "schedule_ticks": 3, "notification_deliveries": 1,
                        "comparison_differences": 1, "campaigns": 2,
                    ])
            }
        }
    }

    /// Days that lie before the retention, and what in them is still needed.
    private struct OldDays {
        let rig: Rig
        /// Ages of days: whose logs go, whose executions stay, of which all goes, and the one that is read meanwhile.
        private static let doomedLogs = 10...19
        private static let neededDays = [100, 101, 102, 103]
        private static let doomedDays = [104, 105, 110]
        private static let readAge = 15

        struct Everything: Equatable {
            let partitions: [String]
            let rows: [String: [String]]
        }

        var doomedPartitions: Set<String> {
            let logs = (Array(Self.doomedLogs) + Self.neededDays + Self.doomedDays).map { name("execution_logs", $0) }
            return Set(logs + Self.doomedDays.flatMap { [name("job_finished", $0), name("job_attempts_past", $0)] })
        }

        var readPartition: String { name("execution_logs", Self.readAge) }

        private func name(_ parent: String, _ age: Int) -> String {
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = .gmt
            let day = calendar.dateComponents([.year, .month, .day], from: Date(timeIntervalSinceNow: -Double(age) * 86_400))
            return parent + String(format: "_%04d%02d%02d", day.year ?? 0, day.month ?? 0, day.day ?? 0)
        }

        /// 100 is the day of a live execution, 101 of one that is repeated, 102 of a child whose
        /// parent waits, 103 of one that is still to be told.
        func plant() async throws {
            try await rig.addChannels()
            try await rig.pool.transaction { transaction in
                for statement in Self.statements { _ = try await transaction.query(statement) }
            }
        }

        func partitions() async throws -> [String] {
            try await texts(
                """
                SELECT inhrelid::regclass::text AS value FROM pg_inherits
                WHERE inhparent IN ('execution_logs'::regclass, 'job_finished'::regclass, 'job_attempts_past'::regclass) ORDER BY 1
                """)
        }

        func everything() async throws -> Everything {
            Everything(
                partitions: try await partitions(),
                rows: [
                    "campaigns": try await texts(
                        "SELECT name AS value FROM campaigns WHERE created_at < now() - interval '80 days' ORDER BY 1"),
                    "deliveries": try await texts(
                        "SELECT last_error AS value FROM notification_deliveries WHERE created_at < now() - interval '80 days' ORDER BY 1"),
                    "differences": try await texts("SELECT expected AS value FROM comparison_differences WHERE code = 4711"),
                    "ticks": try await texts(
                        """
                        SELECT CASE WHEN execution_id IS NULL THEN 'over' ELSE 'of a live run' END AS value FROM schedule_ticks
                        WHERE due_at < now() - interval '80 days' ORDER BY 1
                        """),
                ])
        }

        /// What is live and what it points to is there, as it was.
        func expectKept() async throws {
            let kept = try await texts(
                "SELECT n.name || ' ' || e.status AS value FROM needed AS n LEFT JOIN job_executions AS e ON e.id = n.id ORDER BY 1")
            #expect(kept == ["child SUCCESS", "live PENDING", "parent RUNNING", "repeated FAILED", "to be told FAILED"])
        }

        private func texts(_ sql: SQL) async throws -> [String] {
            try await rig.pool.query(sql).map { try $0.get("value") }
        }

        /// An id of the middle of the day so long ago.
        private static func id(_ age: Int) -> SQL {
            """
            overlay(uuid_v7()::text PLACING left(uuid_v7_floor((((now() AT TIME ZONE 'UTC')::date - \(unsafe: "\(age)"))::timestamp
              + interval '12 hours') AT TIME ZONE 'UTC')::text, 13) FROM 1 FOR 13)::uuid
            """
        }

        private static func finished(_ age: Int, _ status: String, parent: SQL = "NULL::uuid") -> SQL {
            "INSERT INTO job_finished (id, job_config_id, parent_id, status, attempt, max_attempts, created_at, finished_at) SELECT i.id, job_id('held'), "
                + parent + ", '\(unsafe: status)', 1, 3, uuid_v7_time(i.id), uuid_v7_time(i.id) + interval '1 second' FROM (SELECT "
                + id(age)
                + " AS id) AS i RETURNING id"
        }

        private static func live(_ age: Int, _ name: String, _ columns: SQL, _ values: SQL) -> SQL {
            "WITH l AS (INSERT INTO job_live (id, job_config_id, run_at, max_attempts, created_at, " + columns
                + ") SELECT i.id, job_id('held'), now() + interval '1 day', 3, uuid_v7_time(i.id), " + values + " FROM (SELECT " + id(age)
                + " AS id) AS i RETURNING id) INSERT INTO needed SELECT '\(unsafe: name)', id FROM l"
        }

        // The numbers and names that are spliced are this test's own.
        private static var statements: [SQL] {
            var all: [SQL] = [
                "SELECT " + becomesTheQueue,
                """
                INSERT INTO job_configurations (name, job_type, config) VALUES ('clean-one', 'CLEANUP_LOGS', '{}'), ('clean-two', 'CLEANUP_LOGS', '{}'),
                  ('held', 'NOOP', '{}'), ('many', 'NOOP', '{"children": 200}'), ('family', 'NOOP', '{"children": 3, "sleep_ms": 200}')
                """,
                "CREATE TABLE needed (name text, id uuid)",
                """
                SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - age)
                FROM unnest('{10,11,12,13,14,15,16,17,18,19,100,101,102,103,104,105,110}'::int[]) AS age
                """,
                """
                INSERT INTO execution_logs (execution_id, attempt, logged_at, message)
                SELECT uuid_v7(), 1, ((now() AT TIME ZONE 'UTC')::date - age)::timestamp AT TIME ZONE 'UTC' + n * interval '1 minute', 'old'
                FROM generate_series(10, 19) AS age, generate_series(1, 50) AS n
                """,
                live(100, "live", "status", "'PENDING'"), live(0, "parent", "status, attempt", "'RUNNING', 1"),
                // Without a live child the parent would end.
                live(0, "sibling", "parent_id", "(SELECT id FROM needed WHERE name = 'parent')"),
                "DELETE FROM needed WHERE name = 'sibling'",
                "WITH f AS (" + finished(101, "FAILED") + ") INSERT INTO needed SELECT 'repeated', id FROM f",
                "WITH f AS (" + finished(102, "SUCCESS", parent: "(SELECT id FROM needed WHERE name = 'parent')")
                    + ") INSERT INTO needed SELECT 'child', id FROM f",
                "WITH f AS (" + finished(103, "FAILED") + ") INSERT INTO needed SELECT 'to be told', id FROM f",
                "SELECT retry_execution(id) FROM needed WHERE name = 'repeated'", "SELECT pause_job('held')",
                """
                INSERT INTO notification_deliveries (channel_id, execution_id, job_config_id, event, status, last_error, created_at, next_attempt_at)
                SELECT c.id, n.id, 1, 'FAILURE', 'PENDING', 'pending', now() - interval '100 days', now() + interval '1 day'
                FROM needed AS n, notification_channels AS c WHERE n.name = 'to be told' AND c.name = 'hook'
                UNION ALL SELECT c.id, uuid_v7(), 1, 'FAILURE', 'SENT', 'sent', now() - interval '100 days', now() FROM notification_channels AS c WHERE c.name = 'hook'
                """,
                """
                INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id)
                SELECT 1, now() - interval '100 days' - n * interval '1 hour', 'ENQUEUED',
                  CASE WHEN n = 0 THEN (SELECT id FROM needed WHERE name = 'live') END FROM generate_series(0, 3) AS n
                """,
                "INSERT INTO comparison_differences (execution_id, store_id, code, kind, expected) SELECT " + id(100)
                    + ", 1, 4711, 'PRICE', 'old'",
                """
                INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status, created_at)
                SELECT coalesce((SELECT id FROM needed WHERE c.name = 'of a live run' AND needed.name = 'live'), uuid_v7()), 1, c.name, c.at, c.at, 1, c.status, c.at
                FROM (SELECT v.name, v.status, now() - v.age * interval '1 day' AS at FROM (VALUES ('older', 'VERIFIED', 200), ('failed', 'FAILED', 150),
                  ('of a live run', 'PLANNED', 120), ('newest', 'VERIFIED', 110)) AS v(name, status, age)) AS c
                """,
            ]
            all.insert(contentsOf: [104, 105].map { finished($0, "SUCCESS") }, at: 4)
            return all
        }
    }
#endif
