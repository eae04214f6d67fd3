import Cron
import JobQueue
import Runtime
import Testing

@testable import Retail

/// When listed lines hold, against when the day's campaign does.
@Suite struct WindowCheckTests {
    /// Minutes of 21 November 2026 in São Paulo.
    private func published() throws -> PublishedWindow {
        PublishedWindow(startsAt: try unix("2026-11-21T09:00:00Z"), endsAt: try unix("2026-11-22T02:59:00Z"))
    }

    private func deviation(_ start: String?, _ end: String?, zone: String = "America/Sao_Paulo") throws -> String? {
        var listing = Listing()
        let place = listing.place(of: ListedWindow(startsAt: start, expiresAt: end))
        let check = try WindowCheck(listing, expected: try published(), zone: try TimeZoneRules(named: zone))
        return check.deviation(at: place)
    }

    @Test(
        "the same minutes are the same window, however they are written",
        arguments: [
            ("2026-11-21T06:00:00.000-03:00", "2026-11-21T23:59:00.000-03:00"), ("2026-11-21T06:00", "2026-11-21T23:59"),
            ("2026-11-21T06:00:59", "2026-11-21T23:59:59.999"), ("2026-11-21 06:00:00", "2026-11-21 23:59"),
            ("2026-11-21T09:00:00Z", "2026-11-22T02:59:00Z"), ("2026-11-21T10:00+01:00", "2026-11-21T22:59-04:00"),
            ("2026-11-21 06:00:00 -0300", "2026-11-22 02:59:00 UTC"), ("2026-11-21 10:00:30 +0100", "2026-11-21T23:59"),
        ])
    func same(start: String, end: String) throws {
        #expect(try deviation(start, end) == nil)
    }

    @Test(
        "another minute is another window, shown by the store's own clock",
        arguments: [
            ("2026-11-21T06:01", "2026-11-21T23:59", "2026-11-21T06:01/2026-11-21T23:59"),
            ("2026-11-21T05:59:59", "2026-11-21T23:59", "2026-11-21T05:59/2026-11-21T23:59"),
            ("2026-11-21T06:00:00Z", "2026-11-22T02:59:00Z", "2026-11-21T03:00/2026-11-21T23:59"),
            ("2026-11-21T06:00", "2026-11-22T00:00", "2026-11-21T06:00/2026-11-22T00:00"),
            ("2026-11-20T06:00", "2026-11-20T23:59", "2026-11-20T06:00/2026-11-20T23:59"),
            ("2026-11-21", "2026-11-21", "2026-11-21T00:00/2026-11-21T00:00"),
        ])
    func other(start: String, end: String, shown: String) throws {
        #expect(try deviation(start, end) == shown)
    }

    @Test("a line without times does not hold when the campaign does")
    func absent() throws {
        #expect(try deviation(nil, nil) == "none/none" && deviation("", "2026-11-21T23:59") == "none/2026-11-21T23:59")
    }

    @Test("a time that cannot be read is no difference and no agreement: the store fails")
    func unreadable() throws {
        for text in ["amanhã", "21/11/2026 06:00", "2026-11-31T06:00", "2026-11-21T24:00", "1795248000", "2026-11-21T06:00-03:00 x"] {
            let error = #expect(throws: RunError.self) { try deviation("2026-11-21T06:00", text) }
            #expect(error?.code == "WINDOW_UNREADABLE" && error?.isRetryable == false && error?.message.contains("expire_at") == true)
        }
    }

    @Test("in the hour that occurs twice a wall time is what the store's clock shows, and an offset tells the two apart")
    func occursTwice() throws {
        // New York, 1 November 2026: 01:30 at 05:30Z and once more at 06:30Z.
        let zone = try TimeZoneRules(named: "America/New_York")
        let window = PublishedWindow(startsAt: try unix("2026-11-01T06:30:00Z"), endsAt: try unix("2026-11-02T04:59:00Z"))
        var listing = Listing()
        let starts = ["2026-11-01T01:30", "2026-11-01T01:30-05:00", "2026-11-01T01:30-04:00"]
        let places = starts.map { listing.place(of: ListedWindow(startsAt: $0, expiresAt: "2026-11-01T23:59")) }
        let check = try WindowCheck(listing, expected: window, zone: zone)
        #expect(places.map { check.deviation(at: $0) == nil } == [true, true, false])
        #expect(check.expected == "2026-11-01T01:30/2026-11-01T23:59")
    }

    @Test("a window that deviates is one difference for each of its lines, beside the others of the line")
    func differences() throws {
        var listing = Listing()
        let good = listing.place(of: ListedWindow(startsAt: "2026-11-21T06:00", expiresAt: "2026-11-21T23:59"))
        let bad = listing.place(of: ListedWindow(startsAt: "2026-11-21T06:00", expiresAt: "2026-11-21T22:59"))
        let offered = (1...3).map { CampaignLine(code: $0, price: Cents(1000), finalPrice: Cents(890), limit: 5) }
        for (line, place) in zip(offered, [bad, good, bad]) { listing.append(line, window: place) }
        listing.append(CampaignLine(code: 4, price: Cents(3), finalPrice: Cents(2), limit: 1), window: bad)
        let check = try WindowCheck(listing, expected: try published(), zone: try TimeZoneRules(named: "America/Sao_Paulo"))
        let comparison = Comparison(offered: offered, listing: listing, windows: check)
        #expect(comparison.counts() == [.window: 2, .extraInTarget: 1])
        let texts = comparison.texts(of: try #require(comparison.first { $0.kind == .window }))
        #expect(texts.expected == "2026-11-21T06:00/2026-11-21T23:59" && texts.actual == "2026-11-21T06:00/2026-11-21T22:59")
        #expect(Comparison(offered: offered, listing: listing, windows: .none).counts() == [.extraInTarget: 1])
    }
}
