/// Reads the text of a cron pattern field by field.
struct CronPatternReader {
    private(set) var times = TimesOfDay()
    private(set) var months = NumberSet()
    private(set) var days = DayRule()
    private(set) var hourBeginsWithStar = false
    private let fields: [Substring]

    /// Every second, minute, hour, day and month listed one by one needs 460 characters.
    static let longestPattern = 1_000

    private static let nicknames = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    /// Splits the text into fields at spaces and tabs.
    init(_ text: String) throws(CronPatternError) {
        guard text.utf8.count <= Self.longestPattern else {
            throw CronPatternError(
                field: "number of fields", text: text, allowed: "a pattern has at most \(Self.longestPattern) characters")
        }
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 }) else {
            throw CronPatternError(
                field: "characters", text: text, allowed: "letters, digits, spaces and * ? , - / # @ are all that a pattern holds")
        }
        let words = text.split { $0 == " " || $0 == "\t" }
        if let first = words.first, first.hasPrefix("@"), words.count == 1 {
            fields = try Self.meaning(ofNickname: first).split(separator: " ")
            return
        }
        guard words.count == 5 || words.count == 6 else {
            throw CronPatternError(
                field: "number of fields", text: text,
                allowed: "there are \(words.count), not five (minute, hour, day of month, month, day of week) or six (second in front)")
        }
        fields = words
    }

    private static func meaning(ofNickname nickname: Substring) throws(CronPatternError) -> String {
        if let pattern = nicknames[nickname.lowercased()] { return pattern }
        let known = "write one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or five fields"
        throw CronPatternError(
            field: "nickname", text: String(nickname),
            allowed: nickname.lowercased() == "@reboot" ? "a restart is no point in time, so @reboot is not offered; \(known)" : known)
    }

    mutating func readFields() throws(CronPatternError) {
        let five = fields.suffix(5)
        let hour = five[five.startIndex + 1]
        if fields.count == 6 { times.seconds = try numbers(.second, fields[0]) } else { times.seconds.insert(0) }
        times.minutes = try numbers(.minute, five[five.startIndex])
        times.hours = try numbers(.hour, hour)
        hourBeginsWithStar = hour.hasPrefix("*")
        days.ofMonth = try daysOfMonth(five[five.startIndex + 2])
        months = try numbers(.month, five[five.startIndex + 3])
        days.ofWeek = try daysOfWeek(five[five.startIndex + 4])
    }

    private func numbers(_ field: CronField, _ text: Substring) throws(CronPatternError) -> NumberSet {
        var numbers = NumberSet()
        for item in items(text) { try field.read(item, into: &numbers) }
        return numbers
    }

    private func daysOfMonth(_ text: Substring) throws(CronPatternError) -> DaysOfMonth {
        let field = CronField.dayOfMonth
        var days = DaysOfMonth()
        if text == "*" || text == "?" { return days }
        days.isRestricted = true
        for item in items(text) {
            let upper = item.uppercased()
            if upper == "L" {
                days.beforeLast.insert(0)
            } else if upper == "LW" {
                days.hasLastWeekday = true
            } else if upper.hasPrefix("L-") {
                guard let back = decimal(upper.dropFirst(2)), (1...30).contains(back) else {
                    throw field.error(item, "L-1 to L-30 count back from the month's last day")
                }
                days.beforeLast.insert(back)
            } else if upper.hasSuffix("W") {
                guard let day = decimal(upper.dropLast()), (1...31).contains(day) else {
                    throw field.error(item, "1W to 31W mean the weekday nearest to that day, LW the month's last weekday")
                }
                days.nearestWeekday.insert(day)
            } else {
                try field.read(item, into: &days.plain)
            }
        }
        return days
    }

    private func daysOfWeek(_ text: Substring) throws(CronPatternError) -> DaysOfWeek {
        let field = CronField.dayOfWeek
        var days = DaysOfWeek()
        if text == "*" || text == "?" { return days }
        days.isRestricted = true
        for item in items(text) {
            if item.last == "L" || item.last == "l" {
                guard item.utf8.count > 1 else { throw field.error(item, "L needs a day before it: 5L is the month's last Friday") }
                days.last.insert(try field.readNumber(item.dropLast(), of: item) % 7)
            } else if let mark = item.firstIndex(of: "#") {
                let weekday = try field.readNumber(item[..<mark], of: item) % 7
                guard let ordinal = decimal(item[item.index(after: mark)...]), (1...5).contains(ordinal) else {
                    throw field.error(item, "after # stands a number from 1 to 5: 5#2 is the month's second Friday")
                }
                days.ordinal.insert(weekday * 5 + ordinal - 1)
            } else {
                try field.read(item, into: &days.plain)
            }
        }
        return days
    }

    private func items(_ field: Substring) -> [Substring] {
        field.split(separator: ",", omittingEmptySubsequences: false)
    }
}
