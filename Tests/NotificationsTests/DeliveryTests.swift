import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Notifications

/// What becomes of deliveries: sent, tried again, refused, given up.
@Suite struct DeliveryTests {
    @Test("a delivery is sent once and SENT; two senders do not take the same one")
    func sent() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync")
            let id = try await outbox.complete(job, as: "FAILED")
            let transport = FakeTransport()
            let sender = outbox.sender(channel, transport)
            await withThrowingTaskGroup { group in
                for _ in 0..<6 { group.addTask { _ = try await sender.turn() } }
            }
            #expect(transport.messages.count == 1)
            #expect(try await outbox.text("SELECT status || attempts || (sent_at IS NOT NULL) FROM notification_deliveries") == "SENT1true")
            guard case .single(let delivery) = transport.messages[0].content, case .execution(let facts) = delivery.subject else {
                throw Unexpected("no single execution")
            }
            #expect(facts.id == id && facts.job.name == "sync" && facts.status == "FAILED" && facts.error?.code == "X")
            #expect(delivery.event == .failure && delivery.messageID == "msg_\(delivery.id)")
            #expect(abs(transport.messages[0].now.timeIntervalSince(delivery.occurredAt)) < 60)
        }
    }

    @Test("what may pass is tried again later each time with the same id, and a channel's own wait is kept for all its messages")
    func retried() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            try await outbox.complete(job, as: "FAILED")
            let answers = Answers(
                .retry(reason: "no answer"), .retry(reason: "no answer"), .retry(after: .seconds(300), reason: "429"), .sent())
            let transport = FakeTransport { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            var waits: [Double] = []
            for _ in 1...3 {
                try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
                guard case .attempted = try await sender.turn() else { throw Unexpected("nothing was tried") }
                waits.append(
                    try #require(
                        Double(
                            try await outbox.text(
                                "SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM notification_deliveries"))))
            }
            #expect(waits[0] > 2 && waits[0] < 6.1 && waits[1] > 6 && waits[1] < 12.1 && waits[2] > 290 && waits[2] < 300.1, "\(waits)")
            #expect(
                try await outbox.text("SELECT status || ' ' || attempts || ' ' || last_error FROM notification_deliveries")
                    == "PENDING 3 429")
            // Another message of that channel waits as long; one of another channel does not.
            let other = try await outbox.addChannel("other")
            try await outbox.complete(job, as: "FAILED")
            guard case .wait(let wait) = try await sender.turn() else { throw Unexpected("the pause does not hold") }
            #expect(wait > .seconds(200))
            guard case .attempted = try await outbox.sender(other, FakeTransport()).turn() else { throw Unexpected("the other waits too") }
            try await outbox.run("UPDATE delivery_lanes SET paused_until = NULL")
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
            for _ in 1...2 { _ = try await sender.turn() }
            let identities = Set(transport.messages.prefix(3).map(\.messageID))
            #expect(identities.count == 1 && transport.messages.count == 5)
            #expect(try await outbox.text("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == "3")
        }
    }

    @Test("who asks for no wait at all, or a shorter one than the outbox's own, is tried again no sooner than anybody")
    func askedForNoWait() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            let answers = Answers(
                .retry(after: .zero, reason: "429"), .retry(after: .seconds(-5), reason: "429"), .retry(after: .seconds(2), reason: "429"))
            let sender = outbox.sender(channel, FakeTransport { _, _ in answers.next })
            for least in [1, 4, 8] {
                try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
                try await outbox.run("UPDATE delivery_lanes SET paused_until = NULL")
                _ = try await sender.turn()
                let waits = try await outbox.text(
                    "SELECT next_attempt_at > clock_timestamp() + \(least) * interval '1 second' FROM notification_deliveries")
                #expect(waits == "t", "\(least)")
            }
            // The lane rests as long as it was asked to, and one that asked for nothing failed like any other.
            let lane = try await outbox.text(
                "SELECT failures || ' ' || (paused_until < clock_timestamp() + interval '3 seconds') FROM delivery_lanes")
            #expect(lane == "2 true")
        }
    }

    @Test("after 24 h a delivery ends FAILED with its last reason, by the database's clock; one that was never tried is tried once")
    func givenUp() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            try await outbox.complete(job, as: "FAILED")
            let transport = FakeTransport { _, _ in .retry(reason: "no answer") }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            #expect(try await outbox.loop([:]).giveUp() == 0)
            try await outbox.run(
                "UPDATE notification_deliveries SET created_at = created_at - interval '24 hours', next_attempt_at = clock_timestamp()")
            #expect(try await outbox.loop([:]).giveUp() == 1)
            #expect(
                try await outbox.text("SELECT status || ' ' || last_error FROM notification_deliveries")
                    == "FAILED given up after 24 h: no answer")

            try await outbox.complete(job, as: "FAILED")
            try await outbox.run(
                "UPDATE notification_deliveries SET created_at = created_at - interval '30 hours' WHERE status = 'PENDING'")
            #expect(try await outbox.loop([:]).giveUp() == 0)
            _ = try await sender.turn()
            #expect(try await outbox.deliveries() == ["channel FAILURE FAILED", "channel FAILURE FAILED"])
            #expect(transport.messages.count == 2)
            #expect(try await outbox.texts("SELECT DISTINCT last_error FROM notification_deliveries") == ["given up after 24 h: no answer"])
        }
    }

    @Test("a refused message fails alone; a note of one that was sent is kept")
    func refused() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            for _ in 1...2 { try await outbox.complete(job, as: "FAILED") }
            let answers = Answers(.refused(reason: "too large; password=hunter2"), .sent(note: "b@example.org: no such user"))
            let sender = outbox.sender(channel, FakeTransport { _, _ in answers.next })
            for _ in 1...2 { _ = try await sender.turn() }
            #expect(try await outbox.deliveries() == ["channel FAILURE FAILED", "channel FAILURE SENT"])
            #expect(
                try await outbox.texts("SELECT last_error FROM notification_deliveries ORDER BY id")
                    == ["too large; password=••••", "b@example.org: no such user"])
            #expect(try await outbox.text("SELECT active FROM notification_channels") == "t")
        }
    }

    @Test("R71: a chat that moved is followed at once and stored once, however many senders meet it")
    func migrated() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "-5"}"#)
            let job = try await outbox.addJob()
            for _ in 1...2 { try await outbox.complete(job, as: "FAILED") }
            let transport = FakeTransport { _, channel in
                channel.config["chat_id"]?.stringValue == "-5" ? .migrated(from: "-5", to: "-1005") : .sent()
            }
            let sender = outbox.sender(channel, transport)
            await withThrowingTaskGroup { group in
                for _ in 0..<2 { group.addTask { _ = try await sender.turn() } }
            }
            #expect(try await outbox.text("SELECT config ->> 'chat_id' FROM notification_channels") == "-1005")
            #expect(
                try await outbox.number("SELECT count(*) FROM audit_log WHERE table_name = 'notification_channels' AND action = 'UPDATE'")
                    == 1)
            #expect(try await outbox.deliveries() == ["chat FAILURE SENT", "chat FAILURE SENT"])
        }
    }

    @Test("recipients that have the message are told to the next attempt, and kept until it is sent")
    func reached() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            let answers = Answers(.retry(reason: "b is busy", reached: ["a@example.org"]), .sent())
            let transport = FakeTransport(folds: true) { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            #expect(try await outbox.text("SELECT reached::text FROM notification_deliveries") == "{a@example.org}")
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp(); ")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await sender.turn()
            #expect(transport.messages.map(\.reached) == [[], ["a@example.org"]])
            #expect(try await outbox.deliveries() == ["mail FAILURE SENT"])
        }
    }

    @Test("a recipient that has the message is on record while others are served, once, and no longer when the claim is another's")
    func remembered() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            let seen = Mutex<[String]>([])
            let transport = FakeTransport(folds: true) { message, _ in
                for _ in 1...2 { await message.remember("a@example.org") }
                let first = try? await outbox.text("SELECT status || reached::text FROM notification_deliveries")
                try? await outbox.run("UPDATE notification_deliveries SET claim = claim + 1")
                await message.remember("b@example.org")
                let second = try? await outbox.text("SELECT status || reached::text FROM notification_deliveries")
                seen.withLock { $0 = [first, second].compactMap { $0 } }
                return .sent()
            }
            _ = try await outbox.sender(channel, transport).turn()
            #expect(seen.withLock { $0 } == ["PENDING{a@example.org}", "PENDING{a@example.org}"])
        }
    }

    @Test("an attempt that does not come to its recipients forgets nobody who has the message already")
    func reachedStays() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            let answers = Answers(
                .retry(reason: "b is busy", reached: ["b@example.org", "a@example.org"]), .retry(reason: "it took too long"),
                .retry(reason: "c is busy", reached: ["a@example.org", "d@example.org"]), .sent())
            let transport = FakeTransport(folds: true) { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            for _ in 1...4 {
                try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
                try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}', paused_until = NULL")
                _ = try await sender.turn()
            }
            let both: Set = ["a@example.org", "b@example.org"]
            #expect(transport.messages.map(\.reached) == [[], both, both, both.union(["d@example.org"])])
            #expect(try await outbox.deliveries() == ["mail FAILURE SENT"])
        }
    }

    @Test("an answer that comes after the hold, when another sender has the delivery, changes nothing")
    func fenced() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            try await outbox.complete(try await outbox.addJob(), as: "FAILED")
            let isFirst = Mutex(true)
            let entered = Wakeup()
            let release = Wakeup()
            let transport = FakeTransport { _, _ in
                let waits = isFirst.withLock { first in
                    defer { first = false }
                    return first
                }
                guard waits else { return .sent() }
                entered.signal()
                _ = await release.wait(upTo: .seconds(60))
                return .refused(reason: "too late")
            }
            let slow = Task { try await outbox.sender(channel, transport).turn() }
            #expect(await entered.wait(upTo: .seconds(60)))
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp()")
            _ = try await outbox.sender(channel, transport).turn()
            #expect(try await outbox.deliveries() == ["channel FAILURE SENT"])
            release.signal()
            _ = try await slow.value
            #expect(try await outbox.text("SELECT status || attempts || coalesce(last_error, '') FROM notification_deliveries") == "SENT2")
        }
    }
}
