import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// Where a store's prices come from and go to: never somewhere else than where they are meant to.
@Suite struct SyncPlaceTests {
    @Test("a store whose own source does not exist fails by name and publishes nothing; the corrected name counts for its retry")
    func unknownSource() async throws {
        try await Rig.with(RigSettings(stores: 3)) { rig in
            try await rig.addComparison()
            _ = try await rig.pool.query("UPDATE stores SET config = '{\"source\": \"rp-filal\"}' WHERE id = 2")
            let execution = try await rig.sync()
            #expect(execution.status == "FAILED" && execution.metrics?["stores"]?["failed"] == 1)
            let child = try #require(try await rig.children(of: execution.id)[2])
            #expect(child.status == "FAILED" && child.code == "INTEGRATION" && child.message.contains("rp-filal"), "\(child.message)")
            let sent = try await rig.sandbox.state().uploads(of: rig.sandbox.registration(2))
            #expect(sent.isEmpty)
            let comparison = try await rig.compare()
            let compared = try #require(try await rig.children(of: comparison.id)[2])
            #expect(compared.code == "INTEGRATION")

            _ = try await rig.pool.query("UPDATE stores SET config = '{\"source\": \"rp\"}' WHERE id = 2")
            let retried = try await rig.value("SELECT retry_execution(\(child.id)::uuid)::text AS value", as: String.self)
            try await rig.drain()
            #expect(try await rig.execution(retried).status == "SUCCESS")
            #expect(try await rig.campaigns(of: 2).map(\.status) == ["VERIFIED"])
        }
    }

    @Test("a store that was planned for one source reads from the one that its corrected config names")
    func correctedSource() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            try await rig.insertIntegration("rp-trial", "RP", "http://127.0.0.1:1", ["auth_method": "TOKEN", "static_token": "t"])
            _ = try await rig.pool.query("UPDATE job_configurations SET config = '{\"source\": \"rp\"}'")
            _ = try await rig.pool.query("UPDATE job_configurations SET max_attempts = 1")
            _ = try await rig.pool.query("UPDATE stores SET config = '{\"source\": \"rp-trial\"}'")
            let execution = try await rig.sync()
            let child = try #require(try await rig.children(of: execution.id)[1])
            #expect(child.status == "FAILED" && child.code == "UNREACHABLE", "\(child.code)")
            _ = try await rig.pool.query("UPDATE stores SET config = '{}'")
            let retried = try await rig.value("SELECT retry_execution(\(child.id)::uuid)::text AS value", as: String.self)
            try await rig.drain()
            #expect(try await rig.execution(retried).status == "SUCCESS")
        }
    }

    @Test("a store that was planned for another club than the job names now fails and says so")
    func changedTarget() async throws {
        try await Rig.with(RigSettings(stores: 1, maxAttempts: 1)) { rig in
            try await rig.sandbox.setFaults(["rp-404:1x"])
            let execution = try await rig.sync()
            let child = try #require(try await rig.children(of: execution.id)[1])
            #expect(child.status == "FAILED")
            _ = try await rig.pool.query(
                """
                INSERT INTO integrations (name, type, base_url, config) SELECT 'club-2', type, base_url, config FROM integrations WHERE name = 'club'
                """)
            _ = try await rig.pool.query("UPDATE job_configurations SET config = '{\"target\": \"club-2\"}'")
            let retried = try await rig.value("SELECT retry_execution(\(child.id)::uuid)::text AS value", as: String.self)
            try await rig.drain()
            let again = try await rig.execution(retried)
            #expect(again.status == "FAILED" && again.code == "TARGET_CHANGED" && again.message.contains("club-2"), "\(again.message)")
            #expect(try await rig.sandbox.state().uploads.isEmpty)
            #expect(try await rig.sync().status == "SUCCESS")
        }
    }

    @Test("params that say no dry run count for every store, whatever the job's config says")
    func paramsOverConfig() async throws {
        try await Rig.with(RigSettings(stores: 2, job: ["dry_run": true])) { rig in
            let dry = try await rig.sync()
            #expect(dry.status == "SUCCESS")
            #expect(try await rig.sandbox.state().uploads.isEmpty)
            #expect(try await rig.sync(params: ["dry_run": false]).status == "SUCCESS")
            #expect(try await rig.sandbox.state().uploads.count == 2)
        }
    }

    @Test("what was verified under another registration, or at another address, is no reason to leave the store out")
    func movedStore() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            _ = try await rig.pool.query("UPDATE stores SET active = false, registration = registration || '-old' WHERE id = 2")
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED"])
            _ = try await rig.pool.query("UPDATE stores SET registration = \(rig.sandbox.registration(2)) WHERE id = 1")
            #expect(try await rig.sync().status == "SUCCESS")
            var uploads = try await rig.sandbox.state().uploads(of: rig.sandbox.registration(2)).count
            #expect(uploads == 1)
            _ = try await rig.pool.query(
                "UPDATE integrations SET base_url = replace(base_url, '127.0.0.1', 'localhost') WHERE name = 'club'")
            #expect(try await rig.sync().status == "SUCCESS")
            uploads = try await rig.sandbox.state().uploads(of: rig.sandbox.registration(2)).count
            #expect(uploads == 2)
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED", "VERIFIED", "VERIFIED"])
        }
    }

    @Test("a verified campaign whose row an operator sets to FAILED is sent anew by the next sync")
    func sentAnew() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            for _ in 1...2 { _ = try await rig.sync() }
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED"])
            _ = try await rig.pool.query("UPDATE campaigns SET status = 'FAILED' WHERE status = 'VERIFIED'")
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["FAILED", "SKIPPED", "VERIFIED"])
            #expect(try await rig.sandbox.state().uploads.count == 2)
        }
    }

    @Test("a catalogue that fell is refused also when the club's integration was made anew")
    func newIntegration() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            #expect(try await rig.sync().status == "SUCCESS")
            _ = try await rig.pool.query("UPDATE integrations SET deleted_at = now() WHERE name = 'club'")
            _ = try await rig.pool.query(
                """
                INSERT INTO integrations (name, type, base_url, config) SELECT 'club-2', type, base_url, config FROM integrations WHERE name = 'club'
                """)
            try await rig.sandbox.setFaults(["rp-zero-prices"])
            let execution = try await rig.sync()
            #expect(execution.status == "FAILED")
            let child = try #require(try await rig.children(of: execution.id)[1])
            #expect(child.code == "CATALOGUE_DROPPED")
        }
    }
}
