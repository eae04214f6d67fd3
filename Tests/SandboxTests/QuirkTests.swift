import Foundation
import Testing

@Suite("Quirks of RP's pages and of CresceVendas")
struct QuirkTests {
    @Test("lists that do not move: the same page for ever, a stuck cursor, products without end")
    func lists() throws {
        let sandbox = try RunningSandbox("--products", "250")
        let (store, token) = (sandbox.stores[0], try sandbox.token())
        let codes = try sandbox.walk(store).joined().map { $0["Codigo"].integer }
        func page(_ fault: String, after cursor: Int) throws -> [Int] {
            try sandbox.setFaults(fault)
            return try sandbox.page(store, after: cursor, token: token).products.map { $0["Codigo"].integer }
        }
        #expect(try page("rp-same-page-forever", after: codes[99]) == Array(codes[..<100]))
        #expect(try page("rp-cursor-stuck", after: codes[99]).last == codes[99])
        #expect(try page("rp-item-on-two-pages", after: codes[99]).prefix(2) == [codes[99], codes[100]])
        #expect(try page("rp-unsorted", after: 0).prefix(3) == [codes[1], codes[0], codes[2]])
        #expect(try page("rp-never-ends", after: codes[249]) == [codes[249] + 1])
        #expect(try page("rp-never-ends", after: 5_000_000) == [5_000_001])
        try sandbox.setFaults("rp-short-pages")
        let short = try sandbox.walk(store)
        #expect(short.joined().map { $0["Codigo"].integer } == codes)
        #expect(short.count > 4)
        try sandbox.setFaults("rp-half-catalogue")
        #expect((100...150).contains(try sandbox.walk(store).joined().count))
        try sandbox.setFaults("rp-zero-prices")
        let free = try sandbox.walk(store).joined()
        #expect(free.count == 250 && free.allSatisfy { $0["PrecoVenda2"].number == 0 && $0["Preco"].number > 0 })
        #expect(try page("rp-empty", after: 0).isEmpty)
    }

    @Test("rows that are odd: each fault changes one good product of the page")
    func rows() throws {
        let sandbox = try RunningSandbox("--products", "10")
        let (store, token) = (sandbox.stores[0], try sandbox.token())
        let plain = try sandbox.page(store, token: token).text
        for (fault, text) in [
            ("rp-unreadable-price", #""PrecoVenda2":"abc""#), ("rp-null-price", #""PrecoVenda2":null"#),
            ("rp-negative-price", #""PrecoVenda2":-1.5"#),
            ("rp-huge-number", #""PrecoVenda2":1e400"#), ("rp-code-too-large", #""Codigo":9223372036854775809"#),
            ("rp-code-zero", #""Codigo":0,"#), ("rp-lone-surrogate", #"MEIO \ud83c PAR"#), ("rp-nul-in-text", #"ANTES\u0000DEPOIS"#),
            ("rp-duplicate-keys", #"{"Codigo":7,"PrecoVenda2":0.01,"Codigo":"#),
        ] {
            try sandbox.setFaults(fault)
            #expect(!plain.contains(text))
            #expect(try sandbox.page(store, token: token).text.contains(text), "\(fault)")
        }
        try sandbox.setFaults("rp-comma-price")
        #expect(try sandbox.page(store, token: token).text.contains(/"PrecoVenda2":"\d+,\d\d+"/))
        try sandbox.setFaults("rp-blocked-bool")
        #expect(try sandbox.page(store, token: token).products.allSatisfy { $0["Bloqueado"].bool != nil })
        for (fault, prices) in [("rp-duplicate-same", 1), ("rp-duplicate-different", 2)] {
            try sandbox.setFaults(fault)
            let products = try sandbox.page(store, token: token).products
            #expect(products.count == 11)
            let twice = Dictionary(grouping: products) { $0["Codigo"].integer }.values.filter { $0.count == 2 }
            #expect(twice.count == 1)
            #expect(Set(twice.joined().map { $0["PrecoVenda2"].number }).count == prices)
        }
    }

    @Test("business errors and 401 come at once or only in mid pages, and expired tokens stay refused")
    func midPages() throws {
        let sandbox = try RunningSandbox("--products", "10")
        let store = sandbox.stores[0]
        var token = try sandbox.token()
        try sandbox.setFaults("rp-error-mid-pages")
        #expect(try sandbox.page(store, token: token).products.count == 10)
        #expect(try sandbox.page(store, after: 1_001, token: token).json["response"]["status"].string == "error")
        try sandbox.setFaults("rp-401-once")
        #expect(try (0..<2).map { _ in try sandbox.page(store, token: token).status } == [401, 200])
        try sandbox.setFaults("rp-token-expired-mid-pages")
        #expect(try [0, 1_001, 1_001, 0].map { try sandbox.page(store, after: $0, token: token).status } == [200, 401, 401, 401])
        token = try sandbox.token()
        #expect(try sandbox.page(store, after: 1_001, token: token).status == 200)
        try sandbox.setFaults("rp-missing-list-key")
        let answer = try sandbox.page(store, token: token).json["response"]
        #expect(answer["status"].string == "ok" && !answer["produtos"].exists)
    }

    @Test("logins that are odd")
    func logins() throws {
        let sandbox = try RunningSandbox("--products", "10")
        let first = try sandbox.token()
        try sandbox.setFaults("rp-login-empty-token:1x", "rp-login-500:1x")
        #expect(try sandbox.login().status == 500)
        #expect(try sandbox.login().json["response"]["token"].value as? String == "")
        try sandbox.setFaults("rp-login-token-elsewhere")
        #expect(try !sandbox.login(version: "v1.1").json["response"]["content"]["token"].string.isEmpty)
        try sandbox.setFaults("rp-login-kills-older")
        let second = try sandbox.token()
        #expect(try [first, second].map { try sandbox.page(sandbox.stores[0], token: $0).status } == [401, 200])
    }

    @Test("an upload is applied or not as the fault's name says, whatever was answered")
    func uploads() throws {
        for (fault, isApplied, status) in [
            ("cv-timeout-after-apply", true, 0), ("cv-reset-after-apply", true, 0), ("cv-silence-after-apply", true, 0),
            ("cv-500-after-apply", true, 500), ("cv-drop-before-apply", false, 0), ("cv-accept-ignore", false, 200), ("cv-204", true, 204),
            ("cv-upload-silence", false, 0), ("cv-200-error", false, 200), ("cv-200-errors-key", false, 200), ("cv-upload-503", false, 503),
        ] {
            let sandbox = try RunningSandbox("--stores", "1", "--products", "1", "--fault", "\(fault):1x")
            let registration = sandbox.stores[0].registration
            #expect(try sandbox.upload(RunningSandbox.body(registration), seconds: 0.5).status == status, "\(fault)")
            #expect(try sandbox.listing(registration).lines.count == (isApplied ? 1 : 0), "\(fault)")
            let upload = try #require(try sandbox.state()["crescevendas"]["uploads"].array.first)
            #expect(upload["applied"].bool == isApplied && upload["status"].integer == status && upload["line_count"].integer == 1)
        }
    }

    @Test("the listing says something else than was sent")
    func listings() throws {
        let sandbox = try RunningSandbox("--stores", "1")
        let registration = sandbox.stores[0].registration
        let lines = #"{"code": 7, "price": 3, "final_price": 2.9, "limit": 5}, {"code": 8, "price": 9, "final_price": 8, "limit": 1000}"#
        #expect(try sandbox.upload(RunningSandbox.body(registration, lines: lines)).status == 200)
        func listed(_ fault: String) throws -> HTTPAnswer {
            try sandbox.setFaults("cv-list-" + fault)
            return try sandbox.listing(registration)
        }
        #expect(try listed("empty").lines.isEmpty)
        #expect(try listed("strings").lines.allSatisfy { $0["code"].isString && $0["price"].isString && $0["limit"].isString })
        #expect(try listed("alt-shape").json["discount_store_lines"].array.count == 2)
        #expect(try !listed("unknown-shape").json["response"].exists)
        #expect(try listed("wrong-price").lines.map { $0["final_price"].number } == [2.91, 8])
        #expect(try listed("wrong-limit").lines.map { $0["limit"].integer } == [6, 1000])
        #expect(try listed("wrong-window").lines[1]["expire_at"].string == "2099-03-10T22:59:00.000-03:00")
        #expect(try listed("missing-line").lines.map { $0["code"].integer } == [8])
        #expect(try listed("extra-line").lines.map { $0["code"].integer } == [7, 8, 900_000_001])
        #expect(try listed("duplicate-line").lines.map { $0["code"].integer } == [7, 7, 8])
        #expect(try listed("local-times").lines[0]["start_at"].string == "2099-03-10T06:00")
        #expect(try listed("utc-times").lines[0]["start_at"].string == "2099-03-10T09:00:00Z")
        #expect(try listed("huge-number").text.contains("1e400"))
        #expect(try !listed("line-without-code").lines[0]["code"].exists)
        #expect(try listed("lag:2x").lines.isEmpty)
        #expect(try sandbox.listing(registration).lines.isEmpty)
        #expect(try sandbox.listing(registration).lines.count == 2)
    }
}
