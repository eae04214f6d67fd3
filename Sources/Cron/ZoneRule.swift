/// A zone's rule for all years to come, as a TZif file's last line gives it: `WET0WEST,M3.5.0/1,M10.5.0`
/// (POSIX.1-2017 §8.3 `TZ`, with the hours of -167 to 167 that RFC 8536 §3.3.1 adds).
struct ZoneRule: Sendable {
    /// Seconds east of UTC.
    let standardOffset: Int64
    private var daylight: Daylight?

    private struct Daylight {
        let offset: Int64
        let start: YearDay
        let end: YearDay
    }

    private struct YearDay {
        enum Day {
            /// `J60`: day 1 to 365, where 29 February is never counted.
            case julian(Int)
            /// `59`: day 0 to 365.
            case ordinal(Int)
            /// `M3.5.0`: month, week (5 is the last) and weekday.
            case weekday(month: Int, week: Int, weekday: Int)
        }
        let day: Day
        /// Seconds after the day's beginning on the clock that is in force until then.
        let time: Int64

        /// The wall time of the change, in seconds since 1970 on the clock's own face.
        func wall(inYear year: Int) -> Int64 {
            let dayNumber: Int
            switch day {
            case .julian(let number):
                dayNumber = Gregorian.day(year: year, month: 1, day: number) + (Gregorian.isLeap(year) && number >= 60 ? 1 : 0)
            case .ordinal(let number):
                dayNumber = Gregorian.day(year: year, month: 1, day: 1) + number
            case .weekday(let month, let week, let weekday):
                let first = Gregorian.day(year: year, month: month, day: 1)
                let firstMatch = (weekday - Gregorian.weekday(ofDay: first) + 7) % 7
                let length = Gregorian.length(ofMonth: month, year: year)
                dayNumber = first + min(firstMatch + (week - 1) * 7, firstMatch + (length - 1 - firstMatch) / 7 * 7)
            }
            return Int64(dayNumber) * 86_400 + time
        }
    }

    /// Reads the rule; nil when it breaks the grammar.
    init?(_ text: Substring) {
        var scanner = Scanner(rest: text)
        guard scanner.skipName(), let west = scanner.duration(hours: 0...24) else { return nil }
        standardOffset = -west
        if scanner.rest.isEmpty { return }
        guard scanner.skipName() else { return nil }
        var offset = standardOffset + 3_600
        if scanner.rest.first != "," {
            guard let west = scanner.duration(hours: 0...24) else { return nil }
            offset = -west
        }
        guard scanner.skip(","), let start = scanner.yearDay(), scanner.skip(","), let end = scanner.yearDay() else { return nil }
        guard scanner.rest.isEmpty else { return nil }
        daylight = Daylight(offset: offset, start: start, end: end)
    }

    /// Whether the clock changes every year.
    var hasDaylightTime: Bool { daylight != nil }

    /// The two changes of a year, ascending; where they fall together (daylight time all year), the one to daylight time.
    func changes(inYear year: Int) -> [(at: Int64, offset: Int64)] {
        guard let daylight else { return [] }
        let start = (at: daylight.start.wall(inYear: year) - standardOffset, offset: daylight.offset)
        let end = (at: daylight.end.wall(inYear: year) - daylight.offset, offset: standardOffset)
        return start.at <= end.at ? [start, end] : [end, start]
    }

    private struct Scanner {
        var rest: Substring

        mutating func skip(_ character: Character) -> Bool {
            guard rest.first == character else { return false }
            rest.removeFirst()
            return true
        }

        /// Skips `BRT` or `<-03>`.
        mutating func skipName() -> Bool {
            if rest.first == "<" {
                guard let end = rest.firstIndex(of: ">") else { return false }
                rest = rest[rest.index(after: end)...]
                return true
            }
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest[name.endIndex...]
            return name.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int>) -> Int? {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let number = decimal(digits), range.contains(number) else { return nil }
            rest = rest[digits.endIndex...]
            return number
        }

        /// Reads `[+-]hh[:mm[:ss]]` as seconds.
        mutating func duration(hours: ClosedRange<Int>) -> Int64? {
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            guard let hour = number(hours) else { return nil }
            var seconds = hour * 3_600
            if skip(":") {
                guard let minute = number(0...59) else { return nil }
                seconds += minute * 60
                if skip(":") {
                    guard let second = number(0...59) else { return nil }
                    seconds += second
                }
            }
            return Int64(isNegative ? -seconds : seconds)
        }

        mutating func yearDay() -> YearDay? {
            let day: YearDay.Day
            if skip("M") {
                guard let month = number(1...12), skip("."), let week = number(1...5), skip("."), let weekday = number(0...6) else {
                    return nil
                }
                day = .weekday(month: month, week: week, weekday: weekday)
            } else if skip("J") {
                guard let number = number(1...365) else { return nil }
                day = .julian(number)
            } else {
                guard let number = number(0...365) else { return nil }
                day = .ordinal(number)
            }
            guard skip("/") else { return YearDay(day: day, time: 7_200) }
            return duration(hours: 0...167).map { YearDay(day: day, time: $0) }
        }
    }
}
