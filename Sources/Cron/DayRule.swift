/// Which days of a month a pattern means: its day-of-month and day-of-week fields together.
struct DayRule: Hashable, Sendable {
    var ofMonth = DaysOfMonth()
    var ofWeek = DaysOfWeek()

    /// The days that match in a month, as bits 1 to 31; `firstWeekday` is that of the month's first day, 0 for Sunday.
    func days(monthLength: Int, firstWeekday: Int) -> UInt64 {
        let all: UInt64 = (2 << UInt64(monthLength)) - 2
        switch (ofMonth.isRestricted, ofWeek.isRestricted) {
        case (false, false): return all
        case (true, false): return all & ofMonth.days(monthLength: monthLength, firstWeekday: firstWeekday)
        case (false, true): return all & ofWeek.days(monthLength: monthLength, firstWeekday: firstWeekday)
        case (true, true):
            return all
                & (ofMonth.days(monthLength: monthLength, firstWeekday: firstWeekday)
                    | ofWeek.days(monthLength: monthLength, firstWeekday: firstWeekday))
        }
    }
}

/// What a day-of-month field says.
struct DaysOfMonth: Hashable, Sendable {
    /// False only for exactly `*` or `?` (SPEC §4).
    var isRestricted = false
    /// 1 to 31.
    var plain = NumberSet()
    /// Days before the last: 0 for `L`, 3 for `L-3`.
    var beforeLast = NumberSet()
    /// The days of `15W`: the weekday (Monday to Friday) nearest to it within the month.
    var nearestWeekday = NumberSet()
    /// `LW`, the last weekday (Monday to Friday) of the month.
    var hasLastWeekday = false

    func days(monthLength: Int, firstWeekday: Int) -> UInt64 {
        var days = plain.bits
        if !beforeLast.isEmpty {
            for back in 0..<monthLength where beforeLast.contains(back) { days |= 1 << UInt64(monthLength - back) }
        }
        if !nearestWeekday.isEmpty {
            for day in 1...monthLength where nearestWeekday.contains(day) {
                days |= 1 << UInt64(Self.weekday(nearestTo: day, monthLength: monthLength, firstWeekday: firstWeekday))
            }
        }
        if hasLastWeekday {
            days |= 1 << UInt64(Self.weekday(nearestTo: monthLength, monthLength: monthLength, firstWeekday: firstWeekday))
        }
        return days
    }

    private static func weekday(nearestTo day: Int, monthLength: Int, firstWeekday: Int) -> Int {
        switch (firstWeekday + day - 1) % 7 {
        case 6: day == 1 ? 3 : day - 1
        case 0: day == monthLength ? day - 2 : day + 1
        default: day
        }
    }
}

/// What a day-of-week field says; 0 is Sunday.
struct DaysOfWeek: Hashable, Sendable {
    /// False only for exactly `*` or `?` (SPEC §4).
    var isRestricted = false
    /// 0 to 6.
    var plain = NumberSet()
    /// The weekdays of `5L`, the last Friday.
    var last = NumberSet()
    /// The weekdays of `5#2`, the second Friday, as weekday × 5 + ordinal - 1.
    var ordinal = NumberSet()

    func days(monthLength: Int, firstWeekday: Int) -> UInt64 {
        let doubled = plain.bits | plain.bits << 7
        let firstWeek = (doubled >> UInt64(firstWeekday)) & 0x7F
        var days = (firstWeek | firstWeek << 7 | firstWeek << 14 | firstWeek << 21 | firstWeek << 28) << 1
        if !last.isEmpty || !ordinal.isEmpty {
            for weekday in 0..<7 {
                let first = (weekday - firstWeekday + 7) % 7 + 1
                if last.contains(weekday) { days |= 1 << UInt64(first + (monthLength - first) / 7 * 7) }
                for week in 0..<5 where ordinal.contains(weekday * 5 + week) { days |= 1 << UInt64(first + week * 7) }
            }
        }
        return days
    }
}
