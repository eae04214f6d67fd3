import Networking
import Retail
import Runtime
import Secrets

@testable import Partners

/// What the targets of the partners' answers have in common.
enum PartnerRules {
    static let password = "wrong-horse-battery"

    /// A partner's connection that is never used to connect.
    static let connection: PartnerConnection = {
        let config: JSONValue = ["username": "100000", "password": .string(password)]
        let integration = Integration(id: 1, name: "rp", type: "RP", baseURL: "http://127.0.0.1:1", config: config)
        guard let settings = try? RPConfiguration(integration).connection else { fatalError("the configuration is good") }
        return PartnerConnection(integrationName: "rp", settings: settings, client: HTTPClient(), redactor: Redactor(secrets: [password]))
    }()

    static func response(_ body: [UInt8], status: Int = 200, headers: [String: String] = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: ResponseBody(body))
    }

    /// What `body` returns, or nil when it throws a `PartnerFailure` that obeys the rules for failures.
    static func outcome<T>(_ body: () throws(PartnerFailure) -> T) throws -> T? {
        do throws(PartnerFailure) {
            return try body()
        } catch {
            let message = error.message
            try require(!error.code.isEmpty && message.hasPrefix("Integration rp, "), "a failure has a code and names the integration")
            try require(message.utf8.count < 2000, "a failure's message is short")
            try require(!message.contains(password), "a failure does not quote the password")
            try require(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }, "a failure's message is one line")
            if let wait = error.retryAfter { try require(wait >= .zero && wait <= .seconds(3600), "a wait lies between zero and an hour") }
            return nil
        }
    }

    /// The bytes behind a byte order mark.
    static func unmarked(_ bytes: [UInt8]) -> [UInt8] { bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes }

    static let words =
        FuzzTarget.jsonWords + [
            "\"response\":{", "\"status\":\"ok\"", "\"produtos\":[", "\"Codigo\":", "\"Preco\":", "\"PrecoVenda2\":", "\"Ativo\":false",
            "\"discounts\":[", "\"discount_store_lines\":[", "\"code\":", "\"price\":", "\"final_price\":", "\"limit\":", "\"error\":",
            "\"errors\":[",
            "\"messages\":[", "\"8,90\"", "\"1.234,56\"", "\"r\\u0065sponse\":",
        ]
}

/// A value of a row as the reference sees it; the same key with two values is neither of them.
enum ReferenceCell: Equatable {
    case absent, null, yes, no, list, object, twice
    case number([UInt8])
    case string([UInt8])

    init(_ row: ReferenceJSON, _ key: String) {
        var cells = row.values(key).map(Self.init)
        self = cells.isEmpty ? .absent : cells.removeFirst()
        if cells.contains(where: { $0 != self }) { self = .twice }
    }

    private init(_ value: ReferenceJSON) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = value ? .yes : .no
        case .number(let literal): self = .number(literal)
        // PostgreSQL's text cannot hold U+0000.
        case .string(_, let text, _): self = .string(Array(String(decoding: text, as: UTF8.self).replacing("\0", with: "\u{FFFD}").utf8))
        case .array: self = .list
        case .object: self = .object
        }
    }

    var text: String? {
        switch self {
        case .number(let bytes), .string(let bytes):
            var characters = bytes[...]
            while characters.last == 0x20 { characters.removeLast() }
            return String(decoding: characters.drop { $0 == 0x20 }, as: UTF8.self)
        default: return nil
        }
    }

    var whole: Int64? {
        switch self {
        case .number(let bytes), .string(let bytes): ReferenceDecimal.whole(bytes)
        default: nil
        }
    }

    var price: PriceReading {
        let cents: Int64?
        switch self {
        case .absent, .null: return .absent
        case .number(let bytes): cents = ReferenceDecimal.cents(bytes)
        case .string(let bytes): cents = ReferenceDecimal.cents(spelled: bytes)
        default: cents = nil
        }
        return cents.map { .amount(Cents($0)) } ?? .unreadable
    }
}
