import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// `chimera integration`, and that no secret leaves through any command.
@Suite struct IntegrationCommandTests {
    static let config: JSONValue = [
        "username": "100000", "password": "geheim-1", "static_token": "geheim-2", "nested": ["Api-Key": "geheim-3", "apiKey": "geheim-4"],
        "auth_headers": ["X-AdminUser-Email": "geheim-5@stores.example", "X-AdminUser-Token": "geheim-6"],
        "proxy": "http://someone:geheim-7@proxy.example:3128", "list": [["senha": "geheim-8"]], "sealed": "enc:v1:k1:geheim-9",
        "page_limit": 100,
    ]

    private func withIntegration(_ body: (TestDatabase) async throws -> Void) async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done(
                "integration", "add", "Till", "--type", "RP", "--base-url", "http://rp.example:9000", "--config", "-",
                input: Self.config.text)
            try await body(database)
        }
    }

    @Test("secrets show as dots in every way of looking at them")
    func masking() async throws {
        try await withIntegration { database in
            _ = try await database.pool.query(
                "UPDATE integrations SET base_url = 'http://someone:geheim-10@rp.example', updated_at = now()")
            _ = try await database.pool.query("INSERT INTO integration_keys VALUES (1, 'rp', 'enc:v1:k1:geheim-11')")
            var answers = [
                try await database.done("integration", "show", "Till"), try await database.done("integration", "show", "Till", "--json"),
                try await database.done("integration", "list"), try await database.done("integration", "list", "--json"),
                try await database.done("integration", "edit", "Till", "--active", "yes", "--json"),
            ]
            try await database.done("job", "add", "drill", "--type", "CUSTOM", "--config", "-", input: Self.config.text)
            _ = try await database.pool.query(
                "INSERT INTO job_executions (job_config_id, params) SELECT id, config FROM job_configurations")
            answers += [
                try await database.done("job", "show", "drill"), try await database.done("job", "list", "--json"),
                try await database.done("execution", "list", "--json"),
            ]
            let id = try await database.done("execution", "list", "--json").json.arrayValue?.first?["id"]?.stringValue ?? ""
            answers += [try await database.done("execution", "show", id), try await database.done("execution", "show", id, "--json")]
            for answer in answers { #expect(!answer.text.contains("geheim"), "\(answer.text)") }
            let shown = try #require(try answers[1].json["config"])
            expect(
                shown,
                holds: [
                    "username": "100000", "password": "••••", "nested": ["Api-Key": "••••", "apiKey": "••••"], "sealed": "••••",
                    "page_limit": 100,
                    "auth_headers": ["X-AdminUser-Email": "••••", "X-AdminUser-Token": "••••"], "list": [["senha": "••••"]],
                    "proxy": "http://••••@proxy.example:3128",
                ])
            #expect(try answers[1].json["base_url"] == "http://••••@rp.example")
        }
    }

    @Test("a plain secret among the arguments is refused, and never repeated; from a file and standard input it is taken")
    func secretsInArguments() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let open: [String] = [
                #"{"password": "geheim"}"#, #"{"a": {"b": [{"TOKEN": 7}]}}"#, #"{"auth_headers": {"X": "geheim"}}"#,
                #"{"proxy": "http://a:geheim@b.example"}"#, #"{"senha": {"x": "geheim"}}"#,
            ]
            for config in open {
                let arguments = ["integration", "add", "Till", "--type", "RP", "--config", config]
                let answer = try await chimera(arguments, environment: ["DATABASE_URL": database.url])
                expectRefusal(answer, 65, "seen by everybody on this machine", of: arguments)
                #expect(!answer.error.contains("geheim"))
            }
            try await database.refused(
                65, "base_url", "integration", "add", "Till", "--type", "RP", "--base-url", "http://a:geheim@b.example")
            try await database.done(
                "integration", "add", "sealed", "--type", "RP", "--config", #"{"password": "enc:v1:k1:abc", "token": null}"#)
            let path = FileManager.default.temporaryDirectory.appending(path: "config-\(UUID().uuidString).json").path
            try Data(open[0].utf8).write(to: URL(filePath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            try await database.done("integration", "add", "file", "--type", "RP", "--config", "@" + path)
            let rows = try await database.pool.query("SELECT config ->> 'password' AS password FROM integrations WHERE name = 'file'")
            #expect(rows.first?["password"] == "geheim")
        }
    }

    @Test("a document that was shown can be sent back: dots keep the secrets that stand there, and stand for nothing else")
    func roundTrip() async throws {
        try await withIntegration { database in
            var shown = try #require(try await database.done("integration", "show", "Till", "--json").json["config"]?.objectValue)
            shown["page_limit"] = 500
            try await database.done("integration", "edit", "Till", "--config", "-", input: JSONValue.object(shown).text)
            let stored = try await database.pool.query("SELECT config FROM integrations").first?.get("config", as: JSONValue.self)
            var expected = try #require(Self.config.objectValue)
            expected["page_limit"] = 500
            #expect(stored == .object(expected))
            shown["new_password"] = "••••"
            try await database.refused(
                65, "config.new_password: ••••", "integration", "edit", "Till", "--config", "-", input: JSONValue.object(shown).text)
            try await database.refused(
                65, "config.password: ••••", "integration", "add", "Copy", "--type", "RP", "--config", #"{"password": "••••"}"#)
            try await database.refused(
                65, "config.proxy: ••••", "integration", "edit", "Till", "--config", "-",
                input: #"{"proxy": "http://••••@elsewhere.example"}"#)
        }
    }

    @Test("a number keeps all its digits")
    func digits() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let config = #"{"large": 123456789012345678901234567890, "small": 0.10000000000000000001}"#
            try await database.done("integration", "add", "Till", "--type", "RP", "--config", config)
            let stored = try await database.pool.query("SELECT config ->> 'large' AS large, config ->> 'small' AS small FROM integrations")
                .first
            #expect(stored?["large"] == "123456789012345678901234567890" && stored?["small"] == "0.10000000000000000001")
        }
    }

    @Test("bad values are refused with the field's name")
    func badValues() async throws {
        try await withIntegration { database in
            try await database.refused(65, "name: another integration", "integration", "add", "Till", "--type", "RP")
            try await database.refused(65, "type: it must be RP", "integration", "add", "x", "--type", "ERP")
            try await database.refused(65, "base_url: ", "integration", "edit", "Till", "--base-url", "ftp://x")
            try await database.refused(
                65, "config.max_concurrency: ", "integration", "add", "x", "--type", "RP", "--config", #"{"max_concurrency": 0}"#)
            let proxy = #"{"proxy": "someone:geheim@proxy.example:3128"}"#
            for arguments in [["integration", "add", "x", "--type", "RP"], ["integration", "edit", "Till"]] {
                let answer = try await chimera(
                    arguments + ["--config", "-"], input: proxy, environment: ["DATABASE_URL": database.url])
                expectRefusal(answer, 65, "config.proxy: ", of: arguments)
                #expect(!answer.error.contains("geheim"))
            }
            try await database.refused(65, "did you mean \"Till\"?", "integration", "show", "Til")
            try await database.done("integration", "remove", "Till")
            try await database.refused(65, "there is no integration", "integration", "test", "Till")
        }
    }

    @Test("one that active jobs use is removed by force alone, whichever way they use it; one line of SQL brings it back")
    func removal() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for (name, type) in [("RP", "RP"), ("RP South", "RP"), ("club", "CRESCEVENDAS"), ("bot", "TELEGRAM")] {
                try await database.done("integration", "add", name, "--type", type)
            }
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS", "--config", #"{"source": "RP"}"#)
            try await database.done("job", "add", "compare", "--type", "COMPARE_DATA", "--config", #"{"source": "RP", "target": "club"}"#)
            try await database.done("job", "add", "own", "--type", "NOOP", "--integration", "bot")
            try await database.refused(65, #"in use: without it "compare", "sync" would fail"#, "integration", "remove", "RP")
            // The sync takes the only one.
            try await database.refused(65, #"in use: without it "compare", "sync" would fail"#, "integration", "remove", "club")
            try await database.refused(65, #"in use: without it "own" would fail"#, "integration", "remove", "bot")
            try await database.done("store", "add", "001", "--name", "Loja 1", "--config", #"{"source": "RP South"}"#)
            try await database.refused(65, "in use", "integration", "remove", "RP South")
            try await database.done("store", "edit", "001", "--active", "no")
            try await database.done("integration", "remove", "RP South")
            for job in ["sync", "compare", "own"] { try await database.done("job", "edit", job, "--active", "no") }
            try await database.done("integration", "remove", "bot")
            try await database.done("job", "edit", "sync", "--active", "yes")
            try await database.refused(65, #"without it "sync" would fail"#, "integration", "remove", "club")
            try await database.done("integration", "remove", "club", "--force")
            // As deploy/README.md has it.
            _ = try await database.pool.query(
                "UPDATE integrations SET deleted_at = NULL WHERE id = (SELECT max(id) FROM integrations WHERE name = 'club')")
            #expect(try await database.done("integration", "show", "club", "--json").json["active"] == true)
        }
    }

    /// What the sandbox says about itself.
    private func withSandbox(_ faults: [String] = [], _ body: (TestDatabase, JSONValue) async throws -> Void) async throws {
        let sandbox = try RunningProgram("chimera-sandbox", ["--stores", "2", "--products", "250"] + faults.flatMap { ["--fault", $0] })
        let facts = try JSONValue(parsing: try await sandbox.line(containing: "{"))
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let store = facts["stores"]?.arrayValue?.first
            try await database.done(
                "store", "add", store?["registration"]?.stringValue ?? "", "--name", "Loja 1", "--document",
                store?["document"]?.stringValue ?? "")
            try await body(database, facts)
        }
    }

    private func rp(_ facts: JSONValue, password: String? = nil) -> String {
        let credentials = facts["credentials"]?["rp"]
        let config: JSONValue = [
            "username": credentials?["username"] ?? .null, "password": password.map { .string($0) } ?? credentials?["password"] ?? .null,
        ]
        return config.text
    }

    @Test("test logs in for real, reads one page and writes nothing")
    func probe() async throws {
        try await withSandbox { database, facts in
            try await database.done(
                "integration", "add", "RP", "--type", "RP", "--base-url", facts["rp"]?.stringValue ?? "", "--config", "-", input: rp(facts))
            let report = try await database.done("integration", "test", "RP")
            #expect(report.text.contains("Login accepted") && report.text.contains("products in the first page"))
            #expect(
                try await database.done("integration", "test", "RP", "--store", "Loja 1", "--json").json["report"]?.arrayValue?.count == 2)
            for table in ["integration_keys", "integration_state"] {
                // The names above.
                let rows = try await database.pool.query("SELECT 1 FROM \(unsafe: table)")
                #expect(rows.isEmpty)
            }
            try await database.done("integration", "edit", "RP", "--config", "-", input: rp(facts, password: "geheim-wrong"))
            let refused = try await database.chimera("integration", "test", "RP")
            expectRefusal(refused, 78, "integration \"RP\": ", of: ["integration", "test"])
            #expect(!refused.error.contains("geheim"))
            try await database.refused(65, "there is no store", "integration", "test", "RP", "--store", "nowhere")
        }
    }

    @Test("test logs in as a job does: with the credentials of integration_keys over those of config, until they expire")
    func probeWithKeys() async throws {
        try await withSandbox { database, facts in
            let file = KeyFile()
            try file.write(try await chimera(["secret", "generate-key"]).text)
            let password = try #require(facts["credentials"]?["rp"]?["password"]?.stringValue)
            let sealed = try await chimera(["secret", "encrypt"], input: password, environment: file.environment).text
            try await database.done(
                "integration", "add", "RP", "--type", "RP", "--base-url", facts["rp"]?.stringValue ?? "", "--config", "-",
                input: rp(facts, password: "geheim-stale"))
            _ = try await database.pool.query(
                "INSERT INTO integration_keys (integration_id, key, value) SELECT id, 'password', \(sealed) FROM integrations")
            let report = try await database.chimera("integration", "test", "RP", environment: file.environment)
            #expect(report.exitCode == 0 && report.text.contains("Login accepted"), "\(report.errors)")
            _ = try await database.pool.query("UPDATE integration_keys SET expires_at = now() - interval '1 second'")
            let stale = try await database.chimera("integration", "test", "RP", environment: file.environment)
            expectRefusal(stale, 78, "integration \"RP\": ", of: ["integration", "test"])
        }
    }

    @Test("the address may be sealed, as every text of a config")
    func sealedAddress() async throws {
        try await withSandbox { database, facts in
            let file = KeyFile()
            try file.write(try await chimera(["secret", "generate-key"]).text)
            let sealed = try await chimera(["secret", "encrypt"], input: facts["rp"]?.stringValue ?? "", environment: file.environment).text
            var config = try #require(try JSONValue(parsing: rp(facts)).objectValue)
            config["base_url"] = .string(sealed)
            try await database.done("integration", "add", "RP", "--type", "RP", "--config", "-", input: JSONValue.object(config).text)
            let report = try await database.chimera("integration", "test", "RP", environment: file.environment)
            #expect(report.exitCode == 0 && report.text.contains("Login accepted"), "\(report.errors)")
        }
    }

    @Test("what a partner repeats of a sealed setting is hidden, be it no password")
    func repeatedSetting() async throws {
        let server = RawServer { _, _ in RawServer.answer(#"{"error":"loja-7781 is unknown"}"#, status: 400) }
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let file = KeyFile()
            try file.write(try await chimera(["secret", "generate-key"]).text)
            let sealed = try await chimera(["secret", "encrypt"], input: "loja-7781", environment: file.environment).text
            try await database.done(
                "integration", "add", "RP", "--type", "RP", "--base-url", server.url, "--config", "-",
                input: #"{"username": "\#(sealed)", "password": "geheim"}"#)
            let answer = try await database.chimera("integration", "test", "RP", environment: file.environment)
            expectRefusal(answer, 78, "•••• is unknown", of: ["integration", "test"])
        }
    }

    @Test("test tells a partner that is away from one that refuses, and needs the key for sealed settings")
    func probeFailures() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let port = try freePort()
            try await database.done(
                "integration", "add", "RP", "--type", "RP", "--base-url", "http://127.0.0.1:\(port)", "--config", "-",
                input: #"{"username": "1", "password": "geheim"}"#)
            let away = try await database.chimera("integration", "test", "RP")
            expectRefusal(away, 69, "integration \"RP\": ", of: ["integration", "test"])
            #expect(!away.error.contains("geheim"))
            try await database.done("integration", "edit", "RP", "--config", #"{"username": "1", "password": "enc:v1:k1:abc"}"#)
            try await database.refused(78, "CHIMERA_KEY_FILE", "integration", "test", "RP")
            let missing = try await database.chimera("integration", "test", "RP", environment: ["CHIMERA_KEY_FILE": "/no/such/key"])
            expectRefusal(missing, 78, "/no/such/key", of: ["integration", "test"])
        }
    }
}
