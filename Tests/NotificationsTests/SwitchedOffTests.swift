import Postgres
import TestSupport
import Testing

@testable import Notifications

/// Channels that can send no more (R71).
@Suite struct SwitchedOffTests {
    @Test(
        "R71: a channel that fails for good is switched off with its reason, on record, and the others tell it once; its deliveries end FAILED"
    )
    func switchedOff() async throws {
        try await Outbox.withDatabase { outbox in
            let dead = try await outbox.addChannel("dead", .telegram)
            try await outbox.addChannel("alive")
            let job = try await outbox.addJob()
            for _ in 1...3 { try await outbox.complete(job, as: "FAILED") }
            let refusal = FakeTransport { _, _ in .switchedOff(reason: "403: bot was blocked by the user") }
            let sender = outbox.sender(dead, refusal)
            await withThrowingTaskGroup { group in
                for _ in 0..<4 { group.addTask { _ = try await sender.turn() } }
            }
            #expect(
                try await outbox.text("SELECT active || ' ' || problem FROM notification_channels WHERE id = \(dead)")
                    == "false 403: bot was blocked by the user")
            try await outbox.loop([:]).giveUp()
            #expect(try await outbox.deliveries().filter { $0.hasPrefix("dead") } == Array(repeating: "dead FAILURE FAILED", count: 3))
            #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE about_channel_id = \(dead)") == 1)
            let audit = try await outbox.text(
                "SELECT actor || ' ' || (after ->> 'active') FROM audit_log WHERE table_name = 'notification_channels' AND action = 'UPDATE'"
            )
            #expect(audit == "chimera outbox false")
            let alive = FakeTransport()
            let other = outbox.sender(try await outbox.number("SELECT id FROM notification_channels WHERE name = 'alive'"), alive)
            while case .attempted = try await other.turn() {}
            #expect(alive.messages.last?.text.plain.contains("O canal dead foi desligado") == true)
            // On again: the reason is gone, and new events reach it.
            try await outbox.run("UPDATE notification_channels SET active = true WHERE id = \(dead)")
            #expect(try await outbox.text("SELECT problem FROM notification_channels WHERE id = \(dead)") == "null")
            try await outbox.complete(job, as: "FAILED")
            #expect(try await outbox.deliveries().contains("dead FAILURE PENDING"))
        }
    }

    @Test("deliveries of a channel that was switched off or removed by hand end FAILED and say so")
    func deadByHand() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            try await outbox.run("UPDATE notification_channels SET deleted_at = now() WHERE id = \(channel)")
            guard case .nothingDue = try await outbox.sender(channel, FakeTransport()).turn() else { throw Unexpected("it was sent") }
            #expect(try await outbox.loop([:]).giveUp() == 1)
            #expect(
                try await outbox.text("SELECT status || ' ' || last_error FROM notification_deliveries") == "FAILED the channel was removed"
            )
        }
    }

    @Test("an answer to what somebody has mended meanwhile switches nothing off: the message is tried again")
    func mendedMeanwhile() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1", "bot_token": "1:old"}"#)
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            let mend: SQL = #"UPDATE notification_channels SET config = config || '{"bot_token": "1:new"}'"#
            let transport = FakeTransport { _, channel in
                guard channel.config["bot_token"]?.stringValue == "1:old" else { return .sent() }
                try? await outbox.run(mend)
                return .switchedOff(reason: "401: unauthorized")
            }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            #expect(try await outbox.number("SELECT count(*) FROM notification_channels WHERE active") == 1)
            #expect(try await outbox.text("SELECT last_error FROM notification_deliveries") == "401: unauthorized")
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await sender.turn()
            #expect(try await outbox.deliveries() == ["chat FAILURE SENT"])
        }
    }
}
