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

    @Test("products come back as they were, whatever stands in the names")
    func roundTrip() throws {
        let products = [
            product(1, 890, 805), product(9_223_372_036_854_775_807, 999_999_999_999, 1, name: "a\tb\nc\\d\re", barcode: ""),
            product(7, 5, 4, name: "Pão de açúcar", barcode: "\\N"),
        ]
        #expect(try StagedProducts(text: StagedProducts(products).text).products == products)
    }

    @Test("names are escaped as COPY's text form wants it, and NUL is left out")
    func escaping() {
        let staged = StagedProducts([product(7, 1005, 4, name: "a\tb\nc\\d\re\0f", barcode: "x")])
        #expect(staged.text == "7\ta\\tb\\nc\\\\d\\ref\tx\t10.05\t0.04\t1000\n")
    }

    @Test(
        "a text of another form is refused",
        arguments: [
            "1\ta\tb\t1.00\t0.50\n", "1\ta\tb\t1.00\t0.50\t10", "x\ta\tb\t1.00\t0.50\t10\n", "1\ta\tb\t1.0\t0.50\t10\n",
            "1\ta\tb\t1.000\t0.50\t10\n", "1\ta\tb\t-1.00\t0.50\t10\n", "1\ta\t1.00\t0.50\t10\n",
            "99999999999999999999\ta\tb\t1.00\t0.50\t1\n", "\n", "1\ta\\xb\tb\t1.00\t0.50\t10\n", "1\ta\\",
        ])
    func unreadable(_ text: String) {
        #expect(throws: StagedProductsUnreadable.self) { try StagedProducts(text: text) }
    }

    @Test("every product becomes a row with its store and the window, and none is lost where the pieces meet")
    func rows() async throws {
        let products = (1...5_000).map { product($0, 200 + $0, 100 + $0, name: "ARROZ \($0) ção\0") }
        let rows = ProductRows(
            products: StagedProducts(products), store: 42, startsAt: 1_795_856_400_000_000, expiresAt: 1_795_921_140_123_456)
        #expect(Array(rows).count > 1)
        try await Shop.withDatabase { shop in
            let copied = try await shop.pool.withConnection { try await $0.copyIn(RetailStatements.copyProducts, rows: rows) }
            #expect(copied == 5_000)
            let row = try await shop.pool.query(
                """
                SELECT count(*) FILTER (WHERE name = 'ARROZ ' || code || ' ção' AND barcode = '789' AND price = 2 + code * 0.01
                  AND final_price = 1 + code * 0.01 AND quantity_limit = 1000 AND store_id = 42) AS good,
                  min(starts_at)::text || ' ' || max(starts_at) AS starts, min(expires_at)::text || ' ' || max(expires_at) AS ends FROM products
                """)[0]
            #expect(row["good"] == "5000")
            #expect(row["starts"] == "2026-11-28 09:00:00+00 2026-11-28 09:00:00+00")
            #expect(row["ends"] == "2026-11-29 02:59:00.123456+00 2026-11-29 02:59:00.123456+00")
        }
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
