import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@Suite("Values")
struct ValuesTests {
    private func roundTrip<T: PostgresEncodable & PostgresDecodable & Equatable>(
        _ values: [T], _ type: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await TestDatabase.withDatabase { database in
            for value in values {
                // Twice: the second time the statement is prepared.
                for _ in 0..<2 {
                    let back = try await database.pool.value("SELECT \(value)::\(unsafe: type) AS v", as: T.self)
                    #expect(back == value, sourceLocation: sourceLocation)
                }
            }
        }
    }

    @Test("whole numbers come back, their limits included")
    func integers() async throws {
        try await roundTrip([0, -1, Int64.max, .min], "bigint")
        try await roundTrip([0, -1, Int32.max, .min], "int")
        try await roundTrip([Int16.max, .min], "smallint")
    }

    @Test("numbers, booleans, UUIDs and documents come back")
    func scalars() async throws {
        try await roundTrip([0.1, -0.0, 1e300, .leastNonzeroMagnitude, .infinity, -.infinity], "float8")
        try await roundTrip([true, false], "bool")
        try await roundTrip([UUID(), UUID(uuidString: "00000000-0000-0000-0000-00000000000F")!], "uuid")
        try await roundTrip([["a": [1, nil, "x\"y\\z"], "ç": 1.5]] as [JSONValue], "jsonb")
    }

    @Test("text comes back byte for byte: quotes, backslashes, emoji, a megabyte")
    func text() async throws {
        let samples = ["", "O'Neil \"x\" \\ \\n \n \t $1 {} NULL", "pão de açúcar 🍞\u{301}", "\u{1}\u{7f}"]
        try await roundTrip(samples + [String(repeating: "ação\\'\"", count: 131_072)], "text")
        try await roundTrip([samples, [], ["NULL", "null", ""]], "text[]")
        try await roundTrip([[nil, "NULL", nil, "a,b"]] as [[String?]], "text[]")
    }

    @Test("bytes come back whatever they are")
    func bytea() async throws {
        try await roundTrip([[], Array(0...255), [0, 0x5c, 0x27]] as [[UInt8]], "bytea")
    }

    @Test("arrays of other types come back")
    func arrays() async throws {
        try await roundTrip([[1, -2, 3], []] as [[Int]], "int[]")
        try await roundTrip([(0..<500).map { _ in UUID() }], "uuid[]")
        try await roundTrip([[true, false]], "bool[]")
        try await roundTrip([[Date(timeIntervalSince1970: 0), .distantFuture]], "timestamptz[]")
    }

    @Test("an array of arrays of numbers and of bytes is read by the server as such")
    func nestedArrays() async throws {
        try await TestDatabase.withDatabase { database in
            let number = try await database.pool.value("SELECT (\([[1, 2], [3, 4]])::int[])[2][1]", as: Int.self)
            #expect(number == 3)
            let bytes = try await database.pool.value("SELECT (\([[1, 0x5c]] as [[UInt8]])::bytea[])[1]", as: [UInt8].self)
            #expect(bytes == [1, 0x5c])
        }
    }

    @Test("NULL is nil, and an error where a value is expected")
    func null() async throws {
        try await TestDatabase.withDatabase { database in
            let row = try #require(try await database.pool.query("SELECT \(nil as Int?)::int AS a, \(5 as Int?)::int AS b").first)
            #expect(try row.getIfPresent("a", as: Int.self) == nil)
            #expect(try row.getIfPresent("b", as: Int.self) == 5)
            #expect(row["a"] == nil)
            let missing = try await databaseError { _ = try row.get("a", as: Int.self) }
            #expect(missing.kind == .decoding && missing.message.contains("\"a\""))
            let unknown = try await databaseError { _ = try row.getIfPresent("zzz", as: Int.self) }
            #expect(unknown.kind == .decoding && unknown.message.contains("\"zzz\""))
        }
    }

    @Test("a value of another type is a decoding error that names the column and keeps the value to itself")
    func wrongType() async throws {
        try await TestDatabase.withDatabase { database in
            let row = try #require(try await database.pool.query("SELECT 'geheim' AS a, 99999999999 AS b, '' AS c").first)
            for (column, type) in [("a", "Int"), ("b", "Int32"), ("c", "UUID"), ("a", "Date"), ("a", "Bool"), ("c", "Duration")] {
                let error = try await databaseError {
                    switch type {
                    case "Int": _ = try row.get(column, as: Int.self)
                    case "Int32": _ = try row.get(column, as: Int32.self)
                    case "UUID": _ = try row.get(column, as: UUID.self)
                    case "Date": _ = try row.get(column, as: Date.self)
                    case "Bool": _ = try row.get(column, as: Bool.self)
                    default: _ = try row.get(column, as: Duration.self)
                    }
                }
                #expect(error.kind == .decoding)
                #expect(error.message.contains("\"\(column)\"") && error.message.contains(type) && !error.message.contains("geheim"))
            }
        }
    }

    @Test("R62: a NUL in text is refused before it is sent, in a parameter and in the statement")
    func nul() async throws {
        try await TestDatabase.withDatabase { database in
            for sql in ["SELECT \("a\u{0}b")::text", "SELECT 'a\u{0}b'", "SELECT \(["a\u{0}"])::text[]"] as [SQL] {
                let error = try await databaseError { _ = try await database.pool.query(sql) }
                #expect(error.kind == .invalidInput && error.sqlState == "22021" && error.message.contains("NUL"))
            }
            #expect(try await database.pool.value("SELECT 1", as: Int.self) == 1)
        }
    }

    @Test("statements join and nest, and their parameters keep their order")
    func joining() async throws {
        let condition: SQL = "b = \(2) AND c = \("x")"
        // Spliced: a literal of this test.
        let sql = "SELECT \(1)::int WHERE \(condition)" + " AND d = \(true) LIMIT \(unsafe: "5")"
        #expect(sql.text == "SELECT $1::int WHERE b = $2 AND c = $3 AND d = $4 LIMIT 5")
        try await TestDatabase.withDatabase { database in
            var sum: SQL = "SELECT \(1)::int"
            for value in 2...12 { sum += " + \(value)::int" }
            let total = try await database.pool.value(sum, as: Int.self)
            #expect(total == 78)
        }
    }

    @Test("a result is a collection: counts, columns and affected rows")
    func rows() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int, \"Maiúscula\" text)")
            let inserted = try await database.pool.query("INSERT INTO t SELECT n, 'x' || n FROM generate_series(1, 500) n")
            #expect(inserted.affectedRows == 500 && inserted.isEmpty)
            let rows = try await database.pool.query("SELECT * FROM t ORDER BY a")
            #expect(rows.count == 500 && rows.columns == ["a", "Maiúscula"])
            #expect(try rows.map { try $0.get("a", as: Int.self) } == Array(1...500))
            #expect(rows.last?["Maiúscula"] == "x500" && rows[3][1] == "x4")
            #expect(try await database.pool.query("DELETE FROM t WHERE a > 100").affectedRows == 400)
        }
    }
}
