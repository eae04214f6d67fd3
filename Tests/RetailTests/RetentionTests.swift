import Foundation
import JobQueue
import Notifications
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue
@testable import Retail

/// What a clean-up removes of the tables of stores and messages.
@Suite struct RetentionTests {
    private static let rules: [RetentionRule] = [.scheduleTicks, .notificationDeliveries, .comparisonDifferences, .campaigns]

    /// What a clean-up removed of each table.
    private func clean(_ shop: Shop, isDryRun: Bool = false) async throws -> JSONValue {
        try await shop.run(
            "INSERT INTO workers (id, host, pid, version, lease, lease_until, slots) VALUES ('00000000-0000-7000-8000-0000000000aa', 'h', 1, 'v', '1 hour', now() + interval '1 hour', 4) ON CONFLICT DO NOTHING"
        )
        let id = try await shop.text(
            "INSERT INTO job_executions (job_config_id) SELECT id FROM job_configurations WHERE job_type = 'CLEANUP_LOGS' RETURNING id")
        try await shop.plant(
            "UPDATE job_live SET status = 'RUNNING', attempt = 1, token = 77, worker = '00000000-0000-7000-8000-0000000000aa' WHERE id = \(id)::uuid"
        )
        let run = ClaimedRun(
            id: id, token: 77, jobConfigID: 1, attempt: 1, maxAttempts: 3, paramsText: nil, parentID: nil, storeID: nil, registration: nil,
            sourceID: 0, targetID: 0, scheduledFor: nil, priority: 0, runAtText: "", retryOf: nil, isGated: false)
        let model = shop.context(store: 1)
        let lease = Lease(length: .seconds(600))
        lease.renewed(askedAt: MonotonicClock.now())
        let context = RunContext(
            run: run, configuration: model.configuration, options: ["dry_run": .bool(isDryRun)], pool: shop.pool, lease: lease,
            term: Lease.Term(number: 1), logWriter: ExecutionLogWriter(wakeup: Wakeup()), slotPause: SlotPause { _ in })
        guard case .succeeded(let metrics?) = try await CleanupJob(rules: Self.rules).run(context) else { throw Unexpected("no metrics") }
        try await shop.run("SELECT cancel_execution(\(id)::uuid)")
        return metrics["removed"] ?? .null
    }

    private func withShop(_ body: (Shop) async throws -> Void) async throws {
        try await Shop.withDatabase { shop in
            try await shop.run("INSERT INTO job_configurations (name, job_type) VALUES ('clean', 'CLEANUP_LOGS')")
            try await body(shop)
        }
    }

    private func addCampaign(
        _ shop: Shop, store: Int, status: String, age: Int, target: Int = 0, lines: Int = 10, execution: String? = nil
    ) async throws -> String {
        try await shop.text(
            """
            INSERT INTO campaigns (execution_id, store_id, target_id, name, starts_at, ends_at, line_count, status, created_at)
            SELECT coalesce(\(orNull: execution)::uuid, uuid_v7()), \(store), \(target), 'c', m, m, \(lines), \(status), m
            FROM (SELECT now() - make_interval(days => \(age)::int) AS m) AS d RETURNING id
            """)
    }

    @Test("old campaigns go, but a store's newest VERIFIED one of each target, and one that a live run made")
    func campaigns() async throws {
        try await withShop { shop in
            let one = try await shop.addStore("one")
            let two = try await shop.addStore("two")
            let live = try await shop.text(
                "INSERT INTO job_executions (job_config_id) SELECT id FROM job_configurations RETURNING id")
            var kept: [String] = []
            _ = try await addCampaign(shop, store: one, status: "VERIFIED", age: 200)
            kept.append(try await addCampaign(shop, store: one, status: "VERIFIED", age: 150))
            kept.append(try await addCampaign(shop, store: one, status: "VERIFIED", age: 140, target: 9))
            kept.append(try await addCampaign(shop, store: one, status: "VERIFIED", age: 139, target: 9, lines: 0))
            for status in ["PLANNED", "SENT", "FAILED", "SKIPPED"] { _ = try await addCampaign(shop, store: one, status: status, age: 100) }
            _ = try await addCampaign(shop, store: two, status: "VERIFIED", age: 100)
            kept.append(try await addCampaign(shop, store: two, status: "PLANNED", age: 100, execution: live))
            kept.append(try await addCampaign(shop, store: two, status: "FAILED", age: 89))
            kept.append(try await addCampaign(shop, store: two, status: "VERIFIED", age: 5))
            #expect(try await clean(shop, isDryRun: true)["campaigns"] == 6)
            #expect(try await shop.texts("SELECT count(*) FROM campaigns") == ["12"])
            #expect(try await clean(shop)["campaigns"] == 6)
            #expect(try await shop.texts("SELECT id FROM campaigns ORDER BY id") == kept)
            #expect(try await clean(shop)["campaigns"] == 0)
        }
    }

    @Test("deliveries that are over and differences of old executions go, in as many pages as it takes; what is PENDING or young stays")
    func deliveriesAndDifferences() async throws {
        try await withShop { shop in
            try await shop.run("INSERT INTO notification_channels (name, type, config) VALUES ('ops', 'EMAIL', '{\"integration\": \"x\"}')")
            try await shop.run(
                """
                INSERT INTO notification_deliveries (channel_id, execution_id, job_config_id, event, status, created_at)
                SELECT 1, uuid_v7(), 1, 'FAILURE', (ARRAY['SENT', 'FAILED', 'PENDING'])[1 + n % 3], now() - make_interval(days => CASE WHEN n <= 3000 THEN 91 ELSE 10 END)
                FROM generate_series(1, 3300) AS n ORDER BY n
                """)
            try await shop.run(
                """
                INSERT INTO comparison_differences (execution_id, store_id, code, kind)
                SELECT uuid_v7_floor(now() - make_interval(days => CASE WHEN n <= 2500 THEN 91 ELSE 10 END)), 1, n, 'PRICE' FROM generate_series(1, 2600) AS n ORDER BY n
                """)
            let removed = try await clean(shop)
            #expect(removed["notification_deliveries"] == 2_000 && removed["comparison_differences"] == 2_500, "\(removed)")
            let left = try await shop.texts(
                "SELECT count(*) FILTER (WHERE status = 'PENDING') || ' ' || count(*) FROM notification_deliveries")
            #expect(left == ["1100 1300"])
            #expect(try await shop.texts("SELECT count(*) FROM comparison_differences") == ["100"])
        }
    }

    /// An execution that was made at noon of the day so long ago, and ended so many days later.
    private func addFinished(_ shop: Shop, age: Int, lastedDays: Int = 0) async throws -> ExecutionID {
        try await shop.run("SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - \(age)::int)")
        let id = try await shop.text(
            """
            SELECT overlay(uuid_v7()::text PLACING left(uuid_v7_floor((((now() AT TIME ZONE 'UTC')::date - \(age)::int)::timestamp + interval '12 hours') AT TIME ZONE 'UTC')::text, 13)
              FROM 1 FOR 13)
            """)
        try await shop.plant(
            """
            INSERT INTO job_finished (id, job_config_id, status, created_at, finished_at)
            SELECT \(id)::uuid, 1, 'FAILED', uuid_v7_time(\(id)::uuid), uuid_v7_time(\(id)::uuid) + make_interval(days => \(lastedDays)::int, secs => 1)
            """)
        return id
    }

    /// Drops the days that may go, a statement each: a clean-up does so in transactions that a loaded machine may keep waiting for too long.
    private func dropDays(_ shop: Shop) async throws {
        for parent in ["execution_logs", "job_finished", "job_attempts_past"] {
            try await shop.run(
                """
                SELECT drop_expired_partition(partition, retention_cutoff(90)) FROM expired_partitions(\(parent), retention_cutoff(90))
                WHERE in_use IS NULL
                """)
        }
    }

    @Test("what belongs to an execution stays as long as that does: one that a live row points to, one that ended within the retention")
    func withTheirExecutions() async throws {
        try await withShop { shop in
            let store = try await shop.addStore("one")
            let repeated = try await addFinished(shop, age: 100)
            let retry = try await shop.text("SELECT retry_execution(\(repeated)::uuid)")
            let long = try await addFinished(shop, age: 110, lastedDays: 100)
            let over = try await addFinished(shop, age: 120)
            for execution in [repeated, long, over] {
                _ = try await addCampaign(shop, store: store, status: "FAILED", age: 99, execution: execution)
                try await shop.run(
                    "INSERT INTO comparison_differences (execution_id, store_id, code, kind) VALUES (\(execution)::uuid, 1, 1, 'PRICE')")
            }
            let wouldGo = try await clean(shop, isDryRun: true)
            #expect(wouldGo["campaigns"] == 1 && wouldGo["comparison_differences"] == 1 && wouldGo["job_executions"] == 1, "\(wouldGo)")
            try await dropDays(shop)
            let gone = try await clean(shop)
            #expect(gone["campaigns"] == 1 && gone["comparison_differences"] == 1, "\(gone)")
            for table in ["campaigns", "comparison_differences"] {
                let kept = try await shop.texts("SELECT DISTINCT execution_id FROM \(spliced(table))")
                #expect(Set(kept) == [repeated, long], "\(table)")
            }
            try await shop.run("SELECT cancel_execution(\(retry)::uuid)")
            try await dropDays(shop)
            let removed = try await clean(shop)
            #expect(removed["campaigns"] == 1 && removed["comparison_differences"] == 1, "\(removed)")
        }
    }

    @Test("due times that are still to be judged as late stay, whatever the retention; those of a job that nobody expects go")
    func unjudgedTicks() async throws {
        try await withShop { shop in
            try await shop.run(
                """
                INSERT INTO job_configurations (id, name, job_type, cron_pattern, expect_success_within, active)
                VALUES (71, 'monthly', 'NOOP', '0 0 1 * *', '120 days', true), (72, 'forgotten', 'NOOP', '0 0 1 * *', NULL, true),
                  (73, 'off', 'NOOP', '0 0 1 * *', '120 days', false), (74, 'new', 'NOOP', '0 0 1 * *', '120 days', true)
                """)
            try await shop.run(
                """
                INSERT INTO job_watches (job_config_id, seen, expected_within, watched_through, next_look_at)
                SELECT id, now(), '120 days', now() - interval '105 days', now() FROM job_configurations WHERE id BETWEEN 71 AND 73
                """)
            try await shop.run(
                """
                INSERT INTO schedule_ticks (job_config_id, due_at, outcome)
                SELECT j, now() - make_interval(days => d), 'ENQUEUED' FROM unnest('{71,72,73,74}'::int[]) AS j, unnest('{100,110,130}'::int[]) AS d
                """)
            let wouldGo = try await clean(shop, isDryRun: true)
            let removed = try await clean(shop)
            #expect(removed["schedule_ticks"] == 9 && wouldGo == removed, "\(removed)")
            let kept = try await shop.texts(
                "SELECT job_config_id || ' ' || round(extract(epoch FROM now() - due_at) / 86400) FROM schedule_ticks ORDER BY 1")
            #expect(kept == ["71 100", "74 100", "74 110"])
        }
    }
}
