/// A time during which a zone keeps one offset from UTC.
struct ZoneStretch: Sendable {
    /// The first instant, in Unix seconds; far in the past for a zone's first stretch.
    let start: Int64
    /// The first instant after it; far in the future for the last one.
    let end: Int64
    /// Seconds east of UTC.
    let offset: Int64
    /// No wall time from here on was shown before this stretch began.
    let earlierWallEnd: Int64

    /// What the wall clock shows when the stretch begins.
    var startWall: Int64 { start + offset }
}

/// All offsets of a zone, past and future.
///
/// A rule for the future ("last Sunday of March …") is written out for the 403 years after the last known change; because dates
/// and weekdays repeat after 400 years exactly, every later instant is looked up a multiple of 400 years earlier.
struct ZoneTable: Sendable {
    /// Beyond every instant and wall time that the calendar knows, and far from overflow.
    static let farFuture: Int64 = 1 << 60
    /// A zone file knows at most this many changes; real ones know less than 300.
    static let largestChangeCount = 20_000

    /// A rule says nothing about the years before 1900.
    private static let firstDaylightTime: Int64 = -2_208_988_800

    /// When each stretch begins, ascending.
    private let starts: [Int64]
    /// The offset of each stretch, in seconds east of UTC.
    private let offsets: [Int64]
    /// The first wall time not yet shown when each stretch ends; never decreasing.
    private let wallEnds: [Int64]
    /// From here on (instant or wall time) the table repeats every 400 years.
    private let repeatsFrom: Int64

    /// Takes the offset before all changes, the changes (ascending), and the rule for what follows them.
    init(initialOffset: Int64, changes: [(at: Int64, offset: Int64)], rule: ZoneRule?) {
        var starts = [-Self.farFuture]
        var offsets = [changes.isEmpty ? rule?.standardOffset ?? initialOffset : initialOffset]
        // Of two changes at one instant (daylight time that never ends) the second holds.
        func append(_ change: (at: Int64, offset: Int64)) {
            guard change.at >= starts[starts.count - 1] else { return }
            if change.at == starts[starts.count - 1] {
                starts.removeLast()
                offsets.removeLast()
            }
            guard change.offset != offsets.last else { return }
            starts.append(change.at)
            offsets.append(change.offset)
        }
        changes.forEach(append)
        if let rule, rule.hasDaylightTime {
            let lastKnown = max(changes.last?.at ?? Self.firstDaylightTime, Self.firstDaylightTime)
            let firstYear = Gregorian.date(ofDay: Gregorian.floorDivide(Int(lastKnown), 86_400)).year
            for year in firstYear...(firstYear + 403) {
                for change in rule.changes(inYear: year) where change.at > lastKnown { append(change) }
            }
            repeatsFrom = Int64(Gregorian.day(year: firstYear + 402, month: 1, day: 1)) * 86_400
        } else {
            repeatsFrom = Self.farFuture
        }
        var wallEnds: [Int64] = []
        for index in starts.indices {
            let end = index + 1 < starts.count ? starts[index + 1] + offsets[index] : 2 * Self.farFuture
            wallEnds.append(max(end, wallEnds.last ?? -Self.farFuture))
        }
        self.starts = starts
        self.offsets = offsets
        self.wallEnds = wallEnds
    }

    /// The stretch that an instant lies in.
    func stretch(at instant: Int64) -> ZoneStretch {
        let shift = shift(of: instant)
        let index = firstIndex(in: starts) { $0 > instant - shift } - 1
        return ZoneStretch(
            start: starts[index] + shift,
            end: index + 1 < starts.count ? starts[index + 1] + shift : Self.farFuture,
            offset: offsets[index],
            earlierWallEnd: index > 0 ? wallEnds[index - 1] + shift : -Self.farFuture)
    }

    /// The first instant at which the wall clock shows `wall` or more: the gap's end for a time that is skipped, the first of two.
    func instant(ofWall wall: Int64) -> Int64 {
        let shift = shift(of: wall)
        let index = firstIndex(in: wallEnds) { $0 > wall - shift }
        return max(starts[index], wall - shift - offsets[index]) + shift
    }

    private func shift(of moment: Int64) -> Int64 {
        moment < repeatsFrom ? 0 : ((moment - repeatsFrom) / Gregorian.cycleSeconds + 1) * Gregorian.cycleSeconds
    }

    /// The first index whose value satisfies a condition that holds for all later ones too.
    private func firstIndex(in values: [Int64], where holds: (Int64) -> Bool) -> Int {
        var (low, high) = (0, values.count)
        while low < high {
            let middle = (low + high) / 2
            if holds(values[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
