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

    @Test("a store named <b>A_B*& fails: Telegram, mail and webhook show the name as it is, with why and what it means for the shop")
    func awkwardName() async throws {
        try await Rig.with(RigSettings(stores: 3, products: 3, sandbox: ["--fault", "rp-503@2"], maxAttempts: 1)) { rig in
            try await addChannels(rig)
            let name = "<b>A_B*&"
            _ = try await rig.pool.query("UPDATE stores SET name = \(name) WHERE id = (SELECT id FROM stores ORDER BY id OFFSET 1 LIMIT 1)")
            // Of that store alone: beside others a message says "so far" until they have ended, and not all channels send in the same moment.
            let id = try await rig.trigger("sync-products", params: ["store_ids": [2]])
            _ = try rig.worker()
            #expect(try await rig.finished(id).status == "FAILED")
            try await eventually("all channels have the end") {
                try await rig.value("SELECT count(*) = 3 AS value FROM notification_deliveries WHERE event = 'FAILURE' AND status = 'SENT'")
            }
            let words = "\(name): rp está fora do ar (503)"
            let club = "Sem preços de clube hoje: 1 loja"

            let telegram = try #require(try await rig.sandbox.received("telegram", "messages").last)
            let shown = telegram["shown"]?.stringValue ?? ""
            #expect(telegram["sent"] == true && telegram["parse_mode"] == "HTML")
            #expect(telegram["text"]?.stringValue?.contains("<b>&lt;b&gt;A_B*&amp;</b>: rp") == true)
            #expect(shown.contains("• \(words)") && shown.contains(club) && shown.contains("chimera execution show \(id)"), "\(shown)")

            let mail = Self.unquoted(try await rig.sandbox.received("smtp", "mails").last?["data"]?.stringValue ?? "")
            #expect(mail.contains("• \(words)") && mail.contains(club) && mail.contains("<strong>&lt;b&gt;A_B*&amp;</strong>"), "\(mail)")

            let hook = try await rig.sandbox.received("webhook", "received").last
            #expect(hook?["signed_with"]?.arrayValue?.count == 1)
            let body = try JSONValue(parsing: hook?["body"]?.stringValue ?? "")
            #expect(body["type"] == "execution.failed" && body["data"]?["execution_id"] == .string(id))
            #expect(body["data"]?["stores"]?.arrayValue?.compactMap { $0["name"] } == [.string(name)])
            #expect(body["data"]?["text"]?.stringValue == shown)
        }
    }

    @Test("a sync that cannot log in tells that no store was synchronised, and which stores have no club prices because of it")
    func refusedLogin() async throws {
        try await Rig.with(RigSettings(stores: 3, products: 3, maxAttempts: 1)) { rig in
            try await addChannels(rig)
            _ = try rig.worker()
            let first = try await rig.trigger("sync-products", params: ["store_ids": [1]])
            #expect(try await rig.finished(first).status == "SUCCESS")
            _ = try await rig.pool.query("DELETE FROM integration_keys")
            _ = try await rig.pool.query("UPDATE integrations SET config = config || '{\"password\": \"x\"}' WHERE type = 'RP'")
            let id = try await rig.trigger("sync-products")
            #expect(try await rig.finished(id).status == "FAILED")
            try await eventually("the message") { try await rig.sandbox.received("telegram", "messages").count == 1 }
            let shown = try await rig.sandbox.received("telegram", "messages").first?["shown"]?.stringValue ?? ""
            for line in [
                "❌ sync-products falhou", "Nenhuma loja foi sincronizada.", "Sem preços de clube hoje: 2 lojas",
                "Continua valendo a campanha anterior de hoje: 1 loja", "Motivo: rp recusou usuário ou senha",
            ] {
                #expect(shown.contains(line), "\(shown)")
            }
        }
    }

    /// Quoted-printable text read back.
    private static func unquoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.replacing("=\r\n", with: "").utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "="), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
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
