import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// From an INSERT to the messages of all three channels, through a real worker.
@Suite struct NotificationTests {
    private func addChannels(_ rig: Rig) async throws {
        try await rig.addChannels()
        _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
    }

    @Test("a failure and the recovery that follows reach Telegram, the mailbox and the webhook, once each")
    func failureAndRecovery() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await addChannels(rig)
            _ = try rig.worker()
            let failed = try await rig.finished(try await rig.trigger("drill", params: ["fail": "permanent"]))
            #expect(failed.status == "FAILED")
            try await expectArrived(rig, count: 1)
            #expect(try await rig.finished(try await rig.trigger("drill")).status == "SUCCESS")
            try await expectArrived(rig, count: 2)
            #expect(try await rig.finished(try await rig.trigger("drill")).status == "SUCCESS")
            let types = try await rig.sandbox.received("webhook", "received").compactMap { $0["body"]?.text }
            #expect(types.count == 2 && types[0].contains("execution.failed") && types[1].contains("execution.recovered"), "\(types)")
            let unsent: Int = try await rig.value(
                "SELECT count(*) AS value FROM notification_deliveries WHERE status <> 'SENT' OR attempts <> 1")
            #expect(unsent == 0)
        }
    }

    private func expectArrived(_ rig: Rig, count: Int) async throws {
        for (channel, list) in [("telegram", "messages"), ("smtp", "mails"), ("webhook", "received")] {
            try await eventually("message \(count) of \(channel)") { try await rig.sandbox.received(channel, list).count >= count }
            let all = try await rig.sandbox.received(channel, list)
            #expect(all.count == count, "\(channel): \(all)")
        }
    }

    #if DEBUG
        @Test("R01: a worker killed between a message's acceptance and its mark: it is sent once more, under the same id, and marked")
        func killedAfterAcceptance() async throws {
            try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
                try await addChannels(rig)
                _ = try await rig.pool.query("UPDATE notification_channels SET active = false WHERE name <> 'hook'")
                let first = try rig.worker(["--lease", "2"], environment: ["CHIMERA_FAILPOINT": "delivery.accepted=kill"])
                let id = try await rig.trigger("drill", params: ["fail": "permanent"])
                #expect(try await first.waitForExit(within: .seconds(60)) == .signalled(SIGKILL))
                #expect(try await rig.execution(id).status == "FAILED")
                // Its claim would end by itself after two minutes.
                _ = try await rig.pool.query("UPDATE notification_deliveries SET next_attempt_at = now()")
                _ = try rig.worker(["--lease", "2"])
                try await eventually(within: .seconds(180), "the mark") {
                    try await rig.value("SELECT count(*) = 1 AS value FROM notification_deliveries WHERE status = 'SENT'")
                }
                let received = try await rig.sandbox.received("webhook", "received")
                #expect(received.count == 2, "\(received)")
                #expect(Set(received.compactMap { $0["id"]?.stringValue ?? $0["webhook_id"]?.stringValue }).count == 1, "\(received)")
            }
        }
    #endif
}
