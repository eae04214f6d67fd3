import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3)))
struct SecretCommandTests {
    private func newKey() async throws -> String {
        let answer = try await chimera(["secret", "generate-key"])
        try #require(answer.exitCode == 0 && answer.lines.count == 1 && answer.errors.isEmpty)
        return answer.lines[0]
    }

    private func encrypt(_ secret: String, _ file: KeyFile) async throws -> String {
        let answer = try await chimera(["secret", "encrypt"], input: secret, environment: file.environment)
        try #require(answer.exitCode == 0 && answer.lines.count == 1, "\(answer.errors)")
        return answer.lines[0]
    }

    private func id(of key: String) -> String { String(key.prefix { $0 != ":" }) }

    @Test("generate-key prints a line that is a key file, another one each time")
    func generate() async throws {
        let (first, second) = (try await newKey(), try await newKey())
        #expect(first != second && id(of: first) != id(of: second))
        let file = KeyFile()
        try file.write(first)
        #expect(try await encrypt("geheim", file).hasPrefix("enc:v1:\(id(of: first)):"))
    }

    @Test("encrypt reads standard input, without its last line break, and never the arguments")
    func encrypting() async throws {
        let file = KeyFile()
        try file.write(try await newKey())
        let envelopes = [try await encrypt("geheim", file), try await encrypt("geheim\n", file), try await encrypt("geheim\r\n", file)]
        #expect(Set(envelopes).count == 3)
        #expect(Set(envelopes.map(\.count)).count == 1)
        #expect(try await encrypt("ge\nheim ç", file).count > envelopes[0].count)
        for (input, code, words) in [("", 65, "holds no secret"), ("\n", 65, "holds no secret")] as [(String, Int32, String)] {
            let answer = try await chimera(["secret", "encrypt"], input: input, environment: file.environment)
            expectRefusal(answer, code, words, of: ["secret", "encrypt"])
        }
        let long = try await chimera(["secret", "encrypt"], input: String(repeating: "x", count: 65_537), environment: file.environment)
        expectRefusal(long, 65, "standard input is larger than 64 KiB", of: ["secret", "encrypt"])
        expectRefusal(try await chimera(["secret", "encrypt"], input: "x"), 78, "CHIMERA_KEY_FILE", of: [])
        let missing = try await chimera(["secret", "encrypt"], input: "x", environment: ["CHIMERA_KEY_FILE": "/no/such/key"])
        expectRefusal(missing, 78, "/no/such/key", of: [])
        expectRefusal(try await chimera(["secret", "encrypt", "geheim"], environment: file.environment), 64, "secret encrypt", of: [])
    }

    @Test("a key is replaced without downtime: the old one still reads, rotate moves everything to the first, twice does no harm")
    func rotation() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let (old, new) = (try await newKey(), try await newKey())
            let file = KeyFile()
            try file.write(old)
            let secrets = try await [encrypt("one", file), encrypt("two", file), encrypt("three", file), encrypt("four", file)]
            for number in 0..<130 {
                let config = #"{"password": "\#(secrets[0])", "big": 123456789012345678901234567890.10, "n": \#(number)}"#
                _ = try await database.pool.query(
                    "INSERT INTO integrations (name, type, config) VALUES (\("i\(number)"), 'RP', \(config)::jsonb)")
            }
            let keys = """
                INSERT INTO integration_keys (integration_id, key, value) SELECT id, k, '\(secrets[1])' FROM integrations, unnest(ARRAY['a', 'b']) AS k
                """
            // The envelope above.
            _ = try await database.pool.query("\(unsafe: keys)")
            let channel =
                #"{"url": "https://a.example", "secret": ["\#(secrets[2])", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "ca_file": "say \"\#(secrets[2])\""}"#
            _ = try await database.pool.query(
                "INSERT INTO notification_channels (name, type, config) VALUES ('c', 'WEBHOOK', \(channel)::jsonb)")
            _ = try await database.pool.query(
                "INSERT INTO job_configurations (name, job_type, config) VALUES ('j', 'CUSTOM', jsonb_build_object('environment', jsonb_build_object('T', \(secrets[3])::text)))"
            )
            _ = try await database.pool.query("UPDATE integrations SET deleted_at = now() WHERE name = 'i0'")

            // Both keys are known, the old one encrypts: nothing to do.
            try file.write(old, new)
            var report = try await database.chimera("secret", "rotate", "--json", environment: file.environment).json
            #expect(report["renewed"] == 0 && report["kept"] == 392 && report["key"] == .string(id(of: old)))
            let before = try await stored(database)

            try file.write(new, old)
            report = try await database.chimera("secret", "rotate", "--json", environment: file.environment).json
            #expect(report["renewed"] == 392 && report["rows"] == 392 && report["kept"] == 0 && report["unreadable"] == [])
            report = try await database.chimera("secret", "rotate", "--json", environment: file.environment).json
            #expect(report["renewed"] == 0 && report["rows"] == 0 && report["kept"] == 392)

            // Only the envelopes changed, and the old key is not needed any more.
            let after = try await stored(database)
            let blank = try Regex(#"enc:v1:[A-Za-z0-9_-]+:[A-Za-z0-9_-]+"#)
            #expect(after.map { $0.replacing(blank, with: "") } == before.map { $0.replacing(blank, with: "") })
            #expect(after.allSatisfy { $0.contains("\"enc:v1:\(id(of: new)):") || $0.hasPrefix("enc:v1:\(id(of: new)):") })
            #expect(after.contains { $0.contains("123456789012345678901234567890.10") })
            try file.write(new)
            let alone = try await database.chimera("secret", "rotate", environment: file.environment)
            #expect(alone.exitCode == 0 && alone.text == "key \(id(of: new)): 0 secrets encrypted again in 0 rows, 392 were already")
            let untouched = try await database.pool.query("SELECT config ->> 'ca_file' AS text FROM notification_channels").first?["text"]
            #expect(untouched == "say \"\(secrets[2])\"")
        }
    }

    private func stored(_ database: TestDatabase) async throws -> [String] {
        let rows = try await database.pool.query(
            """
            SELECT config::text AS text FROM (SELECT name, config FROM integrations UNION ALL SELECT name, config FROM notification_channels
              UNION ALL SELECT name, config FROM job_configurations) AS c WHERE config::text LIKE '%enc:%'
            UNION ALL SELECT value FROM integration_keys
            """)
        return rows.compactMap { $0["text"] }.sorted()
    }

    @Test("what no key opens is named and left as it is, and the rest is done")
    func unreadable() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let (lost, old, new) = (try await newKey(), try await newKey(), try await newKey())
            let file = KeyFile()
            try file.write(lost)
            let lostSecret = try await encrypt("lost", file)
            try file.write(old)
            let secret = try await encrypt("kept", file)
            let config = #"{"a": [{"password": "\#(lostSecret)"}], "b": "\#(secret)", "token": "enc:v1:broken"}"#
            try await database.done("integration", "add", "Till", "--type", "RP", "--config", "-", input: config)
            try file.write(new, old)
            let answer = try await database.chimera("secret", "rotate", environment: file.environment)
            #expect(answer.exitCode == 65)
            #expect(answer.text == "key \(id(of: new)): 1 secrets encrypted again in 1 rows, 0 were already")
            #expect(answer.error.contains("integration \"Till\" config.a[0].password (and 1 more)") && answer.error.contains(id(of: lost)))
            let stored = try await database.pool.query("SELECT config FROM integrations").first?.get("config", as: JSONValue.self)
            #expect(stored?["a"] == [["password": .string(lostSecret)]] && stored?["token"] == "enc:v1:broken")
            #expect(stored?["b"]?.stringValue?.hasPrefix("enc:v1:\(id(of: new)):") == true)
        }
    }

    @Test("rotate loses nobody's change: a row that is being changed is waited for")
    func concurrency() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let (old, new) = (try await newKey(), try await newKey())
            let file = KeyFile()
            try file.write(old)
            let config = #"{"password": "\#(try await encrypt("one", file))"}"#
            try await database.done("integration", "add", "Till", "--type", "RP", "--config", "-", input: config)
            try file.write(new, old)
            let rotating = try await database.pool.transaction { transaction in
                _ = try await transaction.query("UPDATE integrations SET config = config || '{\"page_limit\": 7}'")
                let rotating = Task { try await database.chimera("secret", "rotate", environment: file.environment) }
                try await eventually("rotate waits") {
                    try await !database.pool.query(
                        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'chimera secret rotate' AND wait_event_type = 'Lock'"
                    ).isEmpty
                }
                return rotating
            }
            #expect(try await rotating.value.exitCode == 0)
            let stored = try await database.pool.query("SELECT config FROM integrations").first?.get("config", as: JSONValue.self)
            #expect(stored?["page_limit"] == 7 && stored?["password"]?.stringValue?.hasPrefix("enc:v1:\(id(of: new)):") == true)
        }
    }
}
