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

    /// The ways in which programs write this text: as it is, on one line, within JSON (also where `/` or everything but ASCII is escaped) and
    /// within a URL. Who hides a secret hides all of them.
    package var spellings: Set<String> {
        let quoted = String(decoding: JSONValue.string(self).text.utf8.dropFirst().dropLast(), as: UTF8.self)
        let ascii = quoted.unicodeScalars.map { $0.isASCII ? String($0) : Self.escapes(of: $0) }.joined()
        let percent = PercentEncoding.encode(self)
        let form = percent.replacingScalars("%20", with: "+")
        var spellings: Set = [self, onOneLine, quoted, ascii, percent, form]
        for text in [quoted, ascii] { spellings.insert(text.replacingScalars("/", with: "\\/")) }
        for text in [percent, form] { spellings.insert(text.replacing(#/%../#) { $0.output.lowercased() }) }
        return spellings
    }

    /// The same on one line: control characters (PostgreSQL takes no NUL) and white space become single spaces.
    package var onOneLine: String {
        var result = UnicodeScalarView()
        var isAfterSpace = true
        for scalar in unicodeScalars {
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

    private static func escapes(of scalar: Unicode.Scalar) -> String {
        UTF16.encode(scalar).map { units in
            units.map { "\\u" + String(0x1_0000 + Int($0), radix: 16).dropFirst() }.joined()
        } ?? ""
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
