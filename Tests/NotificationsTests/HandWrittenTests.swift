import Postgres
import TestSupport
import Testing

@testable import Notifications

/// Rows of the outbox that somebody wrote by hand.
@Suite struct HandWrittenTests {
    @Test(
        "a row that cannot be told, or never, is refused",
        arguments: [
            ("event, next_attempt_at", "'FAILURE', 'infinity'"), ("event, created_at", "'FAILURE', 'infinity'"),
            ("event, created_at", "'FAILURE', '-infinity'"), ("event, due_at", "'LATE', 'infinity'"),
            ("event, raised_again_at", "'FAILURE', 'infinity'"), ("event", "'LATE'"),
            ("event, due_at, job_config_id", "'LATE', now(), NULL"),
        ])
    func refused(_ columns: String, _ values: String) async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            let (job1, job2) = columns.contains("job_config_id") ? ("", "") : ("job_config_id, ", "\(job), ")
            await #expect(throws: PostgresError.self) {
                try await outbox.run(
                    "INSERT INTO notification_deliveries (channel_id, \(spliced(job1 + columns))) VALUES (\(channel), \(spliced(job2 + values)))"
                )
            }
        }
    }

    @Test(
        "a row whose times are without end, or whose counters can grow no more, keeps neither its own channel nor another from sending",
        arguments: ["next_attempt_at = 'infinity'", "created_at = 'infinity'", "created_at = '-infinity'", "attempts = 2147483647"])
    func endless(_ change: String) async throws {
        try await Outbox.withDatabase { outbox in
            let chat = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            try await outbox.addChannel("hook")
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            try await outbox.dropChecks()
            let id = try await outbox.complete(job, as: "FAILED")
            try await outbox.run(
                "UPDATE notification_deliveries SET \(spliced(change)) WHERE channel_id = \(chat) AND execution_id = \(id)::uuid")
            try await outbox.enqueue(job, count: 30)
            try await outbox.finish(try await outbox.claim(worker), as: "FAILED", error: Outbox.error("X", "x"))
            let loop = outbox.loop([.telegram: FakeTransport(folds: true, spacing: .seconds(1)), .webhook: FakeTransport()])
            try await outbox.delivering(loop) {
                try await eventually("all others are sent") {
                    try await outbox.number(
                        "SELECT count(*) FROM notification_deliveries WHERE status = 'SENT' AND execution_id <> \(id)::uuid") == 60
                }
            }
        }
    }

    @Test("what one row tells cannot be read: it alone ends FAILED with the reason, and those that were to be folded with it are sent")
    func unreadable() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            try await outbox.dropChecks()
            try await outbox.enqueue(job, count: 3)
            try await outbox.finish(try await outbox.claim(worker), as: "FAILED", error: Outbox.error("X", "x"))
            try await outbox.run("UPDATE notification_deliveries SET event = 'START'")
            for _ in 1...2 { try await outbox.run("INSERT INTO notification_deliveries (channel_id, event) VALUES (\(channel), 'LATE')") }
            try await outbox.run("UPDATE notification_deliveries SET created_at = created_at - interval '1 minute'")
            let transport = FakeTransport(folds: true)
            _ = try await outbox.sender(channel, transport).turn()
            #expect(transport.messages.count == 1 && transport.toldCount == 3)
            let rows = try await outbox.texts(
                "SELECT concat_ws(' ', event, status, last_error) FROM notification_deliveries ORDER BY id")
            #expect(
                rows == ["START SENT", "START SENT", "START SENT"]
                    + Array(
                        repeating: #"LATE FAILED what it tells cannot be read: column "due_at" is NULL where a value is expected"#, count: 2
                    ))
        }
    }

    @Test("a message written again by hand, with channel, execution and event alone, names its job, also in a folded one")
    func resent() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob("nightly")
            let id = try await outbox.complete(job, as: "FAILED")
            try await outbox.run("DELETE FROM notification_deliveries")
            try await outbox.run(
                "INSERT INTO notification_deliveries (channel_id, execution_id, event) VALUES (\(channel), \(id)::uuid, 'FAILURE')")
            let transport = FakeTransport(folds: true)
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            #expect(transport.messages.map(\.subject) == ["nightly falhou"])
            try await outbox.run("UPDATE notification_deliveries SET status = 'PENDING', created_at = created_at - interval '1 minute'")
            try await outbox.run(
                "INSERT INTO notification_deliveries (channel_id, execution_id, event) VALUES (\(channel), \(id)::uuid, 'START')")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
            _ = try await sender.turn()
            guard case .folded(let folded)? = transport.messages.last?.content else { throw Unexpected("it is not folded") }
            #expect(folded.groups.map(\.jobName) == ["nightly", "nightly"])
        }
    }
}

extension Outbox {
    /// What the tables refuse may stand in a database that was repaired by hand.
    func dropChecks() async throws {
        try await run(
            """
            DO $$ DECLARE c name; BEGIN
              FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'notification_deliveries'::regclass AND contype = 'c' LOOP
                EXECUTE format('ALTER TABLE notification_deliveries DROP CONSTRAINT %I', c);
              END LOOP;
            END $$
            """)
    }
}
