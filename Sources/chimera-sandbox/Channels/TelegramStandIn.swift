/// Telegram's Bot API, of which only `sendMessage` is there.
final class TelegramStandIn: StandIn {
    static let token = "1000001:sandbox-bot-token"
    /// A group's, as its sign says; any other number and `@name` is a chat as well.
    static let chat = "-4001"
    private static let mostBytes = 32_768
    private static let mostUnits = 4_096

    let partner = Partner.telegram
    private let clock: StoreClock
    private let log: StateLog
    private let channels: ChannelLog
    private let faults: FaultRules

    init(clock: StoreClock, log: StateLog, channels: ChannelLog, faults: FaultRules) {
        self.clock = clock
        self.log = log
        self.channels = channels
        self.faults = faults
    }

    func receive(_ request: Request) -> Visit {
        let parts = request.parts
        guard parts.count == 2, parts[0].hasPrefix("bot"), parts[1].lowercased() == "sendmessage" else {
            log.addUnknown("\(request.method) \(Self.withoutToken(request.path))")
            return Visit(partner: .telegram, endpoint: "\(request.method) unknown") { TelegramFaults.refusal(404, "Not Found") }
        }
        let isAllowed = parts[0].dropFirst(3) == Self.token
        return Visit(partner: .telegram, endpoint: "\(request.method) sendMessage") { [self] in
            var entry = ChannelLog.TelegramMessage(SendMessage(request), at: clock.now)
            let reply = answer(&entry, isAllowed: isAllowed)
            entry.status = reply.status
            channels.add(entry)
            return reply
        }
    }

    private func answer(_ entry: inout ChannelLog.TelegramMessage, isAllowed: Bool) -> Reply {
        let chat = entry.chat
        if let instead = faults.fireInstead(.telegramSend, place: chat) { return instead() }
        guard isAllowed else { return TelegramFaults.refusal(401, "Unauthorized") }
        guard TelegramChat.isChat(chat) else { return TelegramFaults.refusal(400, "Bad Request: chat not found") }
        if let moved = TelegramChat.supergroup(of: chat), fires(.migrated, chat) {
            return TelegramFaults.refusal(400, "Bad Request: group chat was upgraded to a supergroup chat") {
                $0.field("migrate_to_chat_id", raw: moved)
            }
        }
        if let problem = Self.problem(&entry) { return TelegramFaults.refusal(400, "Bad Request: \(problem)") }
        if entry.parseMode != "", fires(.cannotParse, chat) {
            return TelegramFaults.refusal(400, "Bad Request: can't parse entities: Unsupported start tag \"b_\" at byte offset 12")
        }
        if let wait = channels.wait(chat, at: clock.now), fires(.strictRate, chat) { return TelegramFaults.tooMany(retryAfter: wait) }
        let fired = faults.fire(.telegramSend, place: chat)
        entry.isSent = true
        entry.number = channels.nextMessageNumber()
        let (number, seconds, text) = (entry.number, Int(clock.now), entry.shown)
        return fired.spoil(
            .json(200) { answer in
                answer.field("ok", true)
                answer.object("result") { result in
                    result.field("message_id", number)
                    result.field("date", seconds)
                    result.object("chat") { $0.field("id", raw: chat.hasPrefix("@") ? "1" : chat) }
                    result.field("text", text)
                }
            })
    }

    private func fires(_ quirk: TelegramQuirk, _ chat: String) -> Bool {
        faults.fires(.telegramSend, place: chat) { if case .telegram(quirk) = $0 { true } else { false } }
    }

    /// What is wrong with the text; otherwise it is kept as a reader sees it.
    private static func problem(_ entry: inout ChannelLog.TelegramMessage) -> String? {
        guard entry.text.utf8.count <= mostBytes else { return "message is too long" }
        switch entry.parseMode.lowercased() {
        case "": entry.shown = entry.text
        case "html":
            do throws(TelegramHTML.Refusal) {
                entry.shown = try TelegramHTML(entry.text).text
            } catch {
                return "can't parse entities: \(error.description)"
            }
        default: return "unsupported parse_mode"
        }
        if entry.shown.allSatisfy(\.isWhitespace) { return "message text is empty" }
        return entry.shown.utf16.count > mostUnits ? "message is too long" : nil
    }

    /// The path without what stands for a token.
    private static func withoutToken(_ path: String) -> String {
        path.split(separator: "/").map { $0.hasPrefix("bot") ? "bot…" : String($0) }.joined(separator: "/")
    }
}

extension TelegramQuirk: Equatable {}

/// The parameters of `sendMessage`, from JSON, a form or the query, as the real server takes them.
struct SendMessage {
    let chat: String
    let text: String
    let parseMode: String

    init(_ request: Request) {
        var found = request.query
        let type = request.headers["content-type"] ?? ""
        if type.hasPrefix("application/json"), let document = JSONDocument(request.body) {
            for key in ["chat_id", "text", "parse_mode"] {
                if let value = document[key] { found[key] = value.string ?? value.decimalText ?? "" }
            }
        } else if type.hasPrefix("application/x-www-form-urlencoded") {
            for pair in String(decoding: request.body, as: UTF8.self).split(separator: "&") {
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { Self.unescaped($0) }
                found[halves[0]] = halves.count == 2 ? halves[1] : ""
            }
        }
        chat = found["chat_id"] ?? ""
        text = found["text"] ?? ""
        parseMode = found["parse_mode"] ?? ""
    }

    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What chat ids say about themselves.
enum TelegramChat {
    static func isChat(_ text: String) -> Bool {
        Int(text).map { $0 != 0 } ?? (text.hasPrefix("@") && text.utf8.count > 1)
    }

    /// Groups and supergroups have negative numbers.
    static func isGroup(_ text: String) -> Bool { text.hasPrefix("-") }

    /// The id that a group has after it has become a supergroup; nil for what is no group any more.
    static func supergroup(of text: String) -> String? {
        isGroup(text) && !text.hasPrefix("-100") ? "-100" + text.dropFirst() : nil
    }
}
