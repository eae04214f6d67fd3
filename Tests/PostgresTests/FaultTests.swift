import Postgres
import TestSupport
import Testing

/// What happens when the server or the way to it fails. Each test has a server of its own, so they run one after another.
@Suite("Faults", .serialized)
struct FaultTests {
    @Test("R20: every backend is terminated, again and again: each query succeeds or says that its connection was lost")
    func terminated() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 4) { pool in
                let killer = Task {
                    var killed = 0
                    while !Task.isCancelled {
                        killed += try await TestCluster.shared.pool.query(
                            "SELECT pg_terminate_backend(pid) FROM pg_sleep(0.02), pg_stat_activity WHERE datname = \(database.name)"
                        ).count
                    }
                    return killed
                }
                var lost = 0
                var answered = 0
                let start = ContinuousClock.now
                // Two seconds of it; on a busy machine until some got through.
                while ContinuousClock.now - start < .seconds(2) || (answered <= 3 && ContinuousClock.now - start < .seconds(60)) {
                    do throws(PostgresError) {
                        let rows = try await pool.query("SELECT \(answered)::int AS n")
                        #expect(try rows[0].get("n", as: Int.self) == answered)
                        answered += 1
                    } catch {
                        #expect(error.isWorthReconnecting, "\(error)")
                        lost += 1
                    }
                }
                killer.cancel()
                _ = try? await killer.value
                print("terminated: \(answered) answered, \(lost) lost")
                #expect(answered > 3)
                try await eventually("quiet again") { (try? await pool.query("SELECT 1")) != nil }
                #expect(pool.load.leased == 0)
            }
        }
    }

    @Test("R20: the server restarts, fast and immediate: queries go on within 5 s", arguments: RestartableServer.StopMode.allCases)
    func restart(_ mode: RestartableServer.StopMode) async throws {
        let server = try await RestartableServer.start()
        try await withPool(server.url()) { pool in
            _ = try await pool.query("SELECT 1")
            let waiting = Task { try await databaseError { _ = try await pool.query("SELECT pg_sleep(100)") } }
            try await eventually("the long statement") { pool.load.leased == 1 }
            try await server.stop(mode)
            let cut = try await waiting.value
            #expect(cut.isWorthReconnecting, "\(cut)")
            // Asked while the server is down: answered when it is up again.
            let patient = Task { try await pool.value("SELECT 5", as: Int.self) }
            let impatient = try await databaseError { _ = try await pool.query("SELECT 1", deadline: .milliseconds(300)) }
            #expect(impatient.kind == .connectionLost && impatient.message.contains("cannot be reached"))
            try await server.start()
            let up = ContinuousClock.now
            #expect(try await patient.value == 5)
            #expect(ContinuousClock.now - up < .seconds(30))
        }
    }

    @Test("R20: the postmaster is killed: queries go on within 5 s of its return")
    func killed() async throws {
        let server = try await RestartableServer.start()
        try await withPool(server.url()) { pool in
            _ = try await pool.query("SELECT 1")
            try server.killPostmaster()
            // Its backends notice a moment later.
            try await eventually(within: .seconds(5), "an error worth a new connection") {
                do throws(PostgresError) {
                    _ = try await pool.query("SELECT 1", deadline: .milliseconds(300))
                    return false
                } catch {
                    return error.isWorthReconnecting
                }
            }
            try await server.start()
            try await eventually(within: .seconds(5), "an answer") {
                (try? await pool.value("SELECT 5", as: Int.self)) == 5
            }
        }
    }

    @Test("while nobody listens, attempts are few: no busy loop (R20)")
    func refused() async throws {
        try await TestDatabase.withDatabase { database in
            let proxy = try TCPProxy(to: database.port)
            try await withPool(database.url(port: proxy.port)) { pool in
                _ = try await pool.query("SELECT 1")
                proxy.set(.refuse)
                proxy.cutAll()
                let before = proxy.connectionsSeen
                try await withThrowingTaskGroup(of: PostgresError.self) { group in
                    for _ in 0..<20 {
                        group.addTask { try await databaseError { _ = try await pool.query("SELECT 1", deadline: .seconds(3)) } }
                    }
                    for try await error in group { #expect(error.kind == .connectionLost, "\(error)") }
                }
                let attempts = proxy.connectionsSeen - before
                // At most 8 at once when the loss is noticed, then one after 0.1, 0.2, 0.4 … s (each half to whole); libpq may try each with and without TLS.
                #expect(attempts <= 40, "\(attempts) attempts")
                proxy.set(.forward)
                #expect(try await pool.value("SELECT 7", as: Int.self) == 7)
            }
        }
    }

    @Test("R22: a black hole is noticed within the deadline, under a statement and while connecting")
    func blackHole() async throws {
        try await TestDatabase.withDatabase { database in
            let proxy = try TCPProxy(to: database.port)
            try await withPool(database.url(port: proxy.port)) { pool in
                _ = try await pool.query("SELECT 1")
                proxy.set(.blackHole)
                let start = ContinuousClock.now
                let silent = try await databaseError { _ = try await pool.query("SELECT 2", deadline: .milliseconds(500)) }
                #expect(silent.kind == .deadlineExceeded)
                // Now there is no connection left, and none can be made.
                let unreachable = try await databaseError { _ = try await pool.query("SELECT 3", deadline: .milliseconds(500)) }
                #expect([.deadlineExceeded, .connectionLost].contains(unreachable.kind))
                #expect(ContinuousClock.now - start < .seconds(25))
                proxy.set(.forward)
                #expect(try await pool.value("SELECT 4", as: Int.self) == 4)
            }
        }
    }

    @Test("R23: several hosts: a dead one, a silent one and a read-only one are passed over")
    func severalHosts() async throws {
        let standby = try await RestartableServer.start(settings: ["default_transaction_read_only": "on"])
        try await TestDatabase.withDatabase { database in
            let silent = try TCPProxy(to: database.port)
            silent.set(.blackHole)
            let ports = [try freePort(), silent.port, standby.port, database.port]
            let hosts = ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
            try await withPool("postgresql://chimera@\(hosts)/\(database.name)?connect_timeout=2") { pool in
                let name = try await pool.value("SELECT current_database()", as: String.self)
                #expect(name == database.name)
            }
        }
    }

    @Test("R23: a server that turns read-only is left")
    func readOnly() async throws {
        let server = try await RestartableServer.start()
        try await withPool(server.url(), maximum: 1) { pool in
            _ = try await pool.query("CREATE TABLE t (a int)")
            let pid = try await pool.value("SELECT pg_backend_pid()", as: Int.self)
            _ = try await pool.query("SET default_transaction_read_only = on")
            let error = try await databaseError { _ = try await pool.query("INSERT INTO t VALUES (1)") }
            #expect(error.kind == .readOnly && error.isWorthReconnecting)
            #expect(try await pool.value("SELECT pg_backend_pid()", as: Int.self) != pid)
        }
    }

    @Test("R24: too many connections: the pool waits and tries again")
    func tooManyConnections() async throws {
        let server = try await RestartableServer.start(settings: ["max_connections": "5", "superuser_reserved_connections": "0"])
        try await withPool(server.url(), maximum: 5) { holder in
            try await withPool(server.url(), maximum: 4) { pool in
                let wanted = try await holder.withConnection { first in
                    _ = try await first.query("SELECT 1")
                    return try await holder.withConnection { _ in
                        try await holder.withConnection { _ in
                            try await holder.withConnection { _ in
                                try await holder.withConnection { _ in
                                    let error = try await databaseError {
                                        _ = try await pool.query("SELECT 1", deadline: .milliseconds(400))
                                    }
                                    #expect(error.sqlState == "53300" && error.isWorthReconnecting, "\(error)")
                                    return Task { try await pool.value("SELECT 9", as: Int.self) }
                                }
                            }
                        }
                    }
                }
                await holder.close()
                #expect(try await wanted.value == 9)
            }
        }
    }
}

extension TestDatabase {
    /// The server's port.
    var port: Int { Int(url.split(separator: ":").last?.split(separator: "/").first ?? "") ?? 5432 }

    /// The same database through another port of this machine.
    func url(port: Int) -> String { "postgresql://chimera@127.0.0.1:\(port)/\(name)?sslmode=disable" }
}
