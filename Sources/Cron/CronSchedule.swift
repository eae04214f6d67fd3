/// A pattern in a zone: the instants at which something is due, in Unix seconds.
///
/// A wall time that spring skips is due at the gap's end, and one that autumn repeats is due once, the first time; due times that fall
/// together are one. A pattern whose hour field begins with `*` follows real time instead: it is due whenever the wall clock shows a
/// match, in both passes of a repeated hour, and a skipped time adds nothing (SPEC §4). No due time lies after the year 9999.
package struct CronSchedule: Sendable {
    /// What is due on the wall clock.
    package let pattern: CronPattern
    /// Whose wall clock it is.
    package let zone: TimeZoneRules

    /// Takes a pattern and the zone whose wall clock it is read by.
    package init(pattern: CronPattern, zone: TimeZoneRules) {
        self.pattern = pattern
        self.zone = zone
    }

    /// The first due time strictly after an instant; nil when there is none, which is known at once for patterns like `0 0 31 2 *`.
    package func next(after instant: Int64) -> Int64? {
        if pattern.isNever || instant >= TimeZoneRules.instants.upperBound { return nil }
        let instant = max(instant, TimeZoneRules.instants.lowerBound - 1)
        let found = pattern.runsEveryRealHour ? nextShown(after: instant) : nextFirstShown(after: instant)
        return found.flatMap { $0 <= TimeZoneRules.instants.upperBound ? $0 : nil }
    }

    /// The next match among wall times that were not reached before, mapped to the instant at which the clock reaches it.
    private func nextFirstShown(after instant: Int64) -> Int64? {
        pattern.firstMatch(from: latestWall(through: instant) + 1).map(zone.table.instant(ofWall:))
    }

    /// The next instant at which the clock shows a match. A match that lies beyond a stretch holds for the next one too, unless
    /// that one begins with wall times not searched yet; so a rare pattern costs one search and one look-up for every change of offset.
    private func nextShown(after instant: Int64) -> Int64? {
        var stretch = zone.table.stretch(at: instant + 1)
        var searchedFrom = instant + 1 + stretch.offset
        guard var match = pattern.firstMatch(from: searchedFrom) else { return nil }
        let horizon = instant + Int64(CronPattern.searchedMonths) * 31 * 86_400
        while match - stretch.offset >= stretch.end {
            guard stretch.end <= horizon else { return nil }
            stretch = zone.table.stretch(at: stretch.end)
            if stretch.startWall < searchedFrom || stretch.startWall > match {
                searchedFrom = stretch.startWall
                guard let found = pattern.firstMatch(from: searchedFrom) else { return nil }
                match = found
            }
        }
        return match - stretch.offset
    }

    /// The latest wall time that a clock has shown up to an instant.
    private func latestWall(through instant: Int64) -> Int64 {
        let stretch = zone.table.stretch(at: instant)
        return max(stretch.earlierWallEnd - 1, instant + stretch.offset)
    }
}

/// The due times of an interval: how many there are, and the newest of them.
package struct DueTimes: Sendable, Equatable {
    /// Unix seconds, ascending.
    package let times: [Int64]
    /// All due times of the interval, also those that `times` leaves out.
    package let total: Int
}

extension CronSchedule {
    /// How many due times lie after `start` and not after `end`: arithmetic, about 10 ns for every month and change of offset between.
    package func count(after start: Int64, through end: Int64) -> Int {
        let start = max(start, TimeZoneRules.instants.lowerBound - 1)
        let end = min(end, TimeZoneRules.instants.upperBound)
        guard start < end, !pattern.isNever else { return 0 }
        return pattern.runsEveryRealHour ? countShown(after: start, through: end) : countFirstShown(after: start, through: end)
    }

    /// The newest due times after `start` and not after `end`, at most `limit`, with the count of all.
    ///
    /// Costs at most 60 counts and `limit` searches, whatever the interval: an every-second pattern over a year takes milliseconds.
    package func latest(after start: Int64, through end: Int64, limit: Int) -> DueTimes {
        let total = count(after: start, through: end)
        guard total > 0, limit > 0 else { return DueTimes(times: [], total: total) }
        var low = max(start, TimeZoneRules.instants.lowerBound - 1)
        var high = min(end, TimeZoneRules.instants.upperBound)
        if total <= limit { high = low }
        while low < high {
            let middle = low + (high - low) / 2
            if count(after: middle, through: end) <= limit { high = middle } else { low = middle + 1 }
        }
        var times: [Int64] = []
        times.reserveCapacity(min(total, limit))
        while let time = next(after: low), time <= end {
            times.append(time)
            low = time
        }
        return DueTimes(times: times, total: total)
    }

    private func countShown(after start: Int64, through end: Int64) -> Int {
        var count = 0
        var from = start + 1
        while from <= end {
            let stretch = zone.table.stretch(at: from)
            let to = min(stretch.end, end + 1)
            count += pattern.matchCount(from: from + stretch.offset, to: to + stretch.offset)
            from = to
        }
        return count
    }

    /// Counts wall times reached for the first time; those of a gap are one, together with its end.
    private func countFirstShown(after start: Int64, through end: Int64) -> Int {
        var count = pattern.matchCount(from: latestWall(through: start) + 1, to: latestWall(through: end) + 1)
        var stretch = zone.table.stretch(at: start)
        while stretch.end <= end {
            stretch = zone.table.stretch(at: stretch.end)
            guard stretch.startWall > stretch.earlierWallEnd else { continue }
            count -= max(0, pattern.matchCount(from: stretch.earlierWallEnd, to: stretch.startWall + 1) - 1)
        }
        return count
    }
}
