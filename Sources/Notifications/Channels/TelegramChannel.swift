import Networking
import Runtime
import Secrets

/// Sends messages to a chat by Telegram's Bot API (SPEC §6).
package struct TelegramChannel: ChannelTransport {
    /// UTF-16 units of a message; Telegram counts them after parsing, we before, which is never less.
    static let mostUnits = 4096
    /// How long a chat rests after a 429 that does not say.
    private static let usualRest: Duration = .seconds(30)
    /// Telegram takes a message a second. The lane counts from the claim of one to the claim of the next; from there to Telegram one may be
    /// faster than the one before.
    private static let spacing: Duration = .milliseconds(1_100)

    private let client: HTTPClient
    private let requestTimeout: Duration

    /// Sends through `client`.
    package init(client: HTTPClient) {
        self.init(client: client, requestTimeout: .seconds(18))
    }

    init(client: HTTPClient, requestTimeout: Duration) {
        self.client = client
        self.requestTimeout = requestTimeout
    }

    /// True.
    package var folds: Bool { true }

    /// A chat's own lane: a message a second, and to a group 20 a minute.
    package func lane(of channel: OpenChannel) -> SendingLane {
        guard let chat = try? TelegramConfiguration(channel) else { return SendingLane(own: channel) }
        return SendingLane(key: chat.laneKey, spacing: Self.spacing, perMinute: chat.isPrivate ? nil : 20)
    }

    /// Sends it as HTML, and as plain text when Telegram cannot parse that.
    package func deliver(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome {
        await orDefect { () throws(ChannelConfigDefect) in
            let chat = try TelegramConfiguration(channel)
            let answer = await send(message.text.telegramHTML(limit: Self.mostUnits), mode: "HTML", to: chat)
            guard case .unparsable = answer else { return outcome(answer, chat) }
            return outcome(await send(message.text.plain(limit: Self.mostUnits), mode: nil, to: chat), chat)
        }
    }

    private func send(_ text: String, mode: String?, to chat: TelegramConfiguration) async -> TelegramAnswer {
        var members: [String: JSONValue] = [
            "chat_id": .string(chat.chatID), "text": .string(text), "link_preview_options": ["is_disabled": true],
        ]
        members["parse_mode"] = mode.map { .string($0) }
        var request = HTTPRequest(
            .post, "\(chat.baseURL)/bot\(chat.token)/sendMessage", headers: [("Content-Type", "application/json")],
            body: Array(JSONValue.object(members).text.utf8))
        request.timeout = requestTimeout
        request.proxy = chat.proxy
        request.caFile = chat.caFile
        do throws(HTTPFailure) {
            return TelegramAnswer(try await client.send(request), redactor: chat.redactor)
        } catch {
            return .failed("it could not be reached: \(chat.redactor.line(error.message))", isForGood: error.kind == .invalidRequest)
        }
    }

    private func outcome(_ answer: TelegramAnswer, _ chat: TelegramConfiguration) -> DeliveryOutcome {
        switch answer {
        case .sent: .sent()
        case .failed(let reason, isForGood: true): .refused(reason: "Telegram: \(reason)")
        case .failed(let reason, isForGood: false): .retry(reason: "Telegram: \(reason)")
        case .unparsable(let reason): .refused(reason: "Telegram: \(reason)")
        case .tooMany(let seconds): .retry(after: seconds ?? Self.usualRest, reason: "Telegram: it asks to send less (429)")
        case .moved(let chatID): .migrated(from: chat.chatID, to: chatID)
        case .unusable(let reason): .switchedOff(reason: "Telegram: \(reason)")
        }
    }
}

/// The `config` of a TELEGRAM channel, checked.
struct TelegramConfiguration: Sendable {
    let token: String
    let chatID: String
    let baseURL: String
    let proxy: String?
    let caFile: String?
    let redactor: Redactor

    init(_ channel: OpenChannel) throws(ChannelConfigDefect) {
        let fields = ChannelFields(channel: channel)
        let (own, shared) = (try fields.text("bot_token"), try fields.text("token"))
        guard let token = own ?? shared else {
            throw fields.defect("config.bot_token is missing, and config.integration names nothing that has one")
        }
        guard token.utf8.allSatisfy({ Self.isTokenByte($0) }) else { throw fields.defect("config.bot_token is no bot token") }
        self.token = token
        guard let value = fields.value("chat_id"), value != "" else {
            throw fields.defect("config.chat_id is missing; it is a text such as \"-1001234567890\" or \"@channel\"")
        }
        let chatID = value.stringValue ?? value.intValue.map(String.init) ?? ""
        guard Int64(chatID) != nil || (chatID.hasPrefix("@") && chatID.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }) else {
            throw fields.defect("config.chat_id must be a number in a text, such as \"-1001234567890\", or begin with @")
        }
        self.chatID = chatID
        guard try ["HTML", nil].contains(fields.text("parse_mode")?.uppercased()) else {
            throw fields.defect("config.parse_mode must be HTML")
        }
        let (address, sharedAddress) = (try fields.text("api_base_url"), try fields.text("base_url"))
        baseURL = try fields.webAddress("api_base_url", address ?? sharedAddress ?? "https://api.telegram.org")
        proxy = try fields.proxy()
        caFile = try fields.text("ca_file")
        redactor = Redactor(secrets: [token] + channel.secrets)
    }

    /// Chats with one person have positive numbers; everything else is limited as a group.
    var isPrivate: Bool { (Int64(chatID) ?? -1) > 0 }

    /// What stands before the colon of a token names the bot and is no secret.
    var laneKey: String {
        let bot = token.firstIndex(of: ":").map { token[..<$0] } ?? ""
        return "telegram:\(bot):\(chatID)"
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
