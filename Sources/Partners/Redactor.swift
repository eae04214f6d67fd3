import Networking
import Secrets

/// Makes text that came from a partner fit to be kept and shown: one line, without our credentials, cut to a length.
struct Redactor: Sendable {
    /// Bytes of an answer that are kept with an upload (PARTNERS.md §2).
    static let excerptBytes = 2048

    private let secrets: [String]

    /// Takes the integration's credentials; shorter than four characters they are too common to be looked for.
    init(secrets: [String]) {
        self.secrets = secrets.filter { $0.count >= 4 }.sorted { $0.count > $1.count }
    }

    /// The same with one more secret.
    func adding(_ secret: String) -> Redactor {
        Redactor(secrets: secrets + [secret])
    }

    /// The answer's first bytes; secrets are looked for beyond the cut, so that no half of one is left.
    func excerpt(_ body: ResponseBody, bytes limit: Int = excerptBytes) -> String {
        let longest = secrets.first?.utf8.count ?? 0
        let text = String(decoding: body.prefix(limit + longest + 1024), as: UTF8.self)
        return cut(line(text), toBytes: limit)
    }

    /// Any text on one line, with the secrets masked.
    func line(_ text: String) -> String {
        var result = Self.onOneLine(text)
        for secret in secrets { result = result.replacing(secret, with: Masking.mask) }
        return Masking.mask(text: result)
    }

    private func cut(_ text: String, toBytes limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var end = text.startIndex
        var used = 0
        for index in text.indices {
            used += text[index].utf8.count
            if used > limit { break }
            end = text.index(after: index)
        }
        return String(text[..<end])
    }

    /// Control characters (PostgreSQL takes no NUL) and white space become single spaces.
    private static func onOneLine(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var isAfterSpace = true
        for scalar in text.unicodeScalars {
            let isSpace = scalar.value <= 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
            if isSpace {
                if !isAfterSpace { result.append(" ") }
            } else {
                result.append(scalar)
            }
            isAfterSpace = isSpace
        }
        if result.last == " " { result.removeLast() }
        return String(result)
    }
}
