import TestSupport
import Testing

@testable import Notifications

/// One id, one body.
@Suite struct EditionTests {
    @Test("an attempt whose answer was lost is repeated when more has failed: another body goes to all under another id")
    func grownMeanwhile() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            let worker = try await outbox.addWorker()
            let failure = Outbox.error("HTTP_503", "down")
            let (_, children) = try await outbox.fanOut(try await outbox.addJob(), stores: [1, 2, 3], worker: worker)
            try await outbox.finish([children[0]], as: "FAILED", error: failure)
            let answers = Answers(.retry(reason: "no answer", reached: ["a@example.org"]), .retry(reason: "no answer"), .sent())
            let transport = FakeTransport { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            try await outbox.finish([children[1]], as: "FAILED", error: failure)
            for _ in 1...2 {
                try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
                _ = try await sender.turn()
            }
            let first = try #require(transport.messages.first?.messageID)
            #expect(transport.messages.map(\.messageID) == [first, first + "_2", first + "_2"])
            #expect(transport.messages.allSatisfy { $0.reached.isEmpty })
            #expect(transport.messages.map(\.subject) == ["1", "2", "2"].map { "job já falhou em \($0) de 3 lojas; ainda em andamento" })
        }
    }
}
