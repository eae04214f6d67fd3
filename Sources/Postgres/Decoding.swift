import FoundationEssentials
import Runtime

/// A value that can be read from a column.
package protocol PostgresDecodable {
    /// Reads PostgreSQL's text format; throws `.decoding` when the text is none of this type.
    init(postgresText: String) throws(PostgresError)
    /// Reads the same from the bytes of a result without making a string first.
    init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError)
    /// Reads an array of this type.
    static func array(postgresText: String) throws(PostgresError) -> [Self]
}

extension PostgresDecodable {
    /// Goes through a string; types that are read often do better.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) {
        try self.init(postgresText: String(decoding: postgresBytes, as: UTF8.self))
    }

    /// Reads a one-dimensional array literal; a NULL in it is an error unless the elements are optional.
    package static func array(postgresText: String) throws(PostgresError) -> [Self] {
        guard let elements = ArrayLiteral.elements(of: postgresText) else { throw .undecodable("array") }
        var values: [Self] = []
        values.reserveCapacity(elements.count)
        for element in elements {
            guard let element else {
                guard let null = (Self.self as? any NullDecodable.Type)?.null as? Self else { throw .undecodable("array without NULLs") }
                values.append(null)
                continue
            }
            values.append(try Self(postgresText: element))
        }
        return values
    }
}

/// A type that has a value for NULL.
private protocol NullDecodable {
    static var null: Self { get }
}

extension PostgresError {
    /// The text of a column is no value of the type that was asked for. The text itself may be a secret: it is not shown.
    static func undecodable(_ type: String) -> PostgresError {
        PostgresError(kind: .decoding, message: "a value of the result cannot be read as \(type); compare the column's type with the code")
    }
}

extension FixedWidthInteger {
    /// Decimal digits with an optional sign, nothing else.
    fileprivate static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) -> Self {
        var index = 0
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative { index = 1 }
        guard index < bytes.count else { throw .undecodable("\(Self.self)") }
        var value: Self = 0
        while index < bytes.count {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit < 10 else { throw .undecodable("\(Self.self)") }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) =
                isNegative ? shifted.subtractingReportingOverflow(Self(digit)) : shifted.addingReportingOverflow(Self(digit))
            guard !overflow, !carry else { throw .undecodable("\(Self.self)") }
            value = next
            index += 1
        }
        return value
    }

    fileprivate static func parse(_ text: String) throws(PostgresError) -> Self {
        try withBytes(of: text, Self.parse)
    }
}

/// Lends the UTF-8 of a string for the call, without a copy where that is possible.
func withBytes<T>(of text: String, _ body: (UnsafeBufferPointer<UInt8>) throws(PostgresError) -> T) throws(PostgresError) -> T {
    var text = text
    let result = text.withUTF8 { bytes -> Result<T, PostgresError> in
        do throws(PostgresError) {
            return .success(try body(bytes))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

extension Int: PostgresDecodable {
    /// Reads decimal digits.
    package init(postgresText: String) throws(PostgresError) { self = try Int.parse(postgresText) }
    /// Reads decimal digits.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) { self = try Int.parse(postgresBytes) }
}

extension Int16: PostgresDecodable {
    /// Reads decimal digits.
    package init(postgresText: String) throws(PostgresError) { self = try Int16.parse(postgresText) }
    /// Reads decimal digits.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) { self = try Int16.parse(postgresBytes) }
}

extension Int32: PostgresDecodable {
    /// Reads decimal digits.
    package init(postgresText: String) throws(PostgresError) { self = try Int32.parse(postgresText) }
    /// Reads decimal digits.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) { self = try Int32.parse(postgresBytes) }
}

extension Int64: PostgresDecodable {
    /// Reads decimal digits.
    package init(postgresText: String) throws(PostgresError) { self = try Int64.parse(postgresText) }
    /// Reads decimal digits.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) { self = try Int64.parse(postgresBytes) }
}

extension Bool: PostgresDecodable {
    /// Reads `t` or `f`.
    package init(postgresText: String) throws(PostgresError) {
        switch postgresText {
        case "t", "true": self = true
        case "f", "false": self = false
        default: throw .undecodable("Bool")
        }
    }
}

extension String: PostgresDecodable {
    /// Takes the text of any type.
    package init(postgresText: String) { self = postgresText }
    /// Takes the text of any type.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) { self = String(decoding: postgresBytes, as: UTF8.self) }
}

extension Double: PostgresDecodable {
    /// Reads `float8` and, rounded, `numeric`.
    package init(postgresText: String) throws(PostgresError) {
        switch postgresText {
        case "NaN": self = .nan
        case "Infinity": self = .infinity
        case "-Infinity": self = -.infinity
        default:
            guard let value = Double(postgresText) else { throw .undecodable("Double") }
            self = value
        }
    }
}

extension UUID: PostgresDecodable {
    /// Reads 36 characters.
    package init(postgresText: String) throws(PostgresError) { self = try withBytes(of: postgresText, UUIDText.parse) }
    /// Reads 36 characters.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) { self = try UUIDText.parse(postgresBytes) }
}

extension Date: PostgresDecodable {
    /// Reads `timestamptz` with any offset; `timestamp` and `date` count as UTC; `infinity` is `distantFuture`.
    package init(postgresText: String) throws(PostgresError) { self = try withBytes(of: postgresText, TimestampText.parse) }
    /// Reads the same.
    package init(postgresBytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) { self = try TimestampText.parse(postgresBytes) }
}

extension Duration: PostgresDecodable {
    /// Reads `interval` in the styles `postgres` and `iso_8601`; a year is 365.25 days and a month 30, as in `extract(epoch …)`.
    package init(postgresText: String) throws(PostgresError) {
        guard let duration = IntervalText.duration(of: postgresText) else { throw .undecodable("Duration") }
        self = duration
    }
}

extension JSONValue: PostgresDecodable {
    /// Reads `json` and `jsonb`.
    package init(postgresText: String) throws(PostgresError) {
        guard let value = try? JSONValue(parsing: postgresText) else { throw .undecodable("JSON") }
        self = value
    }
}

extension UInt8: PostgresDecodable {
    /// Reads decimal digits.
    package init(postgresText: String) throws(PostgresError) { self = try UInt8.parse(postgresText) }
    /// Reads a `bytea`.
    package static func array(postgresText: String) throws(PostgresError) -> [UInt8] {
        guard let bytes = ByteaText.bytes(of: postgresText) else { throw .undecodable("bytea") }
        return bytes
    }
}

extension Array: PostgresDecodable where Element: PostgresDecodable {
    /// Reads a one-dimensional array; `[UInt8]` reads a `bytea`.
    package init(postgresText: String) throws(PostgresError) { self = try Element.array(postgresText: postgresText) }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    /// Reads the wrapped type: for arrays that hold NULLs, `[String?]`.
    package init(postgresText: String) throws(PostgresError) { self = .some(try Wrapped(postgresText: postgresText)) }
}

extension Optional: NullDecodable where Wrapped: PostgresDecodable {
    fileprivate static var null: Self { .none }
}
