/// Goes once through a text and hides what looks like a secret.
struct SecretScanner {
    /// How far it looks back for a key and ahead for the end of a URL's user info, so that no text costs more than linear time.
    private static let keyReach = 128
    private static let userInfoReach = 1_024

    private let bytes: [UInt8]
    private var offset = 0
    private var output: [UInt8] = []

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func masked() -> [UInt8] {
        output.reserveCapacity(bytes.count)
        while offset < bytes.count {
            if matches("enc:v1:", at: offset) {
                hide(until: end(from: offset + 7, while: Self.isEnvelopeByte))
            } else if matches("://", at: offset) {
                copy(until: offset + 3)
                if let end = userInfoEnd() { hide(until: end) }
            } else if bytes[offset] == UInt8(ascii: "=") || bytes[offset] == UInt8(ascii: ":"), let key = keyBefore(offset) {
                // Ruby and PHP print `"token" => "abc"`.
                let isArrow = matches("=>", at: offset)
                let isAssignment = bytes[offset] == UInt8(ascii: "=") && !isArrow
                copy(until: end(from: offset + (isArrow ? 2 : 1), while: Self.isBlank))
                // `token: api_key: abc`: what stands there is a key again, and the secret comes behind it.
                while hideValue(of: key, isAssignment: isAssignment) { copy(until: end(from: offset, while: Self.isBlank)) }
            } else {
                copy(until: offset + 1)
            }
        }
        return output
    }

    // MARK: Steps

    private mutating func copy(until end: Int) {
        output.append(contentsOf: bytes[offset..<end])
        offset = end
    }

    private mutating func hide(until end: Int) {
        output.append(contentsOf: Masking.mask.utf8)
        offset = end
    }

    /// Hides one value; tells whether it ended like a key.
    private mutating func hideValue(of key: String, isAssignment: Bool) -> Bool {
        guard offset < bytes.count, !matches("••••", at: offset) else { return false }
        let opening = end(from: offset, while: { $0 == UInt8(ascii: "\\") })
        if opening < bytes.count, bytes[opening] == UInt8(ascii: "\"") || bytes[opening] == UInt8(ascii: "'") {
            // Within JSON within a string the quotes have backslashes; the closing one then has as many.
            let backslashes = opening - offset
            copy(until: opening + 1)
            hide(until: closingQuote(bytes[opening], backslashes: backslashes))
        } else if !isAssignment, bytes[offset] == UInt8(ascii: "{") || bytes[offset] == UInt8(ascii: "[") {
            hide(until: closingBracket())
        } else {
            let isHeader = key.lowercased().contains("authorization")
            let end = end(from: offset, while: { isHeader ? $0 != 0x0A && $0 != 0x0D && $0 != UInt8(ascii: "\"") : Self.isValueByte($0) })
            guard end > offset else { return false }
            hide(until: end)
            return bytes[end - 1] == UInt8(ascii: ":") || bytes[end - 1] == UInt8(ascii: "=")
        }
        return false
    }

    // MARK: Looking

    private func matches(_ word: StaticString, at start: Int) -> Bool {
        let wanted = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        return bytes[start] == wanted.first && bytes[start...].starts(with: wanted)
    }

    private func end(from start: Int, while holds: (UInt8) -> Bool) -> Int {
        var end = start
        while end < bytes.count, holds(bytes[end]) { end += 1 }
        return end
    }

    /// The secret key that stands before a separator, with or without quotes and blanks between, such as `user[password]` or `pass%5B%5D`; nil
    /// when it is no secret one.
    private func keyBefore(_ separator: Int) -> String? {
        var end = separator
        let lowest = max(0, separator - Self.keyReach)
        while end > lowest, Self.isBlank(bytes[end - 1]) { end -= 1 }
        if end > lowest, bytes[end - 1] == UInt8(ascii: "\"") || bytes[end - 1] == UInt8(ascii: "'") { end -= 1 }
        while end > lowest, bytes[end - 1] == UInt8(ascii: "\\") { end -= 1 }
        var start = end
        while start > lowest, Self.isKeyByte(bytes[start - 1]) || Self.isIndexByte(bytes[start - 1]) { start -= 1 }
        let key = String(decoding: bytes[start..<end], as: UTF8.self)
        return Masking.isSecretKey(key) ? key : nil
    }

    /// Where the `@` of the URL stands whose authority begins here; nil when it has no user info.
    private func userInfoEnd() -> Int? {
        let limit = min(bytes.count, offset + Self.userInfoReach)
        let rest = bytes[offset..<limit]
        let word = rest.prefix { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
        let delimiters = [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")]
        var authorityEnd = word.startIndex
        while authorityEnd < word.endIndex, !delimiters.contains(bytes[authorityEnd]) {
            // An envelope may hold a slash, and will be dots.
            let isEnvelope = matches("enc:v1:", at: authorityEnd)
            authorityEnd = isEnvelope ? min(end(from: authorityEnd + 7, while: Self.isEnvelopeByte), word.endIndex) : authorityEnd + 1
        }
        let authority = word[..<authorityEnd]
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { return at }
        // `user:pa/ss@host`: what stands behind the colon is no port, so it is a password with a raw delimiter.
        // Colons in brackets are those of an address.
        let bracket = authority.first == UInt8(ascii: "[") ? authority.firstIndex(of: UInt8(ascii: "]")) : nil
        guard let colon = authority[(bracket ?? authority.startIndex)...].firstIndex(of: UInt8(ascii: ":")),
            authority[(colon + 1)...].contains(where: { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return word.lastIndex(of: UInt8(ascii: "@"))
    }

    private func closingQuote(_ quote: UInt8, backslashes: Int) -> Int {
        var index = offset
        while index < bytes.count {
            let run = end(from: index, while: { $0 == UInt8(ascii: "\\") })
            guard run < bytes.count else { return bytes.count }
            // A quote with more backslashes than the opening one is a character of the secret, unless they are pairs.
            if bytes[run] == quote, backslashes > 0 ? run - index <= backslashes : (run - index) % 2 == 0 {
                return backslashes > 0 ? index : run
            }
            index = run + 1
        }
        return bytes.count
    }

    /// Behind the bracket that closes the one here; brackets in strings do not count.
    private func closingBracket() -> Int {
        var depth = 0
        var index = offset
        var isInString = false
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\\"): index += 1
            case UInt8(ascii: "\""): isInString.toggle()
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += isInString ? 0 : 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= isInString ? 0 : 1
            default: break
            }
            index += 1
            if depth == 0 { return min(index, bytes.count) }
        }
        return bytes.count
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
    }

    private static func isIndexByte(_ byte: UInt8) -> Bool { [UInt8]("[]%".utf8).contains(byte) }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func isEnvelopeByte(_ byte: UInt8) -> Bool { isKeyByte(byte) || [UInt8](":+/=".utf8).contains(byte) }

    private static func isValueByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte != UInt8(ascii: "&") && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "<") && byte != UInt8(ascii: ">")
    }
}
