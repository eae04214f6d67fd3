import Foundation
import Networking
import Runtime
import Secrets

/// Mails messages to every recipient in a transaction of its own (SPEC §6).
package struct EmailChannel: ChannelTransport {
    /// Recipients served side by side.
    private static let mostAtOnce = 4

    private let client = MailClient()
    /// How long one message may take, all its recipients together.
    private let patience: Duration

    /// Stays within what the outbox allows a transport.
    package init() {
        self.init(patience: .seconds(35))
    }

    init(patience: Duration) {
        self.patience = patience
    }

    /// True.
    package var folds: Bool { true }

    /// Its own; a second between messages keeps a storm from a mailbox.
    package func lane(of channel: OpenChannel) -> SendingLane { SendingLane(own: channel, spacing: .seconds(1)) }

    /// Mails it to everybody who does not have it yet.
    package func deliver(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome {
        await orDefect { () throws(ChannelConfigDefect) in
            let configuration = try EmailConfiguration(channel)
            let results = await MailRound(client: client, configuration: configuration, message: message, patience: patience)
                .run(to: configuration.to.filter { !message.reached.contains($0) }, atOnce: Self.mostAtOnce)
            return Self.outcome(results, configuration, reached: message.reached)
        }
    }

    static func outcome(_ results: [MailRound.Result], _ configuration: EmailConfiguration, reached: Set<String>) -> DeliveryOutcome {
        let redactor = configuration.redactor
        let accepted = results.filter { $0.failure == nil }.map(\.recipient)
        let refused = results.filter { $0.failure?.isForGood == true }
        let open = results.filter { $0.failure.map { !$0.isForGood } ?? false }
        func reason(_ results: [MailRound.Result]) -> String {
            guard let first = results.first, let failure = first.failure else { return "" }
            let others = results.count > 1 ? " (and \(results.count - 1) more)" : ""
            return "\(first.recipient)\(others): \(redactor.line(failure.message))"
        }
        // Where the same password opened the door for one recipient, a no for another will pass.
        let wasLetIn = results.contains { $0.failure.map { $0.step != .connection && $0.step != .login } ?? true }
        if !wasLetIn, let locked = results.first(where: { $0.failure?.refusesLogin == true })?.failure {
            return .switchedOff(reason: "the mail server does not accept the login: \(redactor.line(locked.message))")
        }
        if !open.isEmpty { return .retry(reason: reason(open), reached: (reached.union(accepted)).sorted()) }
        if refused.isEmpty { return .sent() }
        let sentence = "refused for good: \(reason(refused))"
        return accepted.isEmpty && reached.isEmpty ? .refused(reason: sentence) : .sent(note: sentence)
    }
}

extension MailFailure {
    /// Whether another try for this recipient is in vain. A server that refuses the sender refuses everybody, which somebody may mend while
    /// the message waits.
    fileprivate var isForGood: Bool {
        switch kind {
        case .invalid: true
        case .refused: step == .recipient || step == .message
        default: false
        }
    }

    /// Whether user or password are refused for good: wrong, of a kind that the server does not take, or not taken on this connection. A server
    /// that cannot check them now says 454.
    fileprivate var refusesLogin: Bool { kind == .refused && step == .login && [534, 535, 538].contains(reply) }

    /// Whether the next recipient would meet the same.
    fileprivate var concernsAll: Bool {
        switch kind {
        case .invalid, .unreachable, .insecure, .cancelled: true
        case .refused, .deferred: step != .recipient && step != .message
        case .unknownFate: false
        }
    }
}

/// One message on its way to a list of recipients.
struct MailRound: Sendable {
    /// What became of the mail to one recipient.
    struct Result: Sendable {
        let recipient: String
        /// Nil: it was accepted.
        let failure: MailFailure?
    }

    let client: MailClient
    let configuration: EmailConfiguration
    let message: NotificationMessage
    let patience: Duration

    /// A result for every recipient: once the server or the time allows no more, the rest is not tried.
    func run(to recipients: [String], atOnce most: Int) async -> [Result] {
        let deadline = MonotonicClock.now() + patience
        return await withTaskGroup(of: Result.self) { group in
            var waiting = recipients[...]
            var results: [Result] = []
            var obstacle: MailFailure?
            for _ in 0..<most {
                if let recipient = waiting.popFirst() { group.addTask { await send(to: recipient, until: deadline) } }
            }
            while let result = await group.next() {
                results.append(result)
                if let failure = result.failure, failure.concernsAll { obstacle = failure }
                guard obstacle == nil, let recipient = waiting.popFirst() else { continue }
                group.addTask { await send(to: recipient, until: deadline) }
            }
            return results + waiting.map { Result(recipient: $0, failure: obstacle) }
        }
    }

    private func send(to recipient: String, until deadline: Duration) async -> Result {
        var server = configuration.server
        let left = deadline - MonotonicClock.now()
        guard left > .seconds(1), !Task.isCancelled else {
            let late = MailFailure(kind: .cancelled, step: .connection, message: "there was no time left for it")
            return Result(recipient: recipient, failure: late)
        }
        server.timeout = min(server.timeout, left)
        server.connectTimeout = min(server.connectTimeout, left)
        do throws(MailFailure) {
            _ = try await client.send(mail(to: recipient), through: server)
            if configuration.to.count > 1 { await message.remember(recipient) }
            return Result(recipient: recipient, failure: nil)
        } catch {
            return Result(recipient: recipient, failure: error)
        }
    }

    /// What one recipient gets.
    func mail(to recipient: String) -> Mail {
        let subject = MessageText.Span(message.subject).text
        return Mail(
            from: configuration.from, to: recipient, subject: subject, messageID: messageID,
            date: Int(message.now.timeIntervalSince1970.rounded(.down)), text: message.text.plain + "\n", html: message.text.mailHTML)
    }

    /// The same at every try and for every recipient; the moment keeps it apart from other installations' deliveries.
    private var messageID: String {
        let moment =
            switch message.content {
            case .single(let delivery): delivery.occurredAt
            case .folded(let folded): folded.newest.occurredAt
            case .test: message.now
            }
        let host = configuration.from.split(separator: "@").last ?? "localhost"
        return "\(message.messageID).\(Int64(moment.timeIntervalSince1970 * 1000)).chimera@\(host)"
    }
}

/// The `config` of an EMAIL channel, checked.
struct EmailConfiguration: Sendable {
    let server: MailServer
    let from: String
    let to: [String]
    let redactor: Redactor

    init(_ channel: OpenChannel) throws(ChannelConfigDefect) {
        let fields = ChannelFields(channel: channel)
        var server = MailServer(url: try fields.requiredText("smtp_url"))
        server.username = try fields.text("username")
        server.password = try fields.text("password")
        switch try fields.text("starttls") ?? "required" {
        case "required": server.requiresTLS = true
        case "none": server.requiresTLS = false
        default: throw fields.defect("config.starttls must be required or none")
        }
        server.caFile = try fields.text("ca_file")
        server.proxy = try fields.proxy()
        if let defect = server.defect { throw fields.defect("config.smtp_url: \(defect)") }
        self.server = server
        from = try fields.requiredText("from")
        let recipients = try fields.texts("to")
        guard !recipients.isEmpty else { throw fields.defect("config.to is missing; it is a list of addresses") }
        for (key, address) in [("from", from)] + recipients.map({ ("to", $0) }) where !MailAddress.isUsable(address) {
            throw fields.defect("config.\(key) holds what is no bare address of the form name@host")
        }
        var seen: Set<String> = []
        to = recipients.filter { seen.insert($0).inserted }
        redactor = Redactor(secrets: [server.password].compactMap { $0 } + channel.secrets)
    }
}
