import Networking
import Runtime

@testable import Partners
@testable import Retail

extension FuzzTarget {
    /// A page of the product list.
    static let rpPage = FuzzTarget(
        "rp-page", words: PartnerRules.words,
        seeds: {
            let product =
                #"{"Codigo":7,"Descricao":"PRODUTO \u00e9","CodigoBarras":"789","Preco":10.5,"PrecoVenda2":8.905,"Ativo":true,"Status":"NORMAL","Curvas":{"a":[1,{"b":"}"}]}}"#
            let page = { (rows: String) in #"{"response":{"status":"ok","messages":[{"message":"ok"}],"produtos":[\#(rows)]}}"# }
            let rows = [
                "", product, product + "," + product, product + ",{}", "{},[]", "null", "1", #"{"Codigo":7,"Codigo":8}"#,
                #"{"Codigo":7,"Codigo":7}"#,
                #"{"Codigo":"7","Preco":"8,90","PrecoVenda2":"1.234,56"}"#, #"{"Codigo":7.0,"Preco":1e400,"PrecoVenda2":[1]}"#,
                #"{"Codigo":9223372036854775807,"Preco":0.005,"PrecoVenda2":null}"#,
                #"{"Codigo":1e2,"Descricao":"\u0000\ud800","Ativo":"N"}"#,
                #"{"C\u006fdigo":1}"#, #"{"Codigo":01}"#, #"{"Codigo":1x}"#, #"{"Codigo":-}"#, #"{"Descricao":"\x"}"#,
                #"{"Descricao":"\u12"}"#,
                #"{"Codigo":1,"Preco":2.00,"PrecoVenda2":1.99},{"Codigo":1,"Preco":2.00,"PrecoVenda2":1.98}"#,
            ]
            let texts =
                rows.map(page) + [
                    #"{"response":{"status":"error","messages":["x"],"produtos":[]}}"#, #"{"response":{"produtos":[]}}"#,
                    #"{"response":{"status":"ok"}}"#,
                    #"{"response":{"status":"ok","produtos":[],"produtos":[]}}"#,
                    #"{"response":{},"response":{"status":"ok","produtos":[]}}"#,
                    #"{"response":1,"response":{"status":"ok","produtos":{},"produtos":[]}}"#,
                    #"{"response":{"status":"ok","status":"no","produtos":[]}}"#,
                    #"{"response":{"status":"ok","produtos":[]}} x"#, #"{"response":{"status":"ok","produtos":[]}}{}"#, "[]", "null", "",
                    " ", "<html>",
                    #"{"r\u0065sponse":{"status":"ok","produtos":[]}}"#, String(repeating: "[", count: 2000), #"{"a":"#,
                    "\u{FEFF}" + page(product),
                    #"{"response":{"status":"ok","produtos":[{"Codigo":1"#, #"{"response":{"status":" ok ","produtos":[]}}"#,
                ]
            return texts.map { Array($0.utf8) } + [Array(page("").utf8) + [0xFF], [0xC0, 0x80], [0xEF, 0xBB, 0xBF]]
        }
    ) { bytes in
        let found = try PartnerRules.outcome { () throws(PartnerFailure) in
            try RPPageReader().products(in: PartnerRules.response(bytes), connection: PartnerRules.connection, purpose: "page 1")
        }
        if let reference = ReferenceJSON(PartnerRules.unmarked(bytes)) {
            let expected = products(reference)
            try require(found?.map { "\($0)" }, equals: expected?.map { "\($0)" }, "the products of the page")
        }
        if let found { try checkProducts(found) }
    }

    private static func products(_ document: ReferenceJSON) -> [OfferedProduct]? {
        let responses = document.values("response").filter(\.isObject)
        guard responses.count == 1, ReferenceCell(responses[0], "status").text == "ok" else { return nil }
        let lists = responses[0].values("produtos").compactMap(\.elements)
        guard lists.count == 1, lists[0].allSatisfy(\.isObject) else { return nil }
        return lists[0].map { row in
            let cell = { (key: String) in ReferenceCell(row, key) }
            let (active, status) = (cell("Ativo"), cell("Status"))
            let isInactive = active == .no || active == .twice || ["N", "n", "0", "false"].contains(active.text)
            return OfferedProduct(
                code: cell("Codigo").whole, name: cell("Descricao").text ?? "", barcode: cell("CodigoBarras").text ?? "",
                isActive: !isInactive,
                status: status == .absent || status == .null ? nil : status.text ?? "?", price: cell("Preco").price,
                clubPrice: cell("PrecoVenda2").price)
        }
    }

    /// Whatever was read: what is sent obeys the rules, and nothing is lost from the count.
    static func checkProducts(_ products: [OfferedProduct]) throws {
        var selection = ProductSelection(limit: 10)
        var selected: [SelectedProduct] = []
        do {
            for product in products {
                guard let line = try selection.take(product) else { continue }
                selected.append(SelectedProduct(line: line, name: product.name, barcode: product.barcode))
            }
        } catch {
            try require(!"\(error)".isEmpty, "a refused catalogue says why")
            return
        }
        try require(selection.fetched, equals: products.count, "every product counts")
        try require(
            selected.count + selection.rejected.values.reduce(0, +), equals: products.count, "accepted and rejected are all")
        try require(Set(selected.map(\.line.code)).count, equals: selected.count, "no product is sent twice")
        for product in selected {
            let line = product.line
            try require(line.code > 0 && line.finalPrice > Cents(0) && line.finalPrice < line.price, "a line that is sent has a club price")
            try require(line.price.rawValue <= 999_999_999_999, "a price fits its column")
            try require(!product.name.contains("\0") && !product.barcode.contains("\0"), "PostgreSQL can hold the text")
        }
        try require(try StagedProducts(text: StagedProducts(selected).text).products, equals: selected, "what is staged is read back")
        var cursor = PageCursor(maximumPages: 10)
        if case .success(let next?) = Result(catching: { () throws(PageCursor.Defect) in try cursor.advance(over: products) }) {
            try require(next > 0 && next == cursor.position, "the cursor goes on")
        }
    }

    /// `STATUS [Date]`, then the answer to the login.
    static let rpLogin = FuzzTarget(
        "rp-login",
        words: PartnerRules.words + [
            "\"token\":\"t\"", "\"tokenExpiration\":\"", "21/11/2026 05:10:00", "99999999999999999999", "9223372036854775807",
        ],
        texts: [
            "200\n" + #"{"response":{"status":"ok","messages":[],"token":"tok-1","tokenExpiration":"01/01/2020 00:00:00"}}"#,
            "200 Sat, 21 Nov 2026 05:10:00 GMT\n" + #"{"response":{"status":"ok","token":"t","tokenExpiration":"21/11/2026 05:10:00"}}"#,
            "200 Sat, 21 Nov 2026 05:10:00 GMT\n" + #"{"response":{"content":{"token":"t","tokenExpiration":"29/02/2027 99:99:99"}}}"#,
            "200\n" + #"{"response":{"token":"t","tokenExpiration":"01/01/2027 9223372036854775807:00:00"}}"#,
            "200\n" + #"{"response":{"token":"t","tokenExpiration":"01/01/2027 00:9223372036854775807:9223372036854775807"}}"#,
            "200\n" + #"{"response":{"status":"error","messages":[{"message":"senha wrong-horse-battery"}]}}"#, "200\n{}", "200\n[]",
            "200\n", "204\n",
            "401\n" + #"{"error":"x"}"#, "500\n" + #"{"error":"Exception\nstack"}"#, "500\n<html>", "429\n", "302\n", "999\n{}",
            "200\n" + #"{"response":{"token":""}}"#, "200\n" + #"{"response":{"token":7}}"#,
        ]
    ) { text in
        let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let head = parts[0].split(separator: " ", maxSplits: 1).map(String.init)
        let body = Array((parts.count > 1 ? parts[1] : "").utf8)
        let response = PartnerRules.response(
            body, status: head.first.flatMap { Int($0) } ?? 200, headers: head.count > 1 ? ["date": head[1], "retry-after": head[1]] : [:])
        let login = RPLogin(
            connection: PartnerRules.connection, path: "/", username: "100000", password: PartnerRules.password,
            tokenPaths: ["response.token", "response.content.token"])
        let token = try PartnerRules.outcome { () throws(PartnerFailure) in try login.judge(response) }
        if let token {
            try require(response.isSuccess && !token.token.isEmpty, "a token comes with a 2xx and is not empty")
            let responses = ReferenceJSON(PartnerRules.unmarked(body))?.values("response") ?? []
            let places = (responses + responses.flatMap { $0.values("content") }).flatMap { $0.values("token") }
            try require(places.contains { $0.text == token.token }, "the token stood in the answer")
            if let lifetime = token.lifetime { try require(lifetime > .zero && lifetime <= .seconds(86_400), "a lifetime makes sense") }
        }
        for word in text.split(separator: "\"") { try checkExpiration(String(word)) }
    }

    private static func checkExpiration(_ text: String) throws {
        let found = RPLogin.secondsSince1970(text)
        guard let pattern = try? Regex(#"^([0-9]{2})/([0-9]{2})/([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2})$"#),
            let numbers = (try? pattern.wholeMatch(in: text))?.output.dropFirst().map({ $0.substring.flatMap { Int($0) } ?? -1 }),
            numbers[2] >= 1970
        else { return }
        var expected = SlowDate.seconds(year: numbers[2], month: numbers[1], day: numbers[0])
        if numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 59 { expected = nil }
        expected = expected.map { $0 + (numbers[3] + 3) * 3600 + numbers[4] * 60 + numbers[5] }
        try require(found, equals: expected, "the moment \(text) in São Paulo")
    }
}
