import Foundation
import Retail
import Testing

@testable import Partners

struct DecimalTextTests {
    @Test(
        "A number's literal becomes cents, half-up, without floating point",
        arguments: [
            ("76.3639", 7636), ("8.905", 891), ("8.904999999999999999999999", 890), ("1e2", 10_000), ("1E+2", 10_000), ("125e-3", 13),
            ("124e-3", 12), ("0", 0), ("0.0", 0), ("-0", 0), ("0.005", 1), ("0.00499", 0), ("5e-3", 1), ("5e-4", 0), ("-1", -100),
            ("-8.905", -891), ("3.89", 389), ("1.005", 101), ("2.675", 268), ("1.15", 115), ("0.29", 29), ("007", 700),
            ("9999999999.99", 999_999_999_999), ("0e999999999999", 0), ("0.0000000000000000000000000000000000000000001e43", 100),
        ] as [(String, Int64)])
    func numbers(literal: String, cents: Int64) {
        #expect(DecimalText.cents(number: Array(literal.utf8)) == Cents(cents))
    }

    @Test(
        "What is no amount, or does not fit numeric(12,2), is unreadable",
        arguments: [
            "", "-", "1e400", "1e", "e5", ".5", "5.", "1.2.3", "--1", "+1", "1 2", "0x10", "NaN", "Infinity", "abc", "8,90", "1.234,56",
            "9999999999.995", "10000000000", "9223372036854775808", "99999999999999999999999999999999999999", "1e99999999999999999999",
        ])
    func unreadableNumbers(literal: String) {
        #expect(DecimalText.cents(number: Array(literal.utf8)) == nil)
    }

    @Test(
        "A string may have a decimal comma and grouping points",
        arguments: [
            ("8,90", 890), ("8.90", 890), (" 8,9 ", 890), ("1.234,56", 123_456), ("12.345.678,905", 1_234_567_891), ("1234,5", 123_450),
            ("-8,90", -890), ("0,005", 1), ("1.234", 123), ("12", 1200),
        ] as [(String, Int64)])
    func strings(text: String, cents: Int64) {
        #expect(DecimalText.cents(string: Array(text.utf8)) == Cents(cents))
    }

    @Test(
        "A string that can be read in two ways, or in none, is unreadable",
        arguments: ["", " ", ",", ",5", "5,", "1,234.56", "1.23,4", "12.34.567,8", "1234.567,8", "1,2,3", ".123,4", "R$ 8,90"])
    func unreadableStrings(text: String) {
        #expect(DecimalText.cents(string: Array(text.utf8)) == nil)
    }

    @Test(
        "A whole number is exact or nothing",
        arguments: [
            ("12345", 12345), ("12345.0", 12345), ("1e3", 1000), ("-7", -7), ("0", 0), ("9223372036854775807", Int64.max),
            ("9223372036854775808", nil), ("1.5", nil), ("1e-1", nil), ("", nil), ("abc", nil), ("0.9999999", nil),
        ] as [(String, Int64?)])
    func wholeNumbers(literal: String, value: Int64?) {
        #expect(DecimalText.whole(Array(literal.utf8)) == value)
    }

    @Test("Random literals agree with Foundation's decimal arithmetic")
    func random() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var numbers = SeededNumbers(state: seed)
        for _ in 0..<2000 {
            let whole = UInt64.random(in: 0...9_999_999, using: &numbers)
            let places = Int.random(in: 0...9, using: &numbers)
            let fraction = (0..<places).map { _ in "\(Int.random(in: 0...9, using: &numbers))" }.joined()
            let literal = "\(whole)" + (fraction.isEmpty ? "" : "." + fraction)
            var exact = Decimal(string: literal, locale: Locale(identifier: "en_US_POSIX"))! * 100
            var rounded = Decimal()
            NSDecimalRound(&rounded, &exact, 0, .plain)
            #expect(
                DecimalText.cents(number: Array(literal.utf8))?.rawValue == NSDecimalNumber(decimal: rounded).int64Value,
                "seed \(seed): \(literal)")
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
