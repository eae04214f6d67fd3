import Foundation
import Testing

@Suite("Catalogue and RP's product list")
struct CatalogueTests {
    @Test("the same seed makes the same bytes, another seed others")
    func determinism() throws {
        let bodies = try ["7", "7", "8"].map { seed in
            let sandbox = try RunningSandbox("--seed", seed, "--products", "150", "--stores", "2")
            return try sandbox.page(sandbox.stores[0], token: sandbox.token()).body
        }
        #expect(bodies[0].count > 500_000)
        #expect(bodies[0] == bodies[1])
        #expect(bodies[0] != bodies[2])
    }

    @Test("stores have tax numbers of 14 digits that begin with zeros, with good check digits and branch numbers that differ")
    func registrations() throws {
        let stores = try RunningSandbox("--stores", "120", "--products", "1").stores
        #expect(stores.count == 120)
        #expect(Set(stores.map(\.registration)).count == 120)
        #expect(Set(stores.map { $0.registration.dropFirst(9).prefix(3) }).count == 120)
        for store in stores {
            let digits = store.registration.compactMap(\.wholeNumberValue)
            #expect(digits.count == 14 && digits[0] == 0 && digits[1] == 0)
            #expect(Self.checkDigits(Array(digits.prefix(12))) == Array(digits.suffix(2)))
        }
        #expect(stores.filter { $0.document != $0.registration }.count == 24)
    }

    private static func checkDigits(_ twelve: [Int]) -> [Int] {
        func digit(_ digits: [Int]) -> Int {
            var weight = 2
            var sum = 0
            for value in digits.reversed() {
                sum += value * weight
                weight = weight == 9 ? 2 : weight + 1
            }
            return sum % 11 < 2 ? 0 : 11 - sum % 11
        }
        let first = digit(twelve)
        return [first, digit(twelve + [first])]
    }

    @Test("a walk finds every product with a club price once, in ascending order, in pages of 100 and an empty one")
    func walk() throws {
        let sandbox = try RunningSandbox("--products", "450", "--stores", "5")
        // The fifth store's document is not its registration.
        for store in [sandbox.stores[0], sandbox.stores[4]] {
            let pages = try sandbox.walk(store)
            #expect(pages.map(\.count) == [100, 100, 100, 100, 50, 0])
            let codes = pages.joined().map { $0["Codigo"].integer }
            #expect(codes == Set(codes).sorted())
            #expect(codes.last! - codes[0] > 450 * 2, "codes have gaps")
            #expect(pages.joined().allSatisfy { $0["PrecoVenda2"].number > 0 })
        }
        let state = try sandbox.state()["rp"]["stores"][sandbox.stores[0].registration]
        #expect(state["pages"].integer == 6)
        #expect(state["empty_pages"].integer == 1)
        #expect(state["products"].integer == 450)
    }

    @Test("somentePreco2 counts on v2.8 and not on v3.2, /ativos drops inactive products, limit changes the page")
    func filters() throws {
        let sandbox = try RunningSandbox("--products", "800")
        let store = sandbox.stores[1]
        let filtered = try sandbox.walk(store).joined()
        let all = try sandbox.walk(store, query: "").joined()
        let newer = try sandbox.walk(store, version: "v3.2").joined()
        #expect(filtered.count == 800)
        #expect(all.count == 900)
        #expect(newer.count == 900)
        #expect(all.count { $0["PrecoVenda2"].number == 0 } == 100)
        let pages = try sandbox.walk(store, query: "/ativos?somentePreco2=true&limit=333")
        #expect(pages.map(\.count).dropLast(2).allSatisfy { $0 == 333 })
        #expect(pages.joined().count == filtered.count { $0["Ativo"].bool == true })
        #expect(pages.joined().count < 800)
    }

    @Test("a product is about six kilobytes, has all fields of the real service, and reads as JSON")
    func size() throws {
        let sandbox = try RunningSandbox("--products", "100")
        let page = try sandbox.page(sandbox.stores[0], token: sandbox.token())
        #expect((5_500...6_500).contains(page.body.count / 100))
        let products = try page.products
        #expect(Set(products.map { $0.keys.count }) == [198])
        for product in products {
            #expect(product["CodigoBarras"].string.count == 13)
            #expect(!product["Descricao"].string.isEmpty)
            #expect(product["CodigoUnidade"].string == "001")
            #expect(product["DataHoraManutencao"].string.wholeMatch(of: /\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d\.\d{3}/) != nil)
            #expect(["S", "N"].contains(product["Bloqueado"].string))
        }
        #expect(Set(products.map { $0["CodigoBarras"].string }).count == 100)
    }

    @Test("the catalogue holds rows of every kind: inactive, cancelled, club price not below, prices to round, blocked")
    func kinds() throws {
        let sandbox = try RunningSandbox("--products", "3000", "--stores", "1")
        let rows = Array(try sandbox.walk(sandbox.stores[0], query: "?somentePreco2=true&limit=1000").joined())
        let shares = [
            "inactive": rows.count { $0["Ativo"].bool == false },
            "cancelled": rows.count { $0["Status"].string == "CANCELADO" },
            "club not below": rows.count { $0["PrecoVenda2"].number >= $0["Preco"].number },
            "blocked": rows.count { $0["Bloqueado"].string == "S" },
            "to round": rows.count { abs($0["PrecoVenda2"].number * 100 - ($0["PrecoVenda2"].number * 100).rounded()) > 0.01 },
            "equal in cents only": rows.count {
                (0.0001..<0.001).contains($0["Preco"].number - $0["PrecoVenda2"].number)
            },
        ]
        for (kind, count) in shares { #expect(count > 0 && count < 300, "\(kind): \(count)") }
    }

    @Test("prices are the store's own, names and codes the chain's")
    func prices() throws {
        let sandbox = try RunningSandbox("--products", "50", "--stores", "2")
        let rows = try sandbox.stores.map { try sandbox.walk($0, query: "").joined().map { $0 } }
        #expect(rows[0].map { $0["Codigo"].integer } == rows[1].map { $0["Codigo"].integer })
        #expect(rows[0].map { $0["Descricao"].string } == rows[1].map { $0["Descricao"].string })
        #expect(rows[0].map { $0["PrecoVenda2"].number } != rows[1].map { $0["PrecoVenda2"].number })
    }

    @Test("a price set by hand shows in the list and in the single product, until reset")
    func handPrices() throws {
        let sandbox = try RunningSandbox("--products", "20", "--fault", "rp-list-lags:1x")
        let (store, token) = (sandbox.stores[0], try sandbox.token())
        let old = try sandbox.walk(store, query: "").joined().map { $0 }[3]
        let code = old["Codigo"].integer
        let body = #"{"store": "\#(store.registration)", "code": \#(code), "price": 12.5, "club_price": 9.9901}"#
        #expect(try sandbox.control("/prices", body).status == 200)
        let single = try HTTPAnswer(
            to: "\(sandbox.rp)/v3.2/produtounidade/\(code)/unidade/\(store.document)/detalhado", "-H", "token: \(token)")
        #expect(try single.products.map { $0["PrecoVenda2"].number } == [9.9901])
        #expect(try sandbox.page(store, query: "", token: token).products[3]["PrecoVenda2"].number == 9.9901)
        #expect(try sandbox.control("/reset").status == 200)
        #expect(try sandbox.page(store, query: "", token: token).products[3]["PrecoVenda2"].number == old["PrecoVenda2"].number)
        for bad in [
            #"{"store": "9", "code": 1, "price": 1, "club_price": 1}"#, #"{"store": 1, "code": 1, "price": 1, "club_price": 1}"#, "x",
        ] {
            #expect(try sandbox.control("/prices", bad).status == 400)
        }
    }
}
