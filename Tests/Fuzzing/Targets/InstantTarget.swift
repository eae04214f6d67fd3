@testable import Cron

extension FuzzTarget {
    /// An instant that an operator typed.
    static let instant = FuzzTarget(
        "instant", longest: 80,
        words: ["2026-11-21", "T", "Z", "+03:00", "-03:06:28", "23:59:60", "0001-01-01", "9999-12-31", "02-29", ".5", "24:00"],
        texts: [
            "2026-11-21", "2026-11-21T05:10", "2026-11-21T05:10:00-03:00", "2026-11-21 05:10:00.123Z", "2024-02-29T00:00:00-0300",
            "2023-02-29", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0000-01-01", "2026-11-21T24:00", "2026-11-21Z",
            "2026-11-21T05:10:00.", "2026-11-21T05:10:60", "2026-1-1", "２０２６-11-21", "2026-11-21T05:10+3", "2026-11-21T05:10-03:06:28", "",
        ]
    ) { text in
        let groups = try? pattern?.wholeMatch(in: text)?.output.map { $0.substring.map(String.init) }
        var expected: Int?
        if let groups, text.utf8.count <= 64, let start = seconds(groups) { expected = start }
        let found = try? parseInstant(text, defaultZone: .utc)
        try require(found.map { Int($0) }, equals: expected, "the instant of \(text.debugDescription)")
        guard let found, TimeZoneRules.instants.contains(found) else { return }
        for name in ["Europe/Lisbon", "America/Sao_Paulo", "Australia/Lord_Howe"] {
            guard let zone = try? TimeZoneRules(named: name) else { continue }
            let written = iso8601(found, in: zone)
            try require(try parseInstant(written, defaultZone: .utc), equals: found, "\(written) is read as it was written")
        }
    }

    /// Computed for each use: a `Regex` may not be shared between threads.
    private static var pattern: Regex<AnyRegexOutput>? {
        try? Regex(
            #"^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?"#
                + #"(?:([Zz])|([+-])([0-9]{2})(?:([0-9]{2})|:([0-9]{2})(?::([0-9]{2}))?)?)?)?$"#)
    }

    private static func seconds(_ groups: [String?]) -> Int? {
        let number = { (index: Int) in groups[index].flatMap { Int($0) } ?? 0 }
        guard let day = SlowDate.seconds(year: number(1), month: number(2), day: number(3)), number(4) < 24, number(5) < 60, number(6) < 60,
            number(9) < 24, number(10) < 60, number(11) < 60, number(12) < 60
        else { return nil }
        let offset = number(9) * 3600 + (number(10) + number(11)) * 60 + number(12)
        return day + number(4) * 3600 + number(5) * 60 + number(6) - (groups[8] == "-" ? -offset : offset)
    }
}
