import JobQueue
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Retail

/// `store_status`: how every active store stands today, and why (SPEC §2).
@Suite struct StoreStatusTests {
    private struct Morning {
        let shop: Shop
        let job: Int
        let store: Int

        init(_ shop: Shop) async throws {
            self.shop = shop
            job =
                Int(try await shop.text("INSERT INTO job_configurations (name, job_type) VALUES ('sync', 'SYNC_PRODUCTS') RETURNING id"))
                ?? 0
            store = try await shop.addStore("00000000000191")
        }

        /// Plants a campaign of today, in the columns that SPEC names; gives its id.
        func campaign(
            _ status: String, execution: String = "00000000-0000-7000-8000-000000000001", day: String = "now()", reason: String? = nil,
            dryRun: Bool = false
        ) async throws -> String {
            try await shop.text(
                """
                INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status, reason, dry_run)
                VALUES (\(execution)::uuid, \(store), 'c', \(spliced(day)), \(spliced(day)), 5, \(status), \(orNull: reason), \(dryRun)) RETURNING id
                """)
        }

        /// Plants a run of the store that ended; gives its id.
        func ended(_ status: String, message: String? = nil) async throws -> String {
            let id = try await live(runAt: "now() + interval '1 hour'")
            try await shop.plant(
                """
                SELECT archive_executions(ARRAY[\(id)::uuid], NULL, ARRAY[\(status)], ARRAY[\(status)], NULL,
                  ARRAY[CASE WHEN \(orNull: message)::text IS NOT NULL THEN jsonb_build_object('message', \(orNull: message)::text) END])
                """)
            return id
        }

        func live(runAt: String = "now()") async throws -> String {
            try await shop.text(
                "INSERT INTO job_executions (job_config_id, store_id, run_at) SELECT \(job), \(store), \(spliced(runAt)) FROM " + asTheQueue
                    + " RETURNING id")
        }

        /// State, reason, campaign and execution.
        var status: [String] {
            get async throws {
                let row = try #require(
                    try await shop.pool.query("SELECT state, reason, campaign_id::text, execution_id::text FROM store_status").first)
                return [row[0] ?? "", row[1] ?? "", row[2] ?? "", row[3] ?? ""]
            }
        }
    }

    private func withMorning(_ body: (Morning) async throws -> Void) async throws {
        try await Shop.withDatabase { shop in try await body(try await Morning(shop)) }
    }

    @Test("MISSING while nothing has run today: yesterday's campaign, a dry run and another store's do not count")
    func missing() async throws {
        try await withMorning { morning in
            #expect(try await morning.status == ["MISSING", "no sync has run for it today", "", ""])
            _ = try await morning.campaign("VERIFIED", day: "now() - interval '1 day'")
            _ = try await morning.campaign("SKIPPED", dryRun: true)
            _ = try await morning.shop.addStore("other")
            try await morning.shop.run("UPDATE stores SET active = false WHERE name = 'other'")
            #expect(try await morning.status == ["MISSING", "no sync has run for it today", "", ""])
            try await morning.shop.run("UPDATE stores SET deleted_at = now()")
            #expect(try await morning.shop.texts("SELECT state FROM store_status") == [])
        }
    }

    @Test("RUNNING while an execution of the store is live and due, with the last attempt's error; a comparison is no sync")
    func running() async throws {
        try await withMorning { morning in
            try await morning.shop.run("INSERT INTO job_configurations (name, job_type) VALUES ('compare', 'COMPARE_DATA')")
            try await morning.shop.plant("INSERT INTO job_executions (job_config_id, store_id) VALUES (2, \(morning.store))")
            #expect(try await morning.status[0] == "MISSING")
            let id = try await morning.live()
            #expect(try await morning.status == ["RUNNING", "pending", "", id])
            try await morning.shop.plant("UPDATE job_live SET error_details = '{\"message\": \"HTTP 503\"}' WHERE id = \(id)::uuid")
            #expect(try await morning.status == ["RUNNING", "HTTP 503", "", id])
            let campaign = try await morning.campaign("SENT", execution: id)
            #expect(try await morning.status == ["RUNNING", "HTTP 503", campaign, id])
        }
    }

    @Test("a sync without children yet stands for every store that it is for: RUNNING while it plans, else MISSING with what it waits for")
    func queued() async throws {
        try await withMorning { morning in
            let shop = morning.shop
            func sync(_ params: String) async throws -> String {
                try await shop.text(
                    "INSERT INTO job_executions (job_config_id, params) VALUES (\(morning.job), \(params)::jsonb) RETURNING id")
            }
            func plant(_ change: String) async throws { try await shop.plant("UPDATE job_live SET \(spliced(change))") }
            _ = try await sync("{\"store_ids\": [99]}")
            _ = try await sync("{\"dry_run\": true}")
            #expect(try await morning.status == ["MISSING", "no sync has run for it today", "", ""])
            _ = try await morning.ended("FAILED", message: "wrong password")
            for stores in ["[]", "[\(morning.store)]"] {
                let id = try await sync("{\"store_ids\": \(stores)}")
                #expect(try await morning.status == ["MISSING", "the sync waits for a worker", "", id])
                try await plant("run_at = now() + interval '30 seconds' WHERE id = '\(id)'")
                #expect(try await morning.status == ["MISSING", "the sync is not due yet", "", id])
                try await plant("error_details = '{\"message\": \"HTTP 503\"}' WHERE id = '\(id)'")
                #expect(try await morning.status == ["MISSING", "HTTP 503", "", id])
                try await plant("status = 'RUNNING', worker = uuid_v7(), error_details = NULL WHERE id = '\(id)'")
                #expect(try await morning.status == ["RUNNING", "the sync plans its stores", "", id])
                // Its children are there, and none of them is the store's.
                try await plant("worker = NULL WHERE id = '\(id)'")
                #expect(try await morning.status.prefix(2) == ["FAILED", "wrong password"])
            }
        }
    }

    @Test("what a paused job holds back hides neither another job's failure nor the campaign that is verified")
    func heldBack() async throws {
        try await withMorning { morning in
            let shop = morning.shop
            let paused = try await shop.text(
                "INSERT INTO job_configurations (name, job_type, paused_at) VALUES ('paused', 'SYNC_PRODUCTS', now()) RETURNING id")
            let failed = try await morning.ended("FAILED", message: "wrong password")
            let held = try await shop.text("INSERT INTO job_executions (job_config_id) VALUES (\(Int(paused)!)) RETURNING id")
            #expect(try await morning.status == ["FAILED", "wrong password", "", failed])
            #expect(try await shop.text("SELECT job_paused_at IS NULL FROM store_status") == "t")
            let verified = try await morning.ended("SUCCESS")
            let campaign = try await morning.campaign("VERIFIED", execution: verified)
            #expect(try await morning.status == ["VERIFIED", "", campaign, verified])
            #expect(held != verified)
        }
    }

    @Test("VERIFIED wins over whatever came later")
    func verified() async throws {
        try await withMorning { morning in
            let first = try await morning.ended("SUCCESS")
            let campaign = try await morning.campaign("VERIFIED", execution: first)
            let second = try await morning.ended("SUCCESS")
            _ = try await morning.campaign("SKIPPED", execution: second, reason: "the same content")
            _ = try await morning.ended("FAILED", message: "later")
            _ = try await morning.live(runAt: "now() + interval '2 hours'")
            #expect(try await morning.status == ["VERIFIED", "", campaign, first])
        }
    }

    @Test("SENT says why it was not verified")
    func sent() async throws {
        try await withMorning { morning in
            let failed = try await morning.ended("FAILED", message: "the listing shows nothing")
            let campaign = try await morning.campaign("SENT", execution: failed, reason: "older reason")
            #expect(try await morning.status == ["SENT", "the listing shows nothing", campaign, failed])
        }
        try await withMorning { morning in
            let success = try await morning.ended("SUCCESS")
            let campaign = try await morning.campaign("SENT", execution: success, reason: "not readable")
            #expect(try await morning.status == ["SENT", "not readable", campaign, success])
            try await morning.shop.run("UPDATE campaigns SET reason = NULL")
            #expect(try await morning.status[1] == "uploaded, not seen in the listing")
        }
    }

    @Test("SKIPPED has its reason, until a later run fails")
    func skipped() async throws {
        try await withMorning { morning in
            let success = try await morning.ended("SUCCESS")
            let campaign = try await morning.campaign("SKIPPED", execution: success, reason: "no product has a club price")
            #expect(try await morning.status == ["SKIPPED", "no product has a club price", campaign, success])
            let failed = try await morning.ended("FAILED", message: "RP is down")
            #expect(try await morning.status == ["FAILED", "RP is down", campaign, failed])
        }
    }

    @Test("FAILED is told with the run's message, CANCELLED likewise; a campaign that failed stands beside it")
    func failed() async throws {
        try await withMorning { morning in
            let failed = try await morning.ended("FAILED", message: "CATALOGUE_DROPPED")
            #expect(try await morning.status == ["FAILED", "CATALOGUE_DROPPED", "", failed])
            let campaign = try await morning.campaign("FAILED", execution: failed, reason: "422")
            #expect(try await morning.status == ["FAILED", "CATALOGUE_DROPPED", campaign, failed])
            let cancelled = try await morning.ended("CANCELLED")
            #expect(try await morning.status == ["FAILED", "the run was cancelled", campaign, cancelled])
        }
    }

    @Test("a plan that failed is every store's failure that it was for; a paused job's waiting run is MISSING and says so")
    func plans() async throws {
        try await withMorning { morning in
            let shop = morning.shop
            let waiting = try await morning.live()
            try await shop.run("SELECT pause_job('sync')")
            #expect(try await morning.status == ["MISSING", "the job sync is paused", "", waiting])
            try await shop.run("SELECT resume_job('sync')")
            try await shop.run("SELECT cancel_execution(\(waiting)::uuid)")
            for (params, state) in [("{\"store_ids\": [99]}", "the run was cancelled"), ("{}", "wrong password")] {
                let plan = try await shop.text(
                    "INSERT INTO job_executions (job_config_id, params) VALUES (\(morning.job), \(params)::jsonb) RETURNING id")
                try await shop.plant(
                    """
                    SELECT archive_executions(ARRAY[\(plan)::uuid], NULL, ARRAY['FAILED'], ARRAY['FAILED'], NULL, ARRAY['{"message": "wrong password"}'::jsonb])
                    """)
                #expect(try await morning.status.prefix(2) == ["FAILED", state])
            }
        }
    }

    @Test("the day is that of the store's zone, else of its sync job's")
    func zones() async throws {
        try await withMorning { morning in
            func day() async throws -> String { try await morning.shop.text("SELECT day FROM store_status") }
            for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
                let today = try await morning.shop.text("SELECT (now() AT TIME ZONE \(zone))::date")
                try await morning.shop.run("UPDATE job_configurations SET time_zone = \(zone)")
                #expect(try await day() == today)
                try await morning.shop.run("UPDATE stores SET config = jsonb_build_object('time_zone', 'UTC')")
                #expect(try await day() == (try await morning.shop.text("SELECT (now() AT TIME ZONE 'UTC')::date")))
                try await morning.shop.run("UPDATE stores SET config = '{}'")
            }
        }
    }

    @Test("what it reads does not grow with the days of history, and it is never so costly that PostgreSQL compiles it")
    func history() async throws {
        try await Shop.withDatabase { shop in
            try await shop.run("INSERT INTO job_configurations (name, job_type) VALUES ('sync', 'SYNC_PRODUCTS')")
            try await shop.run("INSERT INTO stores (name, registration) SELECT 's' || n, n FROM generate_series(1, 500) AS n")
            // A few at a time: a busy machine does not make 61 days' tables in the time that a statement has.
            for first in stride(from: 0, through: 60, by: 6) {
                try await shop.run(
                    "SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - n) FROM generate_series(\(first), least(\(first) + 5, 60)) AS n"
                )
            }
            var blocks: [Int] = []
            for days in [0...1, 2...60] {
                try await shop.plant(
                    """
                    WITH f AS (
                      INSERT INTO job_finished (id, job_config_id, store_id, status, attempt, max_attempts, created_at, finished_at)
                      SELECT (left(uuid_v7_floor(a.at)::text, 13) || right(gen_random_uuid()::text, 23))::uuid, 1, s.id, 'SUCCESS', 1, 3, a.at, a.at
                      FROM generate_series(\(days.upperBound)::int, \(days.lowerBound)::int, -1) AS d CROSS JOIN stores AS s
                        CROSS JOIN LATERAL (SELECT now() - d * interval '1 day' AS at) AS a
                      RETURNING id, store_id, created_at)
                    INSERT INTO campaigns (execution_id, store_id, name, day, starts_at, ends_at, line_count, status)
                    SELECT id, store_id, 'c', (created_at AT TIME ZONE 'America/Sao_Paulo')::date, created_at, created_at, 5, 'VERIFIED'
                    FROM f ORDER BY created_at
                    """)
                try await shop.run("ANALYZE")
                // The least of three looks: one beside autovacuum reads much of the catalogue again, for it has the tables looked up anew.
                var least = Int.max
                for _ in 0..<3 {
                    let plan = try await shop.text("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM store_status")
                    #expect(!plan.contains("JIT"))
                    let root = try #require(try JSONValue(parsing: plan).arrayValue?.first?["Plan"])
                    least = min(least, (root["Shared Hit Blocks"]?.intValue ?? 0) + (root["Shared Read Blocks"]?.intValue ?? 0))
                }
                blocks.append(least)
            }
            #expect(blocks[1] < blocks[0] * 2, "\(blocks)")
            #expect(try await shop.texts("SELECT state || ' ' || count(*) FROM store_status GROUP BY state") == ["VERIFIED 500"])
        }
    }
}
