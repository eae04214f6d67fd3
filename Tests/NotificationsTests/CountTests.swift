import Runtime
import TestSupport
import Testing

@testable import Notifications

/// What a program of somebody else's counted.
@Suite struct CountTests {
    @Test("counts at the end of what a number holds, or below nothing, are told as far as they are believed and stop no worker")
    func enormous() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("custom")
            let (most, least) = ("9223372036854775807", "-9223372036854775808")
            let documents = [
                #"{"severity": "warning", "differences": {"A": \#(most), "B": 1, "C": 1e300, "D": "2"}}"#,
                #"{"severity": "warning", "products": {"uploaded": \#(most), "verified": \#(least), "rejected": {"A": \#(most), "B": \#(most)}}}"#,
                #"{"severity": "critical", "stores": {"total": \#(least), "skipped": \#(most), "failed": \#(least)}, "removed": {"t": \#(most)}}"#,
            ]
            let transport = FakeTransport { message, _ in
                _ = WebhookBody(message).document.text
                return .sent()
            }
            for metrics in documents {
                try await outbox.complete(job, metrics: metrics)
                _ = try await outbox.sender(channel, transport).turn()
                let id = try await outbox.complete(job, as: "FAILED", metrics: metrics)
                try await outbox.edit(
                    "job_finished",
                    "error_details = '{\"code\": \"X\", \"message\": \"x\", \"stores\": [{\"store_id\": 1}], \"more\": \(most)}'", id)
                _ = try await outbox.sender(channel, transport).turn()
            }
            #expect(transport.messages.count == 6)
            #expect(transport.messages.first?.subject == "custom terminou com 2.000.000.000.001 diferenças entre ERP e clube")
        }
    }

    @Test(
        "metrics that are no object are told as an end of which nothing is counted",
        arguments: ["[1, 2]", "[\"severity\"]", "42", "\"severity\"", "true"])
    func noObject(metrics: String) async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("custom")
            let transport = FakeTransport()
            for status in ["FAILED", "SUCCESS"] {
                try await outbox.complete(job, as: status, metrics: metrics)
                _ = try await outbox.sender(channel, transport).turn()
            }
            #expect(transport.messages.map(\.subject) == ["custom falhou", "custom voltou a funcionar"])
            #expect(transport.messages.allSatisfy { WebhookBody($0).document["data"]?["metrics"] == [:] })
        }
    }

    @Test(
        "a webhook gives what the metrics count under their own names, and nothing that they do not have",
        arguments: [
            (
                #"{"severity": "ok", "stores": {"total": 2, "succeeded": 2, "skipped": 0, "failed": 0}, "duration_ms": 7, "products": {"fetched": 10, "accepted": 6, "rejected": {"STATUS": 1, "CODE": 3}, "uploaded": 6, "verified": 6}}"#,
                #"{"stores": {"total": 2, "succeeded": 2, "skipped": 0, "failed": 0}, "products": {"fetched": 10, "accepted": 6, "rejected": {"STATUS": 1, "CODE": 3}}}"#
            ),
            (
                #"{"products": {"fetched": 1, "accepted": 1, "rejected": {}}}"#,
                #"{"products": {"fetched": 1, "accepted": 1, "rejected": {}}}"#
            ),
            (
                #"{"products": {"fetched": 10, "accepted": 6, "listed": 5}, "differences": {"PRICE": 2}}"#,
                #"{"products": {"fetched": 10, "accepted": 6}, "differences": {"PRICE": 2}}"#
            ),
            (
                #"{"stores": {"total": 3}, "products": {"rejected": 5}, "removed": {"t": 1}}"#,
                #"{"stores": {"total": 3}, "products": {}, "removed": {"t": 1}}"#
            ),
        ])
    func ownNames(metrics: String, told: String) async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let transport = FakeTransport()
            try await outbox.complete(try await outbox.addJob("custom"), as: "FAILED", metrics: metrics)
            _ = try await outbox.sender(channel, transport).turn()
            let message = try #require(transport.messages.first)
            #expect(WebhookBody(message).document["data"]?["metrics"] == (try JSONValue(parsing: told)))
        }
    }

    @Test("an execution's times as far apart as the database can hold them make a duration")
    func endless() {
        #expect(MessageLanguage.duration(.seconds(9e18)) == "11574074 d 1 h")
    }
}
