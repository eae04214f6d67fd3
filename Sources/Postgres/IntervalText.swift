/// Reads digits and words from the front of a text.
struct TextCursor {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }
    var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    /// Skips the word when it comes next.
    mutating func takes(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count - at >= count else { return false }
        for index in 0..<count where bytes[at + index] != word.utf8Start[index] { return false }
        at += count
        return true
    }

    /// Reads a whole number of at most 15 digits.
    mutating func digits() -> Int? {
        var value = 0
        let start = at
        while let digit = next.map({ $0 &- UInt8(ascii: "0") }), digit < 10, at - start < 15 {
            value = value * 10 + Int(digit)
            at += 1
        }
        return at > start ? value : nil
    }

    /// Reads the digits behind a decimal point as millionths; more than six are cut off.
    mutating func fraction() -> Int? {
        var value = 0
        let start = at
        while let digit = next.map({ $0 &- UInt8(ascii: "0") }), digit < 10 {
            if at - start < 6 { value = value * 10 + Int(digit) }
            at += 1
        }
        guard at > start else { return nil }
        for _ in 0..<max(0, 6 - (at - start)) { value *= 10 }
        return value
    }

    /// Reads `+hh[:mm[:ss]]`, `Z` or nothing as seconds east of Greenwich.
    mutating func zoneOffset() -> Int? {
        if takes("Z") { return 0 }
        let sign: Int
        if takes("+") { sign = 1 } else if takes("-") { sign = -1 } else { return 0 }
        guard let hours = digits() else { return nil }
        var offset = hours * 3600
        if takes(":") {
            guard let minutes = digits() else { return nil }
            offset += minutes * 60
            if takes(":") {
                guard let seconds = digits() else { return nil }
                offset += seconds
            }
        }
        return offset < 200_000 ? sign * offset : nil
    }

    /// Reads an optional sign.
    mutating func sign() -> Int { takes("-") ? -1 : (takes("+") ? 1 : 1) }
}

/// `interval` as PostgreSQL writes it.
enum IntervalText {
    /// In 128 bits no text of a result can overflow; PostgreSQL's own intervals end at 178,000,000 years.
    private static let microsecondsPerDay: Int128 = 86_400_000_000
    private static let longest: Int128 = 200_000_000 * 366 * microsecondsPerDay

    static func text(of duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var micros = (attoseconds + (attoseconds < 0 ? -500_000_000_000 : 500_000_000_000)) / 1_000_000_000_000
        var whole = seconds
        if micros == 1_000_000 || micros == -1_000_000 {
            whole += micros / 1_000_000
            micros = 0
        }
        let digits = String(micros.magnitude)
        let sign = whole < 0 || micros < 0 ? "-" : ""
        return "\(sign)\(whole.magnitude).\(String(repeating: "0", count: 6 - digits.utf8.count))\(digits) seconds"
    }

    static func duration(of text: String) -> Duration? {
        guard !text.isEmpty, text != "P" else { return nil }
        var text = text
        return text.withUTF8 { bytes in
            var cursor = TextCursor(bytes)
            let micros = cursor.takes("P") ? iso(&cursor) : traditional(&cursor)
            return micros.flatMap { $0.magnitude <= longest.magnitude ? .microseconds($0) : nil }
        }
    }

    /// `1Y2M3DT4H5M6.789S` behind the `P`; every number may have a sign.
    private static func iso(_ text: inout TextCursor) -> Int128? {
        var total: Int128 = 0
        var isTime = false
        while !text.isAtEnd {
            if text.takes("T") {
                isTime = true
                continue
            }
            guard let number = signedNumber(&text) else { return nil }
            let unit: Int128
            if text.takes("Y") {
                unit = microsecondsPerDay / 4 * 1461
            } else if text.takes("M") {
                unit = isTime ? 60_000_000 : microsecondsPerDay * 30
            } else if text.takes("D") {
                unit = microsecondsPerDay
            } else if text.takes("H") {
                unit = 3_600_000_000
            } else if text.takes("S") {
                unit = 1_000_000
            } else {
                return nil
            }
            guard number.micros == 0 || unit == 1_000_000 else { return nil }
            total += Int128(number.whole) * unit + Int128(number.micros)
        }
        return total
    }

    private static func signedNumber(_ text: inout TextCursor) -> (whole: Int, micros: Int)? {
        let sign = text.sign()
        guard let whole = text.digits() else { return nil }
        guard text.takes(".") else { return (sign * whole, 0) }
        guard let micros = text.fraction() else { return nil }
        return (sign * whole, sign * micros)
    }

    /// `1 year 2 mons -3 days 04:05:06.789`.
    private static func traditional(_ text: inout TextCursor) -> Int128? {
        var total: Int128 = 0
        while !text.isAtEnd {
            let sign = Int128(text.sign())
            guard let number = text.digits().map({ Int128($0) }) else { return nil }
            if text.takes(":") {
                guard let minutes = text.digits(), text.takes(":"), let seconds = text.digits() else { return nil }
                var micros = ((number * 60 + Int128(minutes)) * 60 + Int128(seconds)) * 1_000_000
                if text.takes(".") {
                    guard let fraction = text.fraction() else { return nil }
                    micros += Int128(fraction)
                }
                total += sign * micros
            } else if text.takes(" years") || text.takes(" year") {
                total += sign * number * (microsecondsPerDay / 4 * 1461)
            } else if text.takes(" mons") || text.takes(" mon") {
                total += sign * number * microsecondsPerDay * 30
            } else if text.takes(" days") || text.takes(" day") {
                total += sign * number * microsecondsPerDay
            } else {
                return nil
            }
            _ = text.takes(" ")
        }
        return total
    }
}
