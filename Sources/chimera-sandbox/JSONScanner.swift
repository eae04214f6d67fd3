/// What is wrong with a document, as a sentence.
struct DocumentProblem: Error {
    let sentence: String
}

/// Reads JSON front to back without building anything, strictly (RFC 8259).
struct JSONScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var index = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    private var current: UInt8 { index < bytes.count ? bytes[index] : 0 }

    /// The first byte of the next value.
    mutating func peek() -> UInt8 {
        skipSpace()
        return current
    }

    mutating func expectEnd() throws {
        skipSpace()
        guard index == bytes.count else { throw problem("more text after the document") }
    }

    /// Calls `body` with each member's name; it reads the value.
    mutating func object(_ body: (inout JSONScanner, String) throws -> Void) throws {
        try take(UInt8(ascii: "{"), "an object")
        guard peek() != UInt8(ascii: "}") else { return index += 1 }
        while true {
            skipSpace()
            let name = try string()
            skipSpace()
            try take(UInt8(ascii: ":"), "a colon")
            try body(&self, name)
            if try isLast(closing: UInt8(ascii: "}")) { return }
        }
    }

    /// Calls `body` once for each element; it reads the value.
    mutating func array(_ body: (inout JSONScanner) throws -> Void) throws {
        try take(UInt8(ascii: "["), "an array")
        guard peek() != UInt8(ascii: "]") else { return index += 1 }
        while true {
            try body(&self)
            if try isLast(closing: UInt8(ascii: "]")) { return }
        }
    }

    mutating func string() throws -> String {
        try take(UInt8(ascii: "\""), "a string")
        let start = index
        while index < bytes.count, current != UInt8(ascii: "\""), current != UInt8(ascii: "\\"), current >= 0x20 { index += 1 }
        if current == UInt8(ascii: "\"") {
            // No escapes: nothing to put together.
            index += 1
            return try valid(UnsafeBufferPointer(rebasing: bytes[start..<(index - 1)]))
        }
        var text = Array(bytes[start..<index])
        while current != UInt8(ascii: "\"") {
            guard index < bytes.count, current >= 0x20 else { throw problem("a string without an end") }
            if current == UInt8(ascii: "\\") {
                index += 1
                try appendEscape(to: &text)
            } else {
                text.append(current)
                index += 1
            }
        }
        index += 1
        return try text.withUnsafeBufferPointer { try valid($0) }
    }

    private func valid(_ text: UnsafeBufferPointer<UInt8>) throws -> String {
        if text.allSatisfy({ $0 < 0x80 }) { return String(decoding: text, as: UTF8.self) }
        guard let string = String(validating: text, as: UTF8.self) else { throw problem("a string that is not UTF-8") }
        return string
    }

    /// A number's own text, as long as the document.
    mutating func number() throws -> UnsafeBufferPointer<UInt8> {
        skipSpace()
        let start = index
        if current == UInt8(ascii: "-") { index += 1 }
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[index - whole] != UInt8(ascii: "0") else { throw problem("no number") }
        if current == UInt8(ascii: ".") {
            index += 1
            guard digits() > 0 else { throw problem("a number without digits after its point") }
        }
        if current | 0x20 == UInt8(ascii: "e") {
            index += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
            guard digits() > 0 else { throw problem("a number without digits in its exponent") }
        }
        return UnsafeBufferPointer(rebasing: bytes[start..<index])
    }

    /// A whole number; nil when the next number is another.
    mutating func integer() throws -> Int? {
        let text = try number()
        guard text.count <= 18, text.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
            return Int(String(decoding: text, as: UTF8.self))
        }
        return text.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    mutating func literal() throws -> Bool? {
        skipSpace()
        for (text, value) in [("true", true), ("false", false), ("null", nil)] as [(StaticString, Bool?)] {
            let length = text.utf8CodeUnitCount
            guard index + length <= bytes.count else { continue }
            if (0..<length).allSatisfy({ bytes[index + $0] == text.utf8Start[$0] }) {
                index += length
                return value
            }
        }
        throw problem("a value that is not JSON")
    }

    func problem(_ what: String) -> DocumentProblem {
        DocumentProblem(sentence: "The body is not as documented at byte \(index): \(what).")
    }

    // MARK: pieces

    private mutating func skipSpace() {
        while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x0A || bytes[index] == 0x0D || bytes[index] == 0x09 {
            index += 1
        }
    }

    private mutating func take(_ byte: UInt8, _ what: String) throws {
        skipSpace()
        guard current == byte else { throw problem("\(what) is missing") }
        index += 1
    }

    private mutating func isLast(closing: UInt8) throws -> Bool {
        let next = peek()
        guard next == closing || next == UInt8(ascii: ",") else { throw problem("a comma is missing") }
        index += 1
        return next == closing
    }

    private mutating func digits() -> Int {
        let start = index
        while current >= UInt8(ascii: "0"), current <= UInt8(ascii: "9") { index += 1 }
        return index - start
    }

    private mutating func appendEscape(to text: inout [UInt8]) throws {
        let plain: [UInt8: UInt8] = [
            UInt8(ascii: "\""): 0x22, UInt8(ascii: "\\"): 0x5C, UInt8(ascii: "/"): 0x2F, UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C,
            UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
        ]
        if let byte = plain[current] {
            text.append(byte)
            index += 1
            return
        }
        var unit = try hexadecimalUnit()
        if (0xD800..<0xDC00).contains(unit), current == UInt8(ascii: "\\") {
            index += 1
            let low = try hexadecimalUnit()
            guard (0xDC00..<0xE000).contains(low) else { throw problem("a lone surrogate") }
            unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(unit) else { throw problem("a lone surrogate") }
        text.append(contentsOf: String(scalar).utf8)
    }

    /// `uXXXX`
    private mutating func hexadecimalUnit() throws -> UInt32 {
        guard current == UInt8(ascii: "u"), index + 5 <= bytes.count,
            let unit = UInt32(String(decoding: bytes[(index + 1)..<(index + 5)], as: UTF8.self), radix: 16)
        else { throw problem("an unknown escape") }
        index += 5
        return unit
    }
}

/// A small document as a tree: logins and what the control pages are told.
enum JSONDocument {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONDocument])
    case object([String: JSONDocument])

    /// Nil when it is not JSON.
    init?(_ bytes: [UInt8]) {
        let parsed = bytes.withUnsafeBufferPointer { buffer in
            var scanner = JSONScanner(buffer)
            guard let value = try? Self.value(&scanner, depth: 0), (try? scanner.expectEnd()) != nil else { return JSONDocument?.none }
            return value
        }
        guard let parsed else { return nil }
        self = parsed
    }

    subscript(key: String) -> JSONDocument? { if case .object(let members) = self { members[key] } else { nil } }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var array: [JSONDocument]? { if case .array(let elements) = self { elements } else { nil } }
    var isObject: Bool { if case .object = self { true } else { false } }
    var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var decimalText: String? { if case .number(let text) = self { text } else { nil } }

    private static func value(_ scanner: inout JSONScanner, depth: Int) throws -> JSONDocument {
        guard depth < 32 else { throw scanner.problem("nested too deeply") }
        switch scanner.peek() {
        case UInt8(ascii: "{"):
            var members: [String: JSONDocument] = [:]
            try scanner.object { members[$1] = try value(&$0, depth: depth + 1) }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONDocument] = []
            try scanner.array { elements.append(try value(&$0, depth: depth + 1)) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try scanner.string())
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): return try scanner.literal().map { .bool($0) } ?? .null
        default: return .number(String(decoding: try scanner.number(), as: UTF8.self))
        }
    }
}
