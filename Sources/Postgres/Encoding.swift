import FoundationEssentials
import Runtime

/// A value that can be bound to a parameter.
package protocol PostgresEncodable: Sendable {
    /// The value in PostgreSQL's text format; nil is NULL.
    var postgresText: String? { get }
    /// Whether the text stands unquoted in an array literal: numbers, UUIDs and arrays themselves.
    static var isPlainInArrays: Bool { get }
    /// The text of an array of these values.
    static func postgresText(ofArray values: [Self]) -> String
}

extension PostgresEncodable {
    /// Quotes by default.
    package static var isPlainInArrays: Bool { false }
    /// An array literal, `{1,"a\"b",NULL}`.
    package static func postgresText(ofArray values: [Self]) -> String { ArrayLiteral.text(of: values) }
}

extension Int: PostgresEncodable {
    /// Decimal digits.
    package var postgresText: String? { String(self) }
    /// Digits need no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension Int16: PostgresEncodable {
    /// Decimal digits.
    package var postgresText: String? { String(self) }
    /// Digits need no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension Int32: PostgresEncodable {
    /// Decimal digits.
    package var postgresText: String? { String(self) }
    /// Digits need no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension Int64: PostgresEncodable {
    /// Decimal digits.
    package var postgresText: String? { String(self) }
    /// Digits need no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension Bool: PostgresEncodable {
    /// `t` or `f`.
    package var postgresText: String? { self ? "t" : "f" }
    /// One letter needs no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension String: PostgresEncodable {
    /// Itself; a NUL in it is refused when the statement is sent.
    package var postgresText: String? { self }
}

extension Double: PostgresEncodable {
    /// The shortest text that reads back as the same number; `NaN`, `Infinity`, `-Infinity`.
    package var postgresText: String? {
        if isNaN { return "NaN" }
        if isInfinite { return self < 0 ? "-Infinity" : "Infinity" }
        return description
    }
    /// Digits need no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension UUID: PostgresEncodable {
    /// 36 lower-case characters.
    package var postgresText: String? { UUIDText.text(of: self) }
    /// Written without a string for each.
    package static func postgresText(ofArray values: [UUID]) -> String { UUIDText.text(ofArray: values) }
    /// Hex digits and dashes need no quotes.
    package static var isPlainInArrays: Bool { true }
}

extension Date: PostgresEncodable {
    /// UTC with microseconds and offset; `distantPast` and `distantFuture` are `-infinity` and `infinity`.
    package var postgresText: String? { TimestampText.text(of: self) }
}

extension Duration: PostgresEncodable {
    /// An interval in seconds, rounded to microseconds.
    package var postgresText: String? { IntervalText.text(of: self) }
}

extension JSONValue: PostgresEncodable {
    /// Compact JSON.
    package var postgresText: String? { text }
}

extension UInt8: PostgresEncodable {
    /// Decimal digits.
    package var postgresText: String? { String(self) }
    /// Bytes are a `bytea`, `\x…` in hex, and no array.
    package static func postgresText(ofArray values: [UInt8]) -> String { ByteaText.text(of: values) }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    /// NULL when nil.
    package var postgresText: String? { self?.postgresText }
    /// As the wrapped type.
    package static var isPlainInArrays: Bool { Wrapped.isPlainInArrays }
}

extension Array: PostgresEncodable where Element: PostgresEncodable {
    /// An array literal; `[UInt8]` is a `bytea`.
    package var postgresText: String? { Element.postgresText(ofArray: self) }
    /// An inner array is part of the outer literal; a `bytea` is an element like any other.
    package static var isPlainInArrays: Bool { Element.self != UInt8.self }
}

/// PostgreSQL's array literals.
enum ArrayLiteral {
    static func text<Element: PostgresEncodable>(of values: [Element]) -> String {
        let isPlain = Element.isPlainInArrays
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count * 40 + 2)
        bytes.append(UInt8(ascii: "{"))
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            guard let text = value.postgresText else {
                bytes.append(contentsOf: "NULL".utf8)
                continue
            }
            if isPlain {
                bytes.append(contentsOf: text.utf8)
            } else {
                appendQuoted(text, to: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func appendQuoted(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// The elements of a one-dimensional literal; nil is NULL. Nil when the text is no such literal.
    static func elements(of text: String) -> [String?]? {
        var bytes = Array(text.utf8)[...]
        // An array whose lower bound is not 1 begins with its bounds: [0:2]={…}
        if bytes.first == UInt8(ascii: "["), let equals = bytes.firstIndex(of: UInt8(ascii: "=")) {
            bytes = bytes[(equals + 1)...]
        }
        guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}"), bytes.count >= 2 else { return nil }
        bytes = bytes.dropFirst().dropLast()
        var elements: [String?] = []
        while !bytes.isEmpty {
            guard let element = nextElement(&bytes) else { return nil }
            elements.append(element)
            if bytes.isEmpty { break }
            guard bytes.removeFirst() == UInt8(ascii: ","), !bytes.isEmpty else { return nil }
        }
        return elements
    }

    /// One element up to the comma behind it; the outer nil is an error, the inner one NULL.
    private static func nextElement(_ bytes: inout ArraySlice<UInt8>) -> String?? {
        var content: [UInt8] = []
        guard bytes.first == UInt8(ascii: "\"") else {
            while let byte = bytes.first, byte != UInt8(ascii: ",") {
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "\"") { return nil }
                content.append(byte)
                bytes.removeFirst()
            }
            let text = String(decoding: content, as: UTF8.self)
            return .some(text == "NULL" ? nil : text)
        }
        bytes.removeFirst()
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return .some(String(decoding: content, as: UTF8.self))
            case UInt8(ascii: "\\"):
                guard let escaped = bytes.popFirst() else { return nil }
                content.append(escaped)
            default: content.append(byte)
            }
        }
        return nil
    }
}
