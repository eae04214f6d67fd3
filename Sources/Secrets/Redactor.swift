import Runtime

/// Makes text that came from a partner fit to be kept and shown: one line, without our credentials.
package struct Redactor: Sendable {
    /// Longest first.
    private let secrets: [String]

    /// Takes the credentials that the partner knows; shorter than four characters they are too common to be looked for.
    package init(secrets: [String]) {
        self.secrets = secrets.filter { $0.count >= 4 }.sorted { $0.count > $1.count }
    }

    /// The same with one more secret.
    package func adding(_ secret: String) -> Redactor {
        Redactor(secrets: secrets + [secret])
    }

    /// Bytes of the longest secret: who cuts a text looks so much further, so that no half of one is left.
    package var longestByteCount: Int { secrets.map(\.utf8.count).max() ?? 0 }

    /// Any text on one line, with the secrets masked.
    package func line(_ text: String) -> String {
        var result = Self.onOneLine(text)
        for secret in secrets { result = result.hiding(secret, as: Masking.mask) }
        return Masking.mask(text: result)
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
