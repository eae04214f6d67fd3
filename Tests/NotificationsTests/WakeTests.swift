import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Notifications

/// A worker that listens is told of what is raised, and does not ask every second.
@Suite struct WakeTests {
    /// Listens as a worker does; `body` runs once it does.
    private func listening<T: Sendable>(
        _ outbox: Outbox, onNotify: @escaping @Sendable () -> Void, _ body: () async throws -> T
    ) async throws -> T {
        let isListening = Wakeup()
        let listener = PostgresListener(
            try PostgresConfiguration(url: outbox.database.url), channels: ["chimera_outbox"], onNotify: { _, _ in onNotify() },
            onConnected: { isListening.signal() })
        let task = Task { await listener.run() }
        defer { task.cancel() }
        try await eventually("somebody listens") { await isListening.wait(upTo: .milliseconds(100)) }
        return try await body()
    }

    @Test("what becomes due is told, once a transaction; what is due later, under way or over is not")
    func told() async throws {
        try await Outbox.withDatabase { outbox in
            let count = Mutex(0)
            try await listening(outbox, onNotify: { count.withLock { $0 += 1 } }) {
                let channel = try await outbox.addChannel()
                try await outbox.run(
                    "INSERT INTO notification_deliveries (channel_id, event) SELECT \(channel)::int, 'FAILURE' FROM generate_series(1, 3)")
                try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() + interval '1 minute'")
                try await outbox.run("UPDATE notification_deliveries SET status = 'SENT', sent_at = now()")
                try await outbox.run(
                    """
                    INSERT INTO notification_deliveries (channel_id, event, next_attempt_at)
                    VALUES (\(channel), 'FAILURE', now() + interval '1 day')
                    """)
                // Words arrive in order: with the last one, all that were said before it are here.
                try await outbox.run(
                    "UPDATE notification_deliveries SET status = 'PENDING', next_attempt_at = clock_timestamp() WHERE status = 'SENT'")
                try await eventually("two words came") { count.withLock { $0 } >= 2 }
                #expect(count.withLock { $0 } == 2)
            }
        }
    }

    @Test("a loop that polls once an hour sends what is raised, and tries again when that is due")
    func sends() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob()
            let answers = Answers(.retry(reason: "no answer"), .sent())
            let transport = FakeTransport { _, _ in answers.next }
            let wakeup = Wakeup()
            let loop = outbox.loop([.webhook: transport], wakeup: wakeup, pollInterval: .seconds(3600))
            try await listening(outbox, onNotify: { wakeup.signal() }) {
                try await outbox.delivering(loop) {
                    // It has looked, and found nothing.
                    await loop.drained(until: ShutdownSignal())
                    try await outbox.complete(job, as: "FAILED")
                    try await eventually("it is sent, at the second try") {
                        try await outbox.text("SELECT string_agg(status || attempts, ' ') FROM notification_deliveries") == "SENT2"
                    }
                }
            }
            #expect(transport.messages.count == 2)
        }
    }
}
