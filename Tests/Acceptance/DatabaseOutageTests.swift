import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// PostgreSQL goes away in the middle of a sync (R20, R21): nothing is lost, nothing doubled, and no worker leaves.
@Suite struct DatabaseOutageTests {
    private static let settings = RigSettings(stores: 4, products: 600, sandbox: ["--latency-ms", "150"])

    @Test("R20: a restart of the server, fast and immediate, and a kill of its postmaster, in the middle of a sync")
    func restarts() async throws {
        let server = try await RestartableServer.start()
        var settings = Self.settings
        settings.server = server
        try await Rig.with(settings) { rig in
            let worker = try rig.worker(["--slots", "4", "--lease", "6"])
            for outage in ["fast", "immediate", "kill"] {
                try await rig.sandbox.reset()
                try await eventually(within: .seconds(30), "the database") {
                    (try? await rig.pool.withConnection { try await $0.script("DELETE FROM campaigns; DELETE FROM products") }) != nil
                }
                let id = try await rig.trigger()
                try await eventually(within: .seconds(30), "the first pages") { try await rig.sandbox.state().rp.stores.count >= 2 }
                switch outage {
                case "fast": try await server.restart(.fast)
                case "immediate": try await server.restart(.immediate)
                default:
                    try server.killPostmaster()
                    try await server.start()
                }
                try await eventually(within: .seconds(60), "the end of the sync after \(outage)") {
                    (try? await rig.execution(id).status) == "SUCCESS"
                }
                try await expectIntact(rig, ambiguities: 1)
            }
            #expect(worker.end == nil)
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(40)) == .exited(0))
        }
    }

    @Test("R10: three outages longer than the lease do not quarantine a job that is well, and use no attempt")
    func outagesAreNobodysFault() async throws {
        let server = try await RestartableServer.start()
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            let worker = try rig.worker(["--lease", "2"])
            let id = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            // What was claimed before an outage and came after it is handed back, so attempts may be more than outages.
            func running(after last: Int) async throws -> Int {
                var attempt = 0
                try await eventually(within: .seconds(60), "it runs again after attempt \(last)") {
                    guard let run = try? await rig.execution(id), run.status == "RUNNING" else { return false }
                    attempt = run.attempt
                    return attempt > last
                }
                return attempt
            }
            var attempt = 0
            for _ in 1...3 {
                attempt = try await running(after: attempt)
                let losses = worker.errors.count { $0.contains("the lease could not be renewed in time") }
                try await server.stop(.fast)
                try await eventually(within: .seconds(30), "the worker's loss of its lease") {
                    worker.errors.count { $0.contains("the lease could not be renewed in time") } > losses
                }
                try await server.start()
            }
            attempt = try await running(after: attempt)
            #expect(attempt >= 4)
            #expect(try await rig.execution(id).maxAttempts == attempt)
            #expect(try await rig.attempts(of: id).dropLast().allSatisfy { $0 == "INTERRUPTED" || $0 == "RESCUED" })
            _ = try await rig.pool.query("SELECT cancel_execution(\(id)::uuid)")
        }
    }

    @Test("every session is cut, again and again, at random moments of a sync")
    func cutSessions() async throws {
        var random = SeededGenerator(seed: UInt64.random(in: 0...UInt64.max))
        print("cut sessions: seed \(random.seed)")
        var settings = Self.settings
        settings.sandbox = ["--latency-ms", "350"]
        try await Rig.with(settings) { rig in
            let port = try #require(URLComponents(string: rig.url)?.port)
            let proxy = try TCPProxy(to: port)
            let worker = try rig.worker(
                ["--slots", "4", "--lease", "6"], url: rig.url.replacingOccurrences(of: ":\(port)/", with: ":\(proxy.port)/"))
            let id = try await rig.trigger()
            var cuts = 0
            var next = ContinuousClock.now
            try await eventually(within: .seconds(60), "the end of the sync") {
                if ContinuousClock.now >= next, cuts < 12 {
                    proxy.cutAll()
                    cuts += 1
                    next = ContinuousClock.now + .milliseconds(Int.random(in: 100...600, using: &random))
                }
                return try await rig.execution(id).status == "SUCCESS"
            }
            try await expectIntact(rig, ambiguities: cuts)
            #expect(worker.end == nil && cuts > 2)
        }
    }

    @Test(
        "R21: the connection is lost under a COMMIT, before the server sees it and after it did it",
        arguments: [
            TCPProxy.Cut.before("COMMIT"), .after("COMMIT"), .after("finish_executions"), .after("fan_out"), .after("claim_executions"),
        ])
    func cutCommit(cut: TCPProxy.Cut) async throws {
        // One attempt: a connection that is lost is nobody's failure.
        try await Rig.with(RigSettings(stores: 2, maxAttempts: 1)) { rig in
            let port = try #require(URLComponents(string: rig.url)?.port)
            let proxy = try TCPProxy(to: port)
            let worker = try rig.worker(
                ["--slots", "2", "--lease", "6"],
                url: rig.url.replacingOccurrences(of: ":\(port)/", with: ":\(proxy.port)/"), environment: ["CHIMERA_LISTEN": "off"])
            _ = try await worker.line(containing: "works")
            // Again and again: claims, plans, campaigns, swaps and ends all meet it. The first is ready before there is work.
            proxy.cutOnce(cut)
            var cuts = 1
            let id = try await rig.trigger()
            try await eventually(within: .seconds(90), "the end of the sync") {
                if proxy.cutsMade == cuts, cuts < 8 {
                    proxy.cutOnce(cut)
                    cuts += 1
                }
                return try await !["PENDING", "RUNNING"].contains(rig.execution(id).status)
            }
            #expect(proxy.cutsMade > 0)
            let ended = try await rig.execution(id)
            #expect(ended.status == "SUCCESS", "\(ended.message) \(ended.error?.text ?? "")")
            try await expectIntact(rig, ambiguities: proxy.cutsMade)
        }
    }

    private func expectIntact(_ rig: Rig, ambiguities: Int) async throws {
        let state = try await rig.sandbox.state(lines: true)
        for store in 1...rig.sandbox.announced.stores.count {
            let registration = rig.sandbox.registration(store)
            let selection = Selection(try await rig.sandbox.products(of: store)).lines
            let campaigns = try await rig.campaigns(of: store)
            // A store whose campaign was verified and whose end was lost begins again and finds it done.
            #expect(campaigns.count { $0.status == "VERIFIED" } == 1, "store \(store): \(campaigns.map(\.status))")
            #expect((1...(1 + ambiguities)).contains(state.uploads(of: registration).count))
            #expect(Set(state.uploads(of: registration).map(\.bodyDigest)).count == 1)
            #expect(Set(state.campaigns(of: registration).last?.lines ?? []) == selection)
            #expect(try await rig.products(of: store) == selection)
        }
        let wrong: Int = try await rig.value(
            """
            SELECT count(*) AS value FROM (SELECT execution_id FROM job_attempts GROUP BY execution_id
              HAVING count(*) FILTER (WHERE outcome = 'SUCCESS') <> 1 OR count(*) <> max(attempt)) AS t
            """)
        #expect(wrong == 0, "one recorded end for each attempt, one success for each execution")
        let failed: Int = try await rig.value(
            "SELECT count(*) AS value FROM job_executions WHERE status <> 'SUCCESS' OR attempt > max_attempts")
        #expect(failed == 0)
    }
}
