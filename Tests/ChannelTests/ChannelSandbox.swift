import Foundation
import Networking
import Runtime
import TestSupport

@testable import Notifications

/// A running `chimera-sandbox` with its Telegram, its webhook receiver and its mail server.
final class ChannelSandbox: Sendable {
    private let program: RunningProgram
    let facts: JSONValue
    private let client = HTTPClient()

    init(_ faults: String...) async throws {
        program = try RunningProgram("chimera-sandbox", ["--stores", "1", "--products", "1"] + faults.flatMap { ["--fault", $0] })
        facts = try JSONValue(parsing: try await program.line(containing: "{", within: .seconds(60)))
    }

    deinit { program.signal(15) }

    func fact(_ path: String...) -> String { path.reduce(Optional(facts)) { $0?[$1] }?.stringValue ?? "" }

    func setFaults(_ faults: String...) async throws {
        var request = HTTPRequest(.post, fact("control") + "/faults", headers: [("Content-Type", "application/json")])
        request.body = Array(JSONValue.object(["faults": .array(faults.map { .string($0) })]).text.utf8)
        let answer = try await client.send(request)
        guard answer.status == 200 else { throw SandboxProblem(answer: String(decoding: answer.body.prefix(500), as: UTF8.self)) }
    }

    struct SandboxProblem: Error {
        let answer: String
    }

    private func state(_ path: String...) async throws -> [JSONValue] {
        var request = HTTPRequest(.get, fact("state"))
        request.maximumBodyBytes = 64 << 20
        let state = try JSONValue(parsing: String(decoding: try await client.send(request).body.prefix(.max), as: UTF8.self))
        return path.reduce(Optional(state)) { $0?[$1] }?.arrayValue ?? []
    }

    /// Requests to Telegram.
    var messages: [JSONValue] { get async throws { try await state("telegram", "messages") } }
    /// Requests to the webhook receiver.
    var hooks: [JSONValue] { get async throws { try await state("webhook", "received") } }
    /// Mails that came in whole.
    var mails: [JSONValue] { get async throws { try await state("smtp", "mails") } }
    /// What mail clients said.
    var mailCommands: [String] { get async throws { try await state("smtp", "commands").compactMap(\.stringValue) } }

    // MARK: Channels

    func telegram(chat: String = "-4001", _ changes: [String: JSONValue] = [:]) -> OpenChannel {
        channel(
            .telegram,
            [
                "bot_token": .string(fact("credentials", "telegram", "bot_token")), "chat_id": .string(chat),
                "api_base_url": .string(fact("telegram")),
            ], changes)
    }

    func webhook(path: String = "/a", _ changes: [String: JSONValue] = [:]) -> OpenChannel {
        channel(
            .webhook,
            [
                "url": .string(fact("webhook") + path), "secret": .string(fact("credentials", "webhook", "secret")),
                "allow_private_network": true,
            ], changes)
    }

    func email(to recipients: [String] = ["a@example.com"], _ changes: [String: JSONValue] = [:]) -> OpenChannel {
        channel(
            .email,
            [
                "smtp_url": .string(fact("smtp")), "username": .string(fact("credentials", "smtp", "username")),
                "password": .string(fact("credentials", "smtp", "password")), "from": "chimera@example.com",
                "to": .array(recipients.map { .string($0) }), "ca_file": .string(fact("ca_file")),
            ], changes)
    }

    private func channel(_ type: ChannelType, _ config: [String: JSONValue], _ changes: [String: JSONValue]) -> OpenChannel {
        OpenChannel(id: 7, name: "aviso", type: type, config: .object(config.merging(changes) { $1 }))
    }
}

/// A message about an execution of which a store with an awkward name failed.
func failureMessage(
    lines: [MessageText.Line]? = nil, subject: String = "sync-products falhou", reached: Set<String> = [], secondsLater: Double = 0,
    remember: @escaping @Sendable (String) async -> Void = { _ in }
) -> NotificationMessage {
    var counts = ExecutionCounts()
    counts.stores = .init(total: 3, succeeded: 2, skipped: 0, failed: 1)
    let part = FailedPart(
        storeID: 7, registration: "00000000000191", name: "<b>A_B*&", reason: FailureReason(code: "HTTP_503", message: "RP: respondeu 503"))
    let facts = ExecutionFacts(
        job: JobFacts(id: 1, name: "sync-products"), id: "019aa000-0000-7000-8000-000000000001", status: "FAILED",
        scheduledFor: Date(timeIntervalSince1970: 1_763_703_000), startedAt: Date(timeIntervalSince1970: 1_763_703_001),
        finishedAt: Date(timeIntervalSince1970: 1_763_703_061.5), severity: "critical",
        error: FailureReason(code: "CHILDREN_FAILED", message: "1 of 3 stores failed"), failedParts: [part], counts: counts)
    let delivery = Delivery(
        id: 42, event: .failure, subject: .execution(facts), occurredAt: Date(timeIntervalSince1970: 1_763_703_061.5))
    let text = MessageText(
        lines ?? [
            [.init("❌ "), .init("sync-products", .strong), .init(" falhou")],
            [.init("• "), .init("00000000000191 <b>A_B*&", .strong), .init(": RP: respondeu 503")], [],
            [.init("chimera execution show 019aa000-0000-7000-8000-000000000001", .code)],
        ])
    return NotificationMessage(
        content: .single(delivery), subject: subject, text: text, reached: reached, now: Date() + secondsLater, remember: remember)
}

extension DeliveryOutcome {
    /// The sentence, whatever the outcome.
    var reason: String {
        switch self {
        case .sent(let note): note ?? ""
        case .retry(_, let reason, _), .refused(let reason), .switchedOff(let reason): reason
        case .migrated: ""
        }
    }

    var isRetry: Bool { if case .retry = self { true } else { false } }
    var isRefused: Bool { if case .refused = self { true } else { false } }
    var isSwitchedOff: Bool { if case .switchedOff = self { true } else { false } }
    /// Who is said to have the message already.
    var reached: [String] { if case .retry(_, _, let reached) = self { reached } else { [] } }
    /// How long the other side asked to wait.
    var asksToWait: Duration? { if case .retry(let wait, _, _) = self { wait } else { nil } }
}
