import Foundation
import Testing

@testable import Runtime

@Suite("JSON values")
struct JSONValueTests {
    @Test(
        "a document is read and written in one form",
        arguments: [
            ("null", "null"), (" true ", "true"), ("\n[ ]\t", "[]"), ("{ }", "{}"), ("-0", "0"), ("-1", "-1"),
            ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
            ("1.0", "1.0"), ("1e2", "100.0"), ("0.1", "0.1"), ("-2.5E-3", "-0.0025"),
            (#"{"b":1,"a":[1,2.5,"x",null,false]}"#, #"{"a":[1,2.5,"x",null,false],"b":1}"#),
            (#"{"a":1,"a":2}"#, #"{"a":2}"#), (#""\/""#, #""/""#), (#""\u0041\u00e9""#, #""Aé""#),
            (#""\ud83d\ude00""#, #""😀""#), (#""\"\\\b\f\n\r\t\u0000""#, #""\"\\\u0008\u000c\n\r\t\u0000""#),
            ("\"\u{7F}\"", #""\u007f""#), (#"{"é":1,"e":2,"z":3,"":4}"#, #"{"":4,"e":2,"z":3,"é":1}"#),
        ])
    func roundTrip(_ input: String, _ expected: String) throws {
        let value = try JSONValue(parsing: input)
        #expect(value.text == expected)
        #expect(try JSONValue(parsing: value.text) == value)
    }

    @Test(
        "what is no JSON is refused, with the place",
        arguments: [
            ("", 0), ("  ", 2), ("nul", 0), ("nullx", 4), ("01", 1), ("+1", 0), ("1.", 2), (".5", 0), ("1e", 2), ("-", 1), ("1e999", 0),
            ("NaN", 0), ("[1,]", 3), ("[1 2]", 3), ("[", 1), ("{\"a\"}", 4), ("{a:1}", 1), ("{\"a\":1,}", 7), ("'a'", 0), ("\"a", 2),
            ("\"\n\"", 1), ("\"\\x\"", 2), ("\"\\u12g4\"", 5), ("\"\\ud800\"", 7), ("\"\\ud800\\u0041\"", 13), ("\"\\udc00\"", 7),
            ("\"\\", 2),
            ("1 2", 2), ("\u{FEFF}1", 0),
        ])
    func refusal(_ input: String, _ offset: Int) {
        let error = #expect(throws: JSONParseError.self) { try JSONValue(parsing: input) }
        #expect(error?.offset == offset, "\(String(describing: error))")
    }

    @Test("the error does not repeat the text, which may hold a secret")
    func errorIsSafe() {
        let error = #expect(throws: JSONParseError.self) { try JSONValue(parsing: #"{"password": hunter2}"#) }
        #expect(error?.description == "The text is no valid JSON: a character that begins no value at byte 13; correct it there.")
    }

    @Test("64 levels are read and 65 are refused")
    func depth() throws {
        func nested(_ levels: Int) -> String { String(repeating: "[", count: levels) + String(repeating: "]", count: levels) }
        #expect(try JSONValue(parsing: nested(64)).text == nested(64))
        #expect(throws: JSONParseError.self) { try JSONValue(parsing: nested(65)) }
        #expect(throws: JSONParseError.self) { try JSONValue(parsing: String(repeating: "{\"a\":", count: 100_000)) }
        // Depth is that of nesting, not a count of containers.
        #expect(try JSONValue(parsing: "[" + Array(repeating: "[]", count: 100).joined(separator: ",") + "]").arrayValue?.count == 100)
    }

    @Test("a document may have exactly as many bytes as allowed")
    func size() throws {
        #expect(try JSONValue(parsing: "[12]", maximumByteCount: 4) == [12])
        #expect(throws: JSONParseError(reason: "more than 4 bytes", offset: 4)) { try JSONValue(parsing: "[123]", maximumByteCount: 4) }
    }

    @Test("an integer literal stays an integer up to Int64, beyond it becomes a number")
    func integers() throws {
        #expect(try JSONValue(parsing: "9007199254740993") == .integer(9_007_199_254_740_993))
        #expect(try JSONValue(parsing: "9223372036854775808") == .number(9_223_372_036_854_775_808))
        #expect(try JSONValue(parsing: "1.0") == .number(1))
        #expect(JSONValue.integer(1) != .number(1))
    }

    @Test("NaN and infinity are never written")
    func notFinite() throws {
        #expect(JSONValue.array([.number(.nan), .number(.infinity), .number(-.infinity)]).text == "[null,null,null]")
    }

    @Test("accessors give nil for another kind")
    func accessors() {
        let document: JSONValue = ["s": "x", "i": 7, "n": 2.5, "whole": 5.0, "b": true, "a": [1], "o": ["k": nil]]
        #expect(document["s"]?.stringValue == "x" && document["i"]?.stringValue == nil)
        #expect(document["i"]?.intValue == 7 && document["whole"]?.intValue == 5)
        #expect(document["n"]?.intValue == nil && document["s"]?.intValue == nil && JSONValue.number(1e300).intValue == nil)
        #expect(document["i"]?.doubleValue == 7 && document["n"]?.doubleValue == 2.5 && document["b"]?.doubleValue == nil)
        #expect(document["b"]?.boolValue == true && document["i"]?.boolValue == nil)
        #expect(document["a"]?.arrayValue == [1] && document["o"]?.arrayValue == nil)
        #expect(document["o"]?["k"]?.isNull == true && document["o"]?["absent"] == nil && document["a"]?["k"] == nil)
        #expect(document["o"]?.objectValue == ["k": .null])
    }

    @Test("any document survives being written and read, and Foundation reads it too")
    func randomDocuments() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let document = JSONValue.random(depth: 4, using: &random)
            #expect(try JSONValue(parsing: document.text) == document, "seed \(seed)")
            #expect(throws: Never.self, "seed \(seed)") {
                try JSONSerialization.jsonObject(with: Data(document.text.utf8), options: .fragmentsAllowed)
            }
        }
    }

    @Test("random bytes are read or refused, never a crash")
    func randomBytes() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        let alphabet = Array(#"{}[]",:\u0dD8.eE+-19 truefalsn"#.utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
            let text = String(decoding: bytes, as: UTF8.self)
            let ours = try? JSONValue(parsing: text)
            if let ours { #expect((try? JSONValue(parsing: ours.text)) == ours, "seed \(seed): \(text)") }
        }
    }
}

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension JSONValue {
    static func random(depth: Int, using random: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0...(depth > 0 ? 7 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .integer(Int64.random(in: .min ... .max, using: &random))
        case 3:
            let number = Double(bitPattern: random.next())
            return .number(number.isFinite ? number : 0.5)
        case 4, 5: return .string(randomText(&random))
        case 6: return .array((0..<3).map { _ in JSONValue.random(depth: depth - 1, using: &random) })
        default:
            let members = (0..<3).map { _ in (randomText(&random), JSONValue.random(depth: depth - 1, using: &random)) }
            return .object(Dictionary(members, uniquingKeysWith: { $1 }))
        }
    }

    private static func randomText(_ random: inout SeededGenerator) -> String {
        let scalars = (0..<Int.random(in: 0...8, using: &random)).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7F : 0x10FFFF), using: &random))
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
