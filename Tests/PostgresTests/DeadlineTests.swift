import Postgres
import TestSupport
import Testing

@Suite("Deadlines and cancellation")
struct DeadlineTests {
    private func sleeping(_ pool: PostgresPool) async throws -> Int {
        try await pool.value(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE '%pg_sleep(100)%' AND pid <> pg_backend_pid() AND state = 'active'
            """)
    }

    @Test("a deadline is kept, the server stops as well, and the connection is not used again")
    func deadline() async throws {
        try await TestDatabase.withDatabase { database in
            let before = try await database.pool.value("SELECT pg_backend_pid()", as: Int.self)
            let start = ContinuousClock.now
            let error = try await databaseError { _ = try await database.pool.query("SELECT pg_sleep(100)", deadline: .milliseconds(200)) }
            #expect(error.kind == .deadlineExceeded)
            #expect(ContinuousClock.now - start < .seconds(25))
            try await eventually(within: .seconds(5), "the server's end of the statement") { try await sleeping(database.pool) == 0 }
            #expect(try await database.pool.value("SELECT pg_backend_pid()", as: Int.self) != before)
        }
    }

    @Test("a cancelled task is told at once, and the server stops as well", arguments: [false, true])
    func cancellation(inTransaction: Bool) async throws {
        try await TestDatabase.withDatabase { database in
            let task = Task {
                if inTransaction {
                    try await database.pool.transaction { _ = try await $0.query("SELECT pg_sleep(100)") }
                } else {
                    _ = try await database.pool.query("SELECT pg_sleep(100)")
                }
            }
            try await eventually("the statement's start") { try await sleeping(database.pool) == 1 }
            let start = ContinuousClock.now
            task.cancel()
            let error = try await databaseError { try await task.value }
            #expect(error.kind == .cancelled && error.sqlState == nil)
            #expect(ContinuousClock.now - start < .seconds(1))
            try await eventually(within: .seconds(5), "the server's end of the statement") { try await sleeping(database.pool) == 0 }
        }
    }

    @Test("a task cancelled before it asks gets nothing and costs no connection")
    func cancelledBefore() async throws {
        try await TestDatabase.withDatabase { database in
            let pid = try await database.pool.value("SELECT pg_backend_pid()", as: Int.self)
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await database.pool.query("CREATE TABLE never (a int)")
            }
            #expect(try await databaseError { try await task.value }.kind == .cancelled)
            #expect(try await database.pool.value("SELECT to_regclass('never') IS NULL", as: Bool.self))
            #expect(try await database.pool.value("SELECT pg_backend_pid()", as: Int.self) == pid)
        }
    }

    @Test("a statement somebody else cancels says so and keeps its connection")
    func cancelledByOthers() async throws {
        try await TestDatabase.withDatabase { database in
            let task = Task { try await databaseError { _ = try await database.pool.query("SELECT pg_sleep(100)") } }
            try await eventually("the cancel") {
                try await database.pool.value(
                    """
                    SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND query = 'SELECT pg_sleep(100)' AND state = 'active'
                    """, as: Int.self) == 1
            }
            let error = try await task.value
            #expect(error.kind == .cancelled && error.sqlState == "57014")
        }
    }

    @Test("the server has a limit of its own in case the client vanishes, and a longer deadline raises it")
    func serverLimit() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1, deadline: .milliseconds(1500)) { pool in
                #expect(try await pool.value("SHOW statement_timeout", as: String.self) == "2500ms")
                #expect(try await pool.value("SHOW idle_in_transaction_session_timeout", as: String.self) == "3s")
                let raised = try await pool.query("SHOW statement_timeout", deadline: .seconds(60))
                #expect(raised[0]["statement_timeout"]?.hasPrefix("6") == true, "\(raised[0]["statement_timeout"] ?? "")")
                // The next borrower gets the usual one.
                #expect(try await pool.value("SHOW statement_timeout", as: String.self) == "2500ms")
            }
        }
    }

    @Test("a limit raised inside a transaction that rolls back is raised again when it is needed")
    func limitAfterRollback() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1, deadline: .seconds(1)) { pool in
                try await pool.withConnection { connection in
                    let error = try await databaseError {
                        try await connection.transaction { transaction in
                            _ = try await transaction.query("SELECT 1", deadline: .seconds(30))
                            _ = try await transaction.query("SELECT 1/0")
                        }
                    }
                    #expect(error.sqlState == "22012")
                    // Two seconds: more than the server's usual limit here.
                    _ = try await connection.query("SELECT pg_sleep(2.2)", deadline: .seconds(30))
                }
            }
        }
    }

    @Test("many statements, many cancellations: nothing hangs, nothing leaks, answers stay with their questions")
    func storm() async throws {
        let seed = UInt64.random(in: 1...UInt64.max)
        print("seed \(seed)")
        try await TestDatabase.withDatabase { database in
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<200 {
                    var generator = SeededGenerator(seed: seed &+ UInt64(index))
                    let patience = Int.random(in: 0...30, using: &generator)
                    group.addTask {
                        let task = Task {
                            do throws(PostgresError) {
                                let rows = try await database.pool.query("SELECT \(index)::int AS i, pg_sleep(0.01)")
                                #expect(try rows[0].get("i", as: Int.self) == index)
                            } catch {
                                #expect(error.kind == .cancelled)
                            }
                        }
                        await after(.milliseconds(patience)) { task.cancel() }.value
                        await task.value
                    }
                }
            }
            try await eventually("all connections are back") { database.pool.load.leased == 0 && database.pool.load.waiting == 0 }
            #expect(try await database.pool.value("SELECT 42", as: Int.self) == 42)
            try await eventually("no backend is left working") {
                try await database.pool.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()",
                    as: Int.self) == 0
            }
        }
    }
}
