import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("Listener")
struct ListenerTests {
    /// What a listener said.
    private final class Heard: Sendable {
        private let state = Mutex((notes: [String](), connects: 0))
        var notes: [String] { state.withLock { $0.notes } }
        var connects: Int { state.withLock { $0.connects } }
        func note(_ text: String) { state.withLock { $0.notes.append(text) } }
        func connected() { state.withLock { $0.connects += 1 } }
    }

    private func withListener(
        _ url: String, channels: [String] = ["jobs"], ping: Duration = .seconds(10), pingDeadline: Duration = .seconds(5),
        _ body: (Heard) async throws -> Void
    ) async throws {
        let heard = Heard()
        let listener = PostgresListener(
            try PostgresConfiguration(url: url, applicationName: "listener"), channels: channels, pingInterval: ping,
            pingDeadline: pingDeadline,
            onNotify: { heard.note("\($0):\($1)") }, onConnected: { heard.connected() })
        let task = Task { await listener.run() }
        defer { task.cancel() }
        try await eventually("the first connect") { heard.connects == 1 }
        try await body(heard)
        task.cancel()
        let start = ContinuousClock.now
        await task.value
        #expect(ContinuousClock.now - start < .seconds(25))
    }

    @Test("notifications arrive in order, from every channel, whatever its name, and after a transaction's COMMIT only")
    func notifications() async throws {
        try await TestDatabase.withDatabase { database in
            try await withListener(database.url, channels: ["jobs", "Weird \"\u{301}name\" ç"]) { heard in
                for index in 0..<50 { _ = try await database.pool.query("SELECT pg_notify('jobs', \(String(index)))") }
                _ = try await database.pool.query("SELECT pg_notify('Weird \"\u{301}name\" ç', '')")
                _ = try await database.pool.query("SELECT pg_notify('other', 'x')")
                _ = try? await database.pool.transaction { transaction in
                    _ = try await transaction.query("SELECT pg_notify('jobs', 'never')")
                    throw CancellationError()
                }
                _ = try await database.pool.query("NOTIFY jobs, 'end'")
                try await eventually("the last one") { heard.notes.last == "jobs:end" }
                #expect(heard.notes == (0..<50).map { "jobs:\($0)" } + ["Weird \"\u{301}name\" ç:", "jobs:end"])
            }
        }
    }

    @Test("a notification is heard within milliseconds of its COMMIT")
    func latency() async throws {
        try await TestDatabase.withDatabase { database in
            try await withListener(database.url) { heard in
                var times: [Duration] = []
                for index in 1...30 {
                    let start = ContinuousClock.now
                    _ = try await database.pool.query("NOTIFY jobs")
                    while heard.notes.count < index { await Task.yield() }
                    times.append(ContinuousClock.now - start)
                }
                let median = times.sorted()[15]
                print("NOTIFY to callback, median: \(median)")
                #expect(median < .milliseconds(100))
            }
        }
    }

    @Test("R41: its backend is terminated: it comes back, says so, and hears again")
    func terminated() async throws {
        try await TestDatabase.withDatabase { database in
            try await withListener(database.url) { heard in
                for round in 2...4 {
                    let ended = try await database.pool.value(
                        """
                        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'listener'
                        """, as: Int.self)
                    #expect(ended == 1)
                    try await eventually(within: .seconds(5), "connect \(round)") { heard.connects == round }
                    _ = try await database.pool.query("SELECT pg_notify('jobs', \(String(round)))")
                    try await eventually("the notification") { heard.notes.last == "jobs:\(round)" }
                }
                #expect(heard.notes == ["jobs:2", "jobs:3", "jobs:4"])
            }
        }
    }

    @Test("R41: its connection dies silently: the ping notices and another one is made")
    func silence() async throws {
        try await TestDatabase.withDatabase { database in
            let proxy = try TCPProxy(to: database.port)
            try await withListener(database.url(port: proxy.port), ping: .milliseconds(200), pingDeadline: .milliseconds(300)) { heard in
                // Several pings pass first.
                try await eventually("a ping") {
                    try await database.pool.value(
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'listener' AND query = 'SELECT 1'", as: Int.self)
                        == 1
                }
                proxy.set(.blackHole)
                try await eventually("the loss is noticed") { proxy.connectionsSeen >= 2 || heard.connects > 1 }
                proxy.set(.forward)
                try await eventually(within: .seconds(15), "another connection") { heard.connects >= 2 }
                _ = try await database.pool.query("NOTIFY jobs, 'again'")
                try await eventually("the notification") { heard.notes.last == "jobs:again" }
            }
        }
    }

    @Test("it stops at once when it is cancelled while nobody answers")
    func cancelledWhileConnecting() async throws {
        try await TestDatabase.withDatabase { database in
            let proxy = try TCPProxy(to: database.port)
            proxy.set(.blackHole)
            let listener = PostgresListener(
                try PostgresConfiguration(url: database.url(port: proxy.port)), channels: ["jobs"], onNotify: { _, _ in }, onConnected: {})
            let task = Task { await listener.run() }
            try await eventually("an attempt") { proxy.connectionsSeen > 0 }
            let start = ContinuousClock.now
            task.cancel()
            await task.value
            #expect(ContinuousClock.now - start < .seconds(1))
        }
    }
}
