import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// A bad value is refused at INSERT with a message that names the field (SPEC §2).
@Suite struct RefusalTests {
    private static let jobs: [(field: String, columns: String, values: String)] = [
        ("name", "name, job_type", "'  ', 'NOOP'"),
        ("name", "name, job_type", "NULL, 'NOOP'"),
        ("name", "name, job_type", "repeat('x', 201), 'NOOP'"),
        ("name", "name, job_type", "'taken', 'NOOP'"),
        ("job_type", "name, job_type", "'j', 'SYNC'"),
        ("job_type", "name, job_type", "'j', 'noop'"),
        ("job_type", "name", "'j'"),
        ("time_zone", "name, job_type, time_zone", "'j', 'NOOP', 'BRT'"),
        ("time_zone", "name, job_type, time_zone", "'j', 'NOOP', 'america/sao_paulo'"),
        ("time_zone", "name, job_type, time_zone", "'j', 'NOOP', 'Foo3'"),
        ("time_zone", "name, job_type, time_zone", "'j', 'NOOP', ''"),
        ("time_zone", "name, job_type, time_zone", "'j', 'NOOP', NULL"),
        ("priority", "name, job_type, priority", "'j', 'NOOP', NULL"),
        ("max_attempts", "name, job_type, max_attempts", "'j', 'NOOP', 0"),
        ("max_attempts", "name, job_type, max_attempts", "'j', 'NOOP', 1001"),
        ("retry_delay_seconds", "name, job_type, retry_delay_seconds", "'j', 'NOOP', -1"),
        ("retry_delay_seconds", "name, job_type, retry_delay_seconds", "'j', 'NOOP', 3601"),
        ("timeout_seconds", "name, job_type, timeout_seconds", "'j', 'NOOP', 0"),
        ("timeout_seconds", "name, job_type, timeout_seconds", "'j', 'NOOP', 604801"),
        ("max_concurrency", "name, job_type, max_concurrency", "'j', 'NOOP', 0"),
        ("overlap_policy", "name, job_type, overlap_policy", "'j', 'NOOP', 'skip'"),
        ("misfire_policy", "name, job_type, misfire_policy", "'j', 'NOOP', 'NEVER'"),
        ("expect_success_within", "name, job_type, expect_success_within", "'j', 'NOOP', '0'"),
        ("expect_success_within", "name, job_type, expect_success_within", "'j', 'NOOP', '9999 years'"),
        ("expect_success_within", "name, job_type, expect_success_within", "'j', 'NOOP', '10 years 1 second'"),
        ("integration_id", "name, job_type, integration_id", "'j', 'NOOP', 77"),
        ("config", "name, job_type, config", "'j', 'NOOP', '[]'"),
        ("config", "name, job_type, config", "'j', 'NOOP', 'null'"),
        ("config", "name, job_type, config", "'j', 'NOOP', NULL"),
    ]

    private static let configs: [(field: String, type: String, config: String)] = [
        ("config.store_ids", "SYNC_PRODUCTS", #"{"store_ids": 7}"#),
        ("config.store_ids", "SYNC_PRODUCTS", #"{"store_ids": ["7"]}"#),
        ("config.store_ids", "SYNC_PRODUCTS", #"{"store_ids": [7.5]}"#),
        ("config.store_ids", "SYNC_PRODUCTS", #"{"store_ids": [-1]}"#),
        ("config.store_ids", "COMPARE_DATA", #"{"store_ids": null}"#),
        ("config.store_id", "SYNC_PRODUCTS", #"{"store_id": [7]}"#),
        ("config.stores", "COMPARE_DATA", #"{"stores": [7]}"#),
        ("config", "NOOP", #"{"x": 1e400}"#),
        ("config", "NOOP", #"{"x": [-1e400]}"#),
        ("config", "NOOP", #"{"x": "# + String(repeating: "[", count: 33) + String(repeating: "]", count: 33) + "}"),
        ("config", "NOOP", #"{"x": ""# + String(repeating: "x", count: 2_000_000) + #""}"#),
        ("config.dry_run", "SYNC_PRODUCTS", #"{"dry_run": "yes"}"#),
        ("config.confirm_drop", "SYNC_PRODUCTS", #"{"confirm_drop": 1}"#),
        ("config.max_drop_percent", "SYNC_PRODUCTS", #"{"max_drop_percent": 101}"#),
        ("config.max_drop_percent", "SYNC_PRODUCTS", #"{"max_drop_percent": "50"}"#),
        ("config.max_drop_percent", "SYNC_PRODUCTS", #"{"max_drop_percent": 1e400}"#),
        ("config.quantity_limit", "SYNC_PRODUCTS", #"{"quantity_limit": 0}"#),
        ("config.quantity_limit", "SYNC_PRODUCTS", #"{"quantity_limit": 3000000000}"#),
        ("config.notification_threshold", "COMPARE_DATA", #"{"notification_threshold": 5}"#),
        ("config.notification_threshold.min_differences", "COMPARE_DATA", #"{"notification_threshold": {"min_differences": 0}}"#),
        (
            "config.notification_threshold.critical_differences", "COMPARE_DATA",
            #"{"notification_threshold": {"critical_differences": "50"}}"#
        ),
        ("config.check_extra", "COMPARE_DATA", #"{"check_extra": "yes"}"#),
        ("config.check_missing_products", "COMPARE_DATA", #"{"check_missing_products": 1}"#),
        ("config.check_price_differences", "COMPARE_DATA", #"{"check_price_differences": []}"#),
        ("config.verify", "SYNC_PRODUCTS", #"{"verify": "never"}"#),
        ("config.source", "SYNC_PRODUCTS", #"{"source": 1}"#),
        ("config.target", "SYNC_PRODUCTS", #"{"target": ["x"]}"#),
        ("config.retention_days", "CLEANUP_LOGS", #"{"retention_days": -1}"#),
        ("config.execution_retention_days", "CLEANUP_LOGS", #"{"execution_retention_days": 1.5}"#),
        ("config.retention_day", "CLEANUP_LOGS", #"{"retention_day": 30}"#),
        ("config.cleanup_executions", "CLEANUP_LOGS", #"{"cleanup_executions": "no"}"#),
        ("config.cleanup_system_logs", "CLEANUP_LOGS", #"{"cleanup_system_logs": null}"#),
        ("config.program", "CUSTOM", #"{"program": {}}"#),
        ("config.program", "CUSTOM", #"{"program": null}"#),
        ("config.program", "CUSTOM", #"{"program": ""}"#),
        ("config.program", "CUSTOM", #"{"program": ".."}"#),
        ("config.program", "CUSTOM", #"{"program": "/bin/sh"}"#),
        ("config.program", "CUSTOM", #"{"program": "../sh"}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": "-v"}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["-n", 1]}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["enc:v1:k1:AAAA"]}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["postgres://u:geheim@db/x"]}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["--api-key=geheim"]}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["postgresql://u:pa/ss@h/db"]}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["-v", "x --password 'y' --Senha: geheim"]}"#),
        ("config.arguments", "CUSTOM", #"{"program": "p", "arguments": ["{\"token\": \"geheim\"}"]}"#),
        ("config.environment", "CUSTOM", #"{"program": "p", "environment": ["A=1"]}"#),
        ("config.environment.A", "CUSTOM", #"{"program": "p", "environment": {"A": 1}}"#),
        ("config.environment", "CUSTOM", #"{"program": "p", "environment": {"A=B": "1"}}"#),
        ("config.environment", "CUSTOM", #"{"program": "p", "environment": {"": "1"}}"#),
        ("config.environment.CHIMERA_ATTEMPT", "CUSTOM", #"{"program": "p", "environment": {"CHIMERA_ATTEMPT": "1"}}"#),
        ("config.sleep_ms", "NOOP", #"{"sleep_ms": -5}"#),
        ("config.children", "NOOP", #"{"children": 10001}"#),
        ("config.fail", "NOOP", #"{"fail": "sometimes"}"#),
    ]

    private static let patterns = [
        ("", "0 fields"), ("* * * *", "4 fields"), ("* * * * * * *", "7 fields"), ("@reboot", "@reboot"), ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"), ("* * 0 * *", "day of month"), ("* * 32 * *", "day of month"), ("* * * 13 *", "month"),
        ("* * * * 8", "day of week"),
        ("60 * * * * *", "second"), ("*/0 * * * *", "minute"), ("* */00 * * *", "hour"), ("a * * * *", "minute"), ("1; * * * *", "minute"),
        ("* * * FOO *", "month"), ("* * * * 1#6", "day of week"), ("* * * * 1#0", "day of week"), ("* * * * L", "day of week"),
        ("1,,2 * * * *", "minute"),
        ("* * 99999 * *", "day of month"), ("* * * * MON-", "day of week"), ("5-", "1 fields"),
    ]

    private func isNamed(_ field: String, in error: PostgresError) -> Bool {
        let column = field.split(separator: ".")[0]
        if error.message.hasPrefix("\(field): ") { return true }
        if case .constraint(let name) = error.kind, name.contains("_\(column)") { return error.message.contains(column) }
        return error.message.contains("\"\(column)\"")
    }

    @Test("a job with live executions keeps its type, for their params were checked by it; its id stays in any case")
    func typeOfLive() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "CUSTOM", "config = '{\"program\": \"p\"}'")
            try await queue.run(#"INSERT INTO job_executions (job_config_id, params) VALUES (\#(job), '{"store_id": [1]}')"#)
            let change: SQL = "UPDATE job_configurations SET job_type = 'SYNC_PRODUCTS'"
            #expect(try await queue.refusal(change).message.hasPrefix("job_type: "))
            #expect(try await queue.refusal("UPDATE job_configurations SET id = 500").message.hasPrefix("id: "))
            try await queue.run("SELECT cancel_execution(id) FROM job_live")
            try await queue.run(change)
        }
    }

    @Test("a job with a bad value is refused by the field's name")
    func jobConfigurations() async throws {
        try await Queue.withDatabase { queue in
            try await queue.addJob("taken")
            for (field, columns, values) in Self.jobs {
                let error = try await queue.refusal("INSERT INTO job_configurations (\(spliced(columns))) VALUES (\(spliced(values)))")
                #expect(isNamed(field, in: error), "\(values): \(error)")
                // It would print the config.
                #expect(error.detail?.contains("Failing row") != true, "\(values): \(error)")
            }
            for (field, type, config) in Self.configs {
                let error = try await queue.refusal(
                    "INSERT INTO job_configurations (name, job_type, config) VALUES ('j', \(type), \(config)::jsonb)")
                #expect(error.message.hasPrefix("\(field): "), "\(config): \(error)")
                let change = try await queue.refusal(
                    "UPDATE job_configurations SET job_type = \(type), config = \(config)::jsonb WHERE name = 'taken'")
                #expect(change.message.hasPrefix("\(field): "), "\(config): \(change)")
            }
            for (pattern, word) in Self.patterns {
                let error = try await queue.refusal(
                    "INSERT INTO job_configurations (name, job_type, cron_pattern) VALUES ('j', 'NOOP', \(pattern))")
                #expect(error.message.hasPrefix("cron_pattern: ") && error.message.contains(word), "\(pattern): \(error)")
            }
            let long = try await queue.refusal("UPDATE job_configurations SET cron_pattern = repeat('1,', 600) || '1 * * * *'")
            #expect(long.message.hasPrefix("cron_pattern: "))
        }
    }

    @Test("an integration or key with a bad value is refused by the field's name")
    func integrations() async throws {
        let rows: [(field: String, values: String)] = [
            ("name", "'', 'RP', NULL, '{}'"), ("name", "'taken', 'EMAIL', NULL, '{}'"), ("type", "'i', 'ERP', NULL, '{}'"),
            ("base_url", "'i', 'RP', 'ftp://x', '{}'"), ("base_url", "'i', 'RP', 'http://a b', '{}'"), ("base_url", "'i', 'RP', '', '{}'"),
            ("config", "'i', 'RP', NULL, '7'"), ("config.base_url", #"'i', 'RP', NULL, '{"base_url": "host:9000"}'"#),
            ("config.max_concurrency", #"'i', 'RP', NULL, '{"max_concurrency": 0}'"#),
            ("config.max_concurrency", #"'i', 'RP', NULL, '{"max_concurrency": "4"}'"#),
            ("config.max_requests_per_minute", #"'i', 'RP', NULL, '{"max_requests_per_minute": 0.5}'"#),
        ]
        try await Queue.withDatabase { queue in
            let id = try await queue.addIntegration("taken", type: "RP")
            for (field, values) in rows {
                let error = try await queue.refusal("INSERT INTO integrations (name, type, base_url, config) VALUES (\(spliced(values)))")
                #expect(isNamed(field, in: error), "\(values): \(error)")
            }
            let plain = try await queue.refusal(
                "INSERT INTO integration_keys (integration_id, key, value) VALUES (\(id), 'password', 'plain')")
            #expect(isNamed("value", in: plain), "\(plain)")
            let empty = try await queue.refusal("INSERT INTO integration_keys (integration_id, key, value) VALUES (\(id), '', 'enc:v1:x')")
            #expect(isNamed("key", in: empty), "\(empty)")
        }
    }

    @Test("an execution with a bad value is refused by the field's name")
    func executions() async throws {
        let rows: [(field: String, columns: String, values: String)] = [
            ("job_config_id", "job_config_id", "99"), ("job_config_id", "job_config_id", "NULL"),
            ("status", "job_config_id, status", "1, 'RUNNING'"), ("status", "job_config_id, status", "1, 'SUCCESS'"),
            ("status", "job_config_id, status", "1, 'CANCELLED'"), ("trigger", "job_config_id, trigger", "1, 'CRON'"),
            ("parent_id", "job_config_id, trigger", "1, 'PARENT'"), ("parent_id", "job_config_id, parent_id", "1, gen_random_uuid()"),
            ("attempt", "job_config_id, attempt", "1, 1"), ("attempt", "job_config_id, worker", "1, gen_random_uuid()"),
            ("attempt", "job_config_id, started_at", "1, now()"), ("max_attempts", "job_config_id, max_attempts", "1, 0"),
            ("dedupe_key", "job_config_id, dedupe_key", "1, ''"), ("dedupe_key", "job_config_id, dedupe_key", "1, repeat('x', 501)"),
            ("run_at", "job_config_id, run_at", "1, NULL"), ("id", "job_config_id, id", "1, gen_random_uuid()"),
            ("id", "job_config_id, id", "1, uuid_v7_floor(now() - interval '2 days')"),
            ("params", "job_config_id, params", "1, '[]'"), ("params", "job_config_id, params", "1, '7'"),
            ("params", "job_config_id, params", "1, NULL"),
            ("params", "job_config_id, params", #"1, '{"store_id": [7]}'"#),
            ("params", "job_config_id, params", #"1, '{"store_ids": [7], "x": 1}'"#),
            ("params.store_ids", "job_config_id, params", #"1, '{"store_ids": {"7": 8}}'"#),
            ("params.store_ids", "job_config_id, params", #"1, '{"store_ids": [null]}'"#),
            ("params.store_ids", "job_config_id, params", #"1, '{"store_ids": [[7]]}'"#),
            ("params.dry_run", "job_config_id, params", #"1, '{"dry_run": null}'"#),
            ("params.confirm_drop", "job_config_id, params", #"1, '{"confirm_drop": "true"}'"#),
        ]
        try await Queue.withDatabase { queue in
            try await queue.addJob("sync", type: "SYNC_PRODUCTS")
            for (field, columns, values) in rows {
                let error = try await queue.refusal("INSERT INTO job_executions (\(spliced(columns))) VALUES (\(spliced(values)))")
                #expect(isNamed(field, in: error) || error.message.hasPrefix("\(field): "), "\(columns) \(values): \(error)")
            }
            let noop = try await queue.addJob("noop", type: "NOOP")
            for params in [#"{"x": 1e400}"#, #"{"x": "# + String(repeating: "[", count: 33) + String(repeating: "]", count: 33) + "}"] {
                let error = try await queue.refusal("INSERT INTO job_executions (job_config_id, params) VALUES (\(noop), \(params)::jsonb)")
                #expect(isNamed("params", in: error), "\(params): \(error)")
            }
            #expect(try await queue.number("SELECT count(*) FROM job_executions") == 0)
            let custom = try await queue.addJob("custom", type: "CUSTOM")
            try await queue.enqueue(custom, params: #"{"store_id": [7], "anything": {"goes": 1}, "arguments": ["a"]}"#)
            let overlaid: [(field: String, params: String)] = [
                ("params.program", #"{"program": "a/b"}"#), ("params.arguments", #"{"arguments": ["enc:v1:k1:AAAA"]}"#),
                ("params.environment.A", #"{"environment": {"A": null}}"#),
            ]
            for (field, params) in overlaid {
                let error = try await queue.refusal(
                    "INSERT INTO job_executions (job_config_id, params) VALUES (\(custom), \(params)::jsonb)")
                #expect(error.message.hasPrefix("\(field): "), "\(params): \(error)")
            }
        }
    }

    @Test("an execution that has ended is told from outside by its fields: what they may not become is refused by hand, too")
    func endedExecutions() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, params: #"{"secret": 1}"#)
            try await queue.run("UPDATE job_executions SET status = 'CANCELLED'")
            for (field, change) in [
                ("params", "params = '[7]'"), ("params", "params = NULL"), ("trigger", "trigger = 'CRON'"),
                ("max_attempts", "max_attempts = 0"), ("dedupe_key", "dedupe_key = ''"), ("status", "status = 'PENDING'"),
                ("status", "status = 'FAILED', params = '7'"),
            ] {
                let error = try await queue.refusal("UPDATE job_executions SET \(spliced(change))")
                #expect(error.message.hasPrefix("\(field): "), "\(change): \(error)")
            }
            try await queue.run("UPDATE job_executions SET params = '{}'")
            #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE params = '{}' AND status = 'CANCELLED'") == 1)
        }
    }

    @Test("who enqueues what is there already, by its key, wakes nobody")
    func knownKeys() async throws {
        try await Queue.withDatabase { queue in
            try await queue.addJob("once")
            try await queue.run("SELECT setval('last_wake', 1)")
            let first = try await queue.text("SELECT enqueue_job('once', dedupe_key => 'k')")
            #expect(try await queue.number("SELECT last_value FROM last_wake") > 1)
            try await queue.run("SELECT setval('last_wake', 1)")
            #expect(try await queue.text("SELECT enqueue_job('once', dedupe_key => 'k')") == first)
            #expect(try await queue.number("SELECT last_value FROM last_wake") == 1)
            _ = try await queue.text("SELECT enqueue_job('once', run_at => now() + interval '1 hour')")
            #expect(try await queue.number("SELECT last_value FROM last_wake") == 1, "nor who enqueues for later")
        }
    }

    @Test("names are unique among what is not deleted")
    func names() async throws {
        try await Queue.withDatabase { queue in
            for table in ["job_configurations", "integrations"] {
                let type = table == "integrations" ? "type, name) VALUES ('RP'" : "job_type, name) VALUES ('NOOP'"
                let insert: SQL = "INSERT INTO \(spliced(table)) (\(spliced(type)), 'same')"
                try await queue.run(insert)
                let error = try await queue.refusal(insert)
                #expect(isNamed("name", in: error), "\(error)")
                try await queue.run("UPDATE \(spliced(table)) SET deleted_at = now()")
                try await queue.run(insert)
                let revival = try await queue.refusal("UPDATE \(spliced(table)) SET deleted_at = NULL")
                #expect(isNamed("name", in: revival), "\(revival)")
                try await queue.run("UPDATE \(spliced(table)) SET deleted_at = now()")
                try await queue.run(insert)
            }
        }
    }
}
