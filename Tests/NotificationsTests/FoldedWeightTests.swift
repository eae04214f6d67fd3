import Postgres
import TestSupport
import Testing

@testable import Notifications

/// What a message that stands for many says first.
@Suite struct FoldedWeightTests {
    @Test("a failure stands before however many starts and successes, and is the one told in full, the newest raised of its kind")
    func failureFirst() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            for number in 1...7 {
                let job = try await outbox.addJob("busy-\(number)")
                try await outbox.run(
                    """
                    INSERT INTO notification_deliveries (channel_id, execution_id, job_config_id, event)
                    SELECT \(channel), uuid_v7(), \(job), e FROM generate_series(1, 5), unnest(ARRAY['START', 'SUCCESS']) AS e
                    """)
            }
            for name in ["again", "once"] { try await outbox.complete(try await outbox.addJob(name), as: "FAILED") }
            let worker = try await outbox.addWorker()
            try await outbox.enqueue(try await outbox.addJob("late"))
            try await outbox.finish(try await outbox.claim(worker), metrics: #"{"severity": "warning"}"#)
            // Told once and raised again since: newer than what came after its row.
            try await outbox.run("UPDATE notification_deliveries SET created_at = created_at - interval '1 minute'")
            try await outbox.run(
                """
                UPDATE notification_deliveries AS d SET edition = 2, raised_again_at = clock_timestamp() FROM job_configurations AS j
                WHERE j.id = d.job_config_id AND j.name = 'again'
                """)
            let transport = FakeTransport(folds: true)
            _ = try await outbox.sender(channel, transport).turn()
            guard case .folded(let folded)? = transport.messages.first?.content, case .execution(let facts) = folded.newest.subject else {
                throw Unexpected("it is not folded")
            }
            #expect(folded.groups.count == 17 && folded.count == 73)
            #expect(
                folded.groups.prefix(3).map { "\($0.event.rawValue) \($0.jobName ?? "")" } == [
                    "FAILURE again", "FAILURE once", "WARNING late",
                ])
            #expect(folded.newest.event == .failure && folded.newest.edition == 2 && facts.job.name == "again")
            let message = try #require(transport.messages.first)
            #expect(message.subject.hasPrefix("2 falhas: again, once (73 avisos em 1 min"), "\(message.subject)")
            #expect(message.text.plain.split(separator: "\n").count { $0.contains(" × ") } == MessageWriter.mostGroupsShown)
        }
    }

    @Test("a failure that a recovery in the same message ended is not the one told in full, however new, while another job is still broken")
    func overFailure() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel("chat", .telegram, config: #"{"chat_id": "1"}"#)
            try await outbox.complete(try await outbox.addJob("broken"), as: "FAILED")
            let mended = try await outbox.addJob("mended")
            for status in ["FAILED", "SUCCESS"] { try await outbox.complete(mended, as: status) }
            try await outbox.run("UPDATE notification_deliveries SET created_at = created_at - interval '1 minute'")
            let transport = FakeTransport(folds: true)
            _ = try await outbox.sender(channel, transport).turn()
            #expect(transport.messages.first?.text.plain.contains("O mais recente:\n❌ broken falhou\nMotivo: broken\n") == true)
            // Nothing else: the recovery itself.
            for status in ["FAILED", "SUCCESS"] { try await outbox.complete(mended, as: status) }
            try await outbox.run(
                "UPDATE notification_deliveries SET created_at = created_at - interval '1 minute' WHERE status = 'PENDING'")
            try await outbox.run("UPDATE delivery_lanes SET sent_at = '{}'")
            _ = try await outbox.sender(channel, transport).turn()
            #expect(transport.messages.last?.text.plain.contains("O mais recente:\n✅ mended voltou a funcionar\n") == true)
        }
    }

    @Test("the subject of a message that stands for many says how often the weightiest came and to whom, short")
    func subject() {
        func subject(_ groups: [FoldedDeliveries.Group], _ language: MessageLanguage) -> String {
            let facts = ScheduleFacts(job: JobFacts(id: 1, name: "a"), problem: nil)
            let newest = Delivery(id: 1, event: .failure, subject: .schedule(facts), occurredAt: .distantPast)
            let count = groups.reduce(0) { $0 + $1.count }
            let folded = FoldedDeliveries(count: count, groups: groups, span: .milliseconds(29), newest: newest)
            return MessageWriter(language: language).write(folded).subject
        }
        let sync = FoldedDeliveries.Group(jobName: "sync", event: .failure, count: 61)
        let off = FoldedDeliveries.Group(jobName: nil, event: .failure, count: 1)
        let long = FoldedDeliveries.Group(jobName: String(repeating: "n", count: 200), event: .failure, count: 1)
        let success = FoldedDeliveries.Group(jobName: "x", event: .success, count: 2)
        #expect(subject([sync], .portuguese) == "61 falhas: sync (em 29 ms)")
        #expect(subject([sync, off, success], .english) == "62 failures: sync, channel switched off (64 notifications in 29 ms)")
        let names = "sync, \(String(repeating: "n", count: 59))…"
        #expect(subject([sync, long, off], .portuguese) == "63 falhas: \(names) e mais 1 (em 29 ms)")
        #expect(subject([], .english) == "in 29 ms")
    }
}
