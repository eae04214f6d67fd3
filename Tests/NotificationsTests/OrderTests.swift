import JobQueue
import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Notifications

/// In which order messages reach a channel that failed meanwhile.
@Suite struct OrderTests {
    private static func events(_ transport: FakeTransport) -> [String] {
        transport.messages.map { message in
            switch message.content {
            case .single(let delivery): delivery.event.rawValue
            case .folded(let folded): "\(folded.count) \(folded.newest.event.rawValue)"
            case .test: ""
            }
        }
    }

    @Test("a recovery waits for the failure that waits for its next attempt, in its own channel; another job's messages do not")
    func recoveryWaits() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("hook")
            let elsewhere = try await outbox.addChannel("elsewhere")
            let job = try await outbox.addJob()
            let other = try await outbox.addJob("other")
            let answers = Answers(.retry(reason: "no answer"), .sent())
            let transport = FakeTransport { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            try await outbox.complete(job, as: "FAILED")
            _ = try await sender.turn()
            try await outbox.complete(job)
            try await outbox.complete(other, as: "FAILED")
            // The other job's; then nothing, and the loop does not take that for something to be done.
            guard case .attempted = try await sender.turn(), case .nothingDue = try await sender.turn() else {
                throw Unexpected("the recovery does not wait")
            }
            #expect(Self.events(transport) == ["FAILURE", "FAILURE"])
            let due = try await outbox.pool.query(DeliveryStatements.due(types: ["WEBHOOK"], most: 4))
            #expect(try due.map { try $0.get("waiting", as: Int.self) } == [0, 3])
            let free = FakeTransport()
            for _ in 1...3 { _ = try await outbox.sender(elsewhere, free).turn() }
            #expect(Self.events(free).contains("RECOVERY"))
            // Its backoff is over, later than the recovery was raised: it goes first all the same.
            try await outbox.run(
                "UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'PENDING' AND attempts > 0")
            for _ in 1...2 { _ = try await sender.turn() }
            #expect(Self.events(transport) == ["FAILURE", "FAILURE", "FAILURE", "RECOVERY"])
        }
    }

    @Test("a recovery waits for the failure that is under way, and follows it at once")
    func underWay() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("hook")
            let job = try await outbox.addJob()
            try await outbox.complete(job, as: "FAILED")
            try await outbox.complete(job)
            let underWay = Mutex(0)
            let transport = FakeTransport { message, _ in
                if case .single(let delivery) = message.content, delivery.event == .recovery {
                    let open = try? await outbox.number(
                        "SELECT count(*) FROM notification_deliveries WHERE event = 'FAILURE' AND status = 'PENDING'")
                    underWay.withLock { $0 = open ?? -1 }
                }
                _ = await Wakeup().wait(upTo: .milliseconds(300))
                return .sent()
            }
            try await outbox.delivering(outbox.loop([.webhook: transport])) {
                try await eventually("both are sent") {
                    try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == 2
                }
            }
            #expect(Self.events(transport) == ["FAILURE", "RECOVERY"] && underWay.withLock { $0 } == 0)
        }
    }

    @Test("a recovery that waits while its job fails again and that is told: it is never sent, for it would be the last that is heard")
    func overtakenRecovery() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("hook")
            let job = try await outbox.addJob()
            let answers = Answers(.retry(reason: "no answer"), .sent())
            let transport = FakeTransport { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            try await outbox.complete(job, as: "FAILED")
            _ = try await sender.turn()
            for status in ["SUCCESS", "FAILED"] { try await outbox.complete(job, as: status) }
            _ = try await sender.turn()
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'PENDING'")
            guard case .attempted = try await sender.turn(), case .nothingDue = try await sender.turn() else {
                throw Unexpected("the recovery is sent after the failure that is newer")
            }
            #expect(Self.events(transport) == ["FAILURE", "FAILURE", "FAILURE"])
            let due = try await outbox.pool.query(DeliveryStatements.due(types: ["WEBHOOK"], most: 4))
            #expect(due.isEmpty)
            #expect(try await outbox.loop([:]).giveUp() == 0)
            #expect(
                try await outbox.text("SELECT status || ' ' || last_error FROM notification_deliveries WHERE event = 'RECOVERY'")
                    == "FAILED overtaken by a newer message about its job")
            try await outbox.complete(job)
            _ = try await sender.turn()
            #expect(Self.events(transport).last == "RECOVERY")
        }
    }

    @Test("a failure that comes while the recovery before it is under way follows it; when that one did not arrive it is the only one")
    func recoveryUnderWay() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("hook")
            let job = try await outbox.addJob()
            for status in ["FAILED", "SUCCESS"] { try await outbox.complete(job, as: status) }
            let turns = Mutex<[String]>([])
            let transport = FakeTransport { message, _ in
                guard case .single(let delivery) = message.content, delivery.event == .recovery else { return .sent() }
                _ = try? await outbox.complete(job, as: "FAILED")
                if case .nothingDue? = try? await outbox.sender(channel, FakeTransport()).turn() {
                    turns.withLock { $0.append("it waits") }
                }
                return .retry(reason: "no answer")
            }
            let sender = outbox.sender(channel, transport)
            for _ in 1...3 { _ = try await sender.turn() }
            #expect(Self.events(transport) == ["FAILURE", "RECOVERY", "FAILURE"] && turns.withLock { $0 } == ["it waits"])
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'PENDING'")
            guard case .nothingDue = try await sender.turn() else { throw Unexpected("the recovery is sent after the failure") }
        }
    }

    @Test("a mailbox that defers keeps the recovery from nobody who has the failure, and hears of no failure that it knows to be over")
    func deferringMailbox() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("mail", .email)
            let job = try await outbox.addJob()
            let reached = ["a@example.org"]
            let answers = Answers(.retry(reason: "451", reached: reached), .retry(reason: "451", reached: reached), .sent())
            let transport = FakeTransport(folds: true) { _, _ in answers.next }
            let sender = outbox.sender(channel, transport)
            func turn() async throws {
                try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
                // However slow the machine is: what waits for 10 s is folded.
                try await outbox.run("UPDATE notification_deliveries SET created_at = now() + id * interval '1 us' WHERE sent_at IS NULL")
                _ = try await sender.turn()
            }
            try await outbox.complete(job, as: "FAILED")
            try await turn()
            try await outbox.complete(job)
            try await turn()
            #expect(Self.events(transport) == ["FAILURE", "RECOVERY"] && transport.messages.last?.reached == [])
            // Who has neither hears of the failure first.
            for _ in 1...2 {
                try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'PENDING'")
                try await turn()
            }
            #expect(Self.events(transport) == ["FAILURE", "RECOVERY", "FAILURE", "RECOVERY"])

            let late = Answers(.retry(reason: "451", reached: reached), .sent())
            let other = FakeTransport(folds: true) { _, _ in late.next }
            try await outbox.complete(job, as: "FAILED")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await outbox.sender(channel, other).turn()
            try await outbox.complete(job)
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await outbox.sender(channel, other).turn()
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'PENDING'")
            try await outbox.loop([:]).giveUp()
            #expect(Self.events(other) == ["FAILURE", "RECOVERY"])
            #expect(
                try await outbox.text("SELECT status || ' ' || last_error FROM notification_deliveries WHERE status <> 'SENT'")
                    == "FAILED overtaken by a newer message about its job: 451")
        }
    }

    @Test("a channel that failed and works again: what waited for its backoff goes out at once, in the order in which it was raised")
    func worksAgain() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("hook")
            var jobs: [Int] = []
            for number in 1...4 { jobs.append(try await outbox.addJob("job-\(number)")) }
            let isUp = Mutex(false)
            let transport = FakeTransport { _, _ in isUp.withLock { $0 } ? .sent() : .retry(reason: "no answer") }
            let sender = outbox.sender(channel, transport)
            for job in jobs[...2] { try await outbox.complete(job, as: "FAILED") }
            for _ in 1...3 {
                _ = try await sender.turn()
                try await outbox.run("UPDATE delivery_lanes SET paused_until = NULL")
            }
            // The first raised failed most often and would wait longest.
            try await outbox.run("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() + (10 - id) * interval '1 minute'")
            isUp.withLock { $0 = true }
            try await outbox.complete(jobs[0])
            try await outbox.complete(jobs[3], as: "FAILED")
            for _ in 1...5 { _ = try await sender.turn() }
            let told = transport.messages.dropFirst(3).map { message in
                if case .single(let delivery) = message.content, case .execution(let facts) = delivery.subject {
                    return "\(facts.job.name) \(delivery.event.rawValue)"
                }
                return ""
            }
            #expect(told == ["job-4 FAILURE", "job-1 FAILURE", "job-2 FAILURE", "job-3 FAILURE", "job-1 RECOVERY"])
        }
    }

    @Test("one message that fails again and again while others are sent keeps to its backoff")
    func oneThatFails() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("hook")
            let job = try await outbox.addJob()
            for _ in 1...4 { try await outbox.complete(job, as: "FAILED") }
            let first = try await outbox.number("SELECT min(id) FROM notification_deliveries")
            let transport = FakeTransport { message, _ in message.messageID == "msg_\(first)" ? .retry(reason: "500") : .sent() }
            let sender = outbox.sender(channel, transport)
            for _ in 1...6 { _ = try await sender.turn() }
            #expect(transport.messages.count == 4)
        }
    }

    @Test("a failure and its recovery that are folded are one message")
    func folded() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob()
            for status in ["FAILED", "SUCCESS"] { try await outbox.complete(job, as: status) }
            try await outbox.run("UPDATE notification_deliveries SET created_at = created_at - interval '1 minute'")
            let transport = FakeTransport(folds: true)
            _ = try await outbox.sender(channel, transport).turn()
            #expect(transport.toldCount == 2 && transport.messages.count == 1)
        }
    }
}
