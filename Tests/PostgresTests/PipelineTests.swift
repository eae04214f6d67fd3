import Postgres
import TestSupport
import Testing

/// Statements in one go, where the go itself fails.
@Suite struct PipelineTests {
    @Test("statements in one go are repeated when somebody discarded what was prepared of them")
    func discarded() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                let statements: [SQL] = ["SELECT 1 AS a", "SELECT 2 AS a", "SELECT 3 AS a"]
                for _ in 0..<3 { _ = try await pool.queries(statements) }
                _ = try await pool.query("DEALLOCATE ALL")
                #expect(try await pool.queries(statements).map { $0.first?["a"] } == ["1", "2", "3"])
            }
        }
    }

    /// More than the 65,535 that fit into one statement.
    private static func values(_ count: Int) -> SQL {
        count == 1 ? "\(count)" : values(count / 2) + ", " + values(count - count / 2)
    }

    @Test("a statement that cannot be sent fails by itself, wherever it stands in one go", arguments: [0, 1])
    func unsendable(place: Int) async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                var statements: [SQL] = ["SELECT 1", "SELECT 2"]
                statements.insert("SELECT " + Self.values(70_000), at: place)
                let error = try await databaseError { _ = try await pool.queries(statements) }
                #expect(error.kind == .invalidInput)
                #expect(try await pool.value("SELECT 5", as: Int.self) == 5, "and the connection is of use")
                #expect(try await pool.queries(["SELECT 6 AS a"]).first?.first?["a"] == "6")
            }
        }
    }
}
