import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// Documents that were shown and come back: no mask is ever stored as a secret, and no secret changes its place.
@Suite struct SecretMaskTests {
    private static let config: JSONValue = [
        "password": "geheim-1", "page_limit": 100, "list": [["senha": "geheim-2"], ["senha": "geheim-3"]],
        "note": "call with password=geheim-4 or senha='geheim-5', please",
    ]

    private func withIntegration(_ body: (TestDatabase) async throws -> Void) async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("integration", "add", "Till", "--type", "RP", "--config", "-", input: Self.config.text)
            try await body(database)
        }
    }

    private func stored(_ database: TestDatabase) async throws -> JSONValue? {
        try await database.pool.query("SELECT config FROM integrations").first?.get("config", as: JSONValue.self)
    }

    @Test("a mask that a tool between has spelled with escapes is a mask")
    func escapes() async throws {
        try await withIntegration { database in
            let shown = try #require(try await database.done("integration", "show", "Till", "--json").json["config"])
            #expect(!shown.text.contains("geheim"))
            let escaped = shown.text.replacing("•", with: #"\u2022"#)
            try await database.done("integration", "edit", "Till", "--config", "-", input: escaped)
            #expect(try await stored(database) == Self.config)
            try await database.refused(
                65, "config.password: ••••", "integration", "add", "Copy", "--type", "RP", "--config", "-",
                input: #"{"password": "\u2022\u2022\u2022\u2022"}"#)
        }
    }

    @Test("masks in a list of another length stand for nothing: which of its secrets they mean nobody knows")
    func shortenedList() async throws {
        try await withIntegration { database in
            for list in [#"[{"senha": "••••"}]"#, #"[{"senha": "••••"}, {"senha": "••••"}, {"senha": "new"}]"#] {
                try await database.refused(
                    65, "config.list", "integration", "edit", "Till", "--config", "-", input: #"{"list": \#(list)}"#)
            }
            try await database.done("integration", "edit", "Till", "--config", "-", input: #"{"list": [{"senha": "new"}]}"#)
            #expect(try await stored(database) == ["list": [["senha": "new"]]])
        }
    }

    @Test("a mask in base_url is refused, for it would be stored")
    func address() async throws {
        try await withIntegration { database in
            try await database.refused(65, "base_url: ••••", "integration", "edit", "Till", "--base-url", "http://••••@rp.example")
        }
    }
}
