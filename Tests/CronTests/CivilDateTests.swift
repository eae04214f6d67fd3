import Testing

@testable import Cron

@Suite struct CivilDateTests {
    @Test("counting day by day from the year 1600 to 2400 gives the same dates, day numbers and weekdays as the arithmetic")
    func dayByDay() {
        var (year, month, day, weekday) = (1600, 1, 1, 6)
        for number in -135_140...156_000 {
            let date = CivilDate(daysSinceEpoch: number)
            guard date.year == year, date.month == month, date.day == day, date.daysSinceEpoch == number, date.weekday == weekday else {
                Issue.record("\(number) gives \(date), weekday \(date.weekday); counted \(year)-\(month)-\(day), weekday \(weekday)")
                return
            }
            weekday = (weekday + 1) % 7
            day += 1
            let isLeap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
            if day > [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test("only dates and times that exist can be made")
    func existence() {
        #expect(CivilDate(year: 2024, month: 2, day: 29) != nil)
        #expect(CivilDate(year: 2023, month: 2, day: 29) == nil)
        #expect(CivilDate(year: 1900, month: 2, day: 29) == nil)
        #expect(CivilDate(year: 2000, month: 2, day: 29) != nil)
        #expect(CivilDate(year: 2024, month: 13, day: 1) == nil)
        #expect(CivilDate(year: 2024, month: 4, day: 31) == nil)
        #expect(CivilDate(year: 0, month: 1, day: 1) == nil)
        #expect(CivilDate(year: 10_000, month: 1, day: 1) == nil)
        #expect(LocalDateTime(year: 2024, month: 4, day: 30, hour: 24) == nil)
        #expect(LocalDateTime(year: 2024, month: 4, day: 30, hour: 23, minute: 60) == nil)
        #expect(LocalDateTime(year: 2024, month: 4, day: 30, hour: 23, minute: 59, second: 60) == nil)
    }

    @Test("days are added over months and years, and the calendar's ends hold")
    func adding() throws {
        let eve = try #require(CivilDate(year: 2023, month: 12, day: 31))
        #expect("\(eve.adding(days: 1))" == "2024-01-01")
        #expect("\(eve.adding(days: 60))" == "2024-02-29")
        #expect("\(eve.adding(days: -365))" == "2022-12-31")
        #expect("\(eve.adding(days: .max))" == "9999-12-31")
        #expect("\(eve.adding(days: .min))" == "0001-01-01")
        #expect(eve < eve.adding(days: 1))
    }
}

@Suite struct InstantTextTests {
    static let saoPaulo = Result { try TimeZoneRules(named: "America/Sao_Paulo") }

    @Test(
        "ISO 8601 is read with an offset, with Z, and as wall time of the zone without either",
        arguments: [
            ("2026-11-21T05:10:00-03:00", 1_795_248_600), ("2026-11-21T05:10:00", 1_795_248_600), ("2026-11-21T05:10", 1_795_248_600),
            ("2026-11-21 05:10", 1_795_248_600), ("2026-11-21T08:10:00Z", 1_795_248_600), ("2026-11-21t08:10z", 1_795_248_600),
            ("2026-11-21T08:10:00.999999Z", 1_795_248_600), ("2026-11-21T05:10-0300", 1_795_248_600),
            ("2026-11-21T05:10-03", 1_795_248_600),
            ("2026-11-21T13:40:00+05:30", 1_795_248_600), ("2026-11-21", 1_795_230_000), ("1970-01-01T00:00:00Z", 0),
            ("2018-11-04", 1_541_300_400), ("2018-11-04T00:30", 1_541_300_400), ("2018-02-17T23:30", 1_518_917_400),
        ])
    func reads(text: String, instant: Int64) throws {
        #expect(try parseInstant(text, defaultZone: Self.saoPaulo.get()) == instant)
    }

    @Test(
        "what is no ISO 8601 is refused by its text",
        arguments: [
            "", "now", "2026", "2026-11", "2026-11-31", "2026-11-21T", "2026-11-21T25:00", "2026-11-21T05", "2026-11-21T05:10:60",
            "2026-11-21T05:10:00.", "2026-11-21T05:10:00+", "2026-11-21T05:10:00+24:00", "2026-11-21T05:10:00-03:60", "2026-11-21Z",
            "2026-11-21T05:10:00Zx", "21/11/2026", "2026-11-21T05:10:00\u{0}", "２０２６-11-21", "+2026-11-21", "1795248600",
        ])
    func refuses(text: String) throws {
        let error = try #require(throws: InstantError.self) { try parseInstant(text, defaultZone: .utc) }
        #expect(error.description.hasPrefix("The time \"\(printable(text))\" cannot be read: "))
    }

    @Test("a huge text is refused with a short message")
    func huge() throws {
        let error = try #require(throws: InstantError.self) {
            try parseInstant(String(repeating: "2026-11-21", count: 100_000), defaultZone: .utc)
        }
        #expect(error.description.count < 200)
    }

    @Test("an instant is written with the offset in force, and reads back")
    func writes() throws {
        let zone = try Self.saoPaulo.get()
        #expect(iso8601(1_795_248_600, in: zone) == "2026-11-21T05:10:00-03:00")
        #expect(iso8601(1_541_300_400, in: zone) == "2018-11-04T01:00:00-02:00")
        #expect(iso8601(0, in: .utc) == "1970-01-01T00:00:00+00:00")
        #expect(iso8601(-2_000_000_000, in: zone) == "1906-08-16T17:20:12-03:06:28")
        for step in 0..<3_000 {
            let instant = -4_000_000_000 + Int64(step) * 3_456_789
            #expect(try parseInstant(iso8601(instant, in: zone), defaultZone: .utc) == instant)
        }
    }
}
