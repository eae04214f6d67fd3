import Cron
import Testing

@testable import Retail

/// When a campaign holds (SPEC §5), and what it is called.
@Suite struct CampaignWindowTests {
    private func window(_ now: String, zone: String = "America/Sao_Paulo", rules: CampaignRules = CampaignRules()) throws -> CampaignWindow?
    {
        CampaignWindow(now: try unix(now), zone: try TimeZoneRules(named: zone), rules: rules)
    }

    @Test("06:00 when that lies ahead, else the whole minute at least 5 minutes from now, until 23:59")
    func starts() throws {
        let rows: [(now: String, start: String)] = [
            ("2026-11-21T08:10:00Z", "06:00"), ("2026-11-21T03:00:00Z", "06:00"), ("2026-11-21T08:59:59Z", "06:00"),
            ("2026-11-21T09:00:00Z", "06:05"), ("2026-11-21T09:00:01Z", "06:06"), ("2026-11-21T09:00:59Z", "06:06"),
            ("2026-11-21T09:01:00Z", "06:06"),
            ("2026-11-21T13:44:30Z", "10:50"), ("2026-11-22T02:53:00Z", "23:58"),
        ]
        for (now, start) in rows {
            let window = try #require(try window(now), "\(now)")
            #expect(window.day == "2026-11-21" && window.startsAt == "2026-11-21T\(start)" && window.endsAt == "2026-11-21T23:59", "\(now)")
            #expect(
                try window.startInstant == (try unix("2026-11-21T\(start):00-03:00")) && window.endInstant == unix("2026-11-22T02:59:00Z"))
        }
    }

    @Test("when the start would not lie before the end there is no window")
    func tooLate() throws {
        for now in ["2026-11-22T02:54:00Z", "2026-11-22T02:53:01Z", "2026-11-22T02:58:59Z", "2026-11-22T02:59:59Z"] {
            #expect(try window(now) == nil, "\(now)")
        }
        #expect(try window("2026-11-22T03:00:00Z")?.day == "2026-11-22", "a new day")
        #expect(try window("2026-11-21T08:00:00Z", rules: CampaignRules(startMinute: 600, endMinute: 600)) == nil)
        #expect(try window("2026-11-21T15:00:00Z", rules: CampaignRules(startMinute: 360, endMinute: 700)) == nil)
    }

    @Test("the day is the store's, and its hours follow the zone on days when the clock changes")
    func zones() throws {
        let rows: [(zone: String, now: String, day: String, start: String)] = [
            ("America/Sao_Paulo", "2026-11-22T01:30:00Z", "2026-11-21", "2026-11-22T01:35:00Z"),
            ("America/Manaus", "2026-11-21T09:30:00Z", "2026-11-21", "2026-11-21T10:00:00Z"),
            ("Pacific/Auckland", "2026-11-21T09:30:00Z", "2026-11-21", "2026-11-21T09:35:00Z"),
            ("Pacific/Auckland", "2026-11-21T12:00:00Z", "2026-11-22", "2026-11-21T17:00:00Z"),
            ("America/New_York", "2026-03-08T05:30:00Z", "2026-03-08", "2026-03-08T10:00:00Z"),
            ("America/New_York", "2026-11-01T04:30:00Z", "2026-11-01", "2026-11-01T11:00:00Z"),
        ]
        for (zone, now, day, start) in rows {
            let window = try #require(try window(now, zone: zone), "\(zone) \(now)")
            #expect(try window.day == day && window.startInstant == unix(start), "\(zone) \(now)")
        }
    }

    @Test("a late start in the hour that occurs twice lies ahead in either of them")
    func overlap() throws {
        let rules = CampaignRules(startMinute: 0)
        for (now, start) in [("2026-11-01T05:30:00Z", "2026-11-01T05:35:00Z"), ("2026-11-01T06:30:00Z", "2026-11-01T06:35:00Z")] {
            let window = try #require(try window(now, zone: "America/New_York", rules: rules))
            #expect(try window.startsAt == "2026-11-01T01:35" && window.startInstant == unix(start))
        }
        let gap = try #require(try window("2026-03-08T06:58:00Z", zone: "America/New_York", rules: rules))
        #expect(try gap.startsAt == "2026-03-08T03:03" && gap.startInstant == unix("2026-03-08T07:03:00Z"))
    }

    @Test("where the clock goes back at midnight the day ends with the second 23:59, whichever of the two hours it is")
    func backAtMidnight() throws {
        // Santiago, 4 April 2026: 24:00 is 23:00 once more, from -03 to -04.
        for (now, start) in [
            ("2026-04-04T13:00:00Z", "2026-04-04T13:05:00Z"), ("2026-04-05T02:30:00Z", "2026-04-05T02:35:00Z"),
            ("2026-04-05T03:30:00Z", "2026-04-05T03:35:00Z"),
        ] {
            let window = try #require(try window(now, zone: "America/Santiago"), "\(now)")
            #expect(try window.startInstant == unix(start) && window.endInstant == unix("2026-04-05T03:59:00Z"), "\(now)")
            #expect(window.day == "2026-04-04" && window.endsAt == "2026-04-04T23:59")
        }
        #expect(try window("2026-04-05T03:54:30Z", zone: "America/Santiago") == nil)
    }

    @Test("a campaign that is not sent stands for the whole day")
    func wholeDay() throws {
        let window = CampaignWindow(dayOf: try unix("2026-11-22T02:59:30Z"), zone: try TimeZoneRules(named: "America/Sao_Paulo"))
        #expect(window.day == "2026-11-21" && window.startsAt == "2026-11-21T00:00" && window.endsAt == "2026-11-21T23:59")
        #expect(try window.startInstant == unix("2026-11-21T03:00:00Z") && window.endInstant == unix("2026-11-22T02:59:00Z"))
    }

    @Test("the name begins with the CNPJ's digits 10 to 12: the document's, else the registration's")
    func names() throws {
        let window = try #require(try window("2026-11-21T08:10:00Z"))
        func name(
            _ registration: String, _ template: String = "{branch} Descontos - {date} {time}", document: String = ""
        ) -> String {
            CampaignRules(nameTemplate: template).name(
                window: window, document: document, registration: registration, storeName: "Centro")
        }
        #expect(name("4711", document: "00880856000360") == "003 Descontos - 2026-11-21 06:00")
        #expect(name("LOJA-9/B", document: "12.345.678/0012-95") == "012 Descontos - 2026-11-21 06:00")
        #expect(name("00000000000191") == "001 Descontos - 2026-11-21 06:00")
        #expect(name("12.345.678/0042-99") == "042 Descontos - 2026-11-21 06:00")
        #expect(name("17") == "17 Descontos - 2026-11-21 06:00" && name("1234") == "234 Descontos - 2026-11-21 06:00")
        #expect(name("loja-a", "{branch}|{store}|{registration}|{time}|{other}") == "loja-a|Centro|loja-a|06:00|{other}")
    }
}
