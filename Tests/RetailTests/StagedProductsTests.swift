import Testing

@testable import Retail

/// What is staged for a store comes back unchanged, and goes to COPY whole.
@Suite struct StagedProductsTests {
    private func product(
        _ code: Int64, _ price: Int64, _ finalPrice: Int64, name: String = "ARROZ", barcode: String = "789"
    ) -> SelectedProduct {
        let line = CampaignLine(code: code, price: Cents(price), finalPrice: Cents(finalPrice), limit: 1000)
        return SelectedProduct(line: line, name: name, barcode: barcode)
    }

    @Test("lines come back as they were, whatever stands in the names")
    func roundTrip() throws {
        let products = [
            product(1, 890, 805), product(9_223_372_036_854_775_807, 999_999_999_999, 1, name: "a\tb\nc\\d\re", barcode: ""),
            product(7, 5, 4, name: "Pão de açúcar\0", barcode: "\\N"),
        ]
        #expect(try StagedProducts(products).lines() == products.map(\.line))
    }

    @Test("names are escaped as COPY's text form wants it, and NUL is left out")
    func escaping() {
        let staged = StagedProducts([product(7, 1005, 4, name: "a\tb\nc\\d\re\0f", barcode: "x")])
        #expect(staged.copyText == "7\ta\\tb\\nc\\\\d\\ref\tx\t10.05\t0.04\t1000\n")
    }

    @Test(
        "a text of another form is refused",
        arguments: [
            "1\ta\tb\t1.00\t0.50\n", "1\ta\tb\t1.00\t0.50\t10", "x\ta\tb\t1.00\t0.50\t10\n", "1\ta\tb\t1.0\t0.50\t10\n",
            "1\ta\tb\t1.000\t0.50\t10\n", "1\ta\tb\t-1.00\t0.50\t10\n", "1\ta\t1.00\t0.50\t10\n",
            "99999999999999999999\ta\tb\t1.00\t0.50\t1\n", "\n",
        ])
    func unreadable(_ text: String) {
        #expect(throws: StagedProductsUnreadable.self) { try StagedProducts(copyText: text).lines() }
    }

    @Test("every row gets the store and the window, and none is lost where the pieces meet")
    func rows() {
        let count: Int64 = 5_000
        let staged = StagedProducts((1...count).map { product($0, 200, 100) })
        let pieces = Array(staged.copyRows(store: 42, startsAt: "2026-11-21 06:00:00+00", endsAt: "2026-11-21 23:59:00+00"))
        let text = String(decoding: pieces.flatMap { $0 }, as: UTF8.self)
        let rows = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(pieces.count > 1)
        #expect(rows.count == Int(count) + 1 && rows.last == "")
        #expect(rows[4_999] == "5000\tARROZ\t789\t2.00\t1.00\t1000\t42\t2026-11-21 06:00:00+00\t2026-11-21 23:59:00+00")
    }

    @Test("amounts in bytes read as their text")
    func amounts() {
        for cents in [0, 5, 50, 99, 100, 890, 123_456_789, -5, -890] as [Int64] {
            var bytes: [UInt8] = []
            bytes.append(Cents(cents))
            #expect(String(decoding: bytes, as: UTF8.self) == Cents(cents).decimalText)
        }
    }
}
