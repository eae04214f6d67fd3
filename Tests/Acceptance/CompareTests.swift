import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// COMPARE_DATA with both partners well: what it finds, how grave it is, and that it writes to nobody (SPEC §5).
@Suite struct CompareTests {
    @Test("after a good morning nothing differs: both sides are read once, and nothing is written to a partner")
    func nothingDiffers() async throws {
        try await Rig.with(RigSettings(products: 250)) { rig in
            try await rig.addComparison()
            _ = try await rig.sync()
            let before = try await rig.sandbox.state()
            let execution = try await rig.compare()
            #expect(execution.status == "SUCCESS" && execution.severity == "ok" && execution.error == nil, "\(execution.message)")
            #expect(execution.metrics?["stores"] == ["total": 3, "succeeded": 3, "skipped": 0, "failed": 0])
            #expect(execution.metrics?["differences"] == [:])
            let lines: Int = try await rig.value("SELECT count(*)::int AS value FROM products")
            #expect(
                execution.metrics?["products"]?["accepted"]?.intValue == lines
                    && execution.metrics?["products"]?["listed"]?.intValue == lines)
            #expect(try await rig.differences(of: execution.id) == [])
            let after = try await rig.sandbox.state()
            #expect(after.uploads.count == before.uploads.count && after.crescevendas.requests["POST upload"] == 3)
            for store in 1...3 {
                let registration = rig.sandbox.registration(store)
                #expect(after.listings(of: registration) == before.listings(of: registration) + 1)
                #expect(after.pageRequests(of: registration) == before.pageRequests(of: registration) * 2)
            }
            let campaigns: Int = try await rig.value("SELECT count(*)::int AS value FROM campaigns")
            #expect(campaigns == 3, "a comparison records no campaign")
        }
    }

    @Test("what a comparison found is mended by the next sync, for those stores alone, although RP offers what was verified already")
    func mended() async throws {
        try await Rig.with { rig in
            try await rig.addComparison()
            _ = try await rig.sync()
            let lines = Selection(try await rig.sandbox.products(of: 2)).lines.sorted { $0.code < $1.code }
            try await rig.sandbox.plant(store: 2, remove: [lines[0].code, lines[3].code])
            #expect(try await rig.compare().differences == ["MISSING_IN_TARGET": 2])
            // As if it had waited for the sync: it was made before the campaign was verified, and began after it.
            _ = try await rig.pool.query(
                """
                UPDATE campaigns SET verified_at = (SELECT started_at FROM job_executions
                  WHERE id = (SELECT execution_id FROM comparison_differences LIMIT 1)) WHERE store_id = 2
                """)
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED"])
            #expect(try await rig.campaigns(of: 2).map(\.status) == ["VERIFIED", "VERIFIED"])
            #expect(try await rig.compare().differences == [:])
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.campaigns(of: 2).map(\.status) == ["VERIFIED", "VERIFIED", "SKIPPED"])
        }
    }

    @Test("every kind of difference is found, both ways, in cents and by code, and no other; nothing is written to a partner")
    func everyKind() async throws {
        try await Rig.with(RigSettings(sandbox: ["--seed", "11"])) { rig in
            try await rig.addComparison()
            // No sync at all: the campaigns are planted, in an order of their own.
            var lines: [[Line]] = []
            for store in 1...3 {
                lines.append(Selection(try await rig.sandbox.products(of: store)).lines.sorted { $0.code > $1.code })
                try await rig.sandbox.plant(store: store, set: lines[store - 1])
            }
            #expect(try await rig.compare().differences == [:], "the club has what RP offers")
            let (first, second) = (lines[0], lines[1])
            func changed(_ line: Line, price: String? = nil, club: String? = nil, limit: Int = 1000) -> Line {
                Line(
                    code: line.code, price: price.flatMap { Decimal(string: $0) } ?? line.price,
                    finalPrice: club.flatMap { Decimal(string: $0) } ?? line.finalPrice, limit: limit)
            }
            try await rig.sandbox.plant(
                store: 1,
                set: [
                    changed(first[2], price: "123456.78"), changed(first[1], club: "0.01"), changed(first[5], limit: 7),
                    changed(first[7], price: "99.99", club: "55.55", limit: 1), Line(code: 987_654_321, price: 10, finalPrice: 9, limit: 3),
                ], remove: [first[0].code])
            // RP's own price moves by less than a cent, which is none, and by one, which is.
            try await rig.sandbox.setPrices(store: 2, code: second[0].code, price: "10.0049", clubPrice: "9.0051")
            try await rig.sandbox.plant(store: 2, set: [changed(second[0], price: "10.00", club: "9.00")])
            let execution = try await rig.compare()
            let found = try await rig.differences(of: execution.id)
            func text(_ line: Line) -> String { "price \(money(line.price)), final price \(money(line.finalPrice)), limit \(line.limit)" }
            let expected = [
                "1 \(first[0].code) MISSING_IN_TARGET \(text(first[0])) | -",
                "1 \(first[1].code) FINAL_PRICE \(money(first[1].finalPrice)) | 0.01",
                "1 \(first[2].code) PRICE \(money(first[2].price)) | 123456.78", "1 \(first[5].code) LIMIT 1000 | 7",
                "1 \(first[7].code) FINAL_PRICE \(money(first[7].finalPrice)) | 55.55", "1 \(first[7].code) LIMIT 1000 | 1",
                "1 \(first[7].code) PRICE \(money(first[7].price)) | 99.99",
                "1 987654321 EXTRA_IN_TARGET - | price 10.00, final price 9.00, limit 3", "2 \(second[0].code) FINAL_PRICE 9.01 | 9.00",
            ]
            #expect(found.sorted() == expected.sorted())
            #expect(execution.differences == ["MISSING_IN_TARGET": 1, "EXTRA_IN_TARGET": 1, "FINAL_PRICE": 3, "PRICE": 2, "LIMIT": 2])
            #expect(execution.status == "SUCCESS" && execution.severity == "warning")
            let children = try await rig.children(of: execution.id)
            #expect(children[1]?.severity == "warning" && children[2]?.severity == "ok" && children[3]?.differences == [:])
            try await expectNothingWritten(rig)
        }
    }

    @Test("kinds that the configuration switches off are not reported")
    func switches() async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            try await rig.addComparison()
            let lines = Selection(try await rig.sandbox.products(of: 1)).lines.sorted { $0.code < $1.code }
            let wrong = Line(code: lines[0].code, price: 2000, finalPrice: 1999, limit: 5)
            try await rig.sandbox.plant(store: 1, set: lines)
            try await rig.sandbox.plant(
                store: 1, set: [wrong, Line(code: 987_654_321, price: 10, finalPrice: 9, limit: 3)], remove: [lines[1].code])
            for (config, expected) in [
                (#"{}"#, ["EXTRA_IN_TARGET": 1, "FINAL_PRICE": 1, "LIMIT": 1, "MISSING_IN_TARGET": 1, "PRICE": 1]),
                (#"{"check_extra": false}"#, ["FINAL_PRICE": 1, "LIMIT": 1, "MISSING_IN_TARGET": 1, "PRICE": 1]),
                (
                    #"{"check_missing_products": false, "quantity_limit": 5}"#,
                    ["EXTRA_IN_TARGET": 1, "FINAL_PRICE": 1, "LIMIT": lines.count - 2, "PRICE": 1]
                ),
                (#"{"check_price_differences": false}"#, ["EXTRA_IN_TARGET": 1, "LIMIT": 1, "MISSING_IN_TARGET": 1]),
            ] {
                _ = try await rig.pool.query("UPDATE job_configurations SET config = \(config)::jsonb WHERE name = 'compare-data'")
                #expect(try await rig.compare().differences == expected, "\(config)")
            }
        }
    }

    @Test("thresholds count over all stores: 4 and 49 differences are below them, 5 and 50 are not")
    func thresholds() async throws {
        try await Rig.with(RigSettings(stores: 3)) { rig in
            try await rig.addComparison()
            var codes: [[Int64]] = []
            for store in 1...3 {
                let lines = Selection(try await rig.sandbox.products(of: store)).lines
                try await rig.sandbox.plant(store: store, set: Array(lines))
                codes.append(lines.map(\.code).sorted())
            }
            for (removed, severity) in [
                ([2, 1, 1], "ok"), ([2, 2, 1], "warning"), ([17, 16, 16], "warning"), ([17, 17, 16], "critical"),
            ] {
                for store in 1...3 { try await rig.sandbox.plant(store: store, remove: Array(codes[store - 1].prefix(removed[store - 1]))) }
                let execution = try await rig.compare()
                #expect(execution.status == "SUCCESS" && execution.severity == severity, "\(removed)")
                #expect(execution.differences == ["MISSING_IN_TARGET": removed.reduce(0, +)])
                #expect(try await rig.differences(of: execution.id).count == removed.reduce(0, +))
            }
            _ = try await rig.pool.query(
                """
                UPDATE job_configurations SET config = '{"notification_threshold": {"min_differences": 51, "critical_differences": 60}}'
                WHERE name = 'compare-data'
                """)
            #expect(try await rig.compare().severity == "ok")
            // One store alone, as a run of its own: its own count.
            #expect(try await rig.compare(params: ["store_ids": [1]]).differences == ["MISSING_IN_TARGET": 17])
        }
    }

    @Test("a store with nothing on either side is skipped and makes a warning: nothing was compared")
    func nothingOnEitherSide() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison()
            try await rig.sandbox.setFaults(["rp-zero-prices@1"])
            try await rig.sandbox.plant(store: 2, set: Array(Selection(try await rig.sandbox.products(of: 2)).lines))
            let execution = try await rig.compare()
            #expect(execution.status == "SUCCESS" && execution.severity == "warning" && execution.differences == [:])
            #expect(execution.metrics?["stores"] == ["total": 2, "succeeded": 1, "skipped": 1, "failed": 0])
            _ = try await rig.pool.query("UPDATE stores SET active = false")
            let none = try await rig.compare()
            #expect(none.status == "SUCCESS" && none.severity == "warning" && none.metrics?["stores"]?["total"] == 0)
        }
    }

    @Test("a store that published today, with nothing on either side now, was not compared: that is no success")
    func nothingLeft() async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison()
            #expect(try await rig.sync().status == "SUCCESS")
            try await rig.sandbox.setFaults(["rp-zero-prices@1", "cv-list-empty@1"])
            let execution = try await rig.compare()
            #expect(execution.status == "FAILED" && execution.metrics?["stores"]?["failed"] == 1)
            let child = try #require(try await rig.children(of: execution.id)[1])
            #expect(child.code == "NOTHING_TO_COMPARE" && child.attempt == 1, "\(child.message)")
            #expect(child.message.contains("was published today"))
        }
    }

    @Test(
        "a side that is empty where what the other has is not looked for was not compared",
        arguments: ["check_extra", "check_missing_products"])
    func oneEmptySide(option: String) async throws {
        try await Rig.with(RigSettings(stores: 2)) { rig in
            try await rig.addComparison(config: [option: false])
            #expect(try await rig.sync().status == "SUCCESS")
            try await rig.sandbox.setFaults([option == "check_extra" ? "rp-zero-prices@1" : "cv-list-empty@1"])
            let execution = try await rig.compare()
            #expect(execution.status == "FAILED" && execution.metrics?["stores"]?["failed"] == 1)
            let child = try #require(try await rig.children(of: execution.id)[1])
            #expect(child.code == "NOTHING_TO_COMPARE" && child.attempt == 1 && child.message.contains("switched off"), "\(child.message)")
        }
    }

    @Test("the expected limit is the store's own, else the comparison's, else that of the sync that published")
    func limits() async throws {
        try await Rig.with(RigSettings(stores: 2, job: ["quantity_limit": 12])) { rig in
            try await rig.addComparison()
            _ = try await rig.pool.query("UPDATE stores SET config = '{\"quantity_limit\": 3}' WHERE id = 2")
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.compare().differences == [:], "what the sync sends is what is expected")
            _ = try await rig.pool.query("UPDATE stores SET config = '{}'")
            let lines = try await rig.products(of: 2).count
            #expect(try await rig.compare().differences == ["LIMIT": lines])
            _ = try await rig.pool.query("UPDATE job_configurations SET config = '{\"quantity_limit\": 3}' WHERE name = 'compare-data'")
            #expect(try await rig.compare().differences == ["LIMIT": try await rig.products(of: 1).count])
        }
    }

    @Test("unknown and inactive stores and wrong partners fail by name, as in a sync; a retry by hand compares those stores")
    func failures() async throws {
        try await Rig.with(RigSettings(stores: 3)) { rig in
            try await rig.addComparison()
            _ = try await rig.sync()
            _ = try await rig.pool.query("UPDATE stores SET active = false WHERE id = 2")
            let execution = try await rig.compare(params: ["store_ids": [3, 99, 2]])
            #expect(execution.status == "FAILED" && execution.severity == "critical")
            #expect(execution.metrics?["stores"] == ["total": 3, "succeeded": 1, "skipped": 0, "failed": 2])
            let children = try await rig.children(of: execution.id)
            #expect(children[3]?.status == "SUCCESS" && children[2]?.code == "STORE_INACTIVE" && children[99]?.code == "STORE_UNKNOWN")
            let retried = try await rig.value("SELECT retry_execution(\(execution.id)::uuid)::text AS value", as: String.self)
            try await rig.drain()
            #expect(try await rig.children(of: retried).keys.sorted() == [2, 99])
            _ = try await rig.pool.query("UPDATE integrations SET config = config || '{\"password\": \"x\"}' WHERE name = 'rp'")
            let refused = try await rig.compare()
            #expect(refused.status == "FAILED" && refused.code == "LOGIN_REFUSED", "\(refused.code)")
            #expect(try await rig.children(of: refused.id).isEmpty)
            #expect(try await rig.sandbox.state().uploads.count == 3)
        }
    }

    private func money(_ amount: Decimal) -> String { String(format: "%.2f", NSDecimalNumber(decimal: amount).doubleValue) }

    /// Nothing but readings, and logins at RP.
    private func expectNothingWritten(_ rig: Rig) async throws {
        let state = try await rig.sandbox.state()
        #expect(state.clubWrites == [] && state.sourceWrites == [] && state.unknownRequests == [])
        #expect(!(state.crescevendas.listings ?? []).isEmpty && state.uploads.isEmpty)
    }
}
