/// What a wall clock and a calendar show somewhere: date and time of day to the second, without a zone.
package struct LocalDateTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The calendar's day.
    package let date: CivilDate
    /// 0 to 23.
    package let hour: Int
    /// 0 to 59.
    package let minute: Int
    /// 0 to 59.
    package let second: Int

    /// Takes a date and a time of day; nil when a number is out of range.
    package init?(date: CivilDate, hour: Int, minute: Int = 0, second: Int = 0) {
        guard (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second) else { return nil }
        self.date = date
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// Takes six numbers; nil when they name no date and time.
    package init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        guard let date = CivilDate(year: year, month: month, day: day) else { return nil }
        self.init(date: date, hour: hour, minute: minute, second: second)
    }

    /// Takes seconds that a wall clock has counted since 1970-01-01T00:00:00 on its own face.
    init(wall: Int64) {
        let day = Gregorian.floorDivide(Int(wall), 86_400)
        let second = Int(wall) - day * 86_400
        date = CivilDate(daysSinceEpoch: day)
        hour = second / 3_600
        minute = second / 60 % 60
        self.second = second % 60
    }

    /// 1 to 9999.
    package var year: Int { date.year }
    /// 1 to 12.
    package var month: Int { date.month }
    /// 1 to 31.
    package var day: Int { date.day }

    /// Seconds since 1970-01-01T00:00:00 on the clock's own face.
    var wall: Int64 {
        Int64(date.daysSinceEpoch * 86_400 + hour * 3_600 + minute * 60 + second)
    }

    /// The earlier wall time comes first, whatever the zone makes of it.
    package static func < (left: LocalDateTime, right: LocalDateTime) -> Bool {
        left.wall < right.wall
    }

    /// The date and time as `2026-11-21T05:10:00`.
    package var description: String {
        "\(date)T\(padded(hour, to: 2)):\(padded(minute, to: 2)):\(padded(second, to: 2))"
    }
}
