import Foundation
import Runtime
import TestSupport
import Testing

/// `chimera bench`: figures, not how good they are; and what it leaves behind, which is nothing.
@Suite struct BenchCommandTests {
    private static let figures = [
        "drain": [
            "jobs_per_second", "bare_jobs_per_second", "first_tenth_per_second", "last_tenth_per_second", "worker_cpu_us", "wal_bytes",
            "insert_wal_bytes", "transactions", "idle_megabytes", "peak_megabytes",
        ],
        "latency": ["p50_ms", "p95_ms", "p99_ms", "bare_p50_ms", "bare_p99_ms"],
        "enqueue": ["bulk_per_second", "bare_bulk_per_second", "singles_per_second", "bare_singles_per_second"],
    ]

    private func bench(_ database: TestDatabase, _ arguments: String...) async throws -> Answer {
        try await chimera(["bench"] + arguments, environment: ["DATABASE_URL": database.url], within: .seconds(300))
    }

    private func hasSchema(_ database: TestDatabase) async throws -> Bool {
        try await !database.pool.query("SELECT 1 FROM pg_namespace WHERE nspname = 'chimera_bench'").isEmpty
    }

    @Test("it tells all its figures, does what it was asked to, and touches nothing of the schema that is there")
    func figures() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let answer = try await bench(
                database, "--jobs", "1000", "--samples", "10", "--workers", "2", "--finished", "2000", "--configurations", "3", "--json")
            #expect(answer.exitCode == 0 && answer.errors.isEmpty, "\(answer.errors)")
            let json = try answer.json
            for (subject, names) in Self.figures {
                for name in names {
                    let value = try #require(json[subject]?[name]?.doubleValue, "\(subject) \(name) is missing")
                    #expect(value > 0, "\(subject) \(name)")
                }
            }
            #expect(json["drain"]?["jobs"] == 1000 && json["drain"]?["workers"] == 2 && json["drain"]?["finished_before"] == 2000)
            #expect(json["latency"]?["samples"] == 10)
            #expect(try await !hasSchema(database))
            let rows = try await database.pool.query(
                """
                SELECT (SELECT count(*) FROM job_executions) + (SELECT count(*) FROM workers) + (SELECT count(*) FROM job_configurations) AS rows
                """)
            #expect(try rows[0].get("rows", as: Int.self) == 0)
        }
    }

    @Test("for people it is a table, each figure beside the bare one")
    func table() async throws {
        try await TestDatabase.withDatabase { database in
            let answer = try await bench(database, "latency", "--samples", "10")
            #expect(answer.exitCode == 0, "\(answer.errors)")
            #expect(answer.lines.first?.contains(#/^SUBJECT +WHAT +MEASURED +BARE +RATIO$/#) == true)
            #expect(
                answer.lines.count == 4 && answer.lines.dropFirst().allSatisfy { $0.contains(#/^latency .* ms +\d+\.\d\d +\d+\.\d\d$/#) })
        }
    }

    @Test("a page is read again and again without a server, and what is no page is refused by its reason")
    func pages() async throws {
        let file = NSTemporaryDirectory() + "chimera-bench-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let product = #"{"Codigo":7,"Descricao":"CAFE","Marca":"X","Preco":10.5,"PrecoVenda2":8.9}"#
        try #"{"response":{"status":"ok","produtos":[\#(product),\#(product)]}}"#.write(toFile: file, atomically: true, encoding: .utf8)
        let answer = try await chimera(["bench", "pages", "--page", file, "--json"])
        #expect(answer.exitCode == 0 && answer.errors.isEmpty, "\(answer.errors)")
        let json = try answer.json
        #expect(json["pages"]?["page_products"] == 2)
        #expect(try #require(json["pages"]?["megabytes_per_second"]?.doubleValue) > 0)
        for text in ["{}", #"{"response":{"status":"ok","produtos":[]}}"#, "<html>"] {
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            expectRefusal(try await chimera(["bench", "pages", "--page", file]), 65, "page", of: ["bench", "pages"])
        }
        expectRefusal(try await chimera(["bench", "pages", "--page", file + ".none"]), 65, "cannot be read", of: ["bench", "pages"])
        expectRefusal(try await chimera(["bench", "pages"]), 64, "--page FILE", of: ["bench", "pages"])
    }

    @Test("a schema of its name that is there is left alone, and the refusal says how it goes")
    func refusal() async throws {
        try await TestDatabase.withDatabase { database in
            for statement in ["CREATE SCHEMA chimera_bench", "CREATE TABLE chimera_bench.kept (n int)"] as [String] {
                _ = try await database.pool.query("\(unsafe: statement)")
            }
            expectRefusal(try await bench(database, "drain"), 78, "DROP SCHEMA chimera_bench CASCADE", of: ["bench"])
            _ = try await database.pool.query("SELECT n FROM chimera_bench.kept")
            expectRefusal(try await bench(database, "nothing"), 64, "drain, latency, enqueue", of: ["bench", "nothing"])
        }
    }

    @Test("a signal ends it, its workers and its schema", arguments: [SIGINT, SIGTERM])
    func interruption(signal: Int32) async throws {
        // So many that a machine with other work still sees it at work.
        try await TestDatabase.withDatabase { database in
            let program = try RunningProgram(
                "chimera", ["bench", "drain", "--jobs", "200000"], environment: ["DATABASE_URL": database.url])
            try await eventually(within: .seconds(180), "a worker at work") {
                try await !database.pool.query(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'chimera worker%'"
                ).isEmpty
            }
            program.signal(signal)
            #expect(try await program.waitForExit(within: .seconds(60)) == .exited(128 + signal), "\(program.errors)")
            #expect(try await !hasSchema(database))
            try await eventually("the end of the workers' sessions") {
                try await database.pool.query(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^chimera (worker|bench)'"
                ).isEmpty
            }
        }
    }
}
