/// Says why a text is no JSON document, and where; it never repeats the text, which may hold a secret.
package struct JSONParseError: Error, Hashable, CustomStringConvertible {
    /// What is wrong, as a part of a sentence.
    package let reason: String
    /// Where, counted in bytes from 0.
    package let offset: Int

    /// One sentence for the operator.
    package var description: String { "The text is no valid JSON: \(reason) at byte \(offset); correct it there." }
}

extension JSONValue {
    /// Levels of arrays and objects that a document may have.
    package static let maximumDepth = 64
    /// Bytes that a document may have when the caller sets no other limit.
    package static let maximumByteCount = 4 << 20

    /// Reads one JSON document (RFC 8259): the last of two equal keys wins, a number that overflows `Double` is refused.
    ///
    /// Written by hand because Foundation does not tell `1` from `1.0` and its depth limit (512) is not ours to set.
    package init(parsing text: String, maximumByteCount: Int = JSONValue.maximumByteCount) throws(JSONParseError) {
        var parser = JSONParser(bytes: Array(text.utf8))
        guard parser.bytes.count <= maximumByteCount else {
            throw JSONParseError(reason: "more than \(maximumByteCount) bytes", offset: maximumByteCount)
        }
        self = try parser.document()
    }
}

/// Reads a document from bytes that are valid UTF-8.
private struct JSONParser {
    let bytes: [UInt8]
    var offset = 0
    var depth = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONParseError) -> JSONValue {
        skipSpace()
        let value = try value()
        skipSpace()
        guard offset == bytes.count else { throw error("something after the end of the document") }
        return value
    }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func error(_ reason: String) -> JSONParseError { JSONParseError(reason: reason, offset: offset) }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func value() throws(JSONParseError) -> JSONValue {
        guard let byte = next else { throw error("the document ends where a value should stand") }
        switch byte {
        case UInt8(ascii: "{"): return try nested { (parser) throws(JSONParseError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { (parser) throws(JSONParseError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw error("a character that begins no value")
        }
    }

    private mutating func nested(
        _ body: (inout JSONParser) throws(JSONParseError) -> JSONValue
    ) throws(JSONParseError) -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw error("more than \(JSONValue.maximumDepth) levels") }
        depth += 1
        offset += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONParseError) -> JSONValue {
        let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes[offset...].starts(with: expected) else { throw error("an unknown word") }
        offset += expected.count
        return value
    }

    private mutating func object() throws(JSONParseError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("no key in quotes") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw error("no colon after a key") }
            skipSpace()
            members[key] = try value()
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw error("neither comma nor } after a member") }
        }
    }

    private mutating func array() throws(JSONParseError) -> JSONValue {
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(elements) }
        while true {
            skipSpace()
            elements.append(try value())
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { throw error("neither comma nor ] after an element") }
        }
    }

    private mutating func digits() throws(JSONParseError) {
        let start = offset
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
        guard offset > start else { throw error("no digit where a number needs one") }
    }

    private mutating func number() throws(JSONParseError) -> JSONValue {
        let start = offset
        var isInteger = true
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") {
            isInteger = false
            try digits()
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("+") { _ = take("-") }
            try digits()
        }
        let literal = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isInteger, let value = Int64(literal) { return .integer(value) }
        guard let value = Double(literal), value.isFinite else {
            throw JSONParseError(reason: "a number that is too large", offset: start)
        }
        return .number(value)
    }

    private mutating func string() throws(JSONParseError) -> String {
        offset += 1
        var content: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return String(decoding: content, as: UTF8.self)
            case UInt8(ascii: "\\"):
                offset += 1
                content.append(contentsOf: try escape())
            case 0..<0x20:
                throw error("a control character in a string")
            default:
                content.append(byte)
                offset += 1
            }
        }
        throw error("the document ends within a string")
    }

    private mutating func escape() throws(JSONParseError) -> [UInt8] {
        guard let byte = next else { throw error("the document ends within a string") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(Character(try scalar())).utf8)
        default:
            offset -= 1
            throw error("an unknown escape")
        }
    }

    private mutating func scalar() throws(JSONParseError) -> Unicode.Scalar {
        let high = try hexUnit()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard (0xD800..<0xDC00).contains(high), take("\\"), take("u") else { throw error("half of a surrogate pair") }
        let low = try hexUnit()
        guard (0xDC00..<0xE000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func hexUnit() throws(JSONParseError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error("no hexadecimal digit after \\u")
            }
            unit = unit << 4 + UInt32(digit)
            offset += 1
        }
        return unit
    }
}
