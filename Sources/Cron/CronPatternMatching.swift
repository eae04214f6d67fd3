/// Searching and counting on the wall clock: seconds since 1970-01-01T00:00:00 on the clock's own face.
extension CronPattern {
    /// Every kind of year (leap or not, beginning on each weekday) comes back within 40 years; one more for the month under way.
    static let searchedMonths = 12 * 41

    /// The first matching wall time at or after `wall`; nil when there is none before the year 10,000.
    func firstMatch(from wall: Int64) -> Int64? {
        if isNever { return nil }
        let day = Gregorian.floorDivide(Int(wall), 86_400)
        var (year, month, dayOfMonth) = Gregorian.date(ofDay: day)
        var isFirstDay = true
        for _ in 0...Self.searchedMonths {
            if months.contains(month) {
                let monthStart = Gregorian.day(year: year, month: month, day: 1)
                let matching = matchingDays(year: year, month: month, monthStart: monthStart)
                if isFirstDay, matching >> UInt64(dayOfMonth) & 1 == 1, let time = times.first(from: Int(wall) - day * 86_400) {
                    return Int64(day * 86_400 + time)
                }
                let rest = matching >> UInt64(isFirstDay ? dayOfMonth + 1 : 1)
                if rest != 0 {
                    let found = rest.trailingZeroBitCount + (isFirstDay ? dayOfMonth + 1 : 1)
                    return Int64((monthStart + found - 1) * 86_400 + (times.first(from: 0) ?? 0))
                }
            }
            isFirstDay = false
            (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
            if year > 9999 { return nil }
        }
        return nil
    }

    /// How many wall times match in `from..<to`, by arithmetic: about 10 ns for every month between them.
    func matchCount(from: Int64, to: Int64) -> Int {
        if isNever || from >= to { return 0 }
        let (firstDay, lastDay) = (Gregorian.floorDivide(Int(from), 86_400), Gregorian.floorDivide(Int(to), 86_400))
        var count = dayCount(from: firstDay, to: lastDay) * times.count
        if dayCount(from: firstDay, to: firstDay + 1) == 1 { count -= times.count(below: Int(from) - firstDay * 86_400) }
        if dayCount(from: lastDay, to: lastDay + 1) == 1 { count += times.count(below: Int(to) - lastDay * 86_400) }
        return count
    }

    /// How many days match in `from..<to`, day numbers.
    private func dayCount(from: Int, to: Int) -> Int {
        var (year, month, dayOfMonth) = Gregorian.date(ofDay: from)
        var monthStart = from - dayOfMonth + 1
        var count = 0
        while monthStart < to {
            let length = Gregorian.length(ofMonth: month, year: year)
            if months.contains(month) {
                var matching = matchingDays(year: year, month: month, monthStart: monthStart) >> UInt64(dayOfMonth)
                let wanted = to - monthStart + 1 - dayOfMonth
                if wanted < 32 { matching &= (1 << UInt64(max(0, wanted))) - 1 }
                count += matching.nonzeroBitCount
            }
            dayOfMonth = 1
            monthStart += length
            (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
        }
        return count
    }

    private func matchingDays(year: Int, month: Int, monthStart: Int) -> UInt64 {
        days.days(
            monthLength: Gregorian.length(ofMonth: month, year: year), firstWeekday: Gregorian.weekday(ofDay: monthStart))
    }
}
