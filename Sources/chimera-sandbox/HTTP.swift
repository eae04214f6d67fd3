/// One request as it was received: the path decoded, header names in lower case.
struct Request: Sendable {
    let method: String
    let path: String
    let query: [String: String]
    let headers: [String: String]
    let body: [UInt8]

    /// The path's parts after the first (`/rp/v1.1/auth` → `v1.1`, `auth`).
    var parts: [Substring] { Array(path.split(separator: "/", omittingEmptySubsequences: true).dropFirst()) }
}

/// A whole, well-formed answer.
struct Answer: Sendable {
    var status: Int
    var headers: [(String, String)]
    var body: ByteBuffer

    init(_ status: Int, headers: [(String, String)] = [("Content-Type", "application/json; charset=utf-8")], body: ByteBuffer) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    static func json(_ status: Int, _ body: (inout JSONWriter) -> Void) -> Answer {
        Answer(status, body: JSONWriter.document(body))
    }

    static func text(_ status: Int, _ text: String, type: String = "text/plain; charset=utf-8") -> Answer {
        let buffer = BufferPool.shared.borrow()
        buffer.append(text)
        return Answer(status, headers: [("Content-Type", type)], body: buffer)
    }

    static func empty(_ status: Int, headers: [(String, String)] = []) -> Answer {
        Answer(status, headers: headers, body: BufferPool.shared.borrow())
    }
}

/// What becomes of a request: an answer, or a talk over the bare socket that no HTTP server would lead.
enum Reply: Sendable {
    case answer(Answer)
    case talk(BareTalk)

    /// The HTTP status, 0 for a talk.
    var status: Int { if case .answer(let answer) = self { answer.status } else { 0 } }
}

/// The systems that are stood in for, and the sandbox's own control pages.
enum Partner: String, Sendable {
    case rp
    case cresceVendas = "crescevendas"
    case telegram
    case webhook
    case control = "_sandbox"
}

/// A request that was understood: whom it concerns, and how to answer it.
struct Visit: Sendable {
    let partner: Partner
    /// A word for the state log: `list`, `login`, `upload`, …
    let endpoint: String
    /// Indices into the catalogue's stores.
    var stores: [Int] = []
    let answer: @Sendable () -> Reply
}

/// A partner's double: it takes requests below `/<partner>/`.
///
/// Another partner is one more type of this kind, listed in `Sandbox`.
protocol StandIn: Sendable {
    var partner: Partner { get }
    func receive(_ request: Request) -> Visit
}
