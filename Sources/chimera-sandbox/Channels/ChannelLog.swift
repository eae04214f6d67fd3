import Synchronization

/// What the channels' stand-ins received, for tests to read.
final class ChannelLog: Sendable {
    struct TelegramMessage {
        let at: Double
        let chat: String
        let text: String
        let parseMode: String
        /// The text as a reader sees it.
        var shown = ""
        var number = 0
        var isSent = false
        var status = 0

        init(_ request: SendMessage, at: Double) {
            self.at = at
            chat = request.chat
            text = request.text
            parseMode = request.parseMode
        }
    }

    struct Hook {
        let at: Double
        let method: String
        let path: String
        let id: String
        let timestamp: String
        let signature: String
        let headers: [String: String]
        let body: String
        var signedWith: [String] = []
        var status = 0

        init(_ request: Request, at: Double) {
            self.at = at
            method = request.method
            path = request.path
            id = request.headers["webhook-id"] ?? ""
            timestamp = request.headers["webhook-timestamp"] ?? ""
            signature = request.headers["webhook-signature"] ?? ""
            headers = request.headers
            body = String(decoding: request.body, as: UTF8.self)
        }
    }

    struct Mail {
        var at = 0.0
        var hello = ""
        var isEncrypted = false
        var username = ""
        var from = ""
        var recipients: [String] = []
        /// With its dots as they were meant.
        var text = ""
        var bareLineFeeds = 0
        var bytesAboveASCII = 0
        var longestLine = 0
        /// The answer to the final dot; 0: none was given.
        var status = 0
        /// Whether it lies in a mailbox now.
        var isKept = false
    }

    struct Entries {
        var telegram: [TelegramMessage] = []
        var hooks: [Hook] = []
        var mails: [Mail] = []
        /// Without what AUTH was told.
        var mailCommands: [String] = []
        var mailConnections = 0
        fileprivate var messages = 0
        fileprivate var sentTimes: [String: [Double]] = [:]
    }

    private static let mostEntries = 20_000

    private let entries = Mutex(Entries())

    func snapshot() -> Entries { entries.withLock { $0 } }
    func reset() { entries.withLock { $0 = Entries() } }

    func add(_ message: TelegramMessage) {
        entries.withLock { entries in
            Self.append(message, to: &entries.telegram)
            if message.isSent { entries.sentTimes[message.chat, default: []].append(message.at) }
        }
    }

    func add(_ hook: Hook) { entries.withLock { Self.append(hook, to: &$0.hooks) } }
    func add(_ mail: Mail) { entries.withLock { Self.append(mail, to: &$0.mails) } }
    func add(mailCommand command: String) { entries.withLock { Self.append(command, to: &$0.mailCommands) } }
    func addMailConnection() { entries.withLock { $0.mailConnections += 1 } }

    func nextMessageNumber() -> Int {
        entries.withLock { entries in
            entries.messages += 1
            return entries.messages
        }
    }

    /// Whole seconds until a chat may be sent the next message; nil: now.
    func wait(_ chat: String, at now: Double) -> Int? {
        entries.withLock { entries in
            let times = (entries.sentTimes[chat] ?? []).suffix(20)
            if let last = times.last, now - last < 1 { return 1 }
            guard TelegramChat.isGroup(chat), times.count == 20, let first = times.first, now - first < 60 else { return nil }
            return Int((60 - (now - first)).rounded(.up))
        }
    }

    private static func append<Entry>(_ entry: Entry, to list: inout [Entry]) {
        list.append(entry)
        if list.count > mostEntries + mostEntries / 4 { list.removeFirst(list.count - mostEntries) }
    }
}
