import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// Syncs that are stopped from outside: cancelled, timed out, paused, deleted.
@Suite struct SyncStopTests {
    @Test("cancelling a sync stops its stores within seconds; what was sent stays SENT, and the next run finds it")
    func cancelled() async throws {
        try await Rig.with { rig in
            try await rig.sandbox.setFaults(["cv-list-silence@1", "rp-silence@2"])
            _ = try rig.worker(["--slots", "4"])
            let id = try await rig.trigger()
            try await eventually(within: .seconds(30), "one store sent, one waiting for RP, one done") {
                let states = try await rig.pool.query("SELECT status FROM campaigns ORDER BY store_id").map { $0["status"] }
                guard states == ["SENT", "VERIFIED"], try await rig.children(of: id)[3]?.status == "SUCCESS" else { return false }
                return try await rig.sandbox.state().pageRequests(of: rig.sandbox.registration(2)) > 0
            }
            let cancelled: Bool = try await rig.value("SELECT cancel_execution(\(id)::uuid) AS value")
            #expect(cancelled)
            #expect(try await rig.execution(id).status == "CANCELLED")
            #expect(try await rig.children(of: id).mapValues(\.status) == [1: "CANCELLED", 2: "CANCELLED", 3: "SUCCESS"])
            try await eventually(within: .seconds(5), "the requests under way are given up") {
                let state = try await rig.sandbox.state()
                return state.rp.concurrent == 0 && state.crescevendas.concurrent == 0
            }
            let states = try await rig.pool.query("SELECT state FROM store_status ORDER BY store_id").map { $0["state"] }
            #expect(states == ["SENT", "FAILED", "VERIFIED"])
            #expect(try await rig.products(of: 1).isEmpty)
            try await rig.sandbox.setFaults([])
            #expect(try await rig.finished(try await rig.trigger()).status == "SUCCESS")
            let state = try await rig.sandbox.state()
            #expect(state.uploads.count == 3 && state.uploads(of: rig.sandbox.registration(1)).count == 1)
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED"])
        }
    }

    @Test("a store whose partner hangs is timed out by timeout_seconds, and the parent has no timeout")
    func timedOut() async throws {
        try await Rig.with(RigSettings(maxAttempts: 2)) { rig in
            _ = try await rig.pool.query("UPDATE job_configurations SET timeout_seconds = 2")
            try await rig.sandbox.setFaults(["rp-silence@2"])
            _ = try rig.worker()
            let execution = try await rig.finished(try await rig.trigger())
            #expect(execution.status == "FAILED" && execution.attempt == 1)
            let children = try await rig.children(of: execution.id)
            let child = try #require(children[2])
            #expect(child.code == "TIMEOUT" && children[1]?.status == "SUCCESS" && children[3]?.status == "SUCCESS")
            #expect(try await rig.attempts(of: child.id) == ["TIMED_OUT", "TIMED_OUT"])
            #expect(try #require(execution.finished) - (try #require(execution.started)) > 3, "longer than the children's timeout")
            #expect(execution.error?["stores"]?.arrayValue?.first?["registration"]?.stringValue == rig.sandbox.registration(2))
        }
    }

    @Test("a job that is deleted takes its waiting stores with it; a configuration's change counts from the next run on")
    func deleted() async throws {
        try await Rig.with(RigSettings(stores: 4)) { rig in
            // One store after the other.
            _ = try await rig.pool.query("UPDATE job_configurations SET max_concurrency = 1")
            try await rig.sandbox.setFaults(["rp-silence@1"])
            _ = try rig.worker()
            let id = try await rig.trigger()
            try await eventually(within: .seconds(30), "the first store waits for RP") {
                try await rig.sandbox.state().pageRequests(of: rig.sandbox.registration(1)) > 0
            }
            _ = try await rig.pool.query("UPDATE job_configurations SET deleted_at = now()")
            #expect(try await rig.finished(id, within: .seconds(20)).status == "CANCELLED")
            #expect(try await rig.children(of: id).values.allSatisfy { $0.status == "CANCELLED" })
            let uploads = try await rig.sandbox.state().uploads.count
            #expect(uploads == 0)
        }
    }

    @Test("SIGHUP: a worker rereads its configuration and goes on with what it does")
    func reload() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 300, sandbox: ["--latency-ms", "200"])) { rig in
            let worker = try rig.worker()
            let id = try await rig.trigger()
            try await eventually(within: .seconds(30), "the first page") { try await rig.sandbox.state().rp.stores.count > 0 }
            worker.signal(SIGHUP)
            _ = try await worker.line(containing: "rereads its configuration")
            let execution = try await rig.finished(id)
            #expect(execution.status == "SUCCESS" && worker.end == nil)
            #expect(try await rig.children(of: id)[1]?.attempt == 1)
        }
    }

    @Test("SIGHUP: what is sealed with a key that came into the file since the start is opened")
    func newKey() async throws {
        let path = NSTemporaryDirectory() + "chimera-acceptance-\(UUID().uuidString).key"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let first = "first:\(Foundation.Data(repeating: 7, count: 32).base64EncodedString())\n"
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        try #require(FileManager.default.createFile(atPath: path, contents: Foundation.Data(first.utf8), attributes: attributes))
        try await Rig.with(RigSettings(stores: 1, products: 50)) { rig in
            let worker = try rig.worker(environment: ["CHIMERA_KEY_FILE": path])
            #expect(try await rig.finished(try await rig.trigger()).status == "SUCCESS")
            let both = Foundation.Data((CustomJobTests.sealed.line + "\n" + first).utf8)
            try #require(FileManager.default.createFile(atPath: path, contents: both, attributes: attributes))
            worker.signal(SIGHUP)
            _ = try await worker.line(containing: "rereads its configuration")
            _ = try await rig.pool.query(
                """
                UPDATE integrations SET config = jsonb_set(config, '{auth_headers,X-Other}', to_jsonb(\(CustomJobTests.sealed.envelope)::text))
                WHERE name = 'club'
                """)
            _ = try await rig.pool.query("UPDATE job_configurations SET max_attempts = 1")
            let execution = try await rig.finished(try await rig.trigger())
            #expect(execution.status == "SUCCESS", "\(execution.message)")
        }
    }
}
