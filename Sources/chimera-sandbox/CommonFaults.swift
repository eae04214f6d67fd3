/// Faults that any HTTP service can have. Each exists for RP's products (`rp-…`), RP's login (`rp-login-…`), CresceVendas (`cv-…`), its upload
/// (`cv-upload-…`), its listing (`cv-list-…`), Telegram (`telegram-…`) and webhooks (`webhook-…`).
enum CommonFaults {
    struct Target: Sendable {
        let prefix: String
        let endpoints: Set<Endpoint>
        /// What the fault hits, in words.
        let scope: String
        /// The partner's own way to say no.
        var refusal: Refusal = page
    }

    typealias Refusal = @Sendable (_ status: Int, _ title: String) -> Reply

    static let targets = [
        Target(prefix: "rp-", endpoints: [.rpList, .rpProduct], scope: "products"),
        Target(prefix: "rp-login-", endpoints: [.rpLogin], scope: "login"),
        Target(prefix: "cv-", endpoints: [.clubUpload, .clubListing], scope: "both calls", refusal: club),
        Target(prefix: "cv-upload-", endpoints: [.clubUpload], scope: "upload", refusal: club),
        Target(prefix: "cv-list-", endpoints: [.clubListing], scope: "listing", refusal: club),
        Target(prefix: "telegram-", endpoints: [.telegramSend], scope: "Telegram", refusal: TelegramFaults.refusal),
        Target(prefix: "webhook-", endpoints: [.webhookPost], scope: "webhook"),
    ]

    static func all(for target: Target) -> [Fault] {
        let entries = statuses(target.refusal) + retryAfters(target.refusal) + bodies + connections
        return entries.map { entry in
            Fault(
                name: target.prefix + entry.suffix, meaning: "\(target.scope): \(entry.meaning)", endpoints: target.endpoints,
                deed: entry.deed)
        }
    }

    private struct Entry {
        let suffix: String
        let meaning: String
        let deed: Fault.Deed

        init(_ suffix: String, _ meaning: String, instead reply: @escaping @Sendable () -> Reply) {
            self.suffix = suffix
            self.meaning = meaning
            deed = .instead(reply)
        }

        init(_ suffix: String, _ meaning: String, after spoil: @escaping @Sendable (Answer) -> Reply) {
            self.suffix = suffix
            self.meaning = meaning
            deed = .after(spoil)
        }
    }

    // MARK: statuses

    private static func statuses(_ refusal: @escaping Refusal) -> [Entry] {
        let named = [
            400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 425: "Too Early",
            500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
        ]
        var entries = named.sorted { $0.key < $1.key }.map { status, title in
            Entry("\(status)", "HTTP \(status) \(title), with an error body", instead: { refusal(status, title) })
        }
        entries.append(Entry("422", "HTTP 422 with the partner's reasons", instead: { refusal(422, "Unprocessable") }))
        entries.append(Entry("500-empty", "HTTP 500 without a body", instead: { .answer(.empty(500)) }))
        entries.append(Entry("410", "HTTP 410 without a body", instead: { .answer(.empty(410)) }))
        entries.append(Entry("204", "carried out, then HTTP 204 without a body", after: { discard($0, .answer(.empty(204))) }))
        entries.append(Entry("201", "carried out, then HTTP 201 with the usual body", after: { .answer(changed($0) { $0.status = 201 }) }))
        entries.append(
            Entry(
                "redirect", "HTTP 302 to another page of the sandbox, which counts who comes",
                instead: { .answer(.empty(302, headers: [("Location", "/_sandbox/redirected")])) }))
        return entries
    }

    private static func retryAfters(_ refusal: @escaping Refusal) -> [Entry] {
        func entry(_ suffix: String, _ meaning: String, status: Int = 429, _ value: @escaping @Sendable () -> String?) -> Entry {
            Entry(
                suffix, "HTTP \(status) \(meaning)",
                instead: {
                    let title = status == 429 ? "Too Many Requests" : "Service Unavailable"
                    guard case .answer(var answer) = refusal(status, title) else { return .answer(.empty(status)) }
                    if let value = value() { answer.headers.append(("Retry-After", value)) }
                    return .answer(answer)
                })
        }
        return [
            entry("429", "with Retry-After: 1") { "1" },
            entry("429-date", "with Retry-After as a date two seconds ahead") { HTTPDate.text(secondsFromNow: 2) },
            entry("429-huge", "with Retry-After: 1000000000") { "1000000000" },
            entry("429-negative", "with Retry-After: -5") { "-5" },
            entry("429-nonsense", "with Retry-After: soon") { "soon" },
            entry("429-none", "without Retry-After") { nil },
            entry("503-retry-after", "with Retry-After: 1", status: 503) { "1" },
        ]
    }

    @Sendable private static func page(_ status: Int, _ title: String) -> Reply {
        .answer(
            .text(
                status, "<html><head><title>\(status) \(title)</title></head><body><h1>\(title)</h1></body></html>\r\n", type: "text/html"))
    }

    @Sendable private static func club(_ status: Int, _ title: String) -> Reply {
        if status == 422 { return .answer(ClubAnswers.unprocessable(["final_price is invalid"])) }
        return status < 500 ? .answer(ClubAnswers.error(status, title)) : page(status, title)
    }

    private static func changed(_ answer: Answer, _ change: (inout Answer) -> Void) -> Answer {
        var answer = answer
        change(&answer)
        return answer
    }

    private static func discard(_ answer: Answer, _ reply: Reply) -> Reply {
        BufferPool.shared.giveBack(answer.body)
        return reply
    }

    // MARK: bodies

    private static let bodies: [Entry] = [
        Entry(
            "html", "HTTP 200 with a page of HTML, as a captive portal sends it",
            instead: { .answer(.text(200, Bodies.portal, type: "text/html")) }),
        Entry("not-json", "HTTP 200 with a word that is not JSON", instead: { .answer(.text(200, "OK", type: "application/json")) }),
        Entry("half-json", "HTTP 200 with half of the answer and a length to match", after: { .answer(Bodies.half($0)) }),
        Entry("empty-body", "carried out, then HTTP 200 without a body", after: { discard($0, .answer(.empty(200))) }),
        Entry(
            "invalid-utf8", "the usual answer with bytes inside that are not UTF-8",
            after: { .answer(Bodies.insertingText($0, [0xFF, 0xC3])) }),
        Entry("latin1", "the usual answer with ISO-8859-1 inside", after: { .answer(Bodies.insertingText($0, [0xE7, 0xE3])) }),
        Entry("bom", "the usual answer behind a byte order mark", after: { .answer(Bodies.prefixed($0, [0xEF, 0xBB, 0xBF])) }),
        Entry("huge-body", "HTTP 200 with 300 MB of good JSON that says nothing", instead: { .talk(Bodies.huge) }),
        Entry("endless-body", "HTTP 200 with a body that never ends", instead: { .talk(Bodies.endless) }),
        Entry("deep-nesting", "HTTP 200 with a million [", instead: { .answer(Bodies.deep) }),
        Entry("gzip-bomb", "HTTP 200 with 4 MB of gzip that are 650 MB of blanks", instead: { .answer(GzipBomb.answer) }),
        Entry("huge-headers", "HTTP 200 with a header of 8 MB", instead: { .talk(Bodies.hugeHeaders) }),
    ]

    // MARK: connections

    private static let connections: [Entry] = [
        Entry("close", "the connection is closed without an answer, the call not carried out", instead: { .talk(BareTalk(steps: [])) }),
        Entry(
            "reset", "the connection is reset without an answer, the call not carried out", instead: { .talk(BareTalk(steps: [.reset])) }),
        Entry("silence", "accepted and never answered, the call not carried out", instead: { .talk(BareTalk(steps: [.silence])) }),
        Entry(
            "garbage", "bytes that are not HTTP", instead: { .talk(BareTalk(steps: [.write([0x15, 3, 1, 0, 2, 2, 0x46, 0x0A, 0x0A])])) }),
        Entry("slow", "the usual answer, one byte a second", after: { .talk(Bodies.slow($0)) }),
        Entry("stall", "half of the usual answer, then silence", after: { .talk(Bodies.halfThen($0, .silence)) }),
        Entry("reset-mid-page", "half of the usual answer, then a reset", after: { .talk(Bodies.halfThen($0, .reset)) }),
        Entry(
            "truncated", "half of the usual answer under its whole Content-Length, then closed", after: { .talk(Bodies.halfThen($0, nil)) }),
        Entry("length-too-short", "the usual answer under half its Content-Length", after: { .talk(Bodies.lengthTooShort($0)) }),
    ]
}
