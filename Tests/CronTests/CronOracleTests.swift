import Testing

@testable import Cron

/// Random patterns against a walker that looks at every minute or second by itself.
@Suite struct CronOracleTests {
    static let zones: [(name: String, year: Int)] = [
        ("America/Sao_Paulo", 2018), ("Australia/Lord_Howe", 2025), ("Pacific/Apia", 2011), ("America/New_York", 2024),
        ("Europe/Dublin", 2431), ("Africa/Casablanca", 2024), ("Antarctica/Troll", 2025), ("Pacific/Kwajalein", 1993),
        ("Asia/Pyongyang", 2018), ("America/Asuncion", 2024), ("Asia/Gaza", 2026), ("UTC", 2026),
    ]

    @Test("R52: minute by minute around every change of a year's clock, next, count and latest agree with the walker", arguments: zones)
    func minutes(zone: (name: String, year: Int)) throws {
        try compare(zone: zone, step: 60, halfWindow: 2 * 86_400, patterns: 40)
    }

    @Test("second by second around every change of a year's clock, next, count and latest agree with the walker", arguments: zones)
    func seconds(zone: (name: String, year: Int)) throws {
        try compare(zone: zone, step: 1, halfWindow: 3 * 3_600, patterns: 12)
    }

    private func compare(zone named: (name: String, year: Int), step: Int64, halfWindow: Int64, patterns: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let zone = try TimeZoneRules(named: named.name)
        for change in changes(of: zone, inYear: named.year) {
            let window = (change - halfWindow)..<(change + halfWindow)
            let moments = stride(from: window.lowerBound, to: window.upperBound, by: Int(step)).map { instant in
                WalkedMoment(instant: instant, wall: instant + Int64(zone.offset(at: instant)))
            }
            for _ in 0..<patterns {
                let random = RandomPattern(hasSeconds: step == 1, using: &generator)
                let schedule = CronSchedule(pattern: try CronPattern(random.text), zone: zone)
                let expected = walk(moments, random, step: step)
                // The walker knows the wall times before the window only from its first day (or hour).
                let start = window.lowerBound + halfWindow / 2
                var found: [Int64] = []
                var instant = start
                while let next = schedule.next(after: instant), next < window.upperBound {
                    found.append(next)
                    instant = next
                }
                let known = expected.filter { $0 > start }
                let place: Comment = "seed \(seed), \(named.name) \(change), \(random.text)"
                try #require(found == known, place)
                let limit = Int.random(in: 1...10, using: &generator)
                let middle = Int64.random(in: start..<window.upperBound - 1, using: &generator)
                let late = known.filter { $0 > middle }
                let due = schedule.latest(after: middle, through: window.upperBound - 1, limit: limit)
                try #require(due == DueTimes(times: late.suffix(limit), total: late.count), place)
                try #require(schedule.count(after: start, through: middle) == known.count - late.count, place)
            }
        }
    }

    /// The changes of a year's clock, found hour by hour, or its middle when there are none.
    private func changes(of zone: TimeZoneRules, inYear year: Int) -> [Int64] {
        let start = Int64(Gregorian.day(year: year, month: 1, day: 3)) * 86_400
        let hours = stride(from: start, to: start + 360 * 86_400, by: 1_800)
        let found = hours.filter { zone.offset(at: $0) != zone.offset(at: $0 - 1_800) }
        return found.isEmpty ? [start + 180 * 86_400] : found
    }

    private func walk(_ moments: [WalkedMoment], _ pattern: RandomPattern, step: Int64) -> [Int64] {
        var due: [Int64] = []
        var latest = moments[0].wall
        for moment in moments.dropFirst() {
            if pattern.followsRealHours {
                if pattern.matches(wall: moment.wall) { due.append(moment.instant) }
                continue
            }
            guard moment.wall > latest else { continue }
            if stride(from: latest + step, through: moment.wall, by: Int(step)).contains(where: { pattern.matches(wall: $0) }) {
                due.append(moment.instant)
            }
            latest = moment.wall
        }
        return due
    }

    @Test("day by day over forty-five years, the first match of rare day patterns agrees with the walker")
    func rareDays() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let random = RandomPattern(hasSeconds: false, isRare: true, using: &generator)
            let schedule = CronSchedule(pattern: try CronPattern(random.text), zone: .utc)
            let start = Int.random(in: -100_000...100_000, using: &generator)
            let day = (start..<(start + 45 * 366)).first { random.matches(day: $0) }
            let found = schedule.next(after: Int64(start) * 86_400 - 1)
            try #require(found.map { Gregorian.floorDivide(Int($0), 86_400) } == day, "seed \(seed), day \(start), \(random.text)")
            try #require(schedule.pattern.isNever == (day == nil), "seed \(seed), \(random.text)")
        }
    }
}

private struct WalkedMoment {
    let instant: Int64
    let wall: Int64
}
