import Postgres
import Runtime
import TestSupport
import Testing

@Suite("Errors")
struct ErrorsTests {
    @Test("R24: the server's refusals are sorted by what a caller can do about them")
    func kinds() async throws {
        try await TestDatabase.withDatabase { database in
            try await database.pool.withConnection { connection in
                try await connection.script(
                    """
                    CREATE TABLE parent (id int PRIMARY KEY);
                    CREATE TABLE child (id int CONSTRAINT child_of_parent REFERENCES parent, price int CONSTRAINT price_is_positive CHECK (price > 0),
                        name text NOT NULL DEFAULT 'x', CONSTRAINT one_of_each UNIQUE (id, name));
                    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)
                    """)
            }
            let cases: [(SQL, PostgresError.Kind, String)] = [
                ("SELEC 1", .undefined, "42601"),
                ("SELECT * FROM nowhere", .undefined, "42P01"),
                ("INSERT INTO child VALUES (7, 1)", .constraint(name: "child_of_parent"), "23503"),
                ("INSERT INTO child VALUES (1, 0)", .constraint(name: "price_is_positive"), "23514"),
                ("INSERT INTO child VALUES (1, 1)", .constraint(name: "one_of_each"), "23505"),
                ("INSERT INTO child VALUES (1, 1, NULL)", .constraint(name: ""), "23502"),
                ("SELECT \("x")::int", .invalidInput, "22P02"),
                ("SELECT 1 / \(0)::int", .invalidInput, "22012"),
                ("SELECT \("{\"a\": \"\\u0000\"}")::jsonb", .invalidInput, "22P05"),
                ("DO $$ BEGIN RAISE EXCEPTION 'store_id is not an array' USING HINT = 'use store_ids'; END $$", .raised, "P0001"),
                ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", .resourcesExhausted, "53100"),
                ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", .serialization, "40001"),
                ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", .serialization, "40P01"),
                ("DO $$ BEGIN RAISE SQLSTATE '38000'; END $$", .other, "38000"),
            ]
            for (sql, kind, sqlState) in cases {
                let error = try await databaseError { _ = try await database.pool.query(sql) }
                #expect(error.kind == kind, "\(sql.text)")
                #expect(error.sqlState == sqlState, "\(sql.text)")
                #expect(!error.isWorthReconnecting && error.isRetryableTransaction == (kind == .serialization))
            }
            #expect(try await database.pool.value("SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid()", as: Int.self) == 1)
        }
    }

    @Test("what RAISE says arrives: message, detail and hint")
    func raised() async throws {
        try await TestDatabase.withDatabase { database in
            let error = try await databaseError {
                _ = try await database.pool.query(
                    "DO $$ BEGIN RAISE EXCEPTION 'params: unknown key \"store_id\"' USING DETAIL = 'd', HINT = 'use store_ids'; END $$")
            }
            #expect(error.message == "params: unknown key \"store_id\"" && error.detail == "d" && error.hint == "use store_ids")
            #expect(error.description == "params: unknown key \"store_id\" (SQLSTATE P0001)")
        }
    }

    @Test("a lock timeout is a timeout of the server, and the connection lives on")
    func lockTimeout() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            try await database.pool.transaction { holder in
                try await holder.script("LOCK TABLE t")
                let error = try await databaseError {
                    try await database.pool.transaction { waiter in
                        try await waiter.script("SET LOCAL lock_timeout = '20ms'")
                        try await waiter.script("LOCK TABLE t")
                    }
                }
                #expect(error.kind == .statementTimeout && error.sqlState == "55P03")
            }
        }
    }

    @Test("a query that is refused leaves its connection usable, inside a transaction after a savepoint as well")
    func survives() async throws {
        try await TestDatabase.withDatabase { database in
            let value = try await database.pool.transaction { transaction in
                try await transaction.script("SAVEPOINT s")
                let error = try await databaseError { _ = try await transaction.query("SELECT 1/0") }
                #expect(error.kind == .invalidInput)
                let aborted = try await databaseError { _ = try await transaction.query("SELECT 1") }
                #expect(aborted.sqlState == "25P02")
                try await transaction.script("ROLLBACK TO SAVEPOINT s")
                return try await transaction.query("SELECT 7 AS v")[0].get("v", as: Int.self)
            }
            #expect(value == 7)
        }
    }

    @Test("COPY through query is refused and does not wedge the connection")
    func copyThroughQuery() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            let into = try await databaseError { _ = try await database.pool.query("COPY t FROM STDIN") }
            #expect(into.kind == .invalidInput)
            let outOf = try await databaseError { _ = try await database.pool.query("COPY t TO STDOUT") }
            #expect(outOf.kind == .connectionLost)
            #expect(try await database.pool.value("SELECT count(*) FROM t", as: Int.self) == 0)
        }
    }

    @Test("a connection string that cannot be read is refused with 78 and never quoted")
    func badURL() throws {
        for url in [
            "postgresql://user:s3cr%zzt@host/db", "host = 'unclosed", "password=s3cret bogus", "postgresql://h/db?nonsense=s3cret",
            "a\u{0}b",
        ] {
            let error = #expect(throws: OperatorError.self) { try PostgresConfiguration(url: url) }
            #expect(error?.exitCode == .configuration && error?.message.contains("s3cr") == false)
        }
        let configuration = try PostgresConfiguration(url: "postgresql://anna:s3cret@db1,db2:5433/shop")
        #expect(!"\(configuration)".contains("s3cret") && "\(configuration)".contains("dbname=shop"))
    }
}
