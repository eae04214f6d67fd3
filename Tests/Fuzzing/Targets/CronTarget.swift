import Foundation

@testable import Cron

extension FuzzTarget {
    /// `PATTERN`, or `PATTERN newline SECONDS newline ZONE`.
    static let cron = FuzzTarget(
        "cron", longest: 1200,
        words: [
            "*", "*/", "/", "-", ",", "?", "L", "LW", "L-", "W", "#", "@hourly", "@daily", "@reboot", "JAN", "feb", "SUN", "FRI-MON", "MON",
            "0 0 31 2 *", "0 0 29 2 *", "\n", "\n253402300799", "\n-62135596800", "\n9223372036854775807", "\n0\nEurope/Lisbon", "59", "23",
            "5L", "5#5", "7",
        ],
        texts: [
            "10 5 * * *", "*/5 8-18/2 * * MON-FRI", "0 0 31 2 *", "0 0 29 2 *\n951782399", "0 0 L * *", "0 0 LW * *", "0 0 15W 1,6 *",
            "0 0 L-3 * *", "0 0 * * 5L", "0 0 * * 5#2", "30 2 * 3,10 *\n1774746000\nEurope/Lisbon",
            "*/30 * * * *\n1792900000\nEurope/Lisbon",
            "@daily", "@HOURLY", "@reboot", "0 12 1-7 * FRI-MON/2", "59 59 23 31 12 7", "* * * * * *\n253402214399",
            "0 0 1 1 *\n253402214400",
            "0 0 * * 5#5\n-62135596800", "0 0 29 2 1\n4107542400", "0-59/59 0/7 */31 */12 0-7/7", "0 0 31W 2 *", "0 0 L-30 2 *",
            "1,2,3,4,5,6,7,8,9,0 * * * *", "", " ", "* * * *", "* * * * * * *", "60 * * * *", "*/0 * * * *", "5-1 * * * *", "0 0 0 * *",
            "0 0 * * 8", "a * * * *", "* * * * *\0", "-1 * * * *", "1--2 * * * *", "+1 * * * *", "99999 * * * *", "٣ * * * *",
            "0 0 \u{212A} * *", "0 0 * * \u{131}", "* * * * *\n9223372036854775807", "* * * * *\n-9223372036854775808",
            String(repeating: "1,", count: 400) + "1 * * * *",
        ]
    ) { text in
        let lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        let start = lines.count > 1 ? Int64(lines[1]) ?? 1_770_000_000 : 1_770_000_000
        let reference = ReferenceCron(lines[0])
        let pattern: CronPattern
        do throws(CronPatternError) {
            pattern = try CronPattern(lines[0])
        } catch {
            try require(reference == nil, "a good pattern is refused: \(error)")
            try require(!error.field.isEmpty && error.text.count <= 40, "the error says which field, and quotes little")
            return
        }
        guard let reference else { throw Violation("a bad pattern is taken") }
        try require(pattern.runsEveryRealHour, equals: reference.runsEveryRealHour, "the hour field begins with * or not")
        try checkUniversalTime(pattern, reference, start)
        let named = lines.count > 2 ? try? TimeZoneRules(named: lines[2]) : nil
        let lisbon = try? TimeZoneRules(named: "Europe/Lisbon")
        if let zone = named ?? lisbon { try checkZone(CronSchedule(pattern: pattern, zone: zone), reference, start) }
    }

    private static func checkUniversalTime(_ pattern: CronPattern, _ reference: ReferenceCron, _ start: Int64) throws {
        let next = CronSchedule(pattern: pattern, zone: .utc).next(after: start)
        let range = TimeZoneRules.instants
        guard start < range.upperBound else {
            try require(next == nil, "nothing is due after the last instant")
            return
        }
        let expected = reference.first(from: Int(max(start, range.lowerBound - 1)) + 1).flatMap { $0 <= range.upperBound ? $0 : nil }
        try require(next.map { Int($0) }, equals: expected, "the first match after \(start)")
        if pattern.isNever { try require(reference.first(from: 0, years: 400) == nil, "a pattern that never comes does come") }
    }

    private static func checkZone(_ schedule: CronSchedule, _ reference: ReferenceCron, _ start: Int64) throws {
        guard let first = schedule.next(after: start) else { return }
        try require(first > start, "a due time is strictly later")
        let wall = Int(first) + schedule.zone.offset(at: first)
        let isChange = schedule.zone.offset(at: first) != schedule.zone.offset(at: first - 1)
        try require(reference.matches(wall: wall) || isChange, "what is due is a match, or a gap's end")
        guard let second = schedule.next(after: first) else { return }
        try require(second > first, "the next due time is later")
        try require(schedule.count(after: start, through: second), equals: 2, "two due times up to the second")
        try require(schedule.count(after: first, through: second - 1), equals: 0, "none between them")
        let latest = schedule.latest(after: start, through: second, limit: 1)
        try require(latest, equals: DueTimes(times: [second], total: 2), "the latest of two")
    }
}
