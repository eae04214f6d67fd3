import Foundation
import JobQueue
import Runtime
import TestSupport
import Testing

@testable import JobQueue
@testable import Retail

/// Behind which syncs the plan of a comparison waits, and what an attempt leaves of the one before it.
@Suite struct ComparisonJobTests {
    /// Partners that nobody asks for anything: no store is active.
    private struct Nobody: PartnerDirectory, CampaignTarget, ProductSource {
        let campaignRules = CampaignRules()
        func source(_ integration: IntegrationRow) throws -> any ProductSource { self }
        func target(_ integration: IntegrationRow) throws -> any CampaignTarget { self }
        func logIn(gate: any RequestGate) async throws {}
        func readProducts(unit: String, gate: any RequestGate, receive: @Sendable ([OfferedProduct]) async throws -> Void) async throws {}
        func encode(_ draft: CampaignDraft) -> [UInt8] { [] }
        func upload(_ body: [UInt8], gate: any RequestGate) async throws -> UploadReceipt { UploadReceipt(httpStatus: 200, excerpt: "") }
        func list(registration: String, day: String, gate: any RequestGate) async throws -> Listing { Listing() }
    }

    private func withPartners(_ body: (Shop) async throws -> Void) async throws {
        try await Shop.withDatabase { shop in
            for name in ["club", "other"] { _ = try await shop.addIntegration(name, type: "CRESCEVENDAS") }
            _ = try await shop.addIntegration("rp", type: "RP")
            try await shop.run(
                "INSERT INTO job_configurations (name, job_type, config) VALUES ('compare', 'COMPARE_DATA', '{}'), ('sync', 'SYNC_PRODUCTS', '{}')"
            )
            try await body(shop)
        }
    }

    /// A run of `compare`, under way, whose first attempt began so long ago; the row itself is older.
    private func context(_ shop: Shop, age: Int = 0, attempt: Int = 1, store: Int? = nil, options: JSONValue) async throws -> RunContext {
        let id = try await shop.text(
            "INSERT INTO job_executions (job_config_id) SELECT id FROM job_configurations WHERE name = 'compare' RETURNING id")
        try await shop.plant(
            """
            UPDATE job_live SET status = 'RUNNING', attempt = \(attempt), token = 77, worker = '00000000-0000-7000-8000-0000000000aa',
              created_at = now() - interval '1 hour', started_at = now() WHERE id = \(id)::uuid
            """)
        if age > 0 {
            try await shop.run(
                """
                INSERT INTO job_attempts_past (execution_id, attempt, started_at, outcome)
                SELECT \(id)::uuid, 1 + n, now() - make_interval(secs => \(age)::int) + n * interval '5 seconds', 'INTERRUPTED' FROM generate_series(0, 3) AS n
                """)
        }
        let run = ClaimedRun(
            id: id, token: 77, jobConfigID: 1, attempt: attempt, maxAttempts: 3, paramsText: nil, parentID: nil, storeID: store,
            registration: nil, sourceID: 0, targetID: 0, scheduledFor: nil, priority: 0, runAtText: "", retryOf: nil, isGated: false)
        let lease = Lease(length: .seconds(600))
        lease.renewed(askedAt: MonotonicClock.now())
        return RunContext(
            run: run, configuration: shop.context(store: 1).configuration, options: options, pool: shop.pool, lease: lease,
            term: Lease.Term(number: 1), logWriter: ExecutionLogWriter(wakeup: Wakeup()), slotPause: SlotPause { _ in })
    }

    /// Whether a comparison that began so long ago waits. It has 900 seconds.
    private func waits(_ shop: Shop, age: Int = 0, stores: [JSONValue] = []) async throws -> Bool {
        let context = try await context(shop, age: age, options: ["target": "club", "source": "rp", "store_ids": .array(stores)])
        defer { Task { try? await shop.run("SELECT cancel_execution(\(context.run.id)::uuid)") } }
        do {
            _ = try await ComparisonJob(StoreWork(partners: Nobody())).run(context)
            return false
        } catch let postponed as RunPostponed {
            #expect(postponed.code == "SYNC_LIVE")
            return true
        }
    }

    /// A sync that is due.
    private func addSync(_ shop: Shop, params: String = "{}") async throws -> ExecutionID {
        try await shop.text(
            "INSERT INTO job_executions (job_config_id, params) SELECT id, \(params)::jsonb FROM job_configurations WHERE name = 'sync' RETURNING id"
        )
    }

    @Test("a comparison waits for a sync that has not planned yet for as long as its own timeout, however often that is tried again")
    func patience() async throws {
        try await withPartners { shop in
            #expect(try await waits(shop) == false)
            _ = try await addSync(shop)
            #expect(try await waits(shop))
            try await shop.plant("UPDATE job_live SET attempt = 7, run_at = now() WHERE job_config_id = 2")
            #expect(try await waits(shop, age: 800))
            #expect(try await waits(shop, age: 901) == false)
            try await shop.plant("UPDATE job_live SET run_at = now() + interval '20 seconds' WHERE job_config_id = 2")
            #expect(try await waits(shop), "its login failed, and the next attempt is to come")
            #expect(try await waits(shop, age: 901) == false)
            try await shop.plant("UPDATE job_live SET attempt = 0 WHERE job_config_id = 2")
            #expect(try await waits(shop) == false, "the sync is due later")
        }
    }

    @Test("it waits for no sync of another target, and for none of other stores")
    func others() async throws {
        try await withPartners { shop in
            let sync = try await addSync(shop, params: #"{"store_ids": [1, 2]}"#)
            #expect(try await waits(shop))
            #expect(try await waits(shop, stores: [2, 3]))
            #expect(try await waits(shop, stores: [3]) == false)
            for (config, expected) in [(#"{"target": "other"}"#, false), (#"{"target": "club"}"#, true), (#"{"target": null}"#, true)] {
                try await shop.run("UPDATE job_configurations SET config = \(config)::jsonb WHERE name = 'sync'")
                #expect(try await waits(shop) == expected, "\(config)")
            }
            try await shop.run("SELECT cancel_execution(\(sync)::uuid)")
            _ = try await addSync(shop, params: #"{"store_ids": []}"#)
            #expect(try await waits(shop, stores: [3]), "all stores")
        }
    }

    @Test("an attempt that cannot begin leaves nothing of what the one before it found")
    func removesDifferences() async throws {
        try await withPartners { shop in
            let store = try await shop.addStore("one")
            try await shop.run("UPDATE stores SET active = false")
            let context = try await context(shop, attempt: 2, store: store, options: ["target": "club", "source": "rp"])
            try await shop.run(
                "INSERT INTO comparison_differences (execution_id, store_id, code, kind) VALUES (\(context.run.id)::uuid, \(store), 1, 'PRICE')"
            )
            let error = await #expect(throws: RunError.self) { try await ComparisonJob(StoreWork(partners: Nobody())).run(context) }
            #expect(error?.code == "STORE_INACTIVE")
            #expect(try await shop.texts("SELECT count(*) FROM comparison_differences") == ["0"])
        }
    }
}
