import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// Arguments of a CUSTOM job's program are seen by everybody on a host: no secret gets there.
@Suite struct CustomArgumentTests {
    private static let secrets = [
        "--api-key=geheim", "postgresql://u:ge/heim@h/db", "https://u:geheim@h/", "x enc:v1:k1:geheim", "Authorization: Bearer geheim",
        "pass[]=geheim", "senha\t: geheim",
    ]

    @Test("a secret in arguments is refused from standard input and a file, by the CLI and by the database, and never repeated")
    func refused() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "drill", "--type", "CUSTOM", "--config", #"{"program": "p", "arguments": ["-v", "a=b"]}"#)
            let path = FileManager.default.temporaryDirectory.appending(path: "config-\(UUID().uuidString).json").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            for secret in Self.secrets {
                let config: JSONValue = ["program": "p", "arguments": ["-v", .string(secret)]]
                try Data(config.text.utf8).write(to: URL(filePath: path))
                for arguments in [
                    ["job", "edit", "drill", "--config", "-"], ["job", "edit", "drill", "--config", "@" + path],
                    ["job", "run", "drill", "--params", "-"],
                ] {
                    let answer = try await chimera(arguments, input: config.text, environment: ["DATABASE_URL": database.url])
                    expectRefusal(answer, 65, ".arguments", of: arguments)
                    #expect(!answer.error.contains("heim"), "\(answer.error)")
                }
                await #expect(throws: PostgresError.self, "\(secret)") {
                    try await database.pool.query("UPDATE job_configurations SET config = \(config.text)::jsonb")
                }
                await #expect(throws: PostgresError.self, "\(secret)") {
                    try await database.pool.query(
                        "INSERT INTO job_executions (job_config_id, params) SELECT id, \(config.text)::jsonb FROM job_configurations")
                }
            }
        }
    }
}
