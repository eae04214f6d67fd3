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
            #expect(folded.groups.count == FoldedDeliveries.mostGroups && folded.count == 73)
            #expect(
                folded.groups.prefix(3).map { "\($0.event.rawValue) \($0.jobName ?? "")" } == [
                    "FAILURE again", "FAILURE once", "WARNING late",
                ])
            #expect(folded.newest.event == .failure && folded.newest.edition == 2 && facts.job.name == "again")
        }
    }
}
