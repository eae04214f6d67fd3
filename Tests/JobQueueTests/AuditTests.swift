import Postgres
import TestSupport
import Testing

/// Every change of a configuration row leaves a line, without its secrets (SPEC §2).
@Suite struct AuditTests {
    @Test("what counts as a secret is masked, however deep it stands")
    func masks() async throws {
        let documents: [(String, String)] = [
            (
                #"{"password": "x", "SENHA": 7, "apiKey": ["a"], "api_key": {"a": 1}, "name": "n"}"#,
                #"{"password": "••••", "SENHA": "••••", "apiKey": "••••", "api_key": "••••", "name": "n"}"#
            ),
            (
                #"{"token": null, "Authorization": "Bearer x", "client_secret": true, "bot_token": "1:a"}"#,
                #"{"token": null, "Authorization": "••••", "client_secret": "••••", "bot_token": "••••"}"#
            ),
            (#"{"auth_headers": {"X-Admin": "a", "X-Email": "b"}}"#, #"{"auth_headers": {"X-Admin": "••••", "X-Email": "••••"}}"#),
            (
                #"{"auth_headers": "flat", "a": {"auth_headers": {"b": {"c": 1}}}}"#,
                #"{"auth_headers": "••••", "a": {"auth_headers": {"b": "••••"}}}"#
            ),
            (#"{"auth_headers": {}, "a": [], "b": {}}"#, #"{"auth_headers": {}, "a": [], "b": {}}"#),
            (#"["enc:v1:abc", ["enc:v1:d", {"x": "enc:v1:e"}], "plain enc:v1:"]"#, #"["••••", ["••••", {"x": "••••"}], "plain enc:v1:"]"#),
            (
                #"{"url": "https://me:pw@host/p?q=1", "smtp_url": "smtp://u@h:25", "mail": "a@b.c"}"#,
                #"{"url": "https://••••@host/p?q=1", "smtp_url": "smtp://••••@h:25", "mail": "a@b.c"}"#
            ),
            (
                #"{"both": "a://x:y@h and b://z@k", "at": "https://host/a@b"}"#,
                #"{"both": "a://••••@h and b://••••@k", "at": "https://host/a@b"}"#
            ),
            (
                #"{"a": "-v password=pw x", "b": "{\"token\": \"a b\", \"n\": 1}", "c": "api-key => 'a b'; senha:\tx, ok", "d": "x enc:v1:k1:AA y"}"#,
                #"{"a": "-v password=•••• x", "b": "{\"token\": \"••••\", \"n\": 1}", "c": "api-key => '••••'; senha:\t•••• ok", "d": "x •••• y"}"#
            ),
            (#"{"proxy": "me:pw@h:1", "a": {"Proxy": "http://me:pw@h:1"}}"#, #"{"proxy": "••••", "a": {"Proxy": "http://••••@h:1"}}"#),
            (
                #"["postgres://me:p/w?z#@db/x", "http://[::1]:80/a@b", "https://h:8080/@me", "https://[::1]:pa/ss@host", "user[password]=x"]"#,
                #"["postgres://••••@db/x", "http://[::1]:80/a@b", "https://h:8080/@me", "https://••••@host", "user[password]=••••"]"#
            ),
            (#"["token=", "token: ", "passing by", "at 05:30: 3 = 3"]"#, #"["token=", "token: ", "passing by", "at 05:30: 3 = 3"]"#),
            (#"[1.50, true, null, {"n": 1e3}]"#, #"[1.50, true, null, {"n": 1000}]"#),
        ]
        try await Queue.withDatabase { queue in
            for (document, masked) in documents {
                let isMasked = try await queue.text("SELECT mask_secrets(\(document)::jsonb) = \(masked)::jsonb")
                #expect(isMasked == "t", "\(document)")
            }
        }
    }

    @Test("insert, change and deletion of every configuration table are told, with who did it")
    func changes() async throws {
        try await Queue.withDatabase { queue in
            let secret = #"{"password": "hunter2", "auth_headers": {"X": "hunter2"}, "list": ["enc:v1:hunter2"], "page": 5}"#
            let integration = try await queue.addIntegration("rp", type: "RP", config: secret)
            try await queue.run("UPDATE integrations SET base_url = 'http://u:hunter2@h' WHERE id = \(integration)")
            try await queue.run("INSERT INTO integration_keys (integration_id, key, value) VALUES (\(integration), 'k', 'enc:v1:hunter2')")
            try await queue.run("UPDATE integration_keys SET value = 'enc:v1:hunter22'")
            try await queue.run("DELETE FROM integration_keys")
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT set_config('chimera.actor', 'the operator', true)")
                _ = try await transaction.query(
                    "INSERT INTO job_configurations (name, job_type, config) VALUES ('j', 'NOOP', \(secret)::jsonb)")
            }
            try await queue.run("UPDATE job_configurations SET priority = 3")
            try await queue.run("UPDATE job_configurations SET priority = 3")
            try await queue.run("DELETE FROM job_configurations")
            try await queue.run("DELETE FROM integrations")
            let lines = try await queue.texts("SELECT table_name || ' ' || row_id || ' ' || action FROM audit_log ORDER BY id")
            #expect(
                lines == [
                    "integrations 1 INSERT", "integrations 1 UPDATE", "integration_keys 1/k INSERT", "integration_keys 1/k UPDATE",
                    "integration_keys 1/k DELETE", "job_configurations 1 INSERT", "job_configurations 1 UPDATE",
                    "job_configurations 1 DELETE",
                    "integrations 1 DELETE",
                ])
            #expect(
                try await queue.number("SELECT count(*) FROM audit_log WHERE before::text LIKE '%hunter%' OR after::text LIKE '%hunter%'")
                    == 0)
            #expect(try await queue.text("SELECT after -> 'config' ->> 'page' FROM audit_log WHERE id = 1") == "5")
            #expect(
                try await queue.text(
                    "SELECT (before ->> 'priority') || (after ->> 'priority') FROM audit_log WHERE table_name = 'job_configurations' AND action = 'UPDATE'"
                )
                    == "03")
            #expect(try await queue.texts("SELECT DISTINCT actor FROM audit_log ORDER BY 1") == ["chimera", "the operator"])
        }
    }

    @Test("rows that go all at once leave a line for their table")
    func truncation() async throws {
        try await Queue.withDatabase { queue in
            _ = try await queue.addIntegration("rp", type: "RP", config: "{}")
            try await queue.run("DELETE FROM audit_log")
            try await queue.run("TRUNCATE integrations CASCADE")
            #expect(
                try await queue.texts("SELECT table_name || ' ' || row_id || ' ' || action || ' ' || actor FROM audit_log ORDER BY 1") == [
                    "integration_keys all DELETE chimera", "integrations all DELETE chimera", "job_configurations all DELETE chimera",
                ])
        }
    }

    @Test("a change that is rolled back leaves no line")
    func rolledBack() async throws {
        try await Queue.withDatabase { queue in
            await #expect(throws: Unexpected.self) {
                try await queue.pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO job_configurations (name, job_type) VALUES ('j', 'NOOP')")
                    throw Unexpected("undone")
                }
            }
            let lines = try await queue.number("SELECT count(*) FROM audit_log")
            #expect(lines == 0)
        }
    }

    @Test("updated_at follows every change but the scheduler's own mark")
    func updatedAt() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let stamp: SQL = "SELECT updated_at FROM job_configurations"
            let first = try await queue.text(stamp)
            try await queue.run("UPDATE job_configurations SET problem = 'never comes' WHERE id = \(job)")
            #expect(try await queue.text(stamp) == first)
            try await queue.run("UPDATE job_configurations SET config = '{\"a\": 1}', updated_at = 'epoch' WHERE id = \(job)")
            #expect(try await queue.text(stamp) > first)
            _ = try await queue.addIntegration("i", type: "RP")
            try await queue.run("UPDATE integrations SET active = false")
            #expect(try await queue.text("SELECT updated_at > created_at FROM integrations") == "t")
        }
    }
}
