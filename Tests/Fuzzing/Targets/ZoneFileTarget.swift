import Foundation

@testable import Cron

extension FuzzTarget {
    /// A compiled zone file.
    static let zoneFile = FuzzTarget(
        "zone-file", longest: 6000,
        words: ["TZif2", "\nWET0WEST,M3.5.0/1,M10.5.0\n", "<-03>3", ",J60/25", ",0/-167", ",M2.5.6/167", "24:59:59", "\n"],
        seeds: {
            let real = ["America/Sao_Paulo", "Europe/Lisbon", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Europe/Dublin"]
            let rules = [
                "WET0WEST,M3.5.0/1,M10.5.0", "<-03>3", "AAA-24BBB24,0/-167,365/167", "EST5EDT,J1/0,J365/23", "AAA0BBB,M1.1.0,M1.1.0",
                "XXX-1YYY,M12.5.6/167,M1.1.0/-167", "PST8PDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "AAA25", "AA0", "<",
                "CST6CDT,J60/25:59:59,59", "AAA0BBB,M13.1.0,M4.1.0", "",
            ]
            return real.compactMap { try? Array(Foundation.Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\($0)"))) }
                + rules.map { zoneFile(changes: [(0, 0), (1_000_000_000, 1)], offsets: [-10_800, 3600], rule: $0) }
                + [
                    zoneFile(changes: [], offsets: [0], rule: "EST5EDT,M3.2.0,M11.1.0"),
                    zoneFile(changes: [(-1 << 59, 1), (1 << 59, 0)], offsets: [93_599, -93_599], rule: "EST5EDT,M3.2.0,M11.1.0"),
                    zoneFile(changes: [(253_402_300_700, 1)], offsets: [93_599, -93_599], rule: "AAA-24BBB24,0/-167,365/167"),
                    // No rule; what stands behind it is nobody's.
                    zoneFile(changes: [(0, 0), (1_000_000_000, 1)], offsets: [-10_800, 3600], rule: "\nEST5EDT,M3.2.0,M11.1.0"),
                    Array("TZif".utf8), Array(repeating: 0xFF, count: 60), [],
                ]
        },
        check: checkZoneFile)

    private static func zoneFile(changes: [(at: Int64, type: UInt8)], offsets: [Int32], rule: String) -> [UInt8] {
        func header(_ changes: Int, _ types: Int) -> [UInt8] {
            Array("TZif2".utf8) + Array(repeating: 0, count: 15)
                + [0, 0, 0, changes, types, 1].flatMap { bytes(Int32($0)) }
        }
        func bytes<T: FixedWidthInteger>(_ number: T) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        return header(0, 1) + [0, 0, 0, 0, 0, 0, 0] + header(changes.count, offsets.count) + changes.flatMap { bytes($0.at) }
            + changes.map(\.type) + offsets.flatMap { bytes($0) + [0, 0] } + [0] + Array("\n\(rule)\n".utf8)
    }

    @Sendable private static func checkZoneFile(_ bytes: [UInt8]) throws {
        let table: ZoneTable
        do throws(ZoneFile.Fault) {
            table = try ZoneFile.table(of: bytes)
        } catch {
            try require(!error.reason.isEmpty, "a refusal says why")
            return
        }
        let range = TimeZoneRules.instants
        let places = [
            range.lowerBound, -2_208_988_800, 0, 1_000_000_000, 1_774_746_000, 4_102_444_800, 100_000_000_000, range.upperBound - 1,
        ]
        for place in places { try checkStretches(of: table, around: place) }
        try checkRule(of: bytes, table)
        for text in ["30 2 * * *", "*/30 * * * *", "0 0 29 2 *"] {
            // How long it takes is bounded, too: by the table's length, which the file's limits.
            let pattern = try CronPattern(text)
            for place in places.dropLast() {
                guard let first = next(pattern, table, place) else { continue }
                try require(first > place, "a due time is strictly later")
            }
        }
    }

    private static func next(_ pattern: CronPattern, _ table: ZoneTable, _ instant: Int64) -> Int64? {
        CronSchedule(pattern: pattern, zone: TimeZoneRules(name: "fuzzed", table: table)).next(after: instant)
    }

    private static func checkStretches(of table: ZoneTable, around instant: Int64) throws {
        let begin = instant - 5 * 86_400
        var walked: [ZoneStretch] = [table.stretch(at: begin)]
        while let last = walked.last, last.end < instant + 5 * 86_400, walked.count < 200 { walked.append(table.stretch(at: last.end)) }
        for (one, two) in zip(walked, walked.dropFirst()) {
            try require(two.start, equals: one.end, "stretches follow one another")
            try require(two.end > two.start && abs(two.offset) < 26 * 3600, "a stretch has a length, and its offset is one of a clock's")
        }
        guard walked.count < 200 else { return }
        for wall in [instant, instant - 3600, instant + 1800] + walked.dropFirst().prefix(20).flatMap({ [$0.startWall, $0.startWall - 1] })
        where abs(wall - instant) < 3 * 86_400 {
            let found = table.instant(ofWall: wall)
            // The first stretch whose clock comes that far.
            let stretch = walked.first { $0.end - 1 + $0.offset >= wall }
            try require(found, equals: stretch.map { max($0.start, wall - $0.offset) } ?? found, "the first instant that shows \(wall)")
        }
    }

    /// Beyond the last change of the file its last line decides: where it has daylight time, or the file no change.
    private static func checkRule(of bytes: [UInt8], _ table: ZoneTable) throws {
        guard bytes.starts(with: "TZif2".utf8) else { return }
        let (last, line) = secondBlock(of: bytes)
        guard let rule = ReferenceZone(line), last < 64_000_000_000, rule.hasDaylightTime || last == noChange else { return }
        for year in [2150, 2151, 2152, 2996, 2999, 3400, 9000] {
            guard let newYear = SlowDate.seconds(year: year, month: 1, day: 1), newYear > last + 800 * 86_400 else { continue }
            for day in stride(from: 3, to: 363, by: 45) {
                let instant = newYear + day * 86_400 + 43_211
                guard let expected = rule.offset(at: instant, year: year) else { continue }
                try require(Int(table.stretch(at: Int64(instant)).offset), equals: expected, "the offset at \(instant)")
            }
        }
    }

    /// The last time of a file's second block, and the line behind it.
    private static func secondBlock(of bytes: [UInt8]) -> (last: Int, line: String) {
        func counts(_ start: Int) -> [Int] {
            (0..<6).map { field in bytes[start + 20 + field * 4..<start + 24 + field * 4].reduce(0) { $0 << 8 | Int($1) } }
        }
        func length(_ counts: [Int], time: Int) -> Int {
            44 + counts[3] * (time + 1) + counts[4] * 6 + counts[5] + counts[2] * (time + 4) + counts[1] + counts[0]
        }
        let start = length(counts(0), time: 4)
        let second = counts(start)
        let line = bytes[(start + length(second, time: 8) + 1)...].prefix { $0 != 0x0A }
        guard second[3] > 0 else { return (noChange, String(decoding: line, as: UTF8.self)) }
        let time = bytes[(start + 44 + (second[3] - 1) * 8)...].prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return (max(noChange + 1, Int(bitPattern: UInt(time))), String(decoding: line, as: UTF8.self))
    }

    /// 1900, before which rules say nothing.
    private static let noChange = -2_208_988_800
}
