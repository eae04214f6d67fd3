/// JSON as RFC 8259 has it, read character by character without the code under test; keeps literals, raw keys and repeated keys.
indirect enum ReferenceJSON {
    case null, bool(Bool)
    /// As it was written.
    case number([UInt8])
    /// As it was written between the quotes, and what it stands for; half a surrogate pair is U+FFFD there.
    case string(raw: [UInt8], text: [UInt8], isWhole: Bool)
    case array([ReferenceJSON])
    case object([(key: ReferenceJSON, value: ReferenceJSON)])

    /// Nil when the bytes are no document.
    init?(_ bytes: [UInt8], depth: Int = 900) {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = Reader(bytes: bytes)
        reader.space()
        guard let value = reader.value(depth), case () = reader.space(), reader.at == bytes.count else { return nil }
        self = value
    }

    /// The values that an object has under a key, as it is written or as it is meant.
    func values(_ key: String, asWritten: Bool = true) -> [ReferenceJSON] {
        guard case .object(let members) = self else { return [] }
        return members.filter { member in
            guard case .string(let raw, let text, _) = member.key else { return false }
            return (asWritten ? raw : text) == Array(key.utf8)
        }.map(\.value)
    }

    var isObject: Bool { if case .object = self { true } else { false } }
    var elements: [ReferenceJSON]? { if case .array(let elements) = self { elements } else { nil } }
    var text: String? { if case .string(_, let text, _) = self { String(decoding: text, as: UTF8.self) } else { nil } }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        var byte: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func space() { while let byte, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 } }

        mutating func takes(_ word: String) -> Bool {
            guard bytes[at...].starts(with: word.utf8) else { return false }
            at += word.utf8.count
            return true
        }

        mutating func value(_ depth: Int) -> ReferenceJSON? {
            if takes("null") { return .null }
            if takes("true") { return .bool(true) }
            if takes("false") { return .bool(false) }
            switch byte {
            case UInt8(ascii: "\""): return string()
            case UInt8(ascii: "["): return depth > 0 ? array(depth - 1) : nil
            case UInt8(ascii: "{"): return depth > 0 ? object(depth - 1) : nil
            default: return number()
            }
        }

        mutating func array(_ depth: Int) -> ReferenceJSON? {
            var elements: [ReferenceJSON] = []
            at += 1
            space()
            if takes("]") { return .array([]) }
            repeat {
                space()
                guard let element = value(depth) else { return nil }
                elements.append(element)
                space()
            } while takes(",")
            return takes("]") ? .array(elements) : nil
        }

        mutating func object(_ depth: Int) -> ReferenceJSON? {
            var members: [(key: ReferenceJSON, value: ReferenceJSON)] = []
            at += 1
            space()
            if takes("}") { return .object([]) }
            repeat {
                space()
                guard byte == UInt8(ascii: "\""), let key = string() else { return nil }
                space()
                guard takes(":") else { return nil }
                space()
                guard let value = value(depth) else { return nil }
                members.append((key, value))
                space()
            } while takes(",")
            return takes("}") ? .object(members) : nil
        }

        mutating func digits() -> Int {
            let start = at
            while let byte, (0x30...0x39).contains(byte) { at += 1 }
            return at - start
        }

        mutating func number() -> ReferenceJSON? {
            let start = at
            _ = takes("-")
            if !takes("0") { guard digits() > 0 else { return nil } }
            if takes(".") { guard digits() > 0 else { return nil } }
            if takes("e") || takes("E") {
                if !takes("+") { _ = takes("-") }
                guard digits() > 0 else { return nil }
            }
            return .number(Array(bytes[start..<at]))
        }

        mutating func string() -> ReferenceJSON? {
            at += 1
            let start = at
            var units: [UInt16] = []
            var isWhole = true
            while let byte {
                if byte == UInt8(ascii: "\"") {
                    let text = String(decoding: units, as: UTF16.self)
                    isWhole = isWhole && Array(text.utf16) == units
                    at += 1
                    return .string(raw: Array(bytes[start..<at - 1]), text: Array(text.utf8), isWhole: isWhole)
                }
                guard byte >= 0x20 else { return nil }
                if byte == UInt8(ascii: "\\") {
                    guard let unit = escape() else { return nil }
                    units.append(unit)
                } else {
                    var length = 1
                    while at + length < bytes.count, bytes[at + length] & 0xC0 == 0x80 { length += 1 }
                    units += Array(String(decoding: bytes[at..<at + length], as: UTF8.self).utf16)
                    at += length
                }
            }
            return nil
        }

        mutating func escape() -> UInt16? {
            at += 1
            guard let byte else { return nil }
            at += 1
            if let index = Array("\"\\/bfnrt".utf8).firstIndex(of: byte) { return [0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9][index] }
            guard byte == UInt8(ascii: "u"), at + 4 <= bytes.count else { return nil }
            let digits = bytes[at..<at + 4]
            guard digits.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0) }) else {
                return nil
            }
            at += 4
            return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        }
    }
}
