import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// SYNC_PRODUCTS on a good day, and what the same day's later runs do.
@Suite struct SyncMorningTests {
    @Test("a morning's sync publishes to each store exactly what RP offers, and leaves it in the tables")
    func happyMorning() async throws {
        try await Rig.with(RigSettings(products: 250)) { rig in
            let execution = try await rig.sync()
            #expect(execution.status == "SUCCESS" && execution.severity == "ok" && execution.error == nil)
            let state = try await rig.sandbox.state(lines: true, bodies: true)
            #expect(state.uploads.count == 3 && state.loginRequests == 1 && state.unknownRequests.isEmpty && state.redirectsFollowed == 0)
            var fetched = 0
            var accepted = 0
            var rejected: [String: Int] = [:]
            for store in 1...3 {
                let selection = Selection(try await rig.sandbox.products(of: store))
                fetched += selection.fetched
                accepted += selection.lines.count
                rejected.merge(selection.rejected, uniquingKeysWith: +)
                try await expectPublished(selection, store: store, rig, state)
            }
            let metrics = execution.metrics
            #expect(metrics?["stores"] == ["total": 3, "succeeded": 3, "skipped": 0, "failed": 0])
            #expect(metrics?["products"]?["fetched"]?.intValue == fetched)
            #expect(metrics?["products"]?["accepted"]?.intValue == accepted)
            #expect(metrics?["products"]?["rejected"] == .object(rejected.mapValues { .integer(Int64($0)) }))
            #expect((metrics?["duration_ms"]?.intValue ?? 0) > 0)
            try await expectRecorded(execution, rig)
        }
    }

    /// The body at the partner, the campaign there, its row and the store's products all are the selection.
    private func expectPublished(_ selection: Selection, store: Int, _ rig: Rig, _ state: SandboxState) async throws {
        let registration = rig.sandbox.registration(store)
        #expect(selection.lines.count > 150, "the selection itself is too small to prove anything")
        let upload = try #require(state.uploads(of: registration).first)
        let body = try UploadedBody(upload.body)
        #expect(body.override == 1 && body.storeRegistrations == [registration])
        #expect(body.discountStoreLines.count == selection.lines.count)
        #expect(Set(body.discountStoreLines) == selection.lines)
        let campaign = try #require(try await rig.campaigns(of: store).first)
        #expect(body.startDate == rig.zone.wallTime(campaign.startsAt) && body.endDate == rig.zone.wallTime(campaign.endsAt))
        #expect(body.endDate.hasSuffix("T23:59"))
        let branch = registration.dropFirst(9).prefix(3)
        #expect(body.name == "\(branch) Descontos - \(body.startDate.prefix(10)) \(body.startDate.suffix(5))" && body.name == campaign.name)
        #expect(campaign.status == "VERIFIED" && campaign.lineCount == selection.lines.count && campaign.httpStatus == 200)
        #expect(campaign.excerpt.contains("Upload realizado"))
        #expect(Set(state.campaigns(of: registration).last?.lines ?? []) == selection.lines)
        #expect(try await rig.products(of: store) == selection.lines)
        let names = try await rig.pool.query("SELECT code, name FROM products WHERE store_id = \(store)")
        #expect(try names.allSatisfy { try $0.get("name", as: String.self) == selection.names[try $0.get("code")] })
    }

    private func expectRecorded(_ execution: Execution, _ rig: Rig) async throws {
        let children = try await rig.children(of: execution.id)
        #expect(children.keys.sorted() == [1, 2, 3] && children.values.allSatisfy { $0.status == "SUCCESS" && $0.attempt == 1 })
        for id in [execution.id] + children.values.map(\.id) {
            #expect(try await rig.attempts(of: id) == ["SUCCESS"])
            let lines: Int = try await rig.value("SELECT count(*) AS value FROM execution_logs WHERE execution_id = \(id)::uuid")
            #expect(lines > 0)
        }
        let states = try await rig.pool.query(
            "SELECT store_id, state, reason, day::text AS day, execution_id::text AS run FROM store_status")
        #expect(states.map { $0["state"] } == ["VERIFIED", "VERIFIED", "VERIFIED"] && states.allSatisfy { $0["reason"] == nil })
        #expect(try states.allSatisfy { $0["run"] == children[try $0.get("store_id")]?.id })
        let secrets: Int = try await rig.value(
            """
            SELECT count(*) AS value FROM (SELECT message || coalesce(fields::text, '') AS text FROM execution_logs
              UNION ALL SELECT coalesce(before::text, '') || coalesce(after::text, '') FROM audit_log) AS t
            WHERE text LIKE '%senha-do-sandbox%' OR text LIKE '%token-do-sandbox%'
            """)
        #expect(secrets == 0)
    }

    @Test("a second run of the day uploads nothing; a changed price uploads that store alone")
    func laterRuns() async throws {
        try await Rig.with { rig in
            _ = try await rig.sync()
            let again = try await rig.sync()
            #expect(again.status == "SUCCESS" && again.severity == "ok")
            #expect(again.metrics?["stores"] == ["total": 3, "succeeded": 3, "skipped": 0, "failed": 0])
            #expect(try await rig.sandbox.state().uploads.count == 3)
            for store in 1...3 {
                let campaigns = try await rig.campaigns(of: store)
                #expect(campaigns.map(\.status) == ["VERIFIED", "SKIPPED"])
                #expect(campaigns.last?.reason.contains("\(campaigns[0].id)") == true)
            }
            let line = try #require(try await rig.products(of: 2).first)
            try await rig.sandbox.setPrices(store: 2, code: line.code, price: "99.90", clubPrice: "89.905")
            #expect(try await rig.sync().status == "SUCCESS")
            let state = try await rig.sandbox.state()
            #expect(state.uploads.count == 4 && state.uploads.last?.registrations == [rig.sandbox.registration(2)])
            let changed = try #require(try await rig.products(of: 2).first { $0.code == line.code })
            #expect(changed.price == Decimal(string: "99.90") && changed.finalPrice == Decimal(string: "89.91"))
            #expect(try await rig.products(of: 2) == Selection(try await rig.sandbox.products(of: 2)).lines)
            #expect(try await rig.campaigns(of: 2).map(\.status) == ["VERIFIED", "SKIPPED", "VERIFIED"])
            let verified: Int = try await rig.value("SELECT count(*) AS value FROM store_status WHERE state = 'VERIFIED'")
            #expect(verified == 3)
        }
    }

    @Test("a dry run does everything but the upload and shows what it would send")
    func dryRun() async throws {
        try await Rig.with { rig in
            let execution = try await rig.sync(params: ["dry_run": true, "store_ids": [1, 3]])
            #expect(execution.status == "SUCCESS")
            let state = try await rig.sandbox.state()
            #expect(state.crescevendas.requests.isEmpty)
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["SKIPPED"])
            let rows: Int = try await rig.value("SELECT count(*) AS value FROM products")
            #expect(rows == 0)
            let id = try #require(try await rig.children(of: execution.id)[1]?.id)
            let shown: Int = try await rig.value(
                "SELECT count(*) AS value FROM execution_logs WHERE execution_id = \(id)::uuid AND fields ->> 'body' LIKE '%discount_store_lines%'"
            )
            #expect(shown == 1)
            let missing: Int = try await rig.value("SELECT count(*) AS value FROM store_status WHERE state = 'MISSING'")
            #expect(missing == 3, "a dry run publishes nothing")
            // It leaves nothing behind that a real run would trip over.
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.sandbox.state().uploads.count == 3)
        }
    }

    @Test(
        "R65: half the catalogue gone, all prices zero, an empty list: no upload, the products stay, operators are told, until one confirms"
    )
    func drops() async throws {
        try await Rig.with(RigSettings(job: ["max_drop_percent": 30])) { rig in
            try await rig.addChannels()
            _ = try await rig.sync()
            let before = try await [rig.products(of: 1), rig.products(of: 2), rig.products(of: 3)]
            try await rig.sandbox.setFaults(["rp-half-catalogue@1", "rp-zero-prices@2", "rp-empty@3"])
            let dropped = try await rig.sync()
            #expect(dropped.status == "FAILED" && dropped.severity == "critical" && dropped.error?["stores"]?.arrayValue?.count == 3)
            let children = try await rig.children(of: dropped.id)
            #expect(children.values.allSatisfy { $0.code == "CATALOGUE_DROPPED" && $0.attempt == 1 && $0.message.contains("confirm_drop") })
            #expect(try await rig.sandbox.state().uploads.count == 3)
            #expect(try await [rig.products(of: 1), rig.products(of: 2), rig.products(of: 3)] == before)
            let told: String = try await rig.value(
                """
                SELECT coalesce(string_agg(c.name || ' ' || d.status, ', ' ORDER BY c.name), '') AS value FROM notification_deliveries AS d
                JOIN notification_channels AS c ON c.id = d.channel_id WHERE d.event = 'FAILURE' AND d.execution_id = \(dropped.id)::uuid
                """)
            #expect(told == "group SENT, hook SENT, mail SENT")
            // The campaign of the day still stands.
            let verified: Int = try await rig.value("SELECT count(*) AS value FROM store_status WHERE state = 'VERIFIED'")
            #expect(verified == 3)

            let confirmed = try await rig.sync(params: ["confirm_drop": true])
            #expect(confirmed.status == "SUCCESS" && confirmed.severity == "warning")
            #expect(confirmed.metrics?["stores"] == ["total": 3, "succeeded": 1, "skipped": 2, "failed": 0])
            let state = try await rig.sandbox.state()
            #expect(state.uploads.count == 4 && state.uploads.allSatisfy { $0.lineCount > 0 }, "an empty campaign is never sent")
            let half = try await rig.products(of: 1)
            #expect(half.count < before[0].count && half.isSubset(of: before[0]) && half.count == state.uploads.last?.lineCount)
            #expect(try await rig.products(of: 2) == before[1])
        }
    }

    @Test("R65: a store without club prices and without an earlier campaign is skipped and says so")
    func nothingAccepted() async throws {
        try await Rig.with { rig in
            try await rig.sandbox.setFaults(["rp-zero-prices@1", "rp-empty@2"])
            let execution = try await rig.sync()
            #expect(execution.status == "SUCCESS" && execution.severity == "warning")
            #expect(execution.metrics?["stores"] == ["total": 3, "succeeded": 1, "skipped": 2, "failed": 0])
            #expect(try await rig.sandbox.state().uploads.map(\.registrations) == [[rig.sandbox.registration(3)]])
            let states = try await rig.pool.query("SELECT state, coalesce(reason, '') AS reason FROM store_status ORDER BY store_id")
            #expect(states.map { $0["state"] } == ["SKIPPED", "SKIPPED", "VERIFIED"])
            #expect(try states[0].get("reason", as: String.self).contains("club price"))
        }
    }

    @Test("the quantity limit is the store's own, else the job's")
    func quantityLimits() async throws {
        try await Rig.with(RigSettings(stores: 2, job: ["quantity_limit": 12])) { rig in
            _ = try await rig.pool.query("UPDATE stores SET config = '{\"quantity_limit\": 3}' WHERE id = 2")
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.products(of: 1) == Selection(try await rig.sandbox.products(of: 1), limit: 12).lines)
            #expect(try await rig.products(of: 2) == Selection(try await rig.sandbox.products(of: 2), limit: 3).lines)
        }
    }
}
