import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// What partners may do to the comparison of one store (PARTNERS §3, R60 to R63): what could not be compared is FAILED, never "0 differences".
@Suite struct CompareFaultTests {
    /// Faults that leave something to compare, with the kinds that are found; of kinds without a count there is one for each line.
    private static let comparable: [String: [String: Int?]] = [
        // CresceVendas' listing, read in spite of its form.
        "cv-list-201": [:], "cv-list-bom": [:], "cv-list-duplicate-line": [:], "cv-list-strings": [:], "cv-list-local-times": [:],
        "cv-list-utc-times": [:],
        // Listings that are wrong: that is what comparisons are for.
        "cv-list-wrong-price": ["FINAL_PRICE": 1], "cv-list-wrong-limit": ["LIMIT": 1], "cv-list-wrong-window": ["WINDOW": nil],
        "cv-list-missing-line": ["MISSING_IN_TARGET": 1], "cv-list-extra-line": ["EXTRA_IN_TARGET": 1],
        "cv-list-empty": ["MISSING_IN_TARGET": nil], "cv-list-lag": ["MISSING_IN_TARGET": nil],
        // RP's oddities of rows and pages.
        "rp-201": [:], "rp-bom": [:], "rp-short-pages": [:], "rp-item-on-two-pages": [:], "rp-duplicate-same": [:], "rp-comma-price": [:],
        "rp-blocked-bool": [:], "rp-lone-surrogate": [:], "rp-nul-in-text": [:], "rp-401-once": [:], "rp-token-expired": [:],
        "rp-token-expired-mid-pages": [:], "rp-list-lags": [:],
        // A row that is not sent is no longer offered.
        "rp-unreadable-price": ["EXTRA_IN_TARGET": 1], "rp-null-price": ["EXTRA_IN_TARGET": 1], "rp-negative-price": ["EXTRA_IN_TARGET": 1],
        "rp-huge-number": ["EXTRA_IN_TARGET": 1], "rp-code-too-large": ["EXTRA_IN_TARGET": 1], "rp-code-zero": ["EXTRA_IN_TARGET": 1],
        "rp-duplicate-keys": ["EXTRA_IN_TARGET": 1], "rp-zero-prices": ["EXTRA_IN_TARGET": nil], "rp-empty": ["EXTRA_IN_TARGET": nil],
    ]

    /// Half of the catalogue: as many differences as the catalogue decides.
    private static let elsewhere = ["rp-half-catalogue"]

    private static let batchSize = 15
    private static let batches = 7

    @Test("a fault that leaves something to compare is compared, and every line is accounted for")
    func comparable() async throws {
        // Each of these ends the token that all stores share: two at once could refuse one call twice, which is for good.
        let expiries = ["rp-token-expired", "rp-token-expired-mid-pages"]
        let others = ["cv-list-", "rp-"].map { prefix in
            Self.comparable.keys.filter { $0.hasPrefix(prefix) && !expiries.contains($0) }.sorted()
        }
        for faults in others + expiries.map({ [$0] }) {
            try await Rig.with(RigSettings(stores: faults.count + 1, club: ["max_concurrency": 8])) { rig in
                try await rig.addComparison()
                #expect(try await rig.sync().status == "SUCCESS")
                try await rig.sandbox.setFaults(faults.enumerated().map { "\($0.element)@\($0.offset + 1)" })
                let execution = try await rig.compare()
                let children = try await rig.children(of: execution.id)
                var total = 0
                for (place, fault) in faults.enumerated() {
                    let lines = try await rig.products(of: place + 1).count
                    let expected = (Self.comparable[fault] ?? [:]).mapValues { $0 ?? lines }
                    let child = try #require(children[place + 1])
                    #expect(child.status == "SUCCESS" && child.differences == expected, "\(fault): \(child.message) \(child.differences)")
                    total += expected.values.reduce(0, +)
                }
                #expect(children[faults.count + 1]?.differences == [:], "the store without a fault")
                #expect(execution.status == "SUCCESS" && (execution.severity == "critical") == (faults.count > 1))
                #expect(execution.differences.values.reduce(0, +) == total)
                #expect(try await rig.differences(of: execution.id).count == total)
            }
        }
    }

    @Test("every other fault of a listing or a page ends FAILED for its store alone, without any difference", arguments: 0..<batches)
    func failing(batch: Int) async throws {
        let all = try await Sandbox.faults(of: ["cv-list-", "rp-"]).filter { !$0.hasPrefix("rp-login-") }.sorted()
        let failing = all.filter { Self.comparable[$0] == nil && !Self.elsewhere.contains($0) }
        try #require(failing.count > 90 && failing.count <= Self.batches * Self.batchSize, "\(failing.count) faults: another batch?")
        let faults = Array(failing.dropFirst(batch * Self.batchSize).prefix(Self.batchSize))
        // A fault that keeps its request open lasts as long as the limit; for all others a limit would only make a loaded machine fail.
        let waits = faults.contains { $0.contains(#/silence|stall|slow|timeout/#) }
        let limit: JSONValue = waits ? 5 : 60
        let settings = RigSettings(
            stores: faults.count + 2, products: 150,
            rp: ["request_timeout_seconds": limit, "max_pages": 20, "max_concurrency": 17], club: ["request_timeout_seconds": limit])
        try await Rig.with(settings) { rig in
            try await rig.addComparison()
            #expect(try await rig.sync().status == "SUCCESS")
            let uploads = try await rig.sandbox.state().uploads.count
            try await rig.sandbox.setFaults(faults.enumerated().map { "\($0.element)@\($0.offset + 1)" })
            _ = try rig.worker(["--slots", "17"])
            let execution = try await rig.finished(try await rig.trigger("compare-data"), within: .seconds(180))
            let children = try await rig.children(of: execution.id)
            for (place, fault) in faults.enumerated() {
                let child = try #require(children[place + 1])
                #expect(
                    child.status == "FAILED" && !child.code.isEmpty && child.differences == [:], "\(fault): \(child.status) \(child.code)")
                #expect(
                    child.metrics?["stores"]?["failed"] == 1 && child.message.contains(#/^Integration |^product \d+ came twice/#),
                    "\(fault): \(child.message)")
            }
            for store in faults.count + 1...faults.count + 2 {
                #expect(
                    children[store]?.status == "SUCCESS" && children[store]?.severity == "ok",
                    "store \(store) has no fault: \(children[store]?.message ?? "")")
            }
            #expect(execution.status == "FAILED" && execution.severity == "critical" && execution.differences == [:])
            #expect(execution.metrics?["stores"]?["failed"]?.intValue == faults.count && execution.metrics?["stores"]?["succeeded"] == 2)
            #expect(execution.error?["stores"]?.arrayValue?.count == faults.count)
            #expect(try await rig.differences(of: execution.id) == [])
            let state = try await rig.sandbox.state()
            #expect(state.uploads.count == uploads && state.redirectsFollowed == 0)
        }
    }

    @Test("half of the catalogue is gone: every line of the other half is one that the club shows and nobody offers")
    func halfCatalogue() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            try await rig.addComparison()
            _ = try await rig.sync()
            let published = try await rig.products(of: 1)
            try await rig.sandbox.setFaults(["rp-half-catalogue"])
            let left = Selection(try await rig.sandbox.products(of: 1)).lines
            try #require(left.count < published.count && !left.isEmpty)
            let execution = try await rig.compare()
            #expect(execution.differences == ["EXTRA_IN_TARGET": published.count - left.count])
        }
    }

    @Test("what may pass is tried again, and the second attempt's rows are all there are")
    func passing() async throws {
        try await Rig.with(RigSettings(stores: 3)) { rig in
            try await rig.addComparison(maxAttempts: 2)
            _ = try await rig.sync()
            let codes = try await rig.products(of: 2).map(\.code)
            try await rig.sandbox.plant(store: 2, remove: Array(codes.prefix(3)))
            try await rig.sandbox.setFaults(["cv-list-503:1x@1", "rp-503:1x@2"])
            let execution = try await rig.compare()
            #expect(execution.status == "SUCCESS" && execution.differences == ["MISSING_IN_TARGET": 3])
            #expect(try await rig.children(of: execution.id).mapValues(\.attempt) == [1: 2, 2: 2, 3: 1])
            #expect(try await rig.differences(of: execution.id).count == 3)
        }
    }
}
