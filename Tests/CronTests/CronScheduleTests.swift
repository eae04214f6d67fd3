import Testing

@testable import Cron

/// The special days of SPEC §4 and R52.
@Suite struct CronScheduleTests {
    @Test(
        "R52: gaps, overlaps and skipped days",
        arguments: [
            // São Paulo 2018: midnight did not exist on 4 November, 23:00 to 24:00 came twice on 17 February.
            ("0 0 * * *", "America/Sao_Paulo", "2018-11-03", "2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00"),
            ("30 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T01:00:00-02:00 2018-11-05T00:30:00-02:00"),
            (
                "0,30 0,1 * * *", "America/Sao_Paulo", "2018-11-03T12:00",
                "2018-11-04T01:00:00-02:00 2018-11-04T01:30:00-02:00 2018-11-05T00:00:00-02:00"
            ),
            (
                "*/30 * * * *", "America/Sao_Paulo", "2018-11-03T23:00",
                "2018-11-03T23:30:00-03:00 2018-11-04T01:00:00-02:00 2018-11-04T01:30:00-02:00"
            ),
            ("45 * * * *", "America/Sao_Paulo", "2018-11-03T23:00", "2018-11-03T23:45:00-03:00 2018-11-04T01:45:00-02:00"),
            ("30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00", "2018-02-17T23:30:00-02:00 2018-02-18T23:30:00-03:00"),
            (
                "30 * * * *", "America/Sao_Paulo", "2018-02-17T22:45",
                "2018-02-17T23:30:00-02:00 2018-02-17T23:30:00-03:00 2018-02-18T00:30:00-03:00"
            ),
            ("0 0 * * *", "America/Sao_Paulo", "2018-02-17T22:45", "2018-02-18T00:00:00-03:00 2018-02-19T00:00:00-03:00"),
            // Daylight time was abolished in 2019: nothing happens on the first Sunday of November.
            ("30 0 * * *", "America/Sao_Paulo", "2019-11-02T12:00", "2019-11-03T00:30:00-03:00 2019-11-04T00:30:00-03:00"),
            // Lord Howe: half an hour.
            ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00", "2025-10-05T02:30:00+11:00 2025-10-06T02:15:00+11:00"),
            ("0 * * * *", "Australia/Lord_Howe", "2025-10-05T00:30", "2025-10-05T01:00:00+10:30 2025-10-05T03:00:00+11:00"),
            ("45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00", "2025-04-06T01:45:00+11:00 2025-04-07T01:45:00+10:30"),
            (
                "45 * * * *", "Australia/Lord_Howe", "2025-04-06T01:00",
                "2025-04-06T01:45:00+11:00 2025-04-06T01:45:00+10:30 2025-04-06T02:45:00+10:30"
            ),
            // Apia had no 30 December 2011.
            ("0 12 * * *", "Pacific/Apia", "2011-12-29", "2011-12-29T12:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"),
            ("0 0 30 12 *", "Pacific/Apia", "2011-12-29", "2011-12-31T00:00:00+14:00 2012-12-30T00:00:00+14:00"),
            ("0 0 30-31 12 *", "Pacific/Apia", "2011-12-29", "2011-12-31T00:00:00+14:00 2012-12-30T00:00:00+14:00"),
            (
                "0 */12 * * *", "Pacific/Apia", "2011-12-29T01:00",
                "2011-12-29T12:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"
            ),
            ("0 0 30 * *", "Pacific/Apia", "2011-12-01", "2011-12-31T00:00:00+14:00 2012-01-30T00:00:00+14:00"),
            // New York.
            ("30 2 * * *", "America/New_York", "2025-03-08T12:00", "2025-03-09T03:00:00-04:00 2025-03-10T02:30:00-04:00"),
            ("*/20 2 * * *", "America/New_York", "2025-03-08T12:00", "2025-03-09T03:00:00-04:00 2025-03-10T02:00:00-04:00"),
            (
                "*/20 2-3 * * *", "America/New_York", "2025-03-09T01:00",
                "2025-03-09T03:00:00-04:00 2025-03-09T03:20:00-04:00 2025-03-09T03:40:00-04:00"
            ),
            ("30 1 * * *", "America/New_York", "2025-11-01T12:00", "2025-11-02T01:30:00-04:00 2025-11-03T01:30:00-05:00"),
            (
                "30 0-23 * * *", "America/New_York", "2025-11-02T00:00",
                "2025-11-02T00:30:00-04:00 2025-11-02T01:30:00-04:00 2025-11-02T02:30:00-05:00"
            ),
            (
                "30 * * * *", "America/New_York", "2025-11-02T00:00",
                "2025-11-02T00:30:00-04:00 2025-11-02T01:30:00-04:00 2025-11-02T01:30:00-05:00 2025-11-02T02:30:00-05:00"
            ),
            ("0 */2 * * *", "America/New_York", "2025-03-08T23:00", "2025-03-09T00:00:00-05:00 2025-03-09T04:00:00-04:00"),
            ("@hourly", "America/New_York", "2025-03-09T01:00", "2025-03-09T03:00:00-04:00 2025-03-09T04:00:00-04:00"),
            // Two hours at Troll; negative daylight time in Dublin.
            (
                "30 1,2 * * *", "Antarctica/Troll", "2025-03-30",
                "2025-03-30T03:00:00+02:00 2025-03-31T01:30:00+02:00 2025-03-31T02:30:00+02:00"
            ),
            ("30 1 * * *", "Europe/Dublin", "2025-10-25T12:00", "2025-10-26T01:30:00+01:00 2025-10-27T01:30:00+00:00"),
        ])
    func specialDays(pattern: String, zone: String, from: String, expected: String) throws {
        let zone = try TimeZoneRules(named: zone)
        let schedule = CronSchedule(pattern: try CronPattern(pattern), zone: zone)
        var instant = try parseInstant(from, defaultZone: zone)
        for text in expected.split(separator: " ") {
            let next = try #require(schedule.next(after: instant))
            #expect(iso8601(next, in: zone) == text)
            instant = next
        }
    }

    @Test("within a repeated hour a fixed time of the second pass is not due, an interval is")
    func startInsideAnOverlap() throws {
        let zone = try TimeZoneRules(named: "America/New_York")
        // 01:10 of the second pass.
        let from = try parseInstant("2025-11-02T01:10:00-05:00", defaultZone: zone)
        let fixed = CronSchedule(pattern: try CronPattern("30 1 * * *"), zone: zone)
        #expect(fixed.next(after: from).map { iso8601($0, in: zone) } == "2025-11-03T01:30:00-05:00")
        let interval = CronSchedule(pattern: try CronPattern("30 * * * *"), zone: zone)
        #expect(interval.next(after: from).map { iso8601($0, in: zone) } == "2025-11-02T01:30:00-05:00")
    }

    @Test("the answer is strictly after the question")
    func strictlyAfter() throws {
        let schedule = CronSchedule(pattern: try CronPattern("0 5 * * *"), zone: .utc)
        let five: Int64 = 1_767_243_600
        #expect(schedule.next(after: five - 1) == five)
        #expect(schedule.next(after: five) == five + 86_400)
    }

    @Test("an interval whose only times lie in a yearly gap never comes, and that is found out")
    func alwaysInTheGap() throws {
        let folder = try ZoneFolder()
        try folder.write(zoneFile(rule: "<-04>4<-03>,M10.1.0/0,M3.4.0/0"), as: "Gap")
        let zone = try TimeZoneRules(named: "Gap", directory: folder.path)
        #expect(zone.offset(at: 1_800_000_000) == -10_800)
        let interval = CronSchedule(pattern: try CronPattern("30 */24 ? 10 0#1"), zone: zone)
        #expect(interval.next(after: 1_800_000_000) == nil)
        #expect(interval.count(after: 1_800_000_000, through: 4_000_000_000) == 0)
        let fixed = CronSchedule(pattern: try CronPattern("30 0 ? 10 0#1"), zone: zone)
        #expect(fixed.next(after: 1_800_000_000).map { iso8601($0, in: zone) } == "2027-10-03T01:00:00-03:00")
    }

    @Test("the calendar's ends hold: the year 9999 is the last, and a question before the year 1 is answered from there")
    func calendarEnds() throws {
        for name in ["UTC", "Europe/Lisbon", "Pacific/Kiritimati", "America/Sao_Paulo"] {
            let zone = try TimeZoneRules(named: name)
            for pattern in ["* * * * * *", "0 0 1 1 *", "0 12 29 2 *"] {
                let schedule = CronSchedule(pattern: try CronPattern(pattern), zone: zone)
                #expect(schedule.next(after: .max) == nil)
                #expect(schedule.next(after: TimeZoneRules.instants.upperBound) == nil)
                let first = try #require(schedule.next(after: .min))
                #expect(TimeZoneRules.instants.contains(first))
                #expect(schedule.count(after: .max, through: .min) == 0)
            }
            let yearly = CronSchedule(pattern: try CronPattern("0 0 1 1 *"), zone: zone)
            #expect(yearly.next(after: 253_400_000_000) == nil)
        }
    }
}

@Suite struct CronCountingTests {
    @Test("an every-second pattern over a leap year is counted to the second, and the newest are kept")
    func everySecond() throws {
        let zone = try TimeZoneRules(named: "America/New_York")
        let schedule = CronSchedule(pattern: try CronPattern("* * * * * *"), zone: zone)
        let start: Int64 = 1_704_085_200
        let due = schedule.latest(after: start, through: start + 366 * 86_400, limit: 10_000)
        #expect(due.total == 366 * 86_400)
        #expect(due.times.count == 10_000)
        #expect(due.times.last == start + 366 * 86_400)
        #expect(due.times.first == start + 366 * 86_400 - 9_999)
        // Fixed times: the repeated hour is due once.
        let fixed = CronSchedule(pattern: try CronPattern("* * 0-23 * * *"), zone: zone)
        #expect(fixed.count(after: start, through: start + 366 * 86_400) == 366 * 86_400 - 3_600)
    }

    @Test("limits of none, of fewer and of more than there are")
    func limits() throws {
        let schedule = CronSchedule(pattern: try CronPattern("0 5 * * *"), zone: .utc)
        let start: Int64 = 1_767_225_600
        let end = start + 3 * 86_400
        let times = [1_767_243_600, 1_767_330_000, 1_767_416_400 as Int64]
        #expect(schedule.latest(after: start, through: end, limit: 0) == DueTimes(times: [], total: 3))
        #expect(schedule.latest(after: start, through: end, limit: 2) == DueTimes(times: Array(times.suffix(2)), total: 3))
        #expect(schedule.latest(after: start, through: end, limit: 3) == DueTimes(times: times, total: 3))
        #expect(schedule.latest(after: start, through: end, limit: 100) == DueTimes(times: times, total: 3))
        #expect(schedule.latest(after: end, through: start, limit: 100) == DueTimes(times: [], total: 0))
        #expect(schedule.latest(after: times[0] - 1, through: times[0], limit: 1) == DueTimes(times: [times[0]], total: 1))
        #expect(schedule.latest(after: times[0], through: times[1] - 1, limit: 1) == DueTimes(times: [], total: 0))
    }

    @Test("the whole calendar is counted")
    func wholeCalendar() throws {
        let schedule = CronSchedule(pattern: try CronPattern("0 0 29 2 *"), zone: .utc)
        #expect(schedule.count(after: .min, through: .max) == 2_424)
        #expect(schedule.latest(after: .min, through: .max, limit: 1).times.map { iso8601($0, in: .utc) } == ["9996-02-29T00:00:00+00:00"])
    }
}
