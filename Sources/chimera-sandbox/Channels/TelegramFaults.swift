/// Faults that only Telegram has (FAILURES R70, R71); `@CHAT` behind one limits it to a chat.
enum TelegramFaults {
    static let all: [Fault] = [
        instead("401", "HTTP 401, the token is not known") { refusal(401, "Unauthorized") },
        instead("403", "HTTP 403, the bot was blocked by the user") { refusal(403, "Forbidden: bot was blocked by the user") },
        instead("403-kicked", "HTTP 403, the bot was kicked from the group") {
            refusal(403, "Forbidden: bot was kicked from the group chat")
        },
        instead("404", "HTTP 404, the token has not the form of one") { refusal(404, "Not Found") },
        instead("400-chat", "HTTP 400, chat not found") { refusal(400, "Bad Request: chat not found") },
        instead("429", "HTTP 429 with parameters.retry_after and Retry-After 2") { tooMany(retryAfter: 2) },
        instead("429-long", "HTTP 429 with parameters.retry_after and Retry-After 30") { tooMany(retryAfter: 30) },
        instead("429-body", "HTTP 429 with parameters.retry_after 2 and no header") { tooMany(retryAfter: 2, hasHeader: false) },
        instead("ok-false", "HTTP 200 with ok false") {
            .answer(
                .json(200) { answer in
                    answer.field("ok", false)
                    answer.field("error_code", 500)
                    answer.field("description", "Internal Server Error")
                })
        },
        Fault(
            name: "telegram-lost-answer", meaning: "Telegram: sent, then the connection is dropped without an answer",
            endpoints: [.telegramSend],
            deed: .after { answer in
                BufferPool.shared.giveBack(answer.body)
                return .talk(BareTalk(steps: []))
            }),
        quirk("migrated", "groups have become supergroups: HTTP 400 with parameters.migrate_to_chat_id for the old id", .migrated),
        quirk("cannot-parse", "HTTP 400 can't parse entities for any text with a parse_mode", .cannotParse),
        quirk("strict-rate", "HTTP 429 for more than a message a second to a chat, or 20 a minute to a group", .strictRate),
    ]

    /// As the Bot API says no.
    @Sendable static func refusal(_ status: Int, _ description: String) -> Reply { refusal(status, description, parameters: nil) }

    static func refusal(_ status: Int, _ description: String, parameters: ((inout JSONWriter) -> Void)?) -> Reply {
        .answer(
            .json(status) { answer in
                answer.field("ok", false)
                answer.field("error_code", status)
                answer.field("description", description)
                if let parameters { answer.object("parameters", parameters) }
            })
    }

    static func tooMany(retryAfter seconds: Int, hasHeader: Bool = true) -> Reply {
        let reply = refusal(429, "Too Many Requests: retry after \(seconds)") { $0.field("retry_after", seconds) }
        guard hasHeader, case .answer(var answer) = reply else { return reply }
        answer.headers.append(("Retry-After", String(seconds)))
        return .answer(answer)
    }

    private static func instead(_ name: String, _ meaning: String, _ reply: @escaping @Sendable () -> Reply) -> Fault {
        Fault(name: "telegram-" + name, meaning: "Telegram: " + meaning, endpoints: [.telegramSend], deed: .instead(reply))
    }

    private static func quirk(_ name: String, _ meaning: String, _ quirk: TelegramQuirk) -> Fault {
        Fault(name: "telegram-" + name, meaning: "Telegram: " + meaning, endpoints: [.telegramSend], deed: .telegram(quirk))
    }
}
