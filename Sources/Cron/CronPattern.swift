/// A cron pattern: the wall times at which something is due, whatever the zone.
///
/// Five fields (minute, hour, day of month, month, day of week), or six with seconds in front; or one of `@hourly`, `@daily`,
/// `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`. A field is a list of numbers or names (JAN, MON, any case), ranges
/// `8-18`, and steps `*/15`, `8-18/2`, `N/step` (N to the end). Day of month knows `L`, `L-3`, `15W` and `LW`; day of week `5L` (the
/// last Friday) and `5#2` (the second), 7 is Sunday too, and its ranges may pass Saturday (`FRI-MON`). No other range may run
/// backwards. When both day fields are restricted, one of them is enough; a field is restricted unless it is exactly `*` or `?`
/// (SPEC §4; cronie also takes `*/n` for unrestricted).
package struct CronPattern: Sendable, Equatable {
    let times: TimesOfDay
    let months: NumberSet
    let days: DayRule
    /// Whether the hour field begins with `*`: such a pattern runs every real hour, also where the clock shows one twice (SPEC §4).
    package let runsEveryRealHour: Bool
    /// Whether no day of any year matches, as for `0 0 31 2 *`.
    package let isNever: Bool

    /// Reads a pattern of at most 1,000 characters; the error names the field at fault.
    package init(_ text: String) throws(CronPatternError) {
        var reader = try CronPatternReader(text)
        try reader.readFields()
        times = reader.times
        months = reader.months
        days = reader.days
        runsEveryRealHour = reader.hourBeginsWithStar
        isNever = !Self.hasAnyDay(months: reader.months, days: reader.days)
    }

    /// Looks at every kind of month that 400 years hold: twelve months, February twice, beginning on each weekday.
    private static func hasAnyDay(months: NumberSet, days: DayRule) -> Bool {
        for month in 1...12 where months.contains(month) {
            for year in [2023, 2024] {
                let length = Gregorian.length(ofMonth: month, year: year)
                for weekday in 0..<7 where days.days(monthLength: length, firstWeekday: weekday) != 0 { return true }
            }
        }
        return false
    }
}

/// The times of day of a pattern.
struct TimesOfDay: Hashable, Sendable {
    var hours = NumberSet()
    var minutes = NumberSet()
    var seconds = NumberSet()

    /// How many there are in a day.
    var count: Int { hours.count * minutes.count * seconds.count }

    /// The first one at or after a second of the day.
    func first(from secondOfDay: Int) -> Int? {
        let (hour, minute, second) = (secondOfDay / 3_600, secondOfDay / 60 % 60, secondOfDay % 60)
        if hours.contains(hour) {
            if minutes.contains(minute), let found = seconds.first(from: second) { return secondOfDay - second + found }
            if let found = minutes.first(from: minute + 1) { return hour * 3_600 + found * 60 + seconds.bits.trailingZeroBitCount }
        }
        guard let found = hours.first(from: hour + 1) else { return nil }
        return found * 3_600 + minutes.bits.trailingZeroBitCount * 60 + seconds.bits.trailingZeroBitCount
    }

    /// How many lie before a second of the day.
    func count(below secondOfDay: Int) -> Int {
        let (hour, minute, second) = (secondOfDay / 3_600, secondOfDay / 60 % 60, secondOfDay % 60)
        var count = hours.count(below: hour) * minutes.count * seconds.count
        if hours.contains(hour) {
            count += minutes.count(below: minute) * seconds.count
            if minutes.contains(minute) { count += seconds.count(below: second) }
        }
        return count
    }
}
