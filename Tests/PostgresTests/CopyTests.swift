import Postgres
import TestSupport
import Testing

@Suite("COPY")
struct CopyTests {
    private func withTable(_ body: (PostgresPool) async throws -> Void) async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int PRIMARY KEY, b text)")
            try await body(database.pool)
        }
    }

    @Test("a hundred thousand rows arrive, each with its text")
    func manyRows() async throws {
        try await withTable { pool in
            let count = try await pool.withConnection { connection in
                try await connection.copyIn(
                    "COPY t FROM STDIN", rows: (0..<100_000).map { CopyText.row([String($0), "linha \($0)\té\\\n'\""]) })
            }
            #expect(count == 100_000)
            let row = try await pool.query(
                "SELECT count(*) AS n, count(*) FILTER (WHERE b = \("linha ") || a || \("\té\\\n'\"")) AS good, sum(a) AS s FROM t")[0]
            #expect(row["n"] == "100000" && row["good"] == "100000" && row["s"] == "4999950000")
        }
    }

    @Test("pieces may be cut anywhere, and NULL, the empty string and \\N are three things")
    func pieces() async throws {
        try await withTable { pool in
            let rows = [["1", nil], ["2", ""], ["3", "\\N"], ["4", "\r\n\t\\."]] as [[String?]]
            let bytes = rows.flatMap { CopyText.row($0) }
            let count = try await pool.transaction { transaction in
                try await transaction.copyIn("COPY t FROM STDIN", rows: bytes.map { [$0] })
            }
            #expect(count == 4)
            let back = try await pool.query("SELECT b FROM t ORDER BY a")
            #expect(back.map { $0["b"] } == [nil, "", "\\N", "\r\n\t\\."])
        }
    }

    @Test("no rows at all are no error")
    func noRows() async throws {
        try await withTable { pool in
            let count = try await pool.withConnection { try await $0.copyIn("COPY t FROM STDIN", rows: [String]()) }
            #expect(count == 0)
        }
    }

    @Test("one bad row fails all of them, names the line, and the connection lives on")
    func badRow() async throws {
        try await withTable { pool in
            try await pool.withConnection { connection in
                let rows = (0..<50_000).map { $0 == 40_000 ? "x\ty\n" : "\($0)\tb\n" }
                let error = try await databaseError { _ = try await connection.copyIn("COPY t FROM STDIN", rows: rows) }
                #expect(error.kind == .invalidInput && error.sqlState == "22P02" && error.message.contains("\"x\""))
                let twice = try await databaseError { _ = try await connection.copyIn("COPY t FROM STDIN", rows: ["1\ta\n", "1\tb\n"]) }
                #expect(twice.kind == .constraint(name: "t_pkey"))
                let count = try await connection.query("SELECT count(*) AS n FROM t")[0]["n"]
                #expect(count == "0")
            }
        }
    }

    @Test("a statement that is no COPY, or a wrong one, is refused and leaves the connection usable")
    func wrongStatement() async throws {
        try await withTable { pool in
            try await pool.withConnection { connection in
                let other = try await databaseError { _ = try await connection.copyIn("SELECT 1", rows: ["1\ta\n"]) }
                #expect(other.kind == .invalidInput)
                let unknown = try await databaseError { _ = try await connection.copyIn("COPY nowhere FROM STDIN", rows: ["1\n"]) }
                #expect(unknown.kind == .undefined)
                let one = try await connection.query("SELECT 1 AS n")[0]["n"]
                #expect(one == "1")
            }
        }
    }

    @Test("the binary form holds numbers, amounts, texts and moments as they are")
    func binary() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE b (n int, i bigint, amount numeric(20,2), t text, at timestamptz)")
            var generator = SeededGenerator()
            print("amounts by CHIMERA_SEED=\(generator.seed)")
            let edges: [Int64] = [0, 1, 50, 99, 100, 101, 999_999, 1_000_000, 1_000_001, 9_999_999_999, 10_000_000_000, 999_999_999_999]
            let amounts =
                edges + (0..<200).map { _ in Int64.random(in: 0...999_999_999_999, using: &generator) >> Int64.random(in: 0...39) }
            var copy = CopyBinary()
            for (place, amount) in amounts.enumerated() {
                copy.beginRow(fields: 5)
                copy.field(integer: Int32(place) - 5)
                copy.field(bigint: -amount)
                copy.field(hundredths: amount)
                copy.field(text: place % 2 == 0 ? "ção \(amount)" : "a\0b")
                copy.field(timestamp: amount * 1_000)
            }
            copy.end()
            let pieces = copy.bytes.map { [$0] }
            let copied = try await database.pool.withConnection { try await $0.copyIn("COPY b FROM STDIN (FORMAT binary)", rows: pieces) }
            #expect(copied == amounts.count)
            let rows = try await database.pool.query(
                """
                SELECT n, i, (amount * 100)::bigint AS amount, amount::text AS shown, t, (extract(epoch FROM at) * 1000000)::bigint AS at
                FROM b ORDER BY n
                """)
            for (place, row) in rows.enumerated() {
                let amount = amounts[place]
                #expect(try row.get("n", as: Int.self) == place - 5 && row.get("i", as: Int64.self) == -amount, "\(amount)")
                #expect(try row.get("amount", as: Int64.self) == amount && row.get("at", as: Int64.self) == amount * 1_000, "\(amount)")
                #expect(row["t"] == (place % 2 == 0 ? "ção \(amount)" : "ab"))
            }
            #expect(rows[0]["shown"] == "0.00" && rows[11]["shown"] == "9999999999.99")
        }
    }

    @Test("a COPY that is cancelled halfway leaves no row and no session behind")
    func cancelled() async throws {
        try await withTable { pool in
            let begun = Counter()
            let task = Task {
                try await pool.withConnection { connection in
                    try await connection.copyIn(
                        "COPY t FROM STDIN",
                        rows: EndlessRows { index in
                            if index == 100_000 { begun.increment() }
                        })
                }
            }
            try await eventually("some rows") { begun.value > 0 }
            task.cancel()
            #expect(try await databaseError { _ = try await task.value }.kind == .cancelled)
            try await eventually("the end of the COPY") {
                try await pool.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%' AND state = 'active'",
                    as: Int.self) == 0
            }
            #expect(try await pool.value("SELECT count(*) FROM t", as: Int.self) == 0)
        }
    }
}

/// Rows without end; tells of each.
private struct EndlessRows: Sequence, Sendable {
    let tell: @Sendable (Int) -> Void

    func makeIterator() -> AnyIterator<String> {
        var index = 0
        return AnyIterator {
            tell(index)
            index += 1
            return "\(index)\tb\n"
        }
    }
}
