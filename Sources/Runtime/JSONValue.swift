/// A small JSON document as a value: configuration, params, metrics, progress.
///
/// A literal without fraction and exponent that fits `Int64` is an `integer`; every other number is a `number`.
/// The two never compare equal: `.integer(1) != .number(1)`.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue {
    /// The member of an object; nil for an absent key and for every value that is no object.
    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    /// The text of a string; nil for everything else.
    package var stringValue: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// A whole number, also one spelled `5.0` or `1e3`; nil for everything else.
    package var intValue: Int? {
        switch self {
        case .integer(let value): Int(value)
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    /// Any number as a `Double`; nil for everything else.
    package var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// A truth value; nil for everything else (`0` and `"true"` included).
    package var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements of an array; nil for everything else.
    package var arrayValue: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members of an object; nil for everything else.
    package var objectValue: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    /// Tells `null` from everything else.
    package var isNull: Bool { self == .null }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    /// Makes `null`.
    package init(nilLiteral: ()) { self = .null }
    /// Makes a `bool`.
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    /// Makes an `integer`.
    package init(integerLiteral value: Int64) { self = .integer(value) }
    /// Makes a `number`.
    package init(floatLiteral value: Double) { self = .number(value) }
}

extension JSONValue: ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    /// Makes a `string`.
    package init(stringLiteral value: String) { self = .string(value) }
    /// Makes an `array`.
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// Makes an `object`; the last of two equal keys wins, as in jsonb.
    package init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(Dictionary(members, uniquingKeysWith: { $1 }))
    }
}
