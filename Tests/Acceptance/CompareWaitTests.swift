import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// A comparison next to syncs of the same stores (SPEC §5: it waits for a live one, up to its timeout).
@Suite struct CompareWaitTests {
    @Test("a store with a live sync is compared when that has ended, with what it published; its neighbours at once")
    func waitsForSync() async throws {
        try await Rig.with { rig in
            try await rig.addComparison()
            _ = try await rig.sync()
            // Something for the sync to publish, which it cannot verify yet.
            let line = try #require(try await rig.products(of: 1).first)
            try await rig.sandbox.setPrices(store: 1, code: line.code, price: "99.90", clubPrice: "88.80")
            try await rig.sandbox.setFaults(["cv-list-silence@1"])
            _ = try rig.worker(["--slots", "8", "--lease", "3"])
            let sync = try await rig.trigger()
            try await eventually("the sync of store 1 has uploaded and looks at the listing") {
                try await rig.campaigns(of: 1).last?.status == "SENT"
            }
            let compare = try await rig.trigger("compare-data")
            try await eventually("the neighbours are compared") {
                let children = try await rig.children(of: compare)
                return children[2]?.status == "SUCCESS" && children[3]?.status == "SUCCESS"
            }
            let waiting = try #require(try await rig.children(of: compare)[1])
            #expect(waiting.status == "PENDING" && waiting.attempt == 0)
            try await rig.sandbox.setFaults([])
            _ = try await rig.pool.query("SELECT cancel_execution(\(sync)::uuid)")
            let execution = try await rig.finished(compare)
            #expect(execution.status == "SUCCESS" && execution.differences == [:], "\(execution.message) \(execution.differences)")
            #expect(try await rig.attempts(of: waiting.id) == ["SUCCESS"])
        }
    }

    @Test("a sync that does not end within the comparison's timeout fails that store by name, and nothing else")
    func timeout() async throws {
        try await Rig.with { rig in
            try await rig.addComparison(timeoutSeconds: 5)
            _ = try await rig.sync()
            try await rig.sandbox.setFaults(["rp-silence@2"])
            _ = try rig.worker(["--slots", "8", "--lease", "3"])
            let sync = try await rig.trigger(params: ["store_ids": [2]])
            try await eventually("the sync of store 2 runs") { try await rig.children(of: sync)[2]?.status == "RUNNING" }
            let execution = try await rig.finished(try await rig.trigger("compare-data"))
            let children = try await rig.children(of: execution.id)
            #expect(execution.status == "FAILED" && execution.severity == "critical")
            #expect(execution.metrics?["stores"] == ["total": 3, "succeeded": 2, "skipped": 0, "failed": 1])
            #expect(children[2]?.code == "SYNC_LIVE" && children[2]?.message.contains("5 s") == true && children[2]?.attempt == 0)
            #expect(children[1]?.status == "SUCCESS" && children[3]?.status == "SUCCESS")
            #expect(execution.error?["stores"]?.arrayValue?.first?["registration"]?.stringValue == rig.sandbox.registration(2))
            #expect(try await rig.children(of: sync)[2]?.status == "RUNNING", "the sync goes on")
        }
    }

    @Test("after an outage sync and comparison are due together: the comparison lets the sync plan, and compares what it published")
    func dueTogether() async throws {
        try await Rig.with { rig in
            try await rig.addComparison()
            // The comparison is older, so it is claimed first.
            let compare = try await rig.trigger("compare-data")
            let sync = try await rig.trigger()
            let worker = try rig.worker(["--slots", "8"])
            let execution = try await rig.finished(compare)
            #expect(try await rig.execution(sync).status == "SUCCESS")
            #expect(execution.status == "SUCCESS" && execution.severity == "ok" && execution.differences == [:], "\(execution.differences)")
            #expect(try await rig.attempts(of: compare).first == "INTERRUPTED" && execution.metrics?["stores"]?["succeeded"] == 3)
            #expect(worker.end == nil)
        }
    }

    @Test("a comparison that is cancelled gives up both sides' requests within seconds")
    func cancelled() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison()
            try await rig.sandbox.setFaults(["cv-list-silence@1", "rp-silence@2"])
            _ = try rig.worker(["--slots", "4"])
            let id = try await rig.trigger("compare-data")
            try await eventually("store 1 waits for the listing, store 2 for a page") {
                let state = try await rig.sandbox.state()
                return state.crescevendas.concurrent == 1 && state.rp.concurrent == 1
            }
            let cancelled: Bool = try await rig.value("SELECT cancel_execution(\(id)::uuid) AS value")
            #expect(cancelled)
            try await eventually(within: .seconds(5), "the requests under way are given up") {
                let state = try await rig.sandbox.state()
                return state.rp.concurrent == 0 && state.crescevendas.concurrent == 0
            }
            #expect(try await rig.children(of: id).mapValues(\.status) == [1: "CANCELLED", 2: "CANCELLED"])
        }
    }

    @Test("when one side fails the other is given up, however long it would go on")
    func oneSideFails() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison()
            // The silent side alone would hold the store for a minute.
            try await rig.sandbox.setFaults(["cv-list-404@1", "rp-silence@1", "rp-404@2", "cv-list-silence@2"])
            let execution = try await rig.compare()
            let children = try await rig.children(of: execution.id)
            #expect(children.mapValues(\.code) == [1: "HTTP_404", 2: "HTTP_404"])
            let longest = children.values.compactMap { child in child.finished.flatMap { end in child.started.map { end - $0 } } }.max()
            #expect(try #require(longest) < 50)
        }
    }
}
