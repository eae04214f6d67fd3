import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// R01 and R64 under real signals: workers are killed at random moments of a sync, others finish it.
@Suite struct KillTests {
    static let lease = "2"

    /// When a worker is killed: at a random moment after the first sign of what it does.
    private enum Moment: CaseIterable {
        case started, planned, reading, uploaded, listed

        func hasCome(_ rig: Rig, uploads: Int) async throws -> Bool {
            switch self {
            case .started: true
            case .planned:
                try await rig.value("SELECT count(*) > 0 AS value FROM job_executions WHERE parent_id IS NOT NULL AND status = 'RUNNING'")
            case .reading: try await rig.sandbox.state().rp.stores.count > 0
            case .uploaded: try await rig.sandbox.state().uploads.count > uploads
            case .listed: try await !(rig.sandbox.state().crescevendas.listings ?? []).isEmpty
            }
        }
    }

    @Test("kill -9 at random moments of a sync of three stores: nothing is lost, doubled or mixed", arguments: 0..<6)
    func kills(series: Int) async throws {
        var random = SeededGenerator()
        print("kills, series \(series): seed \(random.seed)")
        let settings = RigSettings(
            products: 2_000, sandbox: ["--seed", "\(series + 1)"], rp: ["products_endpoint": .string(Self.endpoint)])
        try await Rig.with(settings) { rig in
            var selections: [Set<Line>] = []
            for store in 1...3 { selections.append(Selection(try await rig.sandbox.products(of: store)).lines) }
            for _ in 0..<3 {
                try await rig.sandbox.reset()
                try await rig.pool.withConnection { try await $0.script("DELETE FROM campaigns; DELETE FROM products") }
                let id = try await rig.trigger()
                let kills = try await killWorkers(Int.random(in: 1...2, using: &random), of: id, rig, &random)
                let survivor = try rig.worker(["--lease", Self.lease, "--slots", "4"])
                _ = try await survivor.line(containing: "works", within: .seconds(30))
                let execution = try await rig.finished(id, within: .seconds(90))
                #expect(execution.status == "SUCCESS", "\(execution.message)")
                survivor.signal(SIGTERM)
                let end = try await survivor.waitForExit(within: .seconds(30))
                #expect(end == .exited(0), "\(survivor.errors.suffix(20))")
                try await expectIntact(rig, id, selections, kills: kills)
            }
        }
    }

    /// Starts and kills so many workers; fewer when the sync ends before.
    private func killWorkers(_ count: Int, of id: String, _ rig: Rig, _ random: inout SeededGenerator) async throws -> Int {
        for kill in 0..<count {
            let uploads = try await rig.sandbox.state().uploads.count
            let moment = Moment.allCases.randomElement(using: &random) ?? .started
            let worker = try rig.worker(["--lease", Self.lease, "--slots", "4"])
            try await eventually(within: .seconds(60), "\(moment) of worker \(kill + 1)") {
                if try await moment.hasCome(rig, uploads: uploads) { return true }
                return try await rig.execution(id).status == "SUCCESS"
            }
            let then = ContinuousClock.now + .milliseconds(Int.random(in: 0...(moment == .started ? 2_500 : 250), using: &random))
            try await eventually(within: .seconds(60)) { ContinuousClock.now >= then }
            worker.signal(SIGKILL)
            try await worker.waitForExit()
            if try await rig.execution(id).status == "SUCCESS" { return kill }
        }
        return count
    }

    private func expectIntact(_ rig: Rig, _ id: String, _ selections: [Set<Line>], kills: Int) async throws {
        let state = try await rig.sandbox.state(lines: true)
        for store in 1...3 {
            let registration = rig.sandbox.registration(store)
            let campaigns = try await rig.campaigns(of: store)
            #expect(campaigns.count { $0.status == "VERIFIED" } == 1, "store \(store): \(campaigns.map(\.status))")
            #expect(campaigns.allSatisfy { ["VERIFIED", "FAILED"].contains($0.status) })
            let uploads = state.uploads(of: registration)
            #expect((1...(1 + kills)).contains(uploads.count), "store \(store): \(uploads.count) uploads after \(kills) kills")
            #expect(Set(uploads.map(\.bodyDigest)).count == 1, "store \(store): bodies differ")
            #expect(Set(state.campaigns(of: registration).last?.lines ?? []) == selections[store - 1])
            #expect(try await rig.products(of: store) == selections[store - 1])
        }
        let children = try await rig.children(of: id)
        #expect(children.count == 3, "the parent planned once")
        for run in [id] + children.values.map(\.id) {
            let attempts = try await rig.attempts(of: run)
            #expect(attempts.count { $0 == "SUCCESS" } == 1 && attempts.last == "SUCCESS", "\(attempts)")
            #expect(attempts.dropLast().allSatisfy { $0 == "RESCUED" || $0 == "INTERRUPTED" }, "\(attempts)")
        }
        let live: Int = try await rig.value("SELECT count(*) AS value FROM job_live")
        #expect(live == 0)
    }

    /// Pages of 500 rows: the stand-in makes them faster.
    private static let endpoint = "/v2.8/produtounidade/listaprodutos/{lastId}/unidade/{storeReg}/detalhado?limit=500"

    @Test("R09: every start of a worker is another identity, beside others on its host and after one that left or was killed")
    func identities() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            for round in 1...2 {
                let workers = try (1...2).map { _ in try rig.worker(["--lease", "2"]) }
                for worker in workers { _ = try await worker.line(containing: "works", within: .seconds(30)) }
                workers[0].signal(SIGTERM)
                workers[1].signal(SIGKILL)
                for worker in workers { try await worker.waitForExit(within: .seconds(30)) }
                let starts: Int = try await rig.value("SELECT count(DISTINCT id) AS value FROM workers")
                #expect(starts == 2 * round)
            }
            let hosts: Int = try await rig.value("SELECT count(DISTINCT host) AS value FROM workers")
            let random: Bool = try await rig.value("SELECT bool_and(id::text ~ '^.{8}-.{4}-4') AS value FROM workers")
            #expect(hosts == 1 && random)
        }
    }

    @Test("R10: a job that kills its worker three times is quarantined, and the queue flows")
    func quarantine() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            _ = try await rig.pool.query(
                "INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('poison', 'NOOP', 1), ('drill', 'NOOP', 3)")
            let poison = try await rig.trigger("poison", params: ["sleep_ms": 600_000])
            for kill in 1...3 {
                let worker = try rig.worker(["--lease", Self.lease])
                try await eventually(within: .seconds(60), "attempt \(kill)") {
                    let run = try await rig.execution(poison)
                    return run.status == "RUNNING" && run.attempt == kill
                }
                worker.signal(SIGKILL)
            }
            _ = try rig.worker(["--lease", Self.lease])
            let ended = try await rig.finished(poison)
            #expect(ended.status == "FAILED" && ended.code == "QUARANTINED" && ended.attempt == 3)
            #expect(try await rig.attempts(of: poison) == ["RESCUED", "RESCUED", "RESCUED"])
            #expect(try await rig.finished(try await rig.trigger("drill")).status == "SUCCESS")
        }
    }

    @Test("a run whose worker vanished, row and all, is pending again within a lease; its attempt is told as rescued")
    func orphans() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            let id = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            let first = try rig.worker(["--lease", Self.lease])
            try await rig.waitFor("RUNNING", id)
            first.signal(SIGKILL)
            try await first.waitForExit()
            _ = try await rig.pool.query("DELETE FROM workers")
            _ = try rig.worker(["--lease", Self.lease, "--slots", "1"])
            try await eventually(within: .seconds(30), "the second attempt") {
                let run = try await rig.execution(id)
                return run.status == "RUNNING" && run.attempt == 2 && run.maxAttempts == 2
            }
            #expect(try await rig.attempts(of: id) == ["RESCUED", "RUNNING"])
            let cancelled: Bool = try await rig.value("SELECT cancel_execution(\(id)::uuid) AS value")
            #expect(cancelled)
        }
    }
}
