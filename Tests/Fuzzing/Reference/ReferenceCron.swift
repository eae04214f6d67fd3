/// What a cron pattern means, worked out slowly and without the code under test: sets of numbers, and days tried one by one.
struct ReferenceCron {
    private var seconds: Set<Int> = [0]
    private var minutes: Set<Int> = []
    private var hours: Set<Int> = []
    private var months: Set<Int> = []
    private var dayTests: [DayTest]?
    let runsEveryRealHour: Bool

    /// Whether a day matches: day of month, its month's length, its weekday (0 is Sunday).
    private typealias DayTest = (_ day: Int, _ length: Int, _ weekday: Int) -> Bool

    /// Nil when the text is no pattern.
    init?(_ text: String) {
        guard text.utf8.count <= 1000, text.unicodeScalars.allSatisfy({ $0 == "\t" || (" "..."~").contains($0) }) else { return nil }
        var words = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map { $0.lowercased() }
        if words.count == 1, words[0].first == "@" {
            switch words[0] {
            case "@hourly": words = ["0", "*", "*", "*", "*"]
            case "@daily", "@midnight": words = ["0", "0", "*", "*", "*"]
            case "@weekly": words = ["0", "0", "*", "*", "0"]
            case "@monthly": words = ["0", "0", "1", "*", "*"]
            case "@yearly", "@annually": words = ["0", "0", "1", "1", "*"]
            default: return nil
            }
        }
        if words.count == 6 {
            guard let set = Self.numbers(words.removeFirst(), 0, 59) else { return nil }
            seconds = set
        }
        guard words.count == 5, let minutes = Self.numbers(words[0], 0, 59), let hours = Self.numbers(words[1], 0, 23),
            let months = Self.numbers(words[3], 1, 12, names: Self.monthNames),
            let ofMonth = Self.daysOfMonth(words[2]), let ofWeek = Self.daysOfWeek(words[4])
        else { return nil }
        (self.minutes, self.hours, self.months) = (minutes, hours, months)
        runsEveryRealHour = words[1].first == "*"
        let isFree = { (word: String) in word == "*" || word == "?" }
        if !isFree(words[2]) || !isFree(words[4]) {
            dayTests = (isFree(words[2]) ? [] : ofMonth) + (isFree(words[4]) ? [] : ofWeek)
        }
    }

    /// The first match at or after a moment, both as seconds on the wall since 1970; nil when none comes within `years`.
    func first(from wall: Int, years: Int = 48) -> Int? {
        var date = SlowDate(secondsSince1970: wall)
        var isFirstDay = true
        let lastYear = min(date.year + years, 9999)
        while date.year <= lastYear {
            if matches(date), let time = firstTime(from: isFirstDay ? wall - date.day * 86_400 : 0) { return date.day * 86_400 + time }
            isFirstDay = false
            date.advance(wholeMonth: !months.contains(date.month))
        }
        return nil
    }

    /// Whether the wall clock's showing this is a match.
    func matches(wall: Int) -> Bool {
        let date = SlowDate(secondsSince1970: wall)
        let time = wall - date.day * 86_400
        return matches(date) && hours.contains(time / 3600) && minutes.contains(time / 60 % 60) && seconds.contains(time % 60)
    }

    private func matches(_ date: SlowDate) -> Bool {
        guard months.contains(date.month) else { return false }
        return dayTests?.contains { $0(date.dayOfMonth, date.monthLength, date.weekday) } ?? true
    }

    private func firstTime(from start: Int) -> Int? {
        for hour in start / 3600..<24 where hours.contains(hour) {
            for minute in 0..<60 where minutes.contains(minute) && hour * 3600 + minute * 60 + 59 >= start {
                for second in 0..<60 where seconds.contains(second) && hour * 3600 + minute * 60 + second >= start {
                    return hour * 3600 + minute * 60 + second
                }
            }
        }
        return nil
    }

    // MARK: Fields

    private static let monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    private static func number(_ text: some StringProtocol, _ low: Int, _ high: Int, names: [String] = []) -> Int? {
        if let index = names.firstIndex(of: String(text)) { return low + index }
        guard text.count <= 4, !text.isEmpty, text.allSatisfy({ "0123456789".contains($0) }), let number = Int(text) else { return nil }
        return number >= low && number <= high ? number : nil
    }

    /// `*`, `5`, `5-9`, each with or without `/step`; with `week`, days of the week on their circle.
    private static func item(_ text: String, _ low: Int, _ high: Int, names: [String], week: Bool) -> Set<Int>? {
        let parts = text.components(separatedBy: "/")
        guard parts.count <= 2 else { return nil }
        let top = week ? 6 : high
        var step = 1
        if parts.count == 2 {
            guard let given = number(parts[1], 1, top - low + 1) else { return nil }
            step = given
        }
        let ends = parts[0].components(separatedBy: "-")
        var values: [Int]
        if parts[0] == "*" {
            values = Array(low...top)
        } else if ends.count == 1, let only = number(ends[0], low, high, names: names) {
            let start = week && only == 7 ? 0 : only
            values = parts.count == 2 ? Array(start...top) : [start]
        } else if ends.count == 2, let first = number(ends[0], low, high, names: names), let last = number(ends[1], low, high, names: names)
        {
            if first <= last {
                values = Array(first...last)
            } else if week {
                values = first == 7 ? Array(0...last) : Array(first...6) + Array(0...last)
            } else {
                return nil
            }
        } else {
            return nil
        }
        values = values.enumerated().filter { $0.offset % step == 0 }.map(\.element)
        return Set(values.map { week ? $0 % 7 : $0 })
    }

    private static func numbers(_ field: String, _ low: Int, _ high: Int, names: [String] = []) -> Set<Int>? {
        var all: Set<Int> = []
        for text in field.components(separatedBy: ",") {
            guard let some = item(text, low, high, names: names, week: false) else { return nil }
            all.formUnion(some)
        }
        return all
    }

    private static func daysOfMonth(_ field: String) -> [DayTest]? {
        if field == "?" { return [] }
        var tests: [DayTest] = []
        for text in field.components(separatedBy: ",") {
            if text == "l" {
                tests.append { day, length, _ in day == length }
            } else if text == "lw" {
                tests.append { day, length, weekday in isNearest(to: length, day, length, weekday) }
            } else if text.hasPrefix("l-") {
                guard let back = number(text.dropFirst(2), 1, 30) else { return nil }
                tests.append { day, length, _ in day + back == length }
            } else if text.hasSuffix("w") {
                guard let wanted = number(text.dropLast(), 1, 31) else { return nil }
                tests.append { day, length, weekday in isNearest(to: wanted, day, length, weekday) }
            } else {
                guard let set = item(text, 1, 31, names: [], week: false) else { return nil }
                tests.append { day, _, _ in set.contains(day) }
            }
        }
        return tests
    }

    /// Whether a day is a workday and no workday of its month lies nearer to the wanted day, which exists.
    private static func isNearest(to wanted: Int, _ day: Int, _ length: Int, _ weekday: Int) -> Bool {
        let isWorkday = { (other: Int) in (1...5).contains((weekday + other - day + 35) % 7) }
        guard wanted <= length, isWorkday(day) else { return false }
        return (1...length).filter(isWorkday).allSatisfy { abs($0 - wanted) >= abs(day - wanted) }
    }

    private static func daysOfWeek(_ field: String) -> [DayTest]? {
        if field == "?" { return [] }
        var tests: [DayTest] = []
        for text in field.components(separatedBy: ",") {
            if text.hasSuffix("l") {
                guard let wanted = number(text.dropLast(), 0, 7, names: dayNames) else { return nil }
                tests.append { day, length, weekday in weekday == wanted % 7 && day + 7 > length }
            } else if let mark = text.firstIndex(of: "#") {
                guard let wanted = number(text[..<mark], 0, 7, names: dayNames),
                    let ordinal = number(text[text.index(after: mark)...], 1, 5)
                else { return nil }
                tests.append { day, _, weekday in weekday == wanted % 7 && (day + 6) / 7 == ordinal }
            } else {
                guard let set = item(text, 0, 7, names: dayNames, week: true) else { return nil }
                tests.append { _, _, weekday in set.contains(weekday) }
            }
        }
        return tests
    }
}

/// A calendar that counts every year and month: slow, and hard to get wrong.
struct SlowDate {
    private(set) var year = 1970
    private(set) var month = 1
    private(set) var dayOfMonth = 1
    /// Days since 1970-01-01.
    private(set) var day = 0

    init(secondsSince1970 seconds: Int) {
        var rest = seconds >= 0 ? seconds / 86_400 : -((86_399 - seconds) / 86_400)
        day = rest
        while rest < 0 {
            year -= 1
            rest += Self.isLeap(year) ? 366 : 365
        }
        while rest >= (Self.isLeap(year) ? 366 : 365) {
            rest -= Self.isLeap(year) ? 366 : 365
            year += 1
        }
        while rest >= monthLength {
            rest -= monthLength
            month += 1
        }
        dayOfMonth = rest + 1
    }

    var monthLength: Int { [31, Self.isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] }
    /// 0 is Sunday; 1970-01-01 was a Thursday.
    var weekday: Int { ((day + 4) % 7 + 7) % 7 }

    mutating func advance(wholeMonth: Bool) {
        let step = wholeMonth ? monthLength - dayOfMonth + 1 : 1
        day += step
        if dayOfMonth + step > monthLength {
            dayOfMonth = 1
            month += 1
            if month > 12 { (year, month) = (year + 1, 1) }
        } else {
            dayOfMonth += step
        }
    }

    static func isLeap(_ year: Int) -> Bool { year % 400 == 0 || (year % 4 == 0 && year % 100 != 0) }

    /// Seconds since 1970 of a date's beginning; nil when there is no such date.
    static func seconds(year: Int, month: Int, day: Int) -> Int? {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1 else { return nil }
        // The first day of the year, counted by leap days before it.
        let before = year - 1
        var days = before * 365 + before / 4 - before / 100 + before / 400 - 719_162
        let lengths = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[month - 1] else { return nil }
        days += lengths[..<(month - 1)].reduce(0, +) + day - 1
        return days * 86_400
    }
}
