import Postgres
import TestSupport
import Testing

@Suite("Transactions")
struct TransactionTests {
    @Test("what the body did stands when it returns and not when it throws")
    func commitAndRollback() async throws {
        struct Refusal: Error {}
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            let value = try await database.pool.transaction { transaction in
                _ = try await transaction.query("INSERT INTO t VALUES (1)")
                return 5
            }
            #expect(value == 5)
            await #expect(throws: Refusal.self) {
                try await database.pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO t VALUES (2)")
                    throw Refusal()
                }
            }
            #expect(try await database.pool.query("SELECT a FROM t").map { $0["a"] } == ["1"])
        }
    }

    @Test("a body that is cancelled before the COMMIT is rolled back")
    func cancelled() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            let task = Task {
                try await database.pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO t VALUES (1)")
                    withUnsafeCurrentTask { $0?.cancel() }
                }
            }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await database.pool.value("SELECT count(*) FROM t", as: Int.self) == 0)
        }
    }

    @Test("a failure that the body swallows is no success: COMMIT then rolls back, and says so")
    func swallowed() async throws {
        try await TestDatabase.withDatabase { database in
            let error = try await databaseError {
                try await database.pool.transaction { transaction in
                    try await transaction.script("CREATE TABLE t (a int)")
                    _ = try? await transaction.query("SELECT 1/0")
                }
            }
            #expect(error.sqlState == "25P02" && error.message.contains("rolled back"))
            #expect(try await database.pool.value("SELECT to_regclass('t') IS NULL", as: Bool.self))
        }
    }

    @Test("a constraint that is checked at COMMIT is an error of the transaction")
    func deferred() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int CONSTRAINT once UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            let error = try await databaseError {
                try await database.pool.transaction { _ = try await $0.query("INSERT INTO t VALUES (1), (1)") }
            }
            #expect(error.kind == .constraint(name: "once"))
            // The same outside a transaction, where it comes after the statement's own success.
            let alone = try await databaseError { _ = try await database.pool.query("INSERT INTO t VALUES (1), (1)") }
            #expect(alone.kind == .constraint(name: "once"))
        }
    }

    @Test("a transaction inside a transaction is refused before it commits the outer one")
    func nested() async throws {
        try await TestDatabase.withDatabase { database in
            try await database.pool.withConnection { connection in
                let error = try await databaseError {
                    try await connection.transaction { _ in try await connection.transaction { _ in } }
                }
                #expect(error.sqlState == "25001")
            }
        }
    }

    @Test("R24: serialisation failures repeat the whole body until all increments count (40001)")
    func serialization() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE counter (n int)")
            _ = try await database.pool.query("INSERT INTO counter VALUES (0)")
            let runs = Counter()
            let reads = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        try await database.pool.transaction { transaction in
                            runs.increment()
                            try await transaction.script("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                            let n = try await transaction.query("SELECT n FROM counter")[0].get("n", as: Int.self)
                            reads.increment()
                            try await eventually("all have read") { reads.value >= 3 }
                            _ = try await transaction.query("UPDATE counter SET n = \(n + 1)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.pool.value("SELECT n FROM counter", as: Int.self) == 3)
            #expect(runs.value > 3, "no conflict came about")
        }
    }

    @Test("R24: two that lock each other out both get through (40P01)")
    func deadlock() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (id int PRIMARY KEY, n int)")
            _ = try await database.pool.query("INSERT INTO t VALUES (1, 0), (2, 0)")
            let runs = Counter()
            let firstLocks = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (first, second) in [(1, 2), (2, 1)] {
                    group.addTask {
                        try await database.pool.transaction { transaction in
                            runs.increment()
                            try await transaction.script("SET LOCAL deadlock_timeout = '30ms'")
                            _ = try await transaction.query("UPDATE t SET n = n + 1 WHERE id = \(first)")
                            firstLocks.increment()
                            try await eventually { firstLocks.value >= 2 }
                            _ = try await transaction.query("UPDATE t SET n = n + 1 WHERE id = \(second)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.pool.query("SELECT n FROM t").map { $0["n"] } == ["2", "2"])
            #expect(runs.value >= 3, "no deadlock came about")
        }
    }

    @Test("a body that fails for ever is given up after five runs")
    func givesUp() async throws {
        try await TestDatabase.withDatabase { database in
            let runs = Counter()
            let error = try await databaseError {
                try await database.pool.transaction { transaction in
                    runs.increment()
                    _ = try await transaction.query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
                }
            }
            #expect(error.kind == .serialization && runs.value == 5)
        }
    }

    /// The two ways to say what a transaction does.
    enum Form: CaseIterable {
        case body, statements

        func run(_ statement: SQL, on pool: PostgresPool) async throws {
            switch self {
            case .body: try await pool.transaction { _ = try await $0.query(statement) }
            case .statements: #expect(try await pool.transaction(of: [statement, "SELECT 1"]) != nil)
            }
        }
    }

    @Test("statements in one go: they stand when the last one gives a row; nothing does when it gives none, or one of them fails")
    func ofStatements() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                _ = try await pool.query("CREATE TABLE t (a int CHECK (a > 0))")
                let commits = Counter()
                func run(_ statements: [SQL]) async throws -> [PostgresRows]? {
                    try await pool.transaction(of: statements) { commits.increment() }
                }
                let rows = try await run(["INSERT INTO t VALUES (1)", "SELECT a FROM t"])
                #expect(rows?.map(\.count) == [0, 1] && rows?.last?.first?["a"] == "1" && commits.value == 1)
                #expect(try await run(["INSERT INTO t VALUES (2)", "SELECT a FROM t WHERE a = 7"]) == nil && commits.value == 1)
                let error = try await databaseError {
                    _ = try await run(["INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (0)", "SELECT 1"])
                }
                #expect(error.sqlState == "23514" && commits.value == 1)
                #expect(try await pool.query("SELECT a FROM t").map { $0["a"] } == ["1"], "and the connection is of use")
                let task = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    _ = try await run(["INSERT INTO t VALUES (4)", "SELECT 1"])
                }
                await #expect(throws: (any Error).self) { try await task.value }
                #expect(try await pool.value("SELECT count(*) FROM t", as: Int.self) == 1 && commits.value == 1)
            }
        }
    }

    @Test("statements in one go that fail for ever are given up after five runs; one that fails once is repeated with those before it")
    func repeatedStatements() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            _ = try await database.pool.query("CREATE SEQUENCE runs")
            let fails: SQL = "DO $$ BEGIN IF nextval('runs') < 3 THEN RAISE SQLSTATE '40001'; END IF; END $$"
            #expect(try await database.pool.transaction(of: ["INSERT INTO t VALUES (1)", fails, "SELECT 1"]) != nil)
            #expect(try await database.pool.value("SELECT count(*) FROM t", as: Int.self) == 1)
            #expect(try await database.pool.value("SELECT last_value FROM runs", as: Int.self) == 3)
            _ = try await database.pool.query("ALTER SEQUENCE runs MINVALUE -100 RESTART WITH -100")
            let error = try await databaseError { _ = try await database.pool.transaction(of: [fails, "SELECT 1"]) }
            #expect(error.kind == .serialization)
            #expect(try await database.pool.value("SELECT last_value FROM runs", as: Int.self) == -96, "five runs")
        }
    }

    @Test("statements in one go of their own: each is answered; when one fails, none stands")
    func questions() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                _ = try await pool.query("CREATE TABLE t (a int)")
                let rows = try await pool.queries(["INSERT INTO t VALUES (1), (2)", "SELECT a FROM t", "SELECT 5 AS a WHERE false"])
                #expect(rows.map(\.count) == [0, 2, 0])
                let error = try await databaseError {
                    _ = try await pool.queries(["INSERT INTO t VALUES (3)", "SELECT 1/0", "INSERT INTO t VALUES (4)"])
                }
                #expect(error.sqlState == "22012")
                #expect(try await pool.query("SELECT a FROM t ORDER BY a").map { $0["a"] } == ["1", "2"], "and the connection is of use")
            }
        }
    }

    @Test(
        "R21: a connection cut around COMMIT: commitUnknown, and the row tells what became of it", arguments: [true, false], Form.allCases)
    func commitCut(isForwarded: Bool, form: Form) async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            let proxy = try TCPProxy(to: database.port)
            try await withPool(database.url(port: proxy.port)) { pool in
                _ = try await pool.query("SELECT 1")
                proxy.cutOnce(isForwarded ? .after("COMMIT") : .before("COMMIT"))
                let error = try await databaseError { try await form.run("INSERT INTO t VALUES (1)", on: pool) }
                #expect(proxy.cutsMade == 1)
                #expect(error.kind == .commitUnknown)
                let expected = isForwarded ? 1 : 0
                try await eventually("the server's end of it") {
                    try await database.pool.value("SELECT count(*) FROM t", as: Int.self) == expected
                }
            }
        }
    }

    @Test(
        "R21: terminations at random moments: what was told to be committed is there, and nothing is there twice", arguments: Form.allCases)
    func randomCuts(form: Form) async throws {
        let seed = UInt64.random(in: 1...UInt64.max)
        print("seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE t (a int)")
            let proxy = try TCPProxy(to: database.port)
            try await withPool(database.url(port: proxy.port), maximum: 2) { pool in
                var committed: Set<Int> = []
                var unknown: Set<Int> = []
                for index in 0..<150 {
                    let cut = after(.microseconds(Int.random(in: 0...3000, using: &generator))) { proxy.cutAll() }
                    do {
                        try await form.run("INSERT INTO t VALUES (\(index))", on: pool)
                        committed.insert(index)
                    } catch let error as PostgresError {
                        #expect(error.isWorthReconnecting || error.kind == .commitUnknown, "\(error)")
                        if error.kind == .commitUnknown { unknown.insert(index) }
                    }
                    await cut.value
                }
                print("\(committed.count) committed, \(unknown.count) unknown")
                let rows = try await database.pool.query("SELECT a FROM t")
                let found = try rows.map { try $0.get("a", as: Int.self) }
                #expect(Set(found).count == found.count)
                #expect(committed.subtracting(found).isEmpty)
                #expect(Set(found).subtracting(committed).isSubset(of: unknown))
            }
        }
    }

    @Test("a schema that changes under a prepared statement is no error, inside a transaction neither")
    func stalePlan() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                _ = try await pool.query("CREATE TABLE t (a int)")
                _ = try await pool.query("INSERT INTO t VALUES (1)")
                for _ in 0..<3 { _ = try await pool.query("SELECT * FROM t") }
                _ = try await database.pool.query("ALTER TABLE t ADD b int DEFAULT 2")
                #expect(try await pool.query("SELECT * FROM t")[0]["b"] == "2")
                for _ in 0..<3 { _ = try await pool.query("SELECT * FROM t") }
                _ = try await database.pool.query("ALTER TABLE t ADD c int DEFAULT 3")
                let c = try await pool.transaction { try await $0.query("SELECT * FROM t")[0]["c"] }
                #expect(c == "3")
                _ = try await pool.query("DEALLOCATE ALL")
                #expect(try await pool.query("SELECT * FROM t").count == 1)
            }
        }
    }
}
