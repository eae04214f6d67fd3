import Networking
import Runtime
import Secrets

/// What Telegram says to a message, sorted by what follows from it (FACTS: "Telegram Bot API").
enum TelegramAnswer: Sendable, Equatable {
    case sent
    case failed(String, isForGood: Bool)
    /// The text is no HTML of Telegram's.
    case unparsable(String)
    /// 429, with the wait when it says one.
    case tooMany(Duration?)
    /// The group is a supergroup now and has this id.
    case moved(to: String)
    /// The token or the chat is gone for good.
    case unusable(String)

    private static let longestAnswer = 64 << 10
    private static let longestDescription = 200

    init(_ response: HTTPResponse, redactor: Redactor) {
        let text = String(decoding: response.body.prefix(Self.longestAnswer), as: UTF8.self)
        let document = try? JSONValue(parsing: text)
        if response.isSuccess, document?["ok"]?.boolValue == true {
            self = .sent
            return
        }
        guard document?["ok"]?.boolValue == false || (response.body.count == 0 && [420, 429].contains(response.status)) else {
            // Somebody on the way has answered: a proxy, a portal. That says nothing about the token; that it asks for a rest may be believed.
            let isForGood = (400..<500).contains(response.status) && ![401, 403, 404, 407, 408, 425, 429].contains(response.status)
            self = .failed("\(response.status) with an answer that is not Telegram's", isForGood: isForGood)
            return
        }
        let code = document?["error_code"]?.intValue ?? response.status
        let description = redactor.line(document?["description"]?.stringValue ?? "")
        let reason = description.isEmpty ? "\(code)" : "\(code) \(description.prefix(Self.longestDescription))"
        self.init(code: code, reason: reason, parameters: document?["parameters"], retryAfter: RetryAfter.duration(of: response))
    }

    private init(code: Int, reason: String, parameters: JSONValue?, retryAfter: Duration?) {
        switch code {
        case 420, 429:
            let seconds = parameters?["retry_after"]?.intValue.map { Duration.seconds(min(max($0, 1), 86_400)) }
            self = .tooMany(seconds ?? retryAfter.map { max($0, .seconds(1)) })
        case 401, 404: self = .unusable("the bot token is not accepted (\(reason))")
        case 403: self = .unusable("the bot may not write to this chat (\(reason))")
        case 400:
            if let moved = parameters?["migrate_to_chat_id"], let chat = moved.stringValue ?? moved.intValue.map(String.init) {
                self = .moved(to: chat)
            } else if reason.lowercased().contains("can't parse entities") {
                self = .unparsable(reason)
            } else {
                self = .failed(reason, isForGood: true)
            }
        case 402, 405..<408, 409..<420, 421..<425, 426..<429, 430..<500: self = .failed(reason, isForGood: true)
        default: self = .failed(reason, isForGood: false)
        }
    }
}
