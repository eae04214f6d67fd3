import Postgres
import TestSupport
import Testing

@Suite("Behind a pooler in transaction mode")
struct PoolerTests {
    /// Whether CHIMERA_LISTEN=off says that there is one, or each session has to find out.
    private static let isKnown = [true, false]

    private func withPooler(isKnown: Bool, _ body: (PostgresPool) async throws -> Void) async throws {
        try await TestDatabase.withDatabase { database in
            let pooler = try AlternatingPooler(to: database.port)
            try await withPool(database.url(port: pooler.port), maximum: 1, usesNamedStatements: !isKnown, body)
        }
    }

    @Test("R32: the same statements work while the backend changes under them", arguments: isKnown)
    func alternating(isKnown: Bool) async throws {
        try await withPooler(isKnown: isKnown) { pool in
            var pids: [Int] = []
            for index in 0..<10 {
                let row = try await pool.query("SELECT pg_backend_pid() AS pid, \(index)::int AS n, \("x\(index)")::text AS t")[0]
                pids.append(try row.get("pid"))
                #expect(try row.get("n", as: Int.self) == index && row["t"] == "x\(index)")
            }
            #expect(Set(pids).count == 2)
            #expect(zip(pids, pids.dropFirst()).allSatisfy { $0 != $1 }, "the pooler did not alternate")
        }
    }

    @Test("a transaction stays on one backend, with its limits, and COPY works in it", arguments: isKnown)
    func transaction(isKnown: Bool) async throws {
        try await withPooler(isKnown: isKnown) { pool in
            _ = try await pool.query("CREATE TABLE t (a int)")
            let (pids, timeout) = try await pool.transaction { transaction in
                var pids: Set<Int> = []
                for _ in 0..<3 { pids.insert(try await transaction.query("SELECT pg_backend_pid() AS p")[0].get("p")) }
                let count = try await transaction.copyIn("COPY t FROM STDIN", rows: (0..<10_000).lazy.map { "\($0)\n" })
                #expect(count == 10_000)
                return (pids, try await transaction.query("SHOW statement_timeout")[0]["statement_timeout"])
            }
            #expect(pids.count == 1 && timeout == "31s")
            #expect(try await pool.value("SELECT count(*) FROM t", as: Int.self) == 10_000)
        }
    }

    @Test("nothing is left in the session: no prepared statements, no settings", arguments: isKnown)
    func noTraces(isKnown: Bool) async throws {
        try await withPooler(isKnown: isKnown) { pool in
            for _ in 0..<6 {
                _ = try await pool.query("SELECT 1")
                try await pool.transaction { _ = try await $0.query("SELECT 2", deadline: .seconds(100)) }
            }
            for _ in 0..<2 {
                #expect(try await pool.value("SELECT count(*) FROM pg_prepared_statements", as: Int.self) == 0)
                #expect(try await pool.value("SHOW statement_timeout", as: String.self) == "0")
            }
        }
    }

    @Test("failed transactions are rolled back and repeated as elsewhere", arguments: isKnown)
    func failures(isKnown: Bool) async throws {
        try await withPooler(isKnown: isKnown) { pool in
            let runs = Counter()
            let error = try await databaseError {
                try await pool.transaction { transaction in
                    runs.increment()
                    _ = try await transaction.query("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
                }
            }
            #expect(error.kind == .serialization && runs.value == 5)
            #expect(try await pool.value("SELECT 3", as: Int.self) == 3)
        }
    }
}
