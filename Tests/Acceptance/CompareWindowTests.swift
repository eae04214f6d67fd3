import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// COMPARE_DATA: the expected window is that of the day's newest SENT or VERIFIED campaign, by the store's own clock (SPEC §5).
@Suite struct CompareWindowTests {
    @Test("a window that is not the campaign's is one difference a line, shown in the store's wall times")
    func wrongWindow() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison()
            _ = try await rig.sync()
            try await rig.sandbox.setFaults(["cv-list-wrong-window@1"])
            let execution = try await rig.compare()
            let lines = try await rig.products(of: 1).count
            #expect(execution.differences == ["WINDOW": lines] && lines > 30)
            let campaign = try #require(try await rig.campaigns(of: 1).first)
            let (start, end) = (rig.zone.wallTime(campaign.startsAt), rig.zone.wallTime(campaign.endsAt))
            let wrong = rig.zone.wallTime(campaign.endsAt - 3600)
            let found = try await rig.differences(of: execution.id)
            #expect(found.count == lines && found.allSatisfy { $0.hasSuffix(" WINDOW \(start)/\(end) | \(start)/\(wrong)") })
        }
    }

    @Test("wall times without a zone are the store's, times with one are moments")
    func zones() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison()
            // Two hours ahead of the club's clock, and on the same day: the club takes the store's wall times for its own.
            let own = LocalZone(offsetHours: rig.zone.offsetHours + 2)
            _ = try await rig.pool.query("UPDATE stores SET config = jsonb_build_object('time_zone', \(own.name)::text) WHERE id = 2")
            _ = try await rig.sync()
            let lines = try await rig.products(of: 2).count
            let moments = try await rig.compare()
            #expect(moments.differences == ["WINDOW": lines], "the club's listing names another moment")
            let campaign = try #require(try await rig.campaigns(of: 2).first)
            let start = own.wallTime(campaign.startsAt), end = own.wallTime(campaign.endsAt)
            let listed = (own.wallTime(campaign.startsAt + 7200), own.wallTime(campaign.endsAt + 7200))
            #expect(try await rig.differences(of: moments.id).first?.hasSuffix(" \(start)/\(end) | \(listed.0)/\(listed.1)") == true)
            try await rig.sandbox.setFaults(["cv-list-local-times"])
            #expect(try await rig.compare().differences == [:], "a wall time without a zone is the store's")
        }
    }

    @Test("only a SENT or VERIFIED campaign of the day says when lines hold, the newest of them; without one windows are not compared")
    func expectedWindow() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            try await rig.addComparison()
            let selection = Selection(try await rig.sandbox.products(of: 1)).lines
            try await rig.sandbox.plant(store: 1, set: Array(selection))
            #expect(try await rig.compare().differences == [:], "nothing was published: the planted campaign may hold when it likes")
            // The sandbox's planted campaigns hold from 06:00 to 23:59.
            func record(_ status: String, from: String, to: String, day: Int = 0, isDryRun: Bool = false) async throws {
                _ = try await rig.pool.query(
                    """
                    INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status, dry_run, day)
                    SELECT gen_random_uuid(), 1, 'c', (d + \(from)::time) AT TIME ZONE z, (d + \(to)::time) AT TIME ZONE z, 1, \(status), \(isDryRun), d
                    FROM (SELECT z, (now() AT TIME ZONE z)::date + \(day)::int AS d FROM (SELECT \(rig.zone.name)::text AS z) AS z) AS days
                    """)
            }
            try await record("VERIFIED", from: "06:00", to: "23:59")
            #expect(try await rig.compare().differences == [:])
            for status in ["PLANNED", "FAILED", "SKIPPED"] { try await record(status, from: "07:00", to: "23:59") }
            try await record("VERIFIED", from: "07:00", to: "23:59", day: -1)
            try await record("VERIFIED", from: "07:00", to: "23:59", isDryRun: true)
            #expect(try await rig.compare().differences == [:], "none of these says when the day's lines hold")
            try await record("SENT", from: "08:00", to: "23:59")
            #expect(try await rig.compare().differences == ["WINDOW": selection.count])
            try await record("VERIFIED", from: "06:00", to: "23:59")
            #expect(try await rig.compare().differences == [:], "the newest one counts")
        }
    }

    @Test("the second document's listing is compared too, with its times when it has any")
    func shapes() async throws {
        try await Rig.with(RigSettings(stores: 1, club: ["listing_shape": "discount_store_lines"])) { rig in
            try await rig.addComparison()
            try await rig.sandbox.setFaults(["cv-list-alt-shape"])
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.compare().differences == [:])
            try await rig.sandbox.setFaults(["cv-list-alt-shape", "cv-list-wrong-window"])
            #expect(try await rig.compare().differences.keys.sorted() == ["WINDOW"])
        }
    }
}
