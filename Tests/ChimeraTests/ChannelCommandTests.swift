import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3)))
struct ChannelCommandTests {
    /// A sandbox, what it says about itself, and a database.
    private func withSandbox(_ faults: String..., body: (TestDatabase, RunningProgram, JSONValue) async throws -> Void) async throws {
        let sandbox = try RunningProgram("chimera-sandbox", ["--stores", "1", "--products", "1"] + faults.flatMap { ["--fault", $0] })
        defer { sandbox.signal(15) }
        let facts = try JSONValue(parsing: try await sandbox.line(containing: "{", within: .seconds(60)))
        try await TestDatabase.withDatabase(template: .migrated) { try await body($0, sandbox, facts) }
    }

    private func telegram(_ facts: JSONValue, token: JSONValue? = nil) -> String {
        let credentials = facts["credentials"]?["telegram"]
        let config: JSONValue = [
            "bot_token": token ?? credentials?["bot_token"] ?? .null, "chat_id": credentials?["chat_id"] ?? .null,
            "api_base_url": facts["telegram"] ?? .null,
        ]
        return config.text
    }

    private func messages(_ facts: JSONValue) async throws -> [JSONValue] {
        let curl = try RunningProgram("/usr/bin/env", ["curl", "-sS", facts["state"]?.stringValue ?? ""])
        try await curl.waitForExit()
        return try JSONValue(parsing: curl.output.joined(separator: "\n"))["telegram"]?["messages"]?.arrayValue ?? []
    }

    @Test("a channel is added, listed, shown without its secrets, edited and removed")
    func rows() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let config =
                #"{"url": "https://a.example/x", "secret": ["geheim1geheim1geheim1geheim1gehe", "geheim2geheim2geheim2geheim2gehe"], "headers": {"Authorization": "geheim-3"}}"#
            try await database.done("channel", "add", "painel", "--type", "WEBHOOK", "--config", "-", input: config)
            let shown = try await database.done("channel", "show", "painel", "--json")
            #expect(!shown.text.contains("geheim") && shown.text.contains("https://a.example/x"))
            #expect(try shown.json["config"]?["secret"] == "••••" && shown.json["active"] == true && shown.json["waiting"] == 0)
            for arguments in [["list"], ["list", "--json"], ["show", "painel"]] {
                let answer = try await chimera(["channel"] + arguments, environment: ["DATABASE_URL": database.url])
                #expect(answer.exitCode == 0 && answer.text.contains("painel") && !answer.text.contains("geheim"))
            }
            try await database.done("channel", "edit", "painel", "--active", "no")
            _ = try await database.pool.query("UPDATE notification_channels SET problem = '410 Gone'")
            #expect(try await database.done("channel", "list").lines[1].contains("410 Gone"))
            try await database.done("channel", "edit", "painel", "--active", "yes")
            #expect(try await database.done("channel", "show", "painel", "--json").json["problem"] == .null)
            try await database.refused(65, "type: it must be", "channel", "add", "x", "--type", "PIGEON")
            try await database.refused(65, "seen by everybody", "channel", "add", "x", "--type", "EMAIL", "--config", #"{"password": "p"}"#)
            try await database.done("channel", "remove", "painel")
            try await database.refused(65, "there is no channel \"painel\"", "channel", "show", "painel")
        }
    }

    @Test("test sends a real message, also through a channel that is switched off, and leaves it as it was")
    func sends() async throws {
        try await withSandbox { database, _, facts in
            try await database.done(
                "channel", "add", "Plantão <1>", "--type", "TELEGRAM", "--active", "no", "--config", "-", input: telegram(facts))
            let answer = try await database.done("channel", "test", "Plantão <1>")
            #expect(answer.text == "channel \"Plantão <1>\": sent; look whether it arrived")
            #expect(try await database.done("channel", "test", "1", "--json").json["report"] == "sent; look whether it arrived")
            let sent = try await messages(facts)
            #expect(sent.count == 2 && sent.allSatisfy { $0["sent"] == true })
            #expect(sent[0]["shown"]?.stringValue == "🔔 teste do canal Plantão <1>\nSe você lê isto, o canal funciona.")
            let row = try await database.done("channel", "show", "1", "--json").json
            #expect(row["active"] == false && row["problem"] == .null)
            let english = try await database.chimera("channel", "test", "1", environment: ["CHIMERA_LOCALE": "en"])
            #expect(english.exitCode == 0)
            #expect(try await messages(facts).last?["shown"]?.stringValue?.contains("the channel works") == true)
        }
    }

    @Test("test opens encrypted settings, and those that an integration holds in integration_keys")
    func sealed() async throws {
        try await withSandbox { database, _, facts in
            let path = FileManager.default.temporaryDirectory.appending(path: "chimera-key-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            try Data((try await chimera(["secret", "generate-key"]).text + "\n").utf8).write(to: URL(filePath: path))
            let environment = ["CHIMERA_KEY_FILE": path]
            let token = facts["credentials"]?["telegram"]?["bot_token"]?.stringValue ?? ""
            let envelope = try await chimera(["secret", "encrypt"], input: token, environment: environment).text
            try await database.done("channel", "add", "own", "--type", "TELEGRAM", "--config", telegram(facts, token: .string(envelope)))
            #expect(try await database.chimera("channel", "test", "own", environment: environment).exitCode == 0)
            try await database.refused(78, "CHIMERA_KEY_FILE", "channel", "test", "own")

            try await database.done("integration", "add", "bot", "--type", "TELEGRAM", "--base-url", facts["telegram"]?.stringValue ?? "")
            _ = try await database.pool.query(
                "INSERT INTO integration_keys (integration_id, key, value) SELECT id, 'bot_token', \(envelope) FROM integrations")
            try await database.done(
                "channel", "add", "shared", "--type", "TELEGRAM", "--config", #"{"integration": "bot", "chat_id": "-9"}"#)
            #expect(try await database.chimera("channel", "test", "shared", environment: environment).exitCode == 0)
            #expect(try await messages(facts).map { $0["chat_id"] } == ["-4001", "-9"])
            try await database.done("integration", "edit", "bot", "--active", "no")
            let inactive = try await database.chimera("channel", "test", "shared", environment: environment)
            expectRefusal(inactive, 78, "integration bot is inactive", of: [])
        }
    }

    @Test("test tells what may pass from what is configured wrongly, and never the token")
    func failures() async throws {
        try await withSandbox("telegram-500:1x") { database, _, facts in
            try await database.done("channel", "add", "bot", "--type", "TELEGRAM", "--config", "-", input: telegram(facts))
            try await database.refused(69, "channel \"bot\": Telegram: 500", "channel", "test", "bot")
            try await database.done("channel", "edit", "bot", "--config", "-", input: telegram(facts, token: "1:geheim"))
            let refused = try await database.chimera("channel", "test", "bot")
            expectRefusal(refused, 78, "the bot token is not accepted (401 Unauthorized)", of: [])
            #expect(!refused.error.contains("geheim"))
            try await database.refused(
                65, "config.bot_token is missing; a TELEGRAM channel needs bot_token, chat_id", "channel", "edit", "bot", "--config",
                #"{"chat_id": "1"}"#)
            try await database.done("integration", "add", "empty", "--type", "TELEGRAM")
            try await database.done("channel", "edit", "bot", "--config", #"{"chat_id": "1", "integration": "empty"}"#)
            try await database.refused(78, "config.bot_token is missing", "channel", "test", "bot")
            #expect(try await database.done("channel", "show", "bot", "--json").json["active"] == true)
        }
    }

    @Test("R71: test follows a group that became a supergroup and stores its new id, also where an integration held the old one")
    func migration() async throws {
        try await withSandbox("telegram-migrated") { database, _, facts in
            try await database.done("channel", "add", "bot", "--type", "TELEGRAM", "--config", "-", input: telegram(facts))
            let answer = try await database.done("channel", "test", "bot")
            #expect(answer.lines.first == "the chat has moved; chat_id is -1004001 now" && answer.lines.count == 2)
            #expect(try await database.done("channel", "show", "bot", "--json").json["config"]?["chat_id"] == "-1004001")
            #expect(try await database.done("channel", "test", "bot").lines.count == 1)

            try await database.done("integration", "add", "held", "--type", "TELEGRAM", "--config", "-", input: telegram(facts))
            try await database.done("channel", "add", "shared", "--type", "TELEGRAM", "--config", #"{"integration": "held"}"#)
            #expect(try await database.done("channel", "test", "shared", "--json").json["moved_to"] == "-1004001")
            #expect(
                try await database.done("channel", "show", "shared", "--json").json["config"]
                    == ["integration": "held", "chat_id": "-1004001"])
        }
    }

    @Test("job notify says which events a channel tells, shows it, and takes it back")
    func notify() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "drill", "--type", "NOOP")
            try await database.done("channel", "add", "a", "--type", "TELEGRAM", "--config", #"{"integration": "i"}"#)
            try await database.done("channel", "add", "b", "--type", "EMAIL", "--config", #"{"integration": "i"}"#)
            #expect(try await database.done("job", "show", "drill", "--json").json["notifications"] == [])
            let first = try await database.chimera("job", "notify", "drill", "a", "--on", "recovery,Failure")
            #expect(first.exitCode == 0 && first.text == "job \"drill\" tells channel \"a\" of failure, recovery")
            #expect(first.errors == ["note: it uses this channel alone from now on, and no longer \"b\""])
            try await database.done("job", "notify", "drill", "b", "--on", "none")
            let row = try await database.done("job", "notify", "drill", "a", "--on", "all", "--json").json
            #expect(
                row["notifications"] == [
                    ["channel": "a", "on": ["start", "success", "failure", "warning", "recovery", "late"]], ["channel": "b", "on": []],
                ])
            #expect(try await database.done("job", "show", "drill").text.contains("notifications"))
            let flags = try await database.pool.query("SELECT to_jsonb(n) AS row FROM job_notifications AS n WHERE NOT on_failure").first
            #expect(try flags?.get("row", as: JSONValue.self)["on_late"] == false)
            try await database.done("job", "notify", "drill", "a", "--forget")
            try await database.done("job", "notify", "drill", "b", "--forget")
            #expect(try await database.done("job", "show", "drill", "--json").json["notifications"] == [])
            try await database.refused(
                65, "\"failures\" is no event; did you mean failure?", "job", "notify", "drill", "a", "--on", "failures")
            try await database.refused(65, "name events", "job", "notify", "drill", "a", "--on", ",")
            try await database.refused(64, "--on or --forget", "job", "notify", "drill", "a")
            try await database.refused(65, "there is no channel", "job", "notify", "drill", "nowhere", "--on", "all")
        }
    }
}
