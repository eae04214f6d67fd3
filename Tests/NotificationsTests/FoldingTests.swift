import Postgres
import Runtime
import TestSupport
import Testing

@testable import Notifications

/// Rates, and messages that stand for many.
@Suite struct FoldingTests {
    @Test("R70: 10,000 failures within a minute make few messages, and their counts add up to all of them")
    func storm() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob("sync", #"config = '{"fail": "permanent"}'"#)
            let other = try await outbox.addJob("other", #"config = '{"fail": "permanent"}'"#)
            let transport = FakeTransport(folds: true, spacing: .seconds(1), perMinute: 20)
            try await outbox.enqueue(job, count: 9_000)
            try await outbox.enqueue(other, count: 1_000)
            try await outbox.delivering(outbox.loop([.telegram: transport])) {
                try await outbox.drain()
                try await eventually("all are sent") {
                    try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == 10_000
                }
            }
            #expect(transport.messages.count <= 12, "\(transport.messages.count) messages")
            #expect(transport.toldCount == 10_000)
            let folded = transport.messages.compactMap { if case .folded(let folded) = $0.content { folded } else { nil } }
            #expect(folded.allSatisfy { $0.groups.reduce(0) { $0 + $1.count } == $0.count })
            #expect(folded.last?.groups.map(\.jobName) == ["sync", "other"] || folded.count > 1)
            #expect(transport.messages.last?.text.plain.contains("× falha: ") == true)
        }
    }

    @Test("a burst: the first goes at once, alone; what cannot be sent within 10 s waits so long and becomes one message")
    func burst() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            try await outbox.enqueue(job, count: 200)
            try await outbox.finish(try await outbox.claim(worker), as: "FAILED", error: Outbox.error("X", "x"))
            let transport = FakeTransport(folds: true, spacing: .seconds(1))
            let sender = outbox.sender(channel, transport)
            guard case .attempted = try await sender.turn() else { throw Unexpected("the first waits") }
            try await outbox.run("UPDATE delivery_lanes SET sent_at = ARRAY[clock_timestamp() - interval '2 seconds']")
            guard case .wait(let wait) = try await sender.turn() else { throw Unexpected("the others do not wait") }
            #expect(wait < .seconds(10))
            try await outbox.run(
                "UPDATE notification_deliveries SET created_at = created_at - interval '10 seconds' WHERE status = 'PENDING'")
            guard case .attempted = try await sender.turn(), case .nothingDue = try await sender.turn() else {
                throw Unexpected("not one message")
            }
            #expect(transport.messages.count == 2 && transport.toldCount == 200)
            #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == 200)
        }
    }

    @Test("a few are sent one by one, a second apart, by all senders together and through all channels of a chat")
    func spaced() async throws {
        try await Outbox.withDatabase { outbox in
            let first = try await outbox.addChannel("first", .telegram, config: #"{"chat_id": "1"}"#)
            let second = try await outbox.addChannel("second", .telegram, config: #"{"chat_id": "1"}"#)
            let elsewhere = try await outbox.addChannel("elsewhere", .telegram, config: #"{"chat_id": "2"}"#)
            let job = try await outbox.addJob()
            for _ in 1...2 { try await outbox.complete(job, as: "FAILED") }
            let transport = FakeTransport(folds: true, spacing: .seconds(1), perMinute: 20)
            guard case .attempted = try await outbox.sender(first, transport).turn(),
                case .wait(let wait) = try await outbox.sender(first, transport).turn(),
                case .wait(let otherWait) = try await outbox.sender(second, transport).turn(),
                case .attempted = try await outbox.sender(elsewhere, transport).turn()
            else { throw Unexpected("the rate does not hold for the chat") }
            #expect(wait <= .seconds(1) && otherWait <= .seconds(1))
            #expect(transport.messages.allSatisfy { if case .single = $0.content { true } else { false } })
            // Twenty in the last minute: the next one waits until the first of them is a minute old.
            try await outbox.run(
                """
                UPDATE delivery_lanes SET sent_at = (SELECT array_agg(clock_timestamp() - (40 - n) * interval '1 second' ORDER BY n)
                  FROM generate_series(1, 20) AS n) WHERE lane = 'fake:1'
                """)
            guard case .wait(let minute) = try await outbox.sender(first, transport).turn() else { throw Unexpected("21 in a minute") }
            #expect(minute > .seconds(15) && minute < .seconds(22), "\(minute)")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = sent_at[2:] WHERE lane = 'fake:1'")
            guard case .attempted = try await outbox.sender(first, transport).turn() else { throw Unexpected("the 20th waits") }
            #expect(try await outbox.number("SELECT cardinality(sent_at) FROM delivery_lanes WHERE lane = 'fake:1'") == 20)
        }
    }

    @Test("the server's clock jumps back two hours: nothing waits longer than a minute for its rate")
    func clockJump() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            try await outbox.run(
                "INSERT INTO delivery_lanes (lane, sent_at) VALUES ('fake:1', ARRAY[clock_timestamp() + interval '2 hours'])")
            let sender = outbox.sender(channel, FakeTransport(folds: true, spacing: .seconds(1)))
            guard case .wait(let wait) = try await sender.turn() else { throw Unexpected("it does not wait at all") }
            #expect(wait <= .seconds(60))
        }
    }

    @Test("webhooks are never folded, and several go side by side")
    func webhooks() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            try await outbox.enqueue(job, count: 100)
            try await outbox.finish(try await outbox.claim(worker), as: "FAILED", error: Outbox.error("X", "x"))
            try await outbox.run("UPDATE notification_deliveries SET created_at = created_at - interval '1 hour'")
            let transport = FakeTransport()
            try await outbox.delivering(outbox.loop([.webhook: transport])) {
                try await eventually("all are sent") {
                    try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == 100
                }
            }
            #expect(Set(transport.messages.map(\.messageID)).count == 100 && transport.messages.count == 100)
        }
    }

    @Test("more failed after the message so far: told once more with another id; nothing more failed: not again")
    func editions() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            let failure = Outbox.error("HTTP_503", "down")
            let transport = FakeTransport()
            let sender = outbox.sender(channel, transport)

            let (_, children) = try await outbox.fanOut(job, stores: [1, 2, 3], worker: worker)
            try await outbox.finish([children[0]], as: "FAILED", error: failure)
            _ = try await sender.turn()
            #expect(transport.messages[0].subject == "job já falhou em 1 de 3 lojas; ainda em andamento")
            try await outbox.finish([children[1]], as: "FAILED", error: failure)
            guard case .nothingDue = try await sender.turn() else { throw Unexpected("told again before the end") }
            try await outbox.finish([children[2]])
            _ = try await sender.turn()
            #expect(transport.messages.count == 2 && transport.messages[1].subject == "job falhou em 2 de 3 lojas")
            #expect(transport.messages[1].messageID == transport.messages[0].messageID + "_2")
            #expect(try await outbox.deliveries() == ["channel FAILURE SENT"])

            let (_, again) = try await outbox.fanOut(job, stores: [1, 2], worker: worker)
            try await outbox.finish([again[0]], as: "FAILED", error: failure)
            _ = try await sender.turn()
            try await outbox.finish([again[1]])
            guard case .nothingDue = try await sender.turn() else { throw Unexpected("the end repeats it") }
            #expect(transport.messages.count == 3)
        }
    }

    @Test("the parent ends while its message so far is under way: what that one could not count is told afterwards")
    func endsUnderWay() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let worker = try await outbox.addWorker()
            let (_, children) = try await outbox.fanOut(try await outbox.addJob(), stores: [1, 2], worker: worker)
            try await outbox.finish([children[0]], as: "FAILED", error: Outbox.error("X", "x"))
            let transport = FakeTransport { message, _ in
                guard message.messageID.hasSuffix("_2") else {
                    _ = try? await outbox.finish([children[1]], as: "FAILED", error: Outbox.error("X", "x"))
                    return .sent()
                }
                return .sent()
            }
            let sender = outbox.sender(channel, transport)
            for _ in 1...2 { _ = try await sender.turn() }
            #expect(transport.messages.count == 2)
            #expect(try await outbox.text("SELECT status || edition || told FROM notification_deliveries") == "SENT22")
        }
    }

    @Test(
        "the message so far came to some and not to others, or its answer was lost: an end with more failures goes to all, under another id",
        arguments: [["a@example.org"], []])
    func endsOutstanding(_ reached: [String]) async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            let worker = try await outbox.addWorker()
            let failure = Outbox.error("HTTP_503", "down")
            let (_, children) = try await outbox.fanOut(try await outbox.addJob(), stores: [1, 2, 3, 4], worker: worker)
            try await outbox.finish([children[0]], as: "FAILED", error: failure)
            let answers = Answers(.retry(reason: "no answer", reached: reached), .sent())
            let transport = FakeTransport(folds: true) { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            try await outbox.finish([children[1], children[2]], as: "FAILED", error: failure)
            try await outbox.finish([children[3]])
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            guard case .attempted = try await sender.turn() else { throw Unexpected("the end waits for the backoff of the message so far") }
            let (first, second) = (transport.messages[0], transport.messages[1])
            #expect(second.subject == "job falhou em 3 de 4 lojas" && second.reached == [])
            #expect(second.messageID == first.messageID + "_2")
            #expect(try await outbox.deliveries() == ["mail FAILURE SENT"])
        }
    }

    @Test("the end counts no more than a message so far that is outstanding or under way: who has that one hears nothing twice")
    func endsWithNothingNew() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            let worker = try await outbox.addWorker()
            let failure = Outbox.error("HTTP_503", "down")
            let job = try await outbox.addJob()
            // Raised when one had failed; it counts two when it is sent.
            let (_, children) = try await outbox.fanOut(job, stores: [1, 2, 3], worker: worker)
            for child in children[...1] { try await outbox.finish([child], as: "FAILED", error: failure) }
            let answers = Answers(.retry(reason: "b is busy", reached: ["a@example.org"]), .sent())
            let transport = FakeTransport(folds: true) { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            try await outbox.finish([children[2]])
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await sender.turn()
            #expect(transport.messages.map(\.reached) == [[], ["a@example.org"]])
            #expect(Set(transport.messages.map(\.messageID)).count == 1)

            let (_, others) = try await outbox.fanOut(job, stores: [1, 2, 3], worker: worker)
            for child in others[...1] { try await outbox.finish([child], as: "FAILED", error: failure) }
            let ending = FakeTransport(folds: true) { _, _ in
                _ = try? await outbox.finish([others[2]])
                return .sent()
            }
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await outbox.sender(channel, ending).turn()
            #expect(ending.messages.count == 1)
            #expect(try await outbox.deliveries() == ["mail FAILURE SENT", "mail FAILURE SENT"])
        }
    }

    @Test("the parent ends while its message so far is under way: who that one reached is not taken for one who has heard the end")
    func reachedBeforeTheEnd() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            let worker = try await outbox.addWorker()
            let (_, children) = try await outbox.fanOut(try await outbox.addJob(), stores: [1, 2], worker: worker)
            try await outbox.finish([children[0]], as: "FAILED", error: Outbox.error("X", "x"))
            let transport = FakeTransport(folds: true) { message, _ in
                guard message.messageID.hasSuffix("_2") else {
                    _ = try? await outbox.finish([children[1]], as: "FAILED", error: Outbox.error("X", "x"))
                    await message.remember("a@example.org")
                    return .retry(reason: "b is busy", reached: ["a@example.org"])
                }
                return .sent()
            }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            #expect(try await outbox.text("SELECT status || edition || reached::text FROM notification_deliveries") == "PENDING2{}")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await sender.turn()
            #expect(transport.messages.map(\.reached) == [[], []])
            #expect(try await outbox.deliveries() == ["mail FAILURE SENT"])
        }
    }

    @Test(
        "the message so far failed for good and its channel is mended: the end is told, also when nothing more failed, for 24 h from then")
    func endsAfterRefusal() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            let answers = Answers(.switchedOff(reason: "403"), .sent())
            let transport = FakeTransport { _, _ in answers.next }
            let (_, tried) = try await outbox.fanOut(job, stores: [1, 2], worker: worker)
            let (_, untried) = try await outbox.fanOut(job, stores: [3, 4], worker: worker)
            for child in [tried[0], untried[0]] { try await outbox.finish([child], as: "FAILED", error: Outbox.error("X", "x")) }
            _ = try await outbox.sender(channel, transport).turn()
            try await outbox.loop([:]).giveUp()
            #expect(try await outbox.deliveries() == ["channel FAILURE FAILED", "channel FAILURE FAILED"])
            try await outbox.run("UPDATE notification_channels SET active = true")
            try await outbox.run("UPDATE notification_deliveries SET created_at = created_at - interval '2 days'")
            try await outbox.finish([tried[1], untried[1]])
            #expect(try await outbox.deliveries() == ["channel FAILURE PENDING", "channel FAILURE PENDING"])
            #expect(
                try await outbox.number("SELECT count(*) FROM notification_deliveries AS d WHERE raised_at(d) > now() - interval '1 day'")
                    == 2)
            for _ in 1...2 { _ = try await outbox.sender(channel, transport).turn() }
            #expect(transport.messages.dropFirst().map(\.subject) == Array(repeating: "job falhou em 1 de 2 lojas", count: 2))
            #expect(try await outbox.deliveries() == ["channel FAILURE SENT", "channel FAILURE SENT"])
        }
    }
}
