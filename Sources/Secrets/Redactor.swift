import Runtime

/// Makes text that came from a partner fit to be kept and shown: one line, without our credentials.
package struct Redactor: Sendable {
    private let secrets: [String]

    /// Takes the credentials that the partner knows; shorter than four characters they are too common to be looked for.
    package init(secrets: [String]) {
        self.secrets = secrets.filter { $0.count >= 4 }
    }

    /// The same with one more secret.
    package func adding(_ secret: String) -> Redactor {
        Redactor(secrets: secrets + [secret])
    }

    /// Bytes of the longest secret as programs write it: who cuts a text looks so much further, so that no half of one is left.
    package var longestByteCount: Int { spellings.map(\.utf8.count).max() ?? 0 }

    /// Any text on one line, with the secrets masked.
    package func line(_ text: String) -> String {
        var result = text.onOneLine
        for spelling in spellings { result = result.hiding(spelling, as: Masking.mask) }
        return Masking.mask(text: result)
    }

    /// Longest first; found when a text is to be shown, for most exchanges show none.
    private var spellings: [String] {
        secrets.reduce(into: Set()) { $0.formUnion($1.spellings) }.filter { $0.count >= 4 }.sorted { $0.count > $1.count }
    }
}
