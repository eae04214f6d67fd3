import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// A row that is refused may hold a secret: neither psql nor the server's log is told its values.
@Suite struct SecretRefusalTests {
    @Test("an integration that is refused shows nothing but the field, whichever value is bad")
    func integrations() async throws {
        let secret = #"{"password": "geheim"}"#
        try await Queue.withDatabase { queue in
            let id = try await queue.addIntegration("Till", type: "RP", config: secret)
            let changes: [(field: String, change: String)] = [
                ("name", "name = ' '"), ("name", "name = repeat('x', 201)"), ("name", "name = NULL"), ("type", "type = 'ERP'"),
                ("type", "type = NULL"), ("base_url", "base_url = 'ftp://geheim'"), ("base_url", "base_url = 'http://a geheim'"),
                ("base_url", "base_url = 'http://' || repeat('x', 2000)"), ("config", #"config = '["geheim"]'"#),
                ("config", "config = NULL"),
                ("active", "active = NULL"), ("created_at", "created_at = NULL"), ("id", "id = NULL"),
                ("config.proxy", #"config = config || '{"proxy": "someone:geheim@proxy:3128"}'"#),
            ]
            for (field, change) in changes {
                let error = try await queue.refusal("UPDATE integrations SET \(spliced(change)) WHERE id = \(id)")
                #expect(error.message.hasPrefix("\(field): "), "\(change): \(error.message)")
                #expect(error.detail == nil && !error.message.contains("geheim"), "\(change): \(error.detail ?? "")")
            }
            let inserted = try await queue.refusal("INSERT INTO integrations (name, config) VALUES ('x', \(secret)::jsonb)")
            #expect(inserted.message.hasPrefix("type: ") && inserted.detail == nil)
            try await queue.run("UPDATE integrations SET config = config || '{\"proxy\": \"enc:v1:k1:AAAA\"}'")
            try await queue.run("UPDATE integrations SET config = config || '{\"proxy\": \"socks5h://someone:pw@proxy:1080\"}'")
        }
    }

    @Test("a key that is refused shows nothing but the field")
    func keys() async throws {
        try await Queue.withDatabase { queue in
            let id = try await queue.addIntegration("Till", type: "RP")
            for (field, values) in [
                ("value", "\(id), 'password', 'geheim'"), ("value", "\(id), 'password', NULL"), ("key", "\(id), '', 'enc:v1:k1:geheim'"),
                ("key", "\(id), NULL, 'enc:v1:k1:geheim'"), ("integration_id", "NULL, 'password', 'enc:v1:k1:geheim'"),
            ] {
                let error = try await queue.refusal("INSERT INTO integration_keys VALUES (\(spliced(values)))")
                #expect(error.message.hasPrefix("\(field): "), "\(values): \(error.message)")
                #expect(error.detail == nil && !error.message.contains("geheim"), "\(values): \(error.detail ?? "")")
            }
        }
    }

    @Test("no table of a user's own takes the audit log's place, be it temporary or in a schema of the user's name")
    func auditTable() async throws {
        try await Queue.withDatabase { queue in
            _ = try await queue.addIntegration("Till", type: "RP")
            try await queue.run("CREATE SCHEMA AUTHORIZATION CURRENT_USER")
            try await queue.pool.transaction { transaction in
                for statement in [
                    "CREATE TEMP TABLE audit_log (LIKE public.audit_log INCLUDING ALL)",
                    "CREATE TABLE audit_log (LIKE public.audit_log INCLUDING ALL)", "UPDATE public.integrations SET base_url = 'http://h'",
                ] { _ = try await transaction.query("\(spliced(statement))") }
            }
            #expect(try await queue.number("SELECT count(*) FROM public.audit_log WHERE table_name = 'integrations'") == 2)
            let loose = try await queue.texts(
                """
                SELECT p.proname::text FROM pg_proc AS p, unnest(p.proconfig) AS setting
                WHERE p.pronamespace = 'public'::regnamespace AND setting LIKE 'search_path=%' AND setting <> 'search_path=public, pg_temp'
                """)
            #expect(loose == [])
        }
    }
}
