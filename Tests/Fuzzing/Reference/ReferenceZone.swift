/// The last line of a zone file (`WET0WEST,M3.5.0/1,M10.5.0`), read with a regular expression and counted day by day.
struct ReferenceZone {
    private let standard: Int
    private let daylight: Int?
    private let dates: [(day: Substring, time: Int)]

    /// Nil for what it does not read; the reader under test may.
    init?(_ text: String) {
        let name = #"(?:<[^>]*>|[A-Za-z]{3,})"#
        let offset = #"([+-]?\d{1,4}(?::\d{1,4}(?::\d{1,4})?)?)"#
        let date = #"(J\d{1,4}|\d{1,4}|M\d{1,4}\.\d{1,4}\.\d{1,4})(?:/"# + offset + ")?"
        guard let pattern = try? Regex("^\(name)\(offset)(?:\(name)\(offset)?,\(date),\(date))?$"),
            let match = try? pattern.wholeMatch(in: text)
        else { return nil }
        let groups = match.output.map { $0.substring }
        guard let west = groups[1].flatMap(Self.seconds) else { return nil }
        standard = -west
        guard let start = groups[3], let end = groups[5] else {
            (daylight, dates) = (nil, [])
            return
        }
        if let own = groups[2] { daylight = Self.seconds(own).map { -$0 } } else { daylight = standard + 3600 }
        dates = [(start, groups[4].flatMap(Self.seconds) ?? 7200), (end, groups[6].flatMap(Self.seconds) ?? 7200)]
    }

    var hasDaylightTime: Bool { daylight != nil }

    private static func seconds(_ text: Substring) -> Int? {
        let isNegative = text.first == "-"
        let parts = text.drop { $0 == "-" || $0 == "+" }.split(separator: ":").compactMap { Int($0) }
        guard !parts.isEmpty else { return nil }
        let total = parts[0] * 3600 + (parts.count > 1 ? parts[1] * 60 : 0) + (parts.count > 2 ? parts[2] : 0)
        return isNegative ? -total : total
    }

    /// The offset at an instant of a year; nil when the rule's changes of three years do not alternate in order.
    func offset(at instant: Int, year: Int) -> Int? {
        guard let daylight else { return standard }
        var changes: [(at: Int, offset: Int)] = []
        for near in year - 1...year + 1 {
            guard let start = wall(dates[0], near), let end = wall(dates[1], near) else { return nil }
            changes += [(start - standard, daylight), (end - daylight, standard)]
        }
        changes.sort { $0.at < $1.at }
        for (one, two) in zip(changes, changes.dropFirst()) where one.offset == two.offset || one.at == two.at { return nil }
        guard let index = changes.lastIndex(where: { $0.at <= instant }), index < changes.count - 1 else { return nil }
        return changes[index].offset
    }

    private func wall(_ date: (day: Substring, time: Int), _ year: Int) -> Int? {
        guard let newYear = SlowDate.seconds(year: year, month: 1, day: 1) else { return nil }
        let numbers = date.day.drop { $0 == "M" || $0 == "J" }.split(separator: ".").compactMap { Int($0) }
        switch date.day.first {
        case "M":
            let (month, week, weekday) = (numbers[0], numbers[1], numbers[2])
            let matching = (1...31).compactMap { SlowDate.seconds(year: year, month: month, day: $0) }
                .filter { SlowDate(secondsSince1970: $0).weekday == weekday }
            return (week == 5 ? matching.last : matching[week - 1]).map { $0 + date.time }
        case "J":
            // 1 March is day 60 of every year.
            let isShifted = numbers[0] >= 60 && SlowDate.isLeap(year)
            return newYear + (numbers[0] - 1 + (isShifted ? 1 : 0)) * 86_400 + date.time
        default: return newYear + numbers[0] * 86_400 + date.time
        }
    }
}
