import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// What `chimera secret rotate` reaches, and what it says of the rest.
@Suite(.timeLimit(.minutes(3)))
struct SecretRotationTests {
    /// Two keys, and a secret that the first one sealed.
    private struct Keys {
        let file = KeyFile()
        let old: String
        let new: String
        let secret: String

        init() async throws {
            old = try await chimera(["secret", "generate-key"]).text
            new = try await chimera(["secret", "generate-key"]).text
            try file.write(old)
            secret = try await chimera(["secret", "encrypt"], input: "geheim", environment: file.environment).text
            try file.write(new, old)
        }

        var newID: String { String(new.prefix { $0 != ":" }) }
    }

    private func texts(_ database: TestDatabase, _ query: SQL) async throws -> [String] {
        try await database.pool.query(query).compactMap { $0[0] }
    }

    @Test("what waits in the queue and rows with ids below 0 are encrypted again as well")
    func reach() async throws {
        let keys = try await Keys()
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let config = #"{"password": "\#(keys.secret)"}"#
            for id in [-2_147_483_648, -5, 3] {
                _ = try await database.pool.query(
                    "INSERT INTO integrations (id, name, type, config) VALUES (\(id), \("i\(id)"), 'RP', \(config)::jsonb)")
                _ = try await database.pool.query("INSERT INTO integration_keys VALUES (\(id), 'password', \(keys.secret))")
            }
            _ = try await database.pool.query(
                "INSERT INTO job_configurations (name, job_type, config) VALUES ('j', 'CUSTOM', '{\"program\": \"p\"}')")
            let params = #"{"environment": {"T": "\#(keys.secret)"}, "n": 1.50}"#
            _ = try await database.pool.query(
                "INSERT INTO job_executions (job_config_id, params) SELECT id, \(params)::jsonb FROM job_configurations, generate_series(1, 130)"
            )
            let answer = try await database.chimera("secret", "rotate", environment: keys.file.environment)
            #expect(answer.exitCode == 0, "\(answer.errors)")
            let stored = try await texts(
                database,
                """
                SELECT config::text FROM integrations UNION ALL SELECT value FROM integration_keys
                UNION ALL SELECT params::text FROM job_executions
                """)
            #expect(stored.count == 136 && stored.allSatisfy { $0.contains("enc:v1:\(keys.newID):") })
            #expect(stored.count { $0.contains("1.50") } == 130)
        }
    }

    @Test("an execution that runs is named, for it may wait again with what it has")
    func running() async throws {
        let keys = try await Keys()
        try await TestDatabase.withDatabase(template: .migrated) { database in
            _ = try await database.pool.query(
                "INSERT INTO job_configurations (name, job_type, config) VALUES ('j', 'CUSTOM', '{\"program\": \"p\"}')")
            let params = #"{"environment": {"T": "\#(keys.secret)"}}"#
            _ = try await database.pool.query("INSERT INTO job_executions (job_config_id, params) VALUES (1, \(params)::jsonb)")
            _ = try await database.pool.query(
                """
                INSERT INTO workers (id, host, pid, version, lease, lease_until, slots)
                VALUES ('00000000-0000-7000-8000-000000000001', 'h', 1, '1', '1 minute', now() + interval '1 minute', 1)
                """)
            _ = try await database.pool.query(
                """
                SELECT * FROM claim_executions('00000000-0000-7000-8000-000000000001', 1, (-32768)::smallint, '-infinity',
                  '00000000-0000-0000-0000-000000000000')
                """)
            #expect(try await texts(database, "SELECT status FROM job_executions") == ["RUNNING"])
            let answer = try await database.chimera("secret", "rotate", environment: keys.file.environment)
            #expect(answer.exitCode == 65 && answer.error.contains("execution ") && answer.error.contains("it is running"))
        }
    }

    @Test("a row that cannot be read is named by table and id, and the rest is done")
    func unreadableRow() async throws {
        let keys = try await Keys()
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let deep = String(repeating: "[", count: 100) + "\"\(keys.secret)\"" + String(repeating: "]", count: 100)
            try await database.pool.transaction { transaction in
                // Nobody could write it: the triggers refuse what is nested so deep.
                try await transaction.script("SET LOCAL session_replication_role = replica")
                for (id, config) in [(7, #"{"a": \#(deep)}"#), (8, #"{"password": "\#(keys.secret)"}"#)] {
                    _ = try await transaction.query(
                        "INSERT INTO integrations (id, name, type, config) VALUES (\(id), \("i\(id)"), 'RP', \(config)::jsonb)")
                }
            }
            let answer = try await database.chimera("secret", "rotate", environment: keys.file.environment)
            #expect(answer.exitCode == 65 && answer.error.contains("integrations 7") && answer.error.contains("64 levels"))
            #expect(answer.text == "key \(keys.newID): 1 secrets encrypted again in 1 rows, 0 were already")
        }
    }
}
