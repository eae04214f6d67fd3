import Glibc

@testable import Runtime

extension FuzzTarget {
    static let jsonWords = [
        "{", "}", "[", "]", ":", ",", "\"", "\\u0000", "\\ud800", "\\ud83d\\ude00", "null", "true", "false", "1e400", "9223372036854775808",
        "-9223372036854775808", "1e-400", "0.1", "-0", "\u{FEFF}", "\\\"", "\\\\", "é", "e\u{301}",
    ]

    /// A document of ours: params, config, error documents of partners.
    static let json = FuzzTarget(
        "json", words: jsonWords,
        texts: [
            #"{"store_ids": [7, 8], "dry_run": true, "x": null}"#, #"[1, 1.0, -0, 1e3, 1E+3, 1e-3, 0.1, 9223372036854775807]"#,
            "9223372036854775808", "-9223372036854775808", "1e400", "-1e400", "1e-400", "[01]", "[1.]", "[.1]", "[+1]", "[1e]", "--1",
            #""\ud83d\ude00 \u00e9 \u0000""#, #""\ud83d""#, #""\ude00\ud83d""#, #""\ud83d\u0041""#, #"{"a":1,"a":2}"#, #"{"a":1,}"#, "[1,]",
            "[,1]",
            #"{"a" 1}"#, #"{a:1}"#, "nul", "nullx", "[null true]", "\u{FEFF}{}", "", " ", "\"", "\"\\", "\"\u{1}\"", "\"\u{7F}\"",
            String(repeating: "[", count: 64) + String(repeating: "]", count: 64), String(repeating: "[", count: 65),
            "{\"é\":1,\"e\u{301}\":2}",
            String(repeating: "{\"a\":", count: 70), "123456789012345678901234567890", "1.7976931348623157e308", "5e-324",
            "2.2250738585072011e-308",
        ]
    ) { text in
        let reference = ReferenceJSON(Array(text.utf8), depth: JSONValue.maximumDepth)
        let value: JSONValue
        do throws(JSONParseError) {
            value = try JSONValue(parsing: text)
        } catch {
            try require((0...text.utf8.count).contains(error.offset), "an error is within the text")
            try require(reference.map(isUnreadable) ?? true, "a good document is refused: \(error)")
            return
        }
        guard let reference else { throw Violation("what is no JSON is taken as \(value)") }
        try require(stands(value, for: reference), "\(value) is not what was written")
        let written = value.text
        try require(ReferenceJSON(Array(written.utf8)) != nil, "what is written is JSON: \(written)")
        try require(try JSONValue(parsing: written), equals: value, "what is written is read as the same")
        try require(try JSONValue(parsing: written).text, equals: written, "equal values have equal texts")
    }

    /// What RFC 8259 allows and `JSONValue` refuses: half a surrogate pair, a number that is too large.
    private static func isUnreadable(_ document: ReferenceJSON) -> Bool {
        switch document {
        case .number(let literal): double(literal).isInfinite
        case .string(_, _, let isWhole): !isWhole
        case .array(let elements): elements.contains(where: isUnreadable)
        case .object(let members): members.contains { isUnreadable($0.key) || isUnreadable($0.value) }
        default: false
        }
    }

    private static func double(_ literal: [UInt8]) -> Double { strtod(String(decoding: literal, as: UTF8.self), nil) }

    private static func stands(_ value: JSONValue, for document: ReferenceJSON) -> Bool {
        switch (value, document) {
        case (.null, .null): return true
        case (.bool(let one), .bool(let other)): return one == other
        case (.integer(let number), .number(let literal)): return Int64(String(decoding: literal, as: UTF8.self)) == number
        case (.number(let number), .number(let literal)):
            return number == double(literal)
                && (literal.contains { !(0x2D...0x39).contains($0) || $0 == 0x2E } || number.magnitude >= 0x1p63)
        case (.string(let text), .string(_, let expected, _)): return Array(text.utf8) == expected
        case (.array(let values), .array(let elements)): return values.count == elements.count && zip(values, elements).allSatisfy(stands)
        case (.object(let values), .object(let members)):
            // Swift takes two spellings of one character for the same key; the last one wins, as with any repeated key.
            var last: [String: ReferenceJSON] = [:]
            for member in members { last[member.key.text ?? ""] = member.value }
            return values.count == last.count && values.allSatisfy { key, value in last[key].map { stands(value, for: $0) } ?? false }
        default: return false
        }
    }
}
