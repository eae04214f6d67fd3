import Foundation

/// A wall time of the stores, in whole minutes since 1970-01-01T00:00 of their own clocks.
struct LocalMinute: Hashable, Comparable, Sendable {
    var minutes: Int

    static func < (left: LocalMinute, right: LocalMinute) -> Bool { left.minutes < right.minutes }

    var day: Int { Int((Double(minutes) / 1_440).rounded(.down)) }

    /// Reads `yyyy-MM-ddTHH:mm`, and nothing else; with `allowsSeconds` also `yyyy-MM-ddTHH:mm:ss`, whose seconds are dropped.
    init?(_ text: String, allowsSeconds: Bool = false) {
        let bytes = Array(text.utf8)
        guard bytes.count == 16 || (allowsSeconds && bytes.count == 19) else { return nil }
        let pattern = Array("dddd-dd-ddTdd:dd:dd".utf8)
        for (byte, form) in zip(bytes, pattern) {
            let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
            guard form == UInt8(ascii: "d") ? isDigit : byte == form else { return nil }
        }
        func number(_ range: Range<Int>) -> Int { bytes[range].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } }
        let (year, month, day, hour, minute) = (number(0..<4), number(5..<7), number(8..<10), number(11..<13), number(14..<16))
        guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60 else { return nil }
        let days = CivilDay.number(year: year, month: month, day: day)
        guard CivilDay(days) == CivilDay(year: year, month: month, day: day) else { return nil }
        minutes = days * 1_440 + hour * 60 + minute
    }

    init(minutes: Int) {
        self.minutes = minutes
    }

    /// `yyyy-MM-ddTHH:mm`
    var text: String {
        let civil = CivilDay(day)
        let rest = minutes - day * 1_440
        return "\(civil.year)-\(padded(civil.month))-\(padded(civil.day))T\(padded(rest / 60)):\(padded(rest % 60))"
    }
}

/// A date of the Gregorian calendar (algorithms of Howard Hinnant, "chrono-compatible low-level date algorithms").
struct CivilDay: Hashable, Sendable {
    let year: Int
    let month: Int
    let day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// From days since 1970-01-01.
    init(_ number: Int) {
        let shifted = number + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01.
    static func number(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// The clock of the stores: São Paulo's, three hours behind UTC the whole year round since 2019, unless told otherwise.
struct StoreClock: Sendable {
    var offsetMinutes = -180

    /// Seconds since 1970 in UTC.
    var now: Double { Date().timeIntervalSince1970 }

    var localNow: LocalMinute { LocalMinute(minutes: Int(now / 60) + offsetMinutes) }

    /// `dd/MM/yyyy HH:mm:ss`, the form of RP's `tokenExpiration`.
    func slashed(_ secondsSince1970: Double) -> String {
        let local = Int(secondsSince1970) + offsetMinutes * 60
        let civil = CivilDay(local / 86_400)
        let rest = local % 86_400
        let time = [rest / 3_600, rest / 60 % 60, rest % 60].map { padded($0) }.joined(separator: ":")
        return "\(padded(civil.day))/\(padded(civil.month))/\(civil.year) \(time)"
    }

    /// `yyyy-MM-ddTHH:mm:ss.SSSZ`
    static func utc(_ secondsSince1970: Double) -> String {
        let milliseconds = Int(secondsSince1970 * 1_000)
        let seconds = milliseconds / 1_000
        let rest = seconds % 86_400
        let minute = LocalMinute(minutes: seconds / 60).text
        return "\(minute):\(padded(rest % 60)).\(padded(milliseconds % 1_000, width: 3))Z"
    }

    /// `-03:00`
    var offsetText: String {
        "\(offsetMinutes < 0 ? "-" : "+")\(padded(abs(offsetMinutes) / 60)):\(padded(abs(offsetMinutes) % 60))"
    }
}

func padded(_ value: Int, width: Int = 2) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
