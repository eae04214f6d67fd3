import FoundationEssentials

/// UUIDs as 36 characters.
enum UUIDText {
    static func text(of uuid: UUID) -> String {
        String(unsafeUninitializedCapacity: 36) { text in
            write(uuid, to: text, at: 0)
            return 36
        }
    }

    /// An array literal in one go: a claim of 500 is given back by its ids a hundred times a second.
    static func text(ofArray uuids: [UUID]) -> String {
        String(unsafeUninitializedCapacity: max(2, uuids.count * 37 + 1)) { text in
            var at = 0
            for uuid in uuids {
                text[at] = at == 0 ? UInt8(ascii: "{") : UInt8(ascii: ",")
                write(uuid, to: text, at: at + 1)
                at += 37
            }
            if at == 0 {
                text[0] = UInt8(ascii: "{")
                at = 1
            }
            text[at] = UInt8(ascii: "}")
            return at + 1
        }
    }

    private static func write(_ uuid: UUID, to text: UnsafeMutableBufferPointer<UInt8>, at start: Int) {
        withUnsafeBytes(of: uuid.uuid) { bytes in
            var at = start
            for (index, byte) in bytes.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    text[at] = UInt8(ascii: "-")
                    at += 1
                }
                text[at] = hexDigit(of: byte >> 4)
                text[at + 1] = hexDigit(of: byte & 15)
                at += 2
            }
        }
    }

    static func parse(_ text: UnsafeBufferPointer<UInt8>) throws(PostgresError) -> UUID {
        guard text.count == 36 else { throw .undecodable("UUID") }
        var uuid: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        let isValid = withUnsafeMutableBytes(of: &uuid) { bytes -> Bool in
            var at = 0
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    guard text[at] == UInt8(ascii: "-") else { return false }
                    at += 1
                }
                guard let high = hexDigit(text[at]), let low = hexDigit(text[at + 1]) else { return false }
                bytes[index] = high << 4 | low
                at += 2
            }
            return true
        }
        guard isValid else { throw .undecodable("UUID") }
        return UUID(uuid: uuid)
    }
}

/// The digit of a value below 16.
private func hexDigit(of value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

/// The value of one hexadecimal digit.
private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// `bytea` in hex.
enum ByteaText {
    static func text(of bytes: [UInt8]) -> String {
        return String(unsafeUninitializedCapacity: bytes.count * 2 + 2) { text in
            text[0] = UInt8(ascii: "\\")
            text[1] = UInt8(ascii: "x")
            for (index, byte) in bytes.enumerated() {
                text[2 * index + 2] = hexDigit(of: byte >> 4)
                text[2 * index + 3] = hexDigit(of: byte & 15)
            }
            return bytes.count * 2 + 2
        }
    }

    static func bytes(of text: String) -> [UInt8]? {
        let hex = Array(text.utf8)
        guard hex.count >= 2, hex.count.isMultiple(of: 2), hex[0] == UInt8(ascii: "\\"), hex[1] == UInt8(ascii: "x") else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(hex.count / 2 - 1)
        for index in stride(from: 2, to: hex.count, by: 2) {
            guard let high = hexDigit(hex[index]), let low = hexDigit(hex[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}

/// `timestamptz` in ISO style, `2026-03-01 09:30:00.123456+00`. Whole days are counted without Foundation's calendar: no zone is needed.
enum TimestampText {
    private static let unixEpochToReference: Double = 978_307_200

    static func text(of date: Date) -> String {
        let seconds = date.timeIntervalSinceReferenceDate + unixEpochToReference
        if date == .distantFuture || seconds > 9.2e12 { return "infinity" }
        if date == .distantPast || seconds < -9.2e12 { return "-infinity" }
        guard seconds.isFinite else { return "NaN" }  // refused by the server with 22007
        var micros = Int64((seconds * 1_000_000).rounded())
        let days = Int(micros.dividedFloor(by: 86_400_000_000))
        micros -= Int64(days) * 86_400_000_000
        let (year, month, day) = civil(daysSince1970: days)
        let second = Int(micros / 1_000_000)
        let yearText = year > 0 ? padded(year, 4) : padded(1 - year, 4)
        return "\(yearText)-\(padded(month, 2))-\(padded(day, 2)) \(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):"
            + "\(padded(second % 60, 2)).\(padded(Int(micros % 1_000_000), 6))+00\(year > 0 ? "" : " BC")"
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return digits.utf8.count >= width ? digits : String(repeating: "0", count: width - digits.utf8.count) + digits
    }

    static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) -> Date {
        guard let date = date(of: bytes) else { throw .undecodable("Date") }
        return date
    }

    private static func date(of bytes: UnsafeBufferPointer<UInt8>) -> Date? {
        var text = TextCursor(bytes)
        if bytes.first == UInt8(ascii: "i") { return text.takes("infinity") && text.isAtEnd ? .distantFuture : nil }
        if bytes.first == UInt8(ascii: "-") { return text.takes("-infinity") && text.isAtEnd ? .distantPast : nil }
        guard let yearDigits = text.digits(), text.takes("-"), let month = text.digits(), text.takes("-"), let day = text.digits(),
            (1...12).contains(month), (1...31).contains(day), yearDigits < 1_000_000
        else { return nil }
        var seconds = 0
        var micros = 0
        if text.takes(" ") || text.takes("T") {
            if text.takes("BC") { return text.isAtEnd ? instant(1 - yearDigits, month, day, 0, 0) : nil }
            guard let hour = text.digits(), text.takes(":"), let minute = text.digits(), text.takes(":"), let second = text.digits(),
                hour <= 24, minute < 60, second <= 60
            else { return nil }
            seconds = hour * 3600 + minute * 60 + second
            if text.takes(".") {
                guard let fraction = text.fraction() else { return nil }
                micros = fraction
            }
            guard let offset = text.zoneOffset() else { return nil }
            seconds -= offset
        }
        let year = text.takes(" BC") ? 1 - yearDigits : yearDigits
        return text.isAtEnd ? instant(year, month, day, seconds, micros) : nil
    }

    private static func instant(_ year: Int, _ month: Int, _ day: Int, _ seconds: Int, _ micros: Int) -> Date {
        let whole = days(year, month, day) * 86_400 + seconds - Int(unixEpochToReference)
        return Date(timeIntervalSinceReferenceDate: Double(whole) + Double(micros) / 1_000_000)
    }

    /// Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The inverse of `days`.
    private static func civil(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSince1970 + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func dividedFloor(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
