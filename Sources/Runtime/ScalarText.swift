extension String {
    /// The same with every occurrence of `text` replaced, also one that a combining mark follows: `replacing` compares whole characters, and to
    /// it a quote or a secret's end with a mark is another character.
    package func replacingScalars(_ text: String, with replacement: String) -> String {
        String(unicodeScalars.replacing(text.unicodeScalars, with: replacement.unicodeScalars))
    }

    /// The same as PostgreSQL takes it: with U+FFFD for every NUL, also one that a combining mark follows.
    package var replacingNUL: String { utf8.contains(0) ? replacingScalars("\0", with: "\u{FFFD}") : self }

    /// The same without a secret: neither as it is spelled, whatever stands behind it, nor in another spelling of the same characters.
    package func hiding(_ secret: String, as mask: String) -> String {
        replacingScalars(secret, with: mask).replacing(secret, with: mask)
    }
}

extension JSONValue {
    /// The document as PostgreSQL takes it: with U+FFFD for every NUL in strings and keys.
    package var replacingNUL: JSONValue {
        switch self {
        case .string(let text): .string(text.replacingNUL)
        case .array(let elements): .array(elements.map(\.replacingNUL))
        case .object(let members):
            .object(Dictionary(members.map { ($0.key.replacingNUL, $0.value.replacingNUL) }, uniquingKeysWith: { first, _ in first }))
        default: self
        }
    }
}
