import Networking
import Runtime
import Secrets

/// What a partner says about an error, found in the shapes of PARTNERS.md §1 and §2.
enum PartnerMessages {
    /// Longer error documents are not looked into.
    static let maximumBytes = 256 << 10
    static let maximumCount = 2
    static let maximumCharacters = 300

    /// The body as a document; nil when it is none, or longer than `limit`: as a rule too long to be an error.
    static func document(_ body: ResponseBody, limit: Int = maximumBytes) -> JSONValue? {
        guard body.count > 0, body.count <= limit else { return nil }
        var bytes = body.prefix(limit)[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        return try? JSONValue(parsing: text)
    }

    /// All messages in the order in which they matter.
    static func all(in document: JSONValue?) -> [String] {
        guard let document else { return [] }
        let places = [document["response"], document].compactMap { $0 }
        return places.flatMap { place in
            ["error", "errors"].flatMap { texts(place[$0], ofFields: true) }
                + ["messages", "message", "content"].flatMap { texts(place[$0]) }
        }
    }

    /// At most two messages and 300 characters, without stack traces, fit to be shown.
    static func joined(_ messages: [String], redactor: Redactor) -> String {
        let kept = messages.map { redactor.line($0) }.filter { message in
            let start = message.lowercased()
            return !message.isEmpty && !start.hasPrefix("stacktrace") && !start.hasPrefix("exception")
        }
        return String(kept.prefix(maximumCount).joined(separator: "; ").prefix(maximumCharacters))
    }

    /// `ofFields`: an object without a `message` has the texts of fields, `{"lines": ["code 7 is unknown"]}`.
    private static func texts(_ value: JSONValue?, ofFields: Bool = false) -> [String] {
        switch value {
        case .string(let text): return [text]
        case .array(let elements): return elements.prefix(8).flatMap { texts($0, ofFields: ofFields) }
        case .object(let members):
            if let message = members["message"] { return texts(message) }
            guard ofFields else { return [] }
            return members.sorted { $0.key < $1.key }.prefix(8).flatMap { field, value in texts(value).map { "\(field): \($0)" } }
        default: return []
        }
    }
}
