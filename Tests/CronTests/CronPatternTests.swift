import Testing

@testable import Cron

@Suite struct CronPatternTests {
    /// The due times of a pattern in UTC after the start of 2026, without the seconds when they are 0.
    private func dueTimes(_ pattern: String, after start: String = "2025-12-31T23:59:59Z", count: Int) throws -> String {
        let schedule = CronSchedule(pattern: try CronPattern(pattern), zone: .utc)
        var instant = try parseInstant(start, defaultZone: .utc)
        var shown: [String] = []
        while shown.count < count, let next = schedule.next(after: instant) {
            let text = "\(TimeZoneRules.utc.local(at: next))"
            shown.append(text.hasSuffix(":00") ? String(text.dropLast(3)) : text)
            instant = next
        }
        return shown.joined(separator: " ")
    }

    @Test(
        "a pattern means these times",
        arguments: [
            ("* * * * *", "2026-01-01T00:00 2026-01-01T00:01 2026-01-01T00:02"),
            ("*/20 * * * *", "2026-01-01T00:00 2026-01-01T00:20 2026-01-01T00:40"),
            ("50/5 * * * *", "2026-01-01T00:50 2026-01-01T00:55 2026-01-01T01:50"),
            ("10-30/10 4 * * *", "2026-01-01T04:10 2026-01-01T04:20 2026-01-01T04:30"),
            ("0 5,17 * * *", "2026-01-01T05:00 2026-01-01T17:00 2026-01-02T05:00"),
            ("30 15 10 5 5 *", "2026-05-05T10:15:30 2027-05-05T10:15:30 2028-05-05T10:15:30"),
            ("*/30 0 0 * * *", "2026-01-01T00:00 2026-01-01T00:00:30 2026-01-02T00:00"),
            ("0 0 * JAN,Dec mon", "2026-01-05T00:00 2026-01-12T00:00 2026-01-19T00:00"),
            ("0 0 * * 7", "2026-01-04T00:00 2026-01-11T00:00 2026-01-18T00:00"),
            ("0 0 * * 0", "2026-01-04T00:00 2026-01-11T00:00 2026-01-18T00:00"),
            ("0 0 * * FRI-MON", "2026-01-02T00:00 2026-01-03T00:00 2026-01-04T00:00 2026-01-05T00:00 2026-01-09T00:00"),
            ("0 0 * * FRI-MON/2", "2026-01-02T00:00 2026-01-04T00:00 2026-01-09T00:00"),
            ("0 0 * * 5-7", "2026-01-02T00:00 2026-01-03T00:00 2026-01-04T00:00 2026-01-09T00:00"),
            ("0 0 * * 7-1", "2026-01-04T00:00 2026-01-05T00:00 2026-01-11T00:00"),
            ("0 0 * * THU/2", "2026-01-01T00:00 2026-01-03T00:00 2026-01-08T00:00"),
            ("0 0 13 * 5", "2026-01-02T00:00 2026-01-09T00:00 2026-01-13T00:00"),
            ("0 0 */30 * 5", "2026-01-01T00:00 2026-01-02T00:00 2026-01-09T00:00"),
            ("0 0 13 * ?", "2026-01-13T00:00 2026-02-13T00:00 2026-03-13T00:00"),
            ("0 0 ? * 5", "2026-01-02T00:00 2026-01-09T00:00 2026-01-16T00:00"),
            ("0 0 ? 2 ?", "2026-02-01T00:00 2026-02-02T00:00 2026-02-03T00:00"),
            ("0 0 31 * *", "2026-01-31T00:00 2026-03-31T00:00 2026-05-31T00:00"),
            ("0 0 L * *", "2026-01-31T00:00 2026-02-28T00:00 2026-03-31T00:00"),
            ("0 0 L-3 2 *", "2026-02-25T00:00 2027-02-25T00:00 2028-02-26T00:00"),
            ("0 0 1,l 2 *", "2026-02-01T00:00 2026-02-28T00:00 2027-02-01T00:00"),
            ("0 0 15W * *", "2026-01-15T00:00 2026-02-16T00:00 2026-03-16T00:00"),
            ("0 0 1W * *", "2026-01-01T00:00 2026-02-02T00:00 2026-03-02T00:00 2026-04-01T00:00 2026-05-01T00:00"),
            ("0 0 1w 8 *", "2026-08-03T00:00 2027-08-02T00:00 2028-08-01T00:00"),
            ("0 0 31W * *", "2026-01-30T00:00 2026-03-31T00:00 2026-05-29T00:00"),
            ("0 0 LW * *", "2026-01-30T00:00 2026-02-27T00:00 2026-03-31T00:00"),
            ("0 0 * * 5L", "2026-01-30T00:00 2026-02-27T00:00 2026-03-27T00:00"),
            ("0 0 * * FRIL,7l", "2026-01-25T00:00 2026-01-30T00:00 2026-02-22T00:00"),
            ("0 0 * * 5#2", "2026-01-09T00:00 2026-02-13T00:00 2026-03-13T00:00"),
            ("0 0 * * thu#5", "2026-01-29T00:00 2026-04-30T00:00 2026-07-30T00:00"),
            ("0 0 29 2 *", "2028-02-29T00:00 2032-02-29T00:00 2036-02-29T00:00"),
            ("0 0 * 2 1#5", "2044-02-29T00:00 2072-02-29T00:00 2112-02-29T00:00"),
            ("@hourly", "2026-01-01T00:00 2026-01-01T01:00 2026-01-01T02:00"),
            ("@daily", "2026-01-01T00:00 2026-01-02T00:00"), ("@Midnight", "2026-01-01T00:00 2026-01-02T00:00"),
            ("@weekly", "2026-01-04T00:00 2026-01-11T00:00"), ("@monthly", "2026-01-01T00:00 2026-02-01T00:00"),
            ("@yearly", "2026-01-01T00:00 2027-01-01T00:00"), (" @annually\t", "2026-01-01T00:00 2027-01-01T00:00"),
            ("\t0  5 * *   1-5 ", "2026-01-01T05:00 2026-01-02T05:00 2026-01-05T05:00"),
        ])
    func meaning(pattern: String, expected: String) throws {
        #expect(try dueTimes(pattern, count: expected.split(separator: " ").count) == expected)
    }

    @Test("R52: the longest wait is forty years: 29 February on a Monday over the missing leap day of 2100")
    func longestWait() throws {
        #expect(try dueTimes("0 0 * 2 1#5", after: "2072-03-01", count: 1) == "2112-02-29T00:00")
        #expect(try dueTimes("0 0 29 2 *", after: "2096-03-01", count: 1) == "2104-02-29T00:00")
    }

    @Test(
        "R52: a pattern that never comes is valid and known at once",
        arguments: ["0 0 31 2 *", "0 0 30 2 ?", "* * 31 2,4,6,9,11 *", "0 0 L-30 2 *", "0 0 31W 4 *"])
    func never(pattern: String) throws {
        let parsed = try CronPattern(pattern)
        #expect(parsed.isNever)
        let schedule = CronSchedule(pattern: parsed, zone: .utc)
        #expect(schedule.next(after: 0) == nil)
        #expect(schedule.latest(after: .min, through: .max, limit: 10) == DueTimes(times: [], total: 0))
    }

    @Test(
        "a pattern that comes is not called never",
        arguments: ["0 0 31 2 1", "0 0 29 2 *", "0 0 L 2 *", "0 0 * 2 1#5", "0 0 L-27 2 *", "0 0 29W 2 *"])
    func notNever(pattern: String) throws {
        #expect(try CronPattern(pattern).isNever == false)
    }

    @Test("an hour field that begins with * follows real hours, and no other does")
    func realHours() throws {
        for pattern in ["0 * * * *", "0 */2 * * *", "0 *,5 * * *", "@hourly", "0 0 * * * *"] {
            #expect(try CronPattern(pattern).runsEveryRealHour)
        }
        for pattern in ["* 0-23 * * *", "0 0/2 * * *", "@daily", "* 5 * * *", "0 5,* * * *"] {
            #expect(try CronPattern(pattern).runsEveryRealHour == false)
        }
    }

    @Test("two spellings of one meaning are equal")
    func equality() throws {
        #expect(try CronPattern("0 0 * * 7") == CronPattern("0 0 0 ? JAN-DEC sun"))
        #expect(try CronPattern("@daily") == CronPattern("0 0 * * *"))
        #expect(try CronPattern("0 0 * * *") != CronPattern("0 0 */1 * *"))
    }
}

@Suite struct CronPatternErrorTests {
    @Test(
        "a wrong pattern is refused with its field, its text and what is allowed",
        arguments: [
            ("60 * * * *", "minute, \"60\": 60 is outside 0 to 59"), ("* 24 * * *", "hour, \"24\": 24 is outside 0 to 23"),
            ("* * 0 * *", "day of month, \"0\": 0 is outside 1 to 31"), ("* * 32 * *", "day of month, \"32\": 32 is outside 1 to 31"),
            ("* * * 13 *", "month, \"13\": 13 is outside 1 to 12"), ("* * * 0 *", "month, \"0\": 0 is outside 1 to 12"),
            ("* * * * 8", "day of week, \"8\": 8 is outside 0 to 7"), ("60 * * * * *", "second, \"60\": 60 is outside 0 to 59"),
            ("*/0 * * * *", "minute, \"*/0\": a step is a number from 1 to 60"),
            ("* */25 * * *", "hour, \"*/25\": a step is a number from 1 to 24"), ("5/ * * * *", "minute, \"5/\": a step"),
            ("* 22-2 * * *", "hour, \"22-2\": a range begins with its smaller number; write two, such as 22-23,0-2"),
            ("* * * NOV-FEB *", "month, \"NOV-FEB\": a range begins with its smaller number; write two, such as NOV-12,1-FEB"),
            ("5,,6 * * * *", "minute, \"\": write *, numbers from 0 to 59"), ("-5 * * * *", "minute, \"-5\": write *"),
            ("5- * * * *", "minute, \"5-\": write *"), ("1-2-3 * * * *", "minute, \"1-2-3\": write *"),
            ("*/2/2 * * * *", "minute, \"*/2/2\": write *"), ("+5 * * * *", "minute, \"+5\": write *"),
            ("a * * * *", "minute, \"a\": write *"), ("? * * * *", "minute, \"?\": write *"), ("L * * * *", "minute, \"L\": write *"),
            ("** * * * *", "minute, \"**\": write *"), ("*-5 * * * *", "minute, \"*-5\": write *"),
            ("99999 * * * *", "minute, \"99999\": write *"),
            ("* * * JANUARY *", "month, \"JANUARY\": write *, numbers from 1 to 12 or JAN to DEC"),
            ("* * * * MONDAY", "day of week, \"MONDAY\": write *, numbers from 0 to 7 or SUN to SAT"),
            ("* * L-31 * *", "day of month, \"L-31\": L-1 to L-30"), ("* * 32W * *", "day of month, \"32W\": 1W to 31W"),
            ("* * W * *", "day of month, \"W\": 1W to 31W"), ("* * 1-5W * *", "day of month, \"1-5W\": 1W to 31W"),
            ("* * ?,5 * *", "day of month, \"?\": write *"), ("* * 5L * *", "day of month, \"5L\": write *"),
            ("* * * * L", "day of week, \"L\": L needs a day before it"),
            ("* * * * 5#6", "day of week, \"5#6\": after # stands a number from 1 to 5"),
            ("* * * * 5#0", "day of week, \"5#0\": after #"), ("* * * * 8L", "day of week, \"8L\": 8 is outside"),
            ("* * * * 15W", "day of week, \"15W\": write *"), ("* * * *", "number of fields, \"* * * *\": there are 4, not five"),
            ("* * * * * * *", "number of fields, \"* * * * * * *\": there are 7"), ("", "number of fields, \"\": there are 0"),
            ("@reboot", "nickname, \"@reboot\": a restart is no point in time, so @reboot is not offered; write one of @hourly"),
            ("@fortnightly", "nickname, \"@fortnightly\": write one of @hourly"),
            ("@daily x", "number of fields, \"@daily x\": there are 2"),
            ("0\n5 * * *", "characters, \"0?5 * * *\": letters"), ("٣ * * * *", "characters, \"? * * * *\": letters"),
            ("0 0 * * *\u{0}", "characters, \"0 0 * * *?\": letters"),
        ])
    func refused(pattern: String, message: String) throws {
        let error = try #require(throws: CronPatternError.self) { try CronPattern(pattern) }
        #expect(error.description.hasPrefix("The cron pattern is wrong in its \(message)"), "\(error)")
        #expect(error.description.hasSuffix("."))
        #expect(message.hasPrefix(error.field))
    }

    @Test("hostile texts are refused with a short message")
    func hostile() throws {
        let texts = [
            String(repeating: "1,", count: 1_000_000) + "1 * * * *", String(repeating: "* ", count: 1_000_000),
            String(repeating: "-", count: 900) + " * * * *", "*/" + String(repeating: "9", count: 900) + " * * * *",
            String(repeating: "\u{1F4A3}", count: 100_000), String(repeating: " ", count: 999), "@" + String(repeating: "x", count: 900),
        ]
        for text in texts {
            let error = try #require(throws: CronPatternError.self) { try CronPattern(text) }
            #expect(error.description.utf8.count < 300)
            #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 })
        }
    }

    @Test("every number of every field can be listed one by one")
    func longestList() throws {
        func list(_ range: ClosedRange<Int>) -> String { range.map { String($0) }.joined(separator: ",") }
        let text = "\(list(0...59)) \(list(0...59)) \(list(0...23)) \(list(1...31)) \(list(1...12)) \(list(0...7))"
        #expect(try CronPattern(text).times.count == 86_400)
    }
}
