import JobQueue
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Retail

/// The database is an interface: what SPEC §2 pins is there.
@Suite struct SchemaTests {
    /// Table: its columns, as `name type default`; `!` after the type: not null.
    private static let pinned: [String: String] = [
        "integrations":
            "id int! identity, name text!, type text!, base_url text, config jsonb! '{}', active bool! true, created_at time! now, updated_at time! now, deleted_at time",
        "integration_keys": "integration_id int!, key text!, value text!, expires_at time",
        "stores":
            "id int! identity, name text!, registration text!, document text, active bool! true, config jsonb! '{}', created_at time! now, updated_at time! now, deleted_at time",
        "products":
            "store_id int!, code bigint!, name text!, barcode text!, price numeric(12,2)!, final_price numeric(12,2)!, quantity_limit int!, starts_at time!, expires_at time!, updated_at time! now",
        "job_configurations": """
        id int! identity, name text!, description text, job_type text!, cron_pattern text, time_zone text! 'America/Sao_Paulo', config jsonb! '{}',
        integration_id int, active bool! true, paused_at time, priority smallint! 0, max_attempts int! 3, retry_delay_seconds int! 30,
        timeout_seconds int! 900, max_concurrency int, overlap_policy text! 'SKIP', misfire_policy text! 'RUN_ONCE', expect_success_within interval,
        problem text, created_at time! now, updated_at time! now, deleted_at time
        """,
        "job_executions": """
        id uuid! uuid_v7, job_config_id int!, parent_id uuid, retry_of uuid, status text! 'PENDING', trigger text! 'MANUAL', priority smallint,
        params jsonb! '{}', dedupe_key text, run_at time! now, scheduled_for time, attempt int! 0, max_attempts int, rescues int! 0, created_at time! now,
        created_by text! current_actor, started_at time, finished_at time, worker uuid, progress jsonb, metrics jsonb, error_details jsonb
        """,
        "job_attempts": "execution_id uuid, attempt int, worker uuid, started_at time, finished_at time, outcome text, error_details jsonb",
        "execution_logs": "execution_id uuid!, attempt int!, logged_at time! clock_timestamp, level text!, message text!, fields jsonb",
        "schedule_ticks": "job_config_id int!, due_at time!, outcome text!, execution_id uuid, count bigint! 1",
        "campaigns": """
        id bigint! identity, execution_id uuid!, store_id int!, name text!, starts_at time!, ends_at time!, line_count int!, status text! 'PLANNED',
        http_status int, response_excerpt text, created_at time! clock_timestamp, verified_at time
        """,
        "comparison_differences": "execution_id uuid!, store_id int!, code bigint!, kind text!, expected text, actual text",
        "notification_channels":
            "id int! identity, name text!, type text!, config jsonb! '{}', active bool! true, created_at time! now, updated_at time! now, deleted_at time",
        "job_notifications": """
        job_config_id int!, notification_channel_id int!, on_start bool! false, on_success bool! false, on_failure bool! true, on_warning bool! true,
        on_recovery bool! true, on_late bool! true
        """,
        "notification_deliveries": """
        id bigint! identity, channel_id int!, execution_id uuid, job_config_id int, event text!, due_at time, status text! 'PENDING', attempts int! 0,
        next_attempt_at time!, sent_at time, last_error text
        """,
        "workers":
            "id uuid!, host text!, pid int!, version text!, started_at time! clock_timestamp, heartbeat_at time! clock_timestamp, slots int!, running int! 0",
        "audit_log": "at time!, actor text!, table_name text!, row_id text!, action text!, before jsonb, after jsonb",
        "store_status":
            "store_id int, registration text, name text, day date, state text, reason text, campaign_id bigint, execution_id uuid",
    ]

    @Test("every table and column of the interface has its type and default")
    func columns() async throws {
        try await Shop.withDatabase { shop in
            let found = try await shop.texts(
                """
                SELECT format('%s.%s %s%s %s', table_name, column_name,
                  CASE data_type WHEN 'timestamp with time zone' THEN 'time' WHEN 'integer' THEN 'int' WHEN 'boolean' THEN 'bool'
                    WHEN 'numeric' THEN format('numeric(%s,%s)', numeric_precision, numeric_scale) ELSE data_type END,
                  CASE is_nullable WHEN 'NO' THEN '!' END,
                  coalesce(regexp_replace(column_default, '::.*$|[(][)]$', ''), CASE WHEN is_identity = 'YES' THEN 'identity' END))
                FROM information_schema.columns WHERE table_schema = current_schema()
                """)
            for (table, columns) in Self.pinned {
                for column in columns.split(separator: ",\n").joined(separator: ", ").split(separator: ", ") {
                    let wanted = "\(table).\(column)"
                    #expect(found.contains { $0 == wanted || $0.hasPrefix(wanted + " ") }, "\(wanted)")
                }
            }
        }
    }

    @Test("a row with the columns of the interface alone is accepted, bad words are refused by their field")
    func rows() async throws {
        try await Shop.withDatabase { shop in
            let job = try await shop.text("INSERT INTO job_configurations (name, job_type) VALUES ('j', 'NOOP') RETURNING id")
            let store = try await shop.addStore("s")
            let id = try await shop.text("INSERT INTO job_executions (job_config_id) VALUES (\(job)::int) RETURNING id")
            let channel = try await shop.text(
                "INSERT INTO notification_channels (name, type, config) VALUES ('c', 'EMAIL', '{\"password\": \"x\", \"integration\": \"i\"}') RETURNING id"
            )
            let inserts: [SQL] = [
                "INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status) VALUES (\(id)::uuid, \(store), 'c', now(), now(), 1, 'SENT')",
                "INSERT INTO products VALUES (\(store), 1, 'n', 'b', 2, 1, 5, now(), now())",
                "INSERT INTO comparison_differences (execution_id, store_id, code, kind) VALUES (\(id)::uuid, \(store), 1, 'PRICE')",
                "INSERT INTO workers (id, host, pid, version, slots) VALUES (gen_random_uuid(), 'h', 1, 'v', 4)",
                "INSERT INTO execution_logs (execution_id, attempt, message) VALUES (\(id)::uuid, 1, 'm')",
                "INSERT INTO job_notifications (job_config_id, notification_channel_id) VALUES (\(job)::int, \(channel)::int)",
                "INSERT INTO notification_deliveries (channel_id, job_config_id, event, execution_id) VALUES (\(channel)::int, \(job)::int, 'FAILURE', \(id)::uuid)",
                "INSERT INTO schedule_ticks (job_config_id, due_at, outcome) VALUES (\(job)::int, now(), 'ENQUEUED')",
            ]
            for insert in inserts { try await shop.run(insert) }
            #expect(try await shop.text("SELECT day = (now() AT TIME ZONE 'America/Sao_Paulo')::date FROM campaigns") == "t")
            for (field, change) in [
                ("status", "campaigns SET status = 'DONE'"), ("kind", "comparison_differences SET kind = 'X'"),
                ("outcome", "schedule_ticks SET outcome = 'X'"),
                ("type", "notification_channels SET type = 'SMS'"), ("config", "notification_channels SET config = '[]'"),
                ("name", "notification_channels SET name = ''"), ("event", "notification_deliveries SET event = 'X'"),
                ("status", "notification_deliveries SET status = 'X'"), ("on_start", "job_notifications SET on_start = NULL"),
            ] {
                let error = try await shop.refusal("UPDATE \(spliced(change))")
                #expect(error.message.contains(field), "\(change): \(error)")
            }
            #expect(try await shop.text("SELECT count(*) FROM audit_log WHERE after::text LIKE '%\"password\": \"x\"%'") == "0")
            #expect(
                try await shop.text("SELECT string_agg(DISTINCT table_name, ' ' ORDER BY table_name) FROM audit_log")
                    == "job_configurations job_notifications notification_channels stores")
        }
    }

    @Test("all migrations go down to nothing and up again, step by step")
    func downAndUp() async throws {
        try await Shop.withDatabase { shop in
            for number in (0..<Shop.migrations.count).reversed() {
                let undone = try await Migrator(pool: shop.pool, migrations: Shop.migrations).down(to: number)
                #expect(undone.map(\.number) == [number + 1])
            }
            #expect(try await shop.texts("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [])
            #expect(try await Migrator(pool: shop.pool, migrations: Shop.migrations).up().count == Shop.migrations.count)
        }
    }

    @Test("every statement of stores, campaigns and partners can be prepared and run")
    func statements() async throws {
        let window = CampaignWindow(dayOf: 0, zone: .utc)
        let campaign = NewCampaign(
            execution: "00000000-0000-7000-8000-000000000001", store: 1, target: 1, name: "c", window: window, lineCount: 0,
            status: "PLANNED", content: "",
            body: nil, staged: nil, metrics: nil, reason: nil, isDryRun: false)
        let caller = "00000000-0000-7000-8000-000000000002"
        let all: [SQL] = [
            RetailStatements.stores(ids: [1]), RetailStatements.activeStores, RetailStatements.integration(named: "rp"),
            RetailStatements.integration(id: 1),
            RetailStatements.baseline(store: 1, target: 1, day: "1970-01-01"),
            RetailStatements.unchangedCampaign(store: 1, target: 1, day: "1970-01-01", content: "x"),
            RetailStatements.activeIntegrations(type: "RP"), RetailStatements.now, RetailStatements.insertCampaign(campaign),
            RetailStatements.latestCampaign(store: 1, target: 1, day: "1970-01-01"),
            RetailStatements.uploadBegins(1), RetailStatements.uploadDidNotArrive(1),
            RetailStatements.campaignSent(1, receipt: UploadReceipt(httpStatus: 200, excerpt: "ok")),
            RetailStatements.campaignSent(1, receipt: nil),
            RetailStatements.campaignReason(1, reason: "r", answer: nil), RetailStatements.campaignVerified(1),
            RetailStatements.campaignFailed(1, reason: "r", answer: nil, mayHaveArrived: false),
            RetailStatements.removeProducts(store: 1),
            RetailStatements.reserveRequest(integration: 1, perMinute: 30, execution: caller),
            RetailStatements.reserveRequest(integration: 1, perMinute: 600, execution: caller),
            RetailStatements.recordFailure(integration: 1, store: 1),
            RetailStatements.recordSuccess(integration: 1), RetailStatements.key(integration: 1, key: "k"),
            RetailStatements.storeKey(integration: 1, key: "k", value: "enc:v1:x", lifetime: .seconds(5)),
            RetailStatements.beginLogin(integration: 1), RetailStatements.endLogin(integration: 1, login: caller),
            ComparisonStatements.published(store: 1, target: 1, day: "1970-01-01"),
            ComparisonStatements.removeDifferences(of: caller),
            ComparisonStatements.unplannedSync(comparison: caller, of: try StoreChoice(OptionFields(options: [:])), patience: .seconds(9)),
        ]
        try await Shop.withDatabase { shop in
            _ = try await shop.addStore("s")
            _ = try await shop.addIntegration("rp", type: "RP")
            try await shop.pool.withConnection { connection in
                for (place, statement) in all.enumerated() {
                    await #expect(throws: Never.self, "\(statement.text)") {
                        try await connection.script("PREPARE statement_\(place) AS \(statement.text)")
                        _ = try await connection.query(statement)
                    }
                }
                let rows = ProductRows(products: StagedProducts([]), store: 1, startsAt: 0, expiresAt: 0)
                let copied = try await connection.copyIn(RetailStatements.copyProducts, rows: rows)
                #expect(copied == 0)
                let line = CampaignLine(code: 1, price: Cents(200), finalPrice: Cents(100), limit: 1)
                let differences = Comparison(offered: [line], listing: Listing(), windows: .none)
                let found = DifferenceRows(comparison: differences, execution: caller, store: 1)
                #expect(try await connection.copyIn(ComparisonStatements.copyDifferences, rows: found) == 1)
            }
            #expect(try await shop.text("SELECT status || ' ' || coalesce(http_status::text, 'none') FROM campaigns") == "FAILED 200")
        }
    }
}
