import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// Which stores, partners and hours a sync works with.
@Suite struct SyncChoiceTests {
    @Test("a store's own time zone decides its day and its wall times")
    func storeZone() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            // Two hours ahead of the sandbox's clock, and on the same day.
            let own = LocalZone(offsetHours: rig.zone.offsetHours + 2)
            _ = try await rig.pool.query("UPDATE stores SET config = jsonb_build_object('time_zone', \(own.name)::text) WHERE id = 2")
            #expect(try await rig.sync().status == "SUCCESS")
            let state = try await rig.sandbox.state()
            for (store, zone) in [(1, rig.zone), (2, own)] {
                let campaign = try #require(try await rig.campaigns(of: store).first)
                let upload = try #require(state.uploads(of: rig.sandbox.registration(store)).first)
                #expect(upload.startDate == zone.wallTime(campaign.startsAt) && upload.endDate == zone.wallTime(campaign.endsAt))
                #expect(upload.startDate.contains(store == 1 ? "T12:" : "T14:") || upload.startDate.contains(store == 1 ? "T13:" : "T15:"))
                let now: Int64 = try await rig.value("SELECT extract(epoch FROM now())::bigint AS value")
                #expect(campaign.startsAt > now + 3 * 60 && campaign.startsAt <= now + 6 * 60 && campaign.startsAt % 60 == 0)
            }
        }
    }

    @Test("before six in the morning a campaign starts at 06:00")
    func startsAtSix() async throws {
        try await Rig.with(RigSettings(stores: 1, localHour: 3)) { rig in
            #expect(try await rig.sync().status == "SUCCESS")
            let upload = try #require(try await rig.sandbox.state().uploads.first)
            #expect(upload.startDate.hasSuffix("T06:00") && upload.endDate.hasSuffix("T23:59"))
            #expect(upload.startDate.prefix(10) == upload.endDate.prefix(10))
        }
    }

    @Test("when the start would not lie before the end nothing is uploaded, at once and said so")
    func tooLate() async throws {
        let settings = RigSettings(stores: 2, club: ["campaign_config": ["start_time": "06:00", "end_time": "11:59"]])
        try await Rig.with(settings) { rig in
            let execution = try await rig.sync()
            #expect(execution.status == "FAILED" && execution.message.contains("2 of 2"))
            let children = try await rig.children(of: execution.id)
            #expect(children.values.allSatisfy { $0.code == "TOO_LATE" && $0.attempt == 1 })
            #expect(try await rig.sandbox.state().crescevendas.requests.isEmpty)
        }
    }

    @Test("minutes before midnight it is too late, wherever on earth that is now")
    func beforeMidnight() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            let zone = try await rig.pool.query(
                """
                SELECT name FROM pg_timezone_names WHERE (now() AT TIME ZONE name)::time BETWEEN '23:54:30' AND '23:58'
                  AND name ~ '^(Asia|Australia|Pacific|America|Etc|Europe)/' ORDER BY name LIMIT 1
                """
            ).first?.get("name", as: String.self)
            // A quarter of all minutes have such a zone; the test above covers the rest.
            guard let zone else { return }
            _ = try await rig.pool.query("UPDATE stores SET config = jsonb_build_object('time_zone', \(zone)::text)")
            let execution = try await rig.sync()
            #expect(try await rig.children(of: execution.id)[1]?.code == "TOO_LATE", "in \(zone)")
            #expect(try await rig.sandbox.state().uploads.isEmpty)
        }
    }

    @Test("an unknown and an inactive store fail by name, the others are published")
    func namedStores() async throws {
        try await Rig.with { rig in
            _ = try await rig.pool.query("UPDATE stores SET active = false WHERE id = 2")
            let execution = try await rig.sync(params: ["store_ids": [3, 99, 2]])
            #expect(execution.status == "FAILED")
            #expect(execution.metrics?["stores"] == ["total": 3, "succeeded": 1, "skipped": 0, "failed": 2])
            let children = try await rig.children(of: execution.id)
            #expect(children[3]?.status == "SUCCESS" && children[2]?.code == "STORE_INACTIVE" && children[99]?.code == "STORE_UNKNOWN")
            let messages = execution.error?["stores"]?.arrayValue?.compactMap { $0["message"]?.stringValue } ?? []
            let name = rig.sandbox.announced.stores[1].name
            #expect(messages.contains { $0.contains(name) } && messages.contains { $0.contains("99") })
            #expect(try await rig.sandbox.state().uploads.map(\.registrations) == [[rig.sandbox.registration(3)]])

            let all = try await rig.sync()
            #expect(all.status == "SUCCESS" && all.metrics?["stores"]?["total"] == 2, "an inactive store is none of all stores")
            let retried = try await rig.value("SELECT retry_execution(\(execution.id)::uuid)::text AS value", as: String.self)
            try await rig.drain()
            #expect(try await rig.children(of: retried).keys.sorted() == [2, 99], "a retry by hand takes those that did not succeed")
        }
    }

    struct Choice: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Applied before the run.
        let change: String
        /// What the message must name; nil: the sync succeeds.
        let named: [String]?
    }

    static let choices = [
        Choice(testDescription: "no RP at all", change: "UPDATE integrations SET deleted_at = now() WHERE name = 'rp'", named: ["RP"]),
        Choice(testDescription: "an inactive RP", change: "UPDATE integrations SET active = false WHERE name = 'rp'", named: ["RP"]),
        Choice(
            testDescription: "a named club that is inactive",
            change: """
                UPDATE integrations SET active = false WHERE name = 'club';
                UPDATE job_configurations SET config = '{"target": "club"}'
                """, named: ["club", "inactive"]),
        Choice(
            testDescription: "a source that does not exist", change: "UPDATE job_configurations SET config = '{\"source\": \"matriz\"}'",
            named: ["matriz"]),
        Choice(
            testDescription: "a source of the wrong type", change: "UPDATE job_configurations SET config = '{\"source\": \"club\"}'",
            named: ["club"]),
        Choice(
            testDescription: "two clubs and none named",
            change:
                "INSERT INTO integrations (name, type, base_url, config) SELECT 'club-2', type, base_url, config FROM integrations WHERE name = 'club'",
            named: ["CRESCEVENDAS", "target"]),
        Choice(
            testDescription: "two clubs, one of them inactive",
            change:
                "INSERT INTO integrations (name, type, base_url, config, active) SELECT 'club-2', type, base_url, config, false FROM integrations WHERE name = 'club'",
            named: nil),
        Choice(
            testDescription: "two clubs, one of them named",
            change: """
                INSERT INTO integrations (name, type, base_url, config) SELECT 'club-2', type, base_url, config FROM integrations WHERE name = 'club';
                UPDATE job_configurations SET config = '{"target": "club-2"}'
                """, named: nil),
        Choice(
            testDescription: "a club without credentials",
            change: "UPDATE integrations SET config = config - 'auth_headers' WHERE name = 'club'",
            named: ["club", "auth_headers"]),
        Choice(
            testDescription: "a wrong password",
            change: "UPDATE integrations SET config = config || '{\"password\": \"x\"}' WHERE name = 'rp'",
            named: ["rp", "Não foi possível autenticar"]),
    ]

    @Test(
        "the partners are those that the job names, else the only active ones; anything else fails once, without children, by name",
        arguments: choices)
    func partners(choice: Choice) async throws {
        try await Rig.with(RigSettings(stores: 1, products: 10)) { rig in
            try await rig.pool.withConnection { try await $0.script(choice.change) }
            let execution = try await rig.sync()
            guard let named = choice.named else {
                #expect(execution.status == "SUCCESS", "\(execution.message)")
                return
            }
            #expect(execution.status == "FAILED" && execution.attempt == 1, "\(execution.code)")
            #expect(named.allSatisfy { execution.message.contains($0) }, "\(execution.message)")
            #expect(try await rig.children(of: execution.id).isEmpty)
            let state = try await rig.sandbox.state()
            #expect(state.requestCount == state.loginRequests && state.loginRequests <= 1)
        }
    }
}
