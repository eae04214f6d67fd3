import Testing

@testable import Cron

/// Offsets compared with an independent reader of the same files.
@Suite struct ZoneFixtureTests {
    @Test("ten zones have the offsets that Python's zoneinfo gives, at their changes and between them, from 1970 to 2100")
    func offsetsAgree() throws {
        var checked = 0
        var zone = TimeZoneRules.utc
        for word in zoneFixtures.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            if word.first?.isLetter == true {
                zone = try TimeZoneRules(named: String(word))
            } else if word.contains("=") {
                let parts = word.split(separator: "=").compactMap { Int($0) }
                #expect(zone.offset(at: Int64(parts[0])) == parts[1], "\(zone.name) \(word)")
                checked += 1
            } else {
                let parts = word.split(whereSeparator: { $0 == ":" || $0 == ">" }).compactMap { Int($0) }
                #expect(zone.offset(at: Int64(parts[0]) - 1) == parts[1], "\(zone.name) before \(word)")
                #expect(zone.offset(at: Int64(parts[0])) == parts[2], "\(zone.name) after \(word)")
                checked += 1
            }
        }
        #expect(checked > 200)
    }

    @Test("a rule for the future holds up to the year 9999, on the same dates 400 years later")
    func farFuture() throws {
        let lisbon = try TimeZoneRules(named: "Europe/Lisbon")
        // The last Sunday of March, 01:00 UTC, and of October.
        for (date, instant) in [("2100-03-28", 4_109_878_800), ("2500-03-28", 16_732_659_600), ("9700-03-28", 243_942_714_000 as Int64)] {
            #expect(lisbon.offset(at: instant - 1) == 0, "\(date)")
            #expect(lisbon.offset(at: instant) == 3_600, "\(date)")
            #expect(iso8601(instant, in: lisbon) == "\(date)T02:00:00+01:00")
            let shown = LocalDateTime(wall: instant + 3_600)
            #expect(lisbon.instant(of: shown) == instant)
        }
        #expect(try TimeZoneRules(named: "America/Sao_Paulo").offset(at: 253_402_214_400) == -10_800)
    }

    @Test("sixteen zones turn an instant into wall time and back to the first such instant")
    func everyZone() throws {
        let names = zoneFixtures.split(separator: "\n").map { String($0) }.filter { $0.first?.isLetter == true }
        for name in names + ["UTC", "Etc/GMT+3", "Pacific/Kiritimati", "EST5EDT", "Antarctica/Troll", "Asia/Gaza"] {
            let zone = try TimeZoneRules(named: name)
            for step in 0..<2_000 {
                let instant = -3_000_000_000 + Int64(step) * 7_654_321
                let back = zone.instant(of: zone.local(at: instant))
                #expect(back == instant || (back < instant && zone.local(at: back) == zone.local(at: instant)), "\(name) \(instant)")
            }
        }
    }

    @Test("instants beyond the calendar are taken as its ends")
    func beyondTheCalendar() throws {
        for zone in [TimeZoneRules.utc, try TimeZoneRules(named: "Pacific/Kiritimati"), try TimeZoneRules(named: "Europe/Lisbon")] {
            #expect(zone.local(at: .max).year >= 9999)
            #expect(zone.local(at: .min).year == 1)
            #expect(abs(zone.offset(at: .max)) < 86_400)
        }
    }
}
