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
}
