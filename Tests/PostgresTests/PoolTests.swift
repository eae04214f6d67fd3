import Postgres
import TestSupport
import Testing

@Suite("Pool")
struct PoolTests {
    @Test("no more connections than allowed, and everybody gets one")
    func limit() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 3) { pool in
                let most = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<30 {
                        group.addTask {
                            try await pool.value(
                                """
                                SELECT count(*) FROM pg_stat_activity, pg_sleep(0.005)
                                WHERE datname = current_database() AND backend_type = 'client backend'
                                """)
                        }
                    }
                    return try await group.reduce(0, max)
                }
                #expect(most <= 3)
                #expect(pool.load.idle <= 3 && pool.load.leased == 0)
            }
        }
    }

    @Test("who asked first is served first")
    func firstComeFirstServed() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                let served = Journal<Int>()
                try await pool.withConnection { _ in
                    var tasks: [Task<Void, any Error>] = []
                    for index in 0..<10 {
                        tasks.append(Task { try await pool.withConnection { _ in await served.add(index) } })
                        try await eventually("waiter \(index)") { pool.load.waiting == index + 1 }
                    }
                    // One gives up: the others keep their places.
                    tasks[4].cancel()
                    #expect(try await databaseError { try await tasks[4].value }.kind == .cancelled)
                    #expect(pool.load.waiting == 9)
                }
                try await eventually("all are served") { await served.entries.count == 9 }
                #expect(await served.entries == [0, 1, 2, 3, 5, 6, 7, 8, 9])
            }
        }
    }

    @Test("who waits for a connection waits no longer than the deadline, and is told what was in the way")
    func waitingHasADeadline() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                try await pool.withConnection { _ in
                    let start = ContinuousClock.now
                    let patient = Task { try await pool.query("SELECT 1", deadline: .seconds(90)) }
                    let error = try await databaseError { _ = try await pool.query("SELECT 1", deadline: .milliseconds(150)) }
                    #expect(error.kind == .deadlineExceeded && error.message.contains("became free"))
                    #expect(ContinuousClock.now - start < .seconds(25))
                    #expect(pool.load.waiting == 1, "the patient one still waits")
                    patient.cancel()
                }
            }
        }
    }

    @Test("an open or failed transaction does not reach the next borrower")
    func tidied() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                let pid = try await pool.value("SELECT pg_backend_pid()", as: Int.self)
                for failing in [false, true] {
                    try await pool.withConnection { connection in
                        try await connection.script("BEGIN; CREATE TABLE leftover (a int)")
                        if failing { _ = try? await connection.query("SELECT 1/0") }
                    }
                    #expect(try await pool.value("SELECT to_regclass('leftover') IS NULL", as: Bool.self))
                    #expect(try await pool.value("SELECT pg_backend_pid()", as: Int.self) == pid)
                }
                _ = try await pool.query("BEGIN")
                let open = try await database.pool.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = \(pid)::int AND state LIKE 'idle in%'", as: Int.self)
                #expect(open == 0)
            }
        }
    }

    @Test("a connection kept after its scope refuses to work")
    func scope() async throws {
        try await TestDatabase.withDatabase { database in
            let kept = try await database.pool.withConnection { $0 }
            let error = try await databaseError { _ = try await kept.query("SELECT 1") }
            #expect(error.message.contains("after the scope"))
        }
    }

    @Test("a closed pool refuses, a second close returns as well, and the server has no session left")
    func closed() async throws {
        try await TestDatabase.withDatabase { database in
            let pool = PostgresPool(try PostgresConfiguration(url: database.url, applicationName: "closing"))
            _ = try await pool.query("SELECT 1")
            await pool.close()
            await pool.close()
            #expect(try await databaseError { _ = try await pool.query("SELECT 1") }.kind == .connectionLost)
            try await eventually("the end of its session") {
                try await database.pool.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing'", as: Int.self) == 0
            }
        }
    }

    @Test("settings of the session: UTC, ISO, UTF-8 and the program's name")
    func settings() async throws {
        try await TestDatabase.withDatabase { database in
            let row = try await database.pool.query(
                """
                SELECT current_setting('TimeZone') AS z, current_setting('DateStyle') AS d, current_setting('client_encoding') AS e,
                    current_setting('application_name') AS a
                """)[0]
            #expect(row["z"] == "UTC" && row["d"]?.hasPrefix("ISO") == true && row["e"] == "UTF8" && row["a"] == "chimera")
        }
    }

    @Test("the URL's own words win over the defaults")
    func urlWins() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url + "?application_name=mine&options=-c%20search_path%3Dshop") { pool in
                let name = try await pool.value("SHOW application_name", as: String.self)
                let path = try await pool.value("SHOW search_path", as: String.self)
                #expect(name == "mine" && path == "shop")
            }
        }
    }

    @Test("a wrong password, user or database is told at once and not after the deadline")
    func refusedForGood() async throws {
        try await TestDatabase.withDatabase { database in
            for url in [database.url.replacing(database.name, with: "nowhere"), database.url.replacing("chimera@", with: "nobody@")] {
                try await withPool(url) { pool in
                    let start = ContinuousClock.now
                    let error = try await databaseError { _ = try await pool.query("SELECT 1") }
                    #expect(error.message.contains("refuses the connection") && ["3D000", "28000"].contains(error.sqlState))
                    #expect(!error.isWorthReconnecting && ContinuousClock.now - start < .seconds(25))
                }
            }
        }
    }
}
