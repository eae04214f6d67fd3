import Cron
import JobQueue
import Runtime
import TestSupport
import Testing

@testable import Retail

/// What differs between what is offered and what is listed, without partners and tables.
@Suite struct ComparisonTests {
    private func line(_ code: Int64, _ price: Int64 = 1000, _ club: Int64 = 890, limit: Int = 1000) -> CampaignLine {
        CampaignLine(code: code, price: Cents(price), finalPrice: Cents(club), limit: limit)
    }

    private func listing(_ lines: [CampaignLine], _ window: ListedWindow = ListedWindow(startsAt: nil, expiresAt: nil)) -> Listing {
        var listing = Listing()
        let place = listing.place(of: window)
        for line in lines { listing.append(line, window: place) }
        return listing
    }

    /// Each difference as `CODE KIND EXPECTED | ACTUAL`.
    private func found(
        _ offered: [CampaignLine], _ listed: [CampaignLine], _ kinds: Set<DifferenceKind> = Set(DifferenceKind.allCases)
    ) -> [String] {
        let comparison = Comparison(offered: offered, listing: listing(listed), windows: .none, kinds: kinds)
        return comparison.map { difference in
            let texts = comparison.texts(of: difference)
            return "\(difference.code) \(difference.kind.rawValue) \(texts.expected ?? "-") | \(texts.actual ?? "-")"
        }
    }

    @Test("each kind of difference is one row with what is expected and what is there, in cents and both ways")
    func kinds() {
        let offered = [line(1), line(2), line(3), line(4), line(5, 2000, 1999), line(9)]
        let listed = [line(1), line(2, 1001), line(3, 1000, 891), line(4, limit: 999), line(5, 1000, 500, limit: 1), line(7, 300, 5)]
        #expect(
            found(offered, listed) == [
                "2 PRICE 10.00 | 10.01", "3 FINAL_PRICE 8.90 | 8.91", "4 LIMIT 1000 | 999", "5 PRICE 20.00 | 10.00",
                "5 FINAL_PRICE 19.99 | 5.00", "5 LIMIT 1000 | 1", "7 EXTRA_IN_TARGET - | price 3.00, final price 0.05, limit 1000",
                "9 MISSING_IN_TARGET price 10.00, final price 8.90, limit 1000 | -",
            ])
        #expect(found(offered, offered).isEmpty && found([], []).isEmpty)
        #expect(found(offered, []).count == 6 && found([], listed).count == 6)
        #expect(found([line(.max)], [line(0), line(-3)]).count == 3)
    }

    @Test("kinds that are switched off are not looked for, and the others are")
    func switches() throws {
        let offered = [line(1), line(2), line(4)]
        let listed = [line(2, 1, 2, limit: 3), line(3)]
        func kinds(_ options: JSONValue) throws -> String {
            let options = try CompareOptions(options)
            return found(offered, listed, options.kinds).compactMap { $0.split(separator: " ").dropFirst().first }.joined(separator: " ")
        }
        #expect(try kinds([:]) == "MISSING_IN_TARGET PRICE FINAL_PRICE LIMIT EXTRA_IN_TARGET MISSING_IN_TARGET")
        #expect(try kinds(["check_extra": true]) == kinds([:]))
        #expect(try kinds(["check_extra": false]) == "MISSING_IN_TARGET PRICE FINAL_PRICE LIMIT MISSING_IN_TARGET")
        #expect(try kinds(["check_missing_products": false]) == "PRICE FINAL_PRICE LIMIT EXTRA_IN_TARGET")
        #expect(try kinds(["check_price_differences": false, "check_extra": false]) == "MISSING_IN_TARGET LIMIT MISSING_IN_TARGET")
    }

    @Test("a code that is listed twice has every distinct line compared; a line that is repeated counts once")
    func listedTwice() {
        #expect(found([line(1), line(2)], [line(1), line(1), line(2), line(2), line(2)]).isEmpty)
        #expect(found([line(1)], [line(1), line(1, 1000, 880), line(1, 1000, 880)]) == ["1 FINAL_PRICE 8.90 | 8.80"])
        #expect(found([line(2)], [line(1), line(1), line(1, 5, 4), line(2)]).count == 2)
    }

    @Test("whatever both sides are and in whatever order they come, the walk finds what a look-up by code finds")
    func agreesWithLookup() {
        var random = SeededGenerator()
        print("comparison: seed \(random.seed)")
        for _ in 0..<400 {
            let codes = Int64.random(in: 1...30, using: &random)
            func lines(_ count: Int) -> [CampaignLine] {
                (0..<count).map { _ in
                    line(
                        .random(in: 1...codes, using: &random), .random(in: 1000...1001, using: &random),
                        .random(in: 890...891, using: &random), limit: .random(in: 1...2, using: &random))
                }
            }
            let offered = Dictionary(lines(.random(in: 0...40, using: &random)).map { ($0.code, $0) }) { first, _ in first }
            let listed = lines(.random(in: 0...40, using: &random))
            var expected: [String] = []
            for line in offered.values where !listed.contains(where: { $0.code == line.code }) { expected.append("\(line.code) MISSING") }
            for line in Set(listed) {
                guard let offer = offered[line.code] else {
                    expected.append("\(line.code) EXTRA")
                    continue
                }
                if offer.price != line.price { expected.append("\(line.code) PRICE \(offer.price) \(line.price)") }
                if offer.finalPrice != line.finalPrice { expected.append("\(line.code) FINAL \(offer.finalPrice) \(line.finalPrice)") }
                if offer.limit != line.limit { expected.append("\(line.code) LIMIT \(offer.limit) \(line.limit)") }
            }
            let comparison = Comparison(
                offered: offered.values.shuffled(using: &random), listing: listing(listed.shuffled(using: &random)), windows: .none)
            let found = comparison.map { difference in
                switch (difference.kind, difference.offered, difference.listed?.line) {
                case (.missingInTarget, let offer?, nil): "\(offer.code) MISSING"
                case (.extraInTarget, nil, let line?): "\(line.code) EXTRA"
                case (.price, let offer?, let line?): "\(line.code) PRICE \(offer.price) \(line.price)"
                case (.finalPrice, let offer?, let line?): "\(line.code) FINAL \(offer.finalPrice) \(line.finalPrice)"
                case (.limit, let offer?, let line?): "\(line.code) LIMIT \(offer.limit) \(line.limit)"
                default: "\(difference)"
                }
            }
            #expect(found.sorted() == expected.sorted())
            #expect(comparison.map(\.code) == comparison.map(\.code).sorted(), "in the order of codes")
            #expect(comparison.counts().values.reduce(0, +) == found.count)
        }
    }

    @Test("rows for COPY are whole rows in pieces, the same at every iteration")
    func copyRows() throws {
        let offered = (1...5_000).map { line(Int64($0)) }
        let comparison = Comparison(offered: offered, listing: listing([line(9_999, 2, 1)]), windows: .none)
        let rows = DifferenceRows(comparison: comparison, execution: "e", store: 7)
        let pieces = Array(rows)
        #expect(pieces.count > 3 && pieces.allSatisfy { $0.count < 66_000 && $0.last == UInt8(ascii: "\n") })
        let text = String(decoding: pieces.joined(), as: UTF8.self).split(separator: "\n")
        #expect(text.count == 5_001 && text[0] == "e\t7\t1\tMISSING_IN_TARGET\tprice 10.00, final price 8.90, limit 1000\t\\N")
        #expect(text[5_000] == "e\t7\t9999\tEXTRA_IN_TARGET\t\\N\tprice 0.02, final price 0.01, limit 1000")
        #expect(Array(rows) == pieces)
    }

    @Test("options are read with their defaults, and a bad value is refused by its name")
    func options() throws {
        let none = try CompareOptions([:])
        #expect(none.kinds == Set(DifferenceKind.allCases) && none.quantityLimit == nil && none.stores.storeIDs == [])
        #expect(none.thresholds == DifferenceThresholds() && none.thresholds.warning == 5 && none.thresholds.critical == 50)
        let some = try CompareOptions(["notification_threshold": ["min_differences": 2], "quantity_limit": 7, "dry_run": true])
        #expect(some.thresholds.warning == 2 && some.thresholds.critical == 50 && some.quantityLimit == 7)
        #expect(try CompareOptions(["notification_threshold": nil, "check_extra": nil]) == none)
        let bad: [(String, JSONValue)] = [
            ("check_extra", ["check_extra": "yes"]), ("check_missing_products", ["check_missing_products": 1]),
            ("check_price_differences", ["check_price_differences": []]), ("quantity_limit", ["quantity_limit": 0]),
            ("notification_threshold.min_differences", ["notification_threshold": ["min_differences": 0]]),
            ("notification_threshold.critical_differences", ["notification_threshold": ["critical_differences": "50"]]),
        ]
        for (field, options) in bad {
            let error = #expect(throws: RunError.self) { try CompareOptions(options) }
            #expect(error?.message.contains("config.\(field) ") == true && error?.isRetryable == false, "\(options)")
        }
    }

    @Test("severity: 4 and 49 are below the thresholds, 5 and 50 are not")
    func severity() {
        let thresholds = DifferenceThresholds()
        #expect([0, 4, 5, 49, 50, 1_000_000].map(thresholds.severity) == ["ok", "ok", "warning", "warning", "critical", "critical"])
        #expect(DifferenceThresholds(warning: 9, critical: 3).severity(of: 3) == "critical")
    }
}
