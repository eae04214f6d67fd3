/// A day of the Gregorian calendar in the years 1 to 9999, without a zone.
package struct CivilDate: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 1 to 9999.
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// 1 to 31.
    package let day: Int

    /// Takes a day that exists; nil for the others, such as 30 February.
    package init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1 else { return nil }
        guard day <= Gregorian.length(ofMonth: month, year: year) else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    /// Takes a number of days since 1970-01-01; one outside the years 1 to 9999 becomes the nearest day inside.
    package init(daysSinceEpoch days: Int) {
        (year, month, day) = Gregorian.date(ofDay: min(max(days, Gregorian.firstDay), Gregorian.lastDay))
    }

    /// The number of days since 1970-01-01.
    package var daysSinceEpoch: Int {
        Gregorian.day(year: year, month: month, day: day)
    }

    /// The day of the week: 0 is Sunday, 6 Saturday.
    package var weekday: Int {
        Gregorian.weekday(ofDay: daysSinceEpoch)
    }

    /// The date that lies `days` later, or earlier when negative.
    package func adding(days: Int) -> CivilDate {
        CivilDate(daysSinceEpoch: daysSinceEpoch + min(max(days, -10_000_000), 10_000_000))
    }

    /// The earlier day comes first.
    package static func < (left: CivilDate, right: CivilDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }

    /// The date as `2026-11-21`.
    package var description: String {
        "\(padded(year, to: 4))-\(padded(month, to: 2))-\(padded(day, to: 2))"
    }
}

/// The arithmetic of the Gregorian calendar on day numbers; day 0 is 1970-01-01, a Thursday.
enum Gregorian {
    static let firstDay = day(year: 1, month: 1, day: 1)
    static let lastDay = day(year: 9999, month: 12, day: 31)
    /// After 400 years (146,097 days, whole weeks) dates and weekdays repeat.
    static let cycleSeconds: Int64 = 146_097 * 86_400

    /// Counts in years that begin on 1 March, so that the leap day is a year's last
    /// (the algorithm of https://howardhinnant.github.io/date_algorithms.html).
    static func day(year: Int, month: Int, day: Int) -> Int {
        let marchYear = month <= 2 ? year - 1 : year
        let cycle = floorDivide(marchYear, 400)
        let yearOfCycle = marchYear - cycle * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
        return cycle * 146_097 + dayOfCycle - 719_468
    }

    static func date(ofDay day: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468
        let cycle = floorDivide(shifted, 146_097)
        let dayOfCycle = shifted - cycle * 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1_460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    static func weekday(ofDay day: Int) -> Int {
        let remainder = (day + 4) % 7
        return remainder < 0 ? remainder + 7 : remainder
    }

    static func isLeap(_ year: Int) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    static func length(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    static func floorDivide(_ dividend: Int, _ divisor: Int) -> Int {
        dividend >= 0 ? dividend / divisor : -((divisor - 1 - dividend) / divisor)
    }
}

func padded(_ number: Int, to width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
