import Retail

@testable import Partners

extension FuzzTarget {
    /// A price or a code as a partner spells it.
    static let decimal = FuzzTarget(
        "decimal", longest: 200, words: ["e", "E-", ".", ",", "-", "999999999999", "00000", "9223372036854775807", "5", "e1000000", "005"],
        texts: [
            "8.9", "8.905", "8.904999999", "76.3639", "-8.905", "0.005", "0.0049", "1e2", "1E-2", "1e400", "1e-400", "9999999999.99",
            "9999999999.995",
            "9999999999.994", "10000000000", "8,90", "1.234,56", "1.234.567,8", "12.34,5", "1234.567,8", ",5", "8,", "8.", ".5", "", "-",
            "e5", "1e",
            "1e+", "0x10", "NaN", "Infinity", "٣", " 8,90\t", "8 ,90", "1,2,3", "0e99999999999999999999", "1e-99999999999999999999", "-0",
            "00012",
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "12345.0", "12345.10", "1e18", "1e19", "0.000e5",
            "120e-1",
        ]
    ) { text in
        let bytes = Array(text.utf8)
        try require(DecimalText.cents(number: bytes)?.rawValue, equals: ReferenceDecimal.cents(bytes), "the cents of \(text)")
        try require(DecimalText.cents(string: bytes)?.rawValue, equals: ReferenceDecimal.cents(spelled: bytes), "the cents of \"\(text)\"")
        try require(DecimalText.whole(bytes), equals: ReferenceDecimal.whole(bytes), "the whole number \(text)")
        if let cents = DecimalText.cents(number: bytes) {
            let written = cents.decimalText
            try require(DecimalText.cents(number: Array(written.utf8)), equals: cents, "\(written) is read as it was written")
        }
    }
}
