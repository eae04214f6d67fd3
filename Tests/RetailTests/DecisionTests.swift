import JobQueue
import Runtime
import Testing

@testable import Retail

/// What is sent, and whether (PARTNERS §4).
@Suite struct DecisionTests {
    private func product(
        _ code: Int64? = 1, price: PriceReading = .amount(Cents(1000)), club: PriceReading = .amount(Cents(890)), isActive: Bool = true,
        status: String? = nil
    ) -> OfferedProduct {
        OfferedProduct(code: code, name: "ARROZ", barcode: "789", isActive: isActive, status: status, price: price, clubPrice: club)
    }

    @Test("a row is sent when it is active, normal, has a code and 0 < club price < price; else it is counted by its reason")
    func reasons() throws {
        let most = Cents(999_999_999_999)
        let rows: [(OfferedProduct, RejectionReason?)] = [
            (product(), nil), (product(status: "NORMAL"), nil), (product(club: .amount(Cents(1))), nil),
            (product(club: .amount(Cents(999))), nil),
            (product(price: .amount(most)), nil), (product(.max), nil),
            (product(isActive: false), .inactive), (product(status: "CANCELADO"), .status), (product(status: ""), .status),
            (product(status: "normal"), .status),
            (product(nil), .code), (product(0), .code), (product(-5), .code),
            (product(club: .amount(Cents(0))), .noClubPrice), (product(club: .absent), .noClubPrice),
            (product(club: .amount(Cents(-1))), .noClubPrice),
            (product(club: .amount(Cents(1000))), .clubNotBelow), (product(club: .amount(Cents(1001))), .clubNotBelow),
            (product(price: .amount(Cents(0))), .clubNotBelow),
            (product(price: .unreadable), .unreadable), (product(club: .unreadable), .unreadable), (product(price: .absent), .unreadable),
            (product(price: .amount(Cents(most.rawValue + 1))), .unreadable),
            // The first reason counts.
            (product(nil, isActive: false, status: "CANCELADO"), .inactive), (product(nil, club: .unreadable), .code),
        ]
        for (row, reason) in rows {
            var selection = ProductSelection(limit: 7)
            let line = try selection.take(row)
            #expect(selection.rejected == (reason.map { [$0: 1] } ?? [:]), "\(row)")
            #expect(selection.acceptedCount == (reason == nil ? 1 : 0) && selection.fetched == 1)
            #expect((line != nil) == (reason == nil) && line?.limit ?? 7 == 7)
        }
    }

    @Test("the same code twice: identical is one, with different prices the store fails")
    func duplicates() throws {
        var selection = ProductSelection(limit: 1)
        for _ in 0..<3 { try selection.take(product(5)) }
        #expect(selection.acceptedCount == 1 && selection.rejected == [.duplicate: 2] && selection.fetched == 3)
        try selection.take(product(5, isActive: false))
        #expect(selection.rejected == [.duplicate: 2, .inactive: 1], "a row that is not sent is no other price")
        let error = #expect(throws: SelectionFailure.self) { try selection.take(product(5, club: .amount(Cents(889)))) }
        for word in ["product 5 ", "8.90", "8.89"] { #expect(error?.description.contains(word) == true) }
        #expect(throws: SelectionFailure.self) { try selection.take(product(5, price: .amount(Cents(1001)))) }
    }

    @Test("more than 200,000 accepted lines are refused")
    func tooMany() throws {
        var selection = ProductSelection(limit: 1)
        for code in 1...Int64(ProductSelection.mostLines) { try selection.take(product(code)) }
        #expect(throws: SelectionFailure.tooManyLines) { try selection.take(product(.max)) }
    }

    @Test("a fall of more than the limit is refused until an operator confirms; nothing at all is skipped")
    func dropGuard() {
        func verdict(_ now: Int, before: Int?, percent: Int = 50, confirmed: Bool = false) -> String {
            switch DropGuard(maxDropPercent: percent, isConfirmed: confirmed).judge(now: now, before: before) {
            case .publish: "publish"
            case .skip: "skip"
            case .refuse: "refuse"
            }
        }
        #expect(
            verdict(1, before: nil) == "publish" && verdict(0, before: nil) == "skip" && verdict(0, before: nil, confirmed: true) == "skip")
        #expect(verdict(50, before: 100) == "publish" && verdict(49, before: 100) == "refuse" && verdict(200, before: 100) == "publish")
        #expect(verdict(49, before: 100, confirmed: true) == "publish" && verdict(0, before: 100) == "refuse")
        #expect(verdict(0, before: 100, confirmed: true) == "skip", "an empty campaign is never sent")
        #expect(verdict(99, before: 100, percent: 0) == "refuse" && verdict(100, before: 100, percent: 0) == "publish")
        #expect(verdict(1, before: 1_000_000, percent: 100) == "publish" && verdict(0, before: 100, percent: 100) == "skip")
        #expect(verdict(1, before: 3) == "refuse" && verdict(2, before: 3) == "publish")
    }

    @Test("cents are written with two places and read back")
    func cents() {
        for (cents, text) in [(0, "0.00"), (5, "0.05"), (50, "0.50"), (100, "1.00"), (890, "8.90"), (999_999_999_999, "9999999999.99")]
            as [(Int64, String)]
        {
            #expect(Cents(cents).decimalText == text)
        }
        #expect(
            Cents(-5).decimalText == "-0.05" && Cents(-890).decimalText == "-8.90"
                && Cents(Int64.min).decimalText == "-92233720368547758.08")
        #expect(Cents(1) < Cents(2) && !(Cents(2) < Cents(2)))
    }

    @Test("a campaign's row says what the next attempt does")
    func steps() {
        let line = CampaignLine(code: 7, price: Cents(200), finalPrice: Cents(100), limit: 1)
        let staged = StagedProducts([SelectedProduct(line: line, name: "a", barcode: "")])
        func step(
            _ status: String, own: Bool, underWay: Bool = false, started: Bool = false, staged: StagedProducts? = staged,
            isSwapped: Bool? = nil
        ) -> CampaignStep {
            let campaign = StoredCampaign.sample(
                execution: own ? "me" : "other", status: status, hasStarted: started, wasUnderWay: underWay, staged: staged,
                isSwapped: isSwapped ?? (status == "VERIFIED"))
            return CampaignStep.next(after: campaign, execution: "me")
        }
        #expect(step("VERIFIED", own: true) == .alreadyDone && step("VERIFIED", own: false) == .compare)
        #expect(step("SENT", own: true, underWay: true) == .listOnly(staged))
        #expect(step("SENT", own: false, underWay: true) == .lookThenRebuild(staged))
        for started in [true, false] {
            #expect(step("PLANNED", own: true, underWay: true, started: started) == .listThenResend(staged))
            let others = step("PLANNED", own: false, underWay: true, started: started)
            #expect(others == .lookThenRebuild(staged), "another run reads the source again")
        }
        #expect(step("PLANNED", own: true) == .send(staged))
        for (status, own) in [("PLANNED", true), ("PLANNED", false), ("SENT", true), ("SENT", false)] {
            let unreadable = CampaignStep.rebuild("its stored products cannot be read")
            #expect(step(status, own: own, underWay: true, staged: nil) == unreadable, "nobody can tell what was sent")
        }
        for own in [true, false] {
            guard case .rebuild = step("VERIFIED", own: own, isSwapped: false) else {
                Issue.record("somebody wrote VERIFIED by hand")
                continue
            }
        }
        for (own, started) in [(true, true), (false, true), (false, false)] {
            guard case .rebuild(let reason) = step("PLANNED", own: own, started: started) else {
                Issue.record("\(own) \(started)")
                continue
            }
            #expect(!reason.isEmpty)
        }
    }

    @Test("options are read with their defaults, and a bad value is refused by its name")
    func options() throws {
        let none = try SyncOptions([:])
        #expect(
            none.stores.storeIDs == [] && none.maxDropPercent == 50 && none.quantityLimit == 1000 && none.requiresVerification
                && !none.isDryRun)
        #expect(none.stores.source == nil && none.stores.target == nil && !none.confirmsDrop)
        let all = try SyncOptions([
            "source": "rp", "target": "", "store_ids": [3, 1, 3], "max_drop_percent": 0, "quantity_limit": 5.0, "verify": "when_readable",
            "dry_run": true,
            "confirm_drop": true, "something": "else",
        ])
        #expect(
            all.stores.source == "rp" && all.stores.target == nil && all.stores.storeIDs == [3, 1] && all.maxDropPercent == 0
                && all.quantityLimit == 5)
        #expect(!all.requiresVerification && all.isDryRun && all.confirmsDrop)
        let nulls: JSONValue = ["source": nil, "store_ids": nil, "max_drop_percent": nil, "verify": nil, "dry_run": nil]
        #expect(try SyncOptions(nulls) == none)
        let bad: [(String, JSONValue)] = [
            ("source", 5), ("target", ["x"]), ("store_ids", 7), ("store_ids", ["7"]), ("store_ids", [7.5]), ("store_ids", [nil]),
            ("max_drop_percent", 101),
            ("max_drop_percent", -1), ("max_drop_percent", "50"), ("quantity_limit", 0), ("quantity_limit", 2.5),
            ("quantity_limit", 3_000_000_000),
            ("verify", "never"), ("verify", true), ("dry_run", "true"), ("dry_run", 1), ("confirm_drop", "yes"),
        ]
        for (field, value) in bad {
            let error = #expect(throws: RunError.self) { try SyncOptions(.object([field: value])) }
            #expect(error?.message.contains("config.\(field) ") == true && error?.isRetryable == false, "\(field) \(value)")
        }
    }

    @Test("what two campaigns have in common does not depend on the order of their lines")
    func content() {
        let lines = (1...50).map { CampaignLine(code: $0 * 7 % 53, price: Cents(1000 + $0), finalPrice: Cents($0), limit: 9) }
        let content = StagedProducts.content(of: lines)
        #expect(StagedProducts.content(of: lines.reversed()) == content && StagedProducts.content(of: lines.shuffled()) == content)
        let changes = [
            CampaignLine(code: 99, price: lines[0].price, finalPrice: lines[0].finalPrice, limit: 9),
            CampaignLine(code: lines[0].code, price: Cents(1), finalPrice: lines[0].finalPrice, limit: 9),
            CampaignLine(code: lines[0].code, price: lines[0].price, finalPrice: Cents(2000), limit: 9),
            CampaignLine(code: lines[0].code, price: lines[0].price, finalPrice: lines[0].finalPrice, limit: 8),
        ]
        for change in changes { #expect(StagedProducts.content(of: [change] + lines.dropFirst()) != content) }
    }
}

extension StoredCampaign {
    /// A campaign that no database knows.
    static func sample(
        execution: String, status: String, hasStarted: Bool, wasUnderWay: Bool, staged: StagedProducts?, isSwapped: Bool
    ) -> StoredCampaign {
        StoredCampaign(
            id: 1, executionID: execution, name: "n", hasStarted: hasStarted, lineCount: 1, status: status, body: "",
            staged: staged, isSwapped: isSwapped, metrics: nil, wasUnderWay: wasUnderWay,
            window: PublishedWindow(startsAt: 0, endsAt: 60))
    }
}
