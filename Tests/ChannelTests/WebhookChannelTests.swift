import Foundation
import Networking
import Runtime
import TestSupport
import Testing

@testable import Notifications

@Suite(.timeLimit(.minutes(3)))
struct WebhookChannelTests {
    private let webhook = WebhookChannel(client: HTTPClient(), requestTimeout: .seconds(20))
    private let hurried = WebhookChannel(client: HTTPClient(), requestTimeout: .seconds(1))

    @Test("The signature is the one of the standard's own example")
    func vector() throws {
        let key = try #require(WebhookSignature.key(of: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let signature = WebhookSignature.v1(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330", body: #"{"test": 2432232314}"#, key: key)
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test("A failure is posted with its facts, signed, and taken by a receiver that verifies")
    func sent() async throws {
        let sandbox = try await ChannelSandbox()
        #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook(["headers": ["X-Loja": "7"]])) == .sent())
        let hook = try #require(try await sandbox.hooks.first)
        #expect(hook["status"] == 204 && hook["signed_with"] == ["new"] && hook["id"] == "msg_42")
        #expect(hook["headers"]?["content-type"] == "application/json; charset=utf-8" && hook["headers"]?["x-loja"] == "7")
        let body = try JSONValue(parsing: hook["body"]?.stringValue ?? "")
        #expect(body["type"] == "execution.failed" && body["timestamp"] == "2025-11-21T05:31:01.500Z")
        let facts = body["data"]
        #expect(facts?["execution_id"] == "019aa000-0000-7000-8000-000000000001" && facts?["job"] == "sync-products")
        #expect(facts?["status"] == "FAILED" && facts?["duration_ms"] == 60500 && facts?["severity"] == "critical")
        #expect(
            facts?["stores"] == [
                [
                    "store_id": 7, "registration": "00000000000191", "name": "<b>A_B*&", "code": "HTTP_503", "message": "RP: respondeu 503",
                ]
            ])
        #expect(facts?["metrics"]?["stores"] == ["total": 3, "succeeded": 2, "skipped": 0, "failed": 1])
        #expect(facts?["text"]?.stringValue?.hasPrefix("❌ sync-products falhou\n") == true)
    }

    @Test("R72: the id is the same at every try, the timestamp is new, and both signatures are right")
    func attempts() async throws {
        let sandbox = try await ChannelSandbox("webhook-500:1x")
        #expect(await webhook.deliver(failureMessage(secondsLater: -100), through: sandbox.webhook()).isRetry)
        #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook()) == .sent())
        let hooks = try await sandbox.hooks
        #expect(hooks.map { $0["id"] } == ["msg_42", "msg_42"])
        #expect(hooks.allSatisfy { $0["signed_with"] == ["new"] })
        let times = hooks.compactMap { $0["timestamp"]?.stringValue.flatMap { Int($0) } }
        #expect(times.count == 2 && times[0] + 99 <= times[1])
        #expect(hooks[0]["body"] == hooks[1]["body"])
    }

    @Test("While a secret is replaced, both sign", arguments: [true, false])
    func rotation(_ isList: Bool) async throws {
        let sandbox = try await ChannelSandbox()
        let secrets = [sandbox.fact("credentials", "webhook", "secret"), sandbox.fact("credentials", "webhook", "old_secret")]
        let value: JSONValue = isList ? .array(secrets.map { .string($0) }) : .string(secrets.joined(separator: " "))
        #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook(["secret": value])) == .sent())
        #expect(try await sandbox.hooks.first?["signed_with"] == ["new", "old"])
    }

    @Test("The types are those of the contract, and each says what it is about")
    func types() throws {
        let job = JobFacts(id: 3, name: "compare")
        func type(_ event: NotificationEvent, _ subject: Delivery.Subject) -> JSONValue? {
            let delivery = Delivery(id: 1, edition: 2, event: event, subject: subject, occurredAt: Date(timeIntervalSince1970: 0))
            let message = NotificationMessage(content: .single(delivery), subject: "", text: MessageText(), now: Date())
            let document = WebhookBody(message).document
            #expect(document["timestamp"] == "1970-01-01T00:00:00.000Z" && document["data"]?["edition"] == 2)
            #expect(document["data"]?["job"] == "compare" || document["data"]?["channel"] == "aviso")
            return document["type"]
        }
        let execution = Delivery.Subject.execution(ExecutionFacts(job: job, id: "x", status: "RUNNING"))
        let events: [NotificationEvent] = [.start, .success, .failure, .warning, .recovery]
        #expect(
            events.map { type($0, execution) } == [
                "execution.started", "execution.succeeded", "execution.failed", "execution.warning", "execution.recovered",
            ])
        let late = LatenessFacts(
            job: job, dueAt: Date(timeIntervalSince1970: 60), dueWallTime: WallTime("2026-07-27 05:00"), expectedWithin: .seconds(3000),
            isScheduled: true, execution: nil
        )
        #expect(type(.late, .lateness(late)) == "job.late")
        #expect(type(.failure, .schedule(ScheduleFacts(job: job, problem: "no"))) == "job.problem")
        #expect(type(.failure, .channel(SwitchedOffChannel(id: 2, name: "aviso", reason: nil))) == "channel.switched_off")
    }

    @Test("R72: 410 switches the channel off; a redirect is not followed")
    func ends() async throws {
        let sandbox = try await ChannelSandbox("webhook-410@/webhook/gone", "webhook-redirect@/webhook/moved")
        let gone = await webhook.deliver(failureMessage(), through: sandbox.webhook(path: "/gone"))
        #expect(gone.isSwitchedOff && gone.reason.contains("410"))
        let moved = await webhook.deliver(failureMessage(), through: sandbox.webhook(path: "/moved"))
        #expect(moved.isRetry && moved.reason.contains("redirect"))
        #expect(try await sandbox.hooks.count == 2)
    }

    @Test(
        "R72: a private address is refused in every spelling, unless the channel says otherwise",
        arguments: ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "localhost", "0"])
    func privateAddresses(_ host: String) async throws {
        let sandbox = try await ChannelSandbox()
        let url = sandbox.fact("webhook").replacing("127.0.0.1", with: host) + "/a"
        let outcome = await webhook.deliver(
            failureMessage(), through: sandbox.webhook(["url": .string(url), "allow_private_network": .null]))
        #expect(outcome.isRefused && outcome.reason.contains("allow_private_network"), "\(outcome)")
        #expect(try await sandbox.hooks.isEmpty)
        if !host.contains("[") {
            #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook(["url": .string(url)])) == .sent())
        }
    }

    @Test(
        "Any 2xx is a success, whatever follows the header",
        arguments: ["204", "201", "empty-body", "endless-body", "huge-body", "gzip-bomb", "html"])
    func successes(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("webhook-" + fault)
        #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook()) == .sent())
    }

    @Test(
        "Everything else is tried again",
        arguments: ["400", "401", "403", "404", "408", "422", "500", "502", "503", "close", "reset", "garbage", "lost-answer"])
    func passing(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("webhook-" + fault)
        let outcome = await webhook.deliver(failureMessage(), through: sandbox.webhook())
        #expect(outcome.isRetry && !outcome.reason.isEmpty, "\(outcome)")
    }

    @Test("Silence is left after the time limit, and Retry-After is kept to")
    func waits() async throws {
        let sandbox = try await ChannelSandbox("webhook-silence:1x", "webhook-429:1x", "webhook-503-retry-after:1x")
        #expect(await hurried.deliver(failureMessage(), through: sandbox.webhook()).isRetry)
        #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook()).asksToWait == .seconds(1))
        #expect(await webhook.deliver(failureMessage(), through: sandbox.webhook()).asksToWait == .seconds(1))
    }

    @Test("A receiver that repeats our secrets does not learn us to tell them")
    func secrets() async throws {
        let server = RawServer { request, _ in
            RawServer.answer("you sent \(request.headers["x-key"] ?? "") \r\n\u{1B}[31m", status: 500)
        }
        let sandbox = try await ChannelSandbox()
        let outcome = await webhook.deliver(
            failureMessage(), through: sandbox.webhook(["url": .string(server.url), "headers": ["X-Key": "geheim-7"]]))
        #expect(outcome.isRetry && outcome.reason == "the receiver answered 500: you sent •••• [31m", "\(outcome)")
        let hook = try WebhookConfiguration(sandbox.webhook(["secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]))
        #expect(hook.redactor.line("key MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == "key ••••")
    }

    @Test(
        "A config that cannot be used refuses the message with the field's name",
        arguments: [
            (["url": .null], "config.url"), (["url": "file:///etc/passwd"], "config.url"), (["url": "http://a b/"], "config.url"),
            (["secret": .null], "config.secret"), (["secret": "whsec_short"], "config.secret"), (["secret": "whsec_*"], "config.secret"),
            (["secret": [7]], "config.secret"), (["headers": ["a": 1]], "config.headers.a"), (["headers": []], "config.headers"),
            (["headers": ["a": "b\r\nc: d"]], "config.headers.a"), (["headers": ["Webhook-Id": "x"]], "config.headers.Webhook-Id"),
            (["headers": ["": "x"]], "config.headers."), (["headers": ["TE": "trailers"]], "config.headers.TE"),
            (["headers": ["Upgrade": "h2c"]], "config.headers.Upgrade"),
            (["headers": ["Proxy-Authorization": "x"]], "config.headers.Proxy-"),
            (["allow_private_network": "yes"], "config.allow_private_network"),
            (["proxy": "http://127.0.0.1:1", "allow_private_network": false], "config.proxy"),
        ] as [([String: JSONValue], String)])
    func defects(_ changes: [String: JSONValue], _ field: String) async throws {
        let sandbox = try await ChannelSandbox()
        let outcome = await webhook.deliver(failureMessage(), through: sandbox.webhook(changes))
        #expect(outcome.isRefused && outcome.reason.hasPrefix(field), "\(outcome)")
        #expect(try await sandbox.hooks.isEmpty)
    }
}
