import Foundation
import Testing

@Suite("The partners' rules")
struct PartnerRulesTests {
    @Test("login: the token's place by version, a wrong password as HTTP 500, a missing or unknown token as 401 in RP's shape")
    func login() throws {
        let sandbox = try RunningSandbox()
        let old = try sandbox.login(version: "v1.1")
        let new = try sandbox.login(version: "v1.2")
        let expiration = /\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/
        #expect(try old.json["response"]["tokenExpiration"].string.wholeMatch(of: expiration) != nil)
        #expect(try new.json["response"]["content"]["tokenExpiration"].string.wholeMatch(of: expiration) != nil)
        #expect(try !new.json["response"]["token"].exists)
        for token in [try old.json["response"]["token"].string, try new.json["response"]["content"]["token"].string] {
            #expect(try sandbox.page(sandbox.stores[0], token: token).status == 200)
        }
        let wrong = try sandbox.login(password: "errada")
        #expect(wrong.status == 500)
        #expect(try wrong.json.keys == ["error", "stackTrace"])
        let refused = try sandbox.page(sandbox.stores[0], token: "eyJ")
        #expect(refused.status == 401)
        #expect(try refused.json["content"].string == "Não autorizado")
        #expect(try HTTPAnswer(to: sandbox.listPath(sandbox.stores[0])).status == 401)
        let logins = try sandbox.state()["rp"]["logins"].array
        #expect(logins.map { $0["accepted"].bool } == [true, true, false])
    }

    @Test("an unknown unit and an unknown product are business errors with HTTP 200, an unknown path is 404")
    func businessErrors() throws {
        let sandbox = try RunningSandbox()
        let token = try sandbox.token()
        for path in ["v2.8/produtounidade/listaprodutos/0/unidade/99999999999999/detalhado", "v3.2/produtounidade/1/unidade/001/detalhado"]
        {
            let answer = try HTTPAnswer(to: "\(sandbox.rp)/\(path)", "-H", "token: \(token)")
            #expect(answer.status == 200)
            #expect(try answer.json["response"]["status"].string == "error")
            #expect(try !answer.json["response"]["messages"].array.isEmpty)
        }
        #expect(try HTTPAnswer(to: "\(sandbox.rp)/v9/produtos").status == 404)
        #expect(try sandbox.state()["unknown_requests"].array.map(\.string) == ["GET /rp/v9/produtos"])
    }

    @Test("what was uploaded is listed, an override takes its place, and the state log tells both")
    func roundTrip() throws {
        let sandbox = try RunningSandbox()
        let registration = sandbox.stores[0].registration
        let two =
            #"{"code": "7", "price": 3, "final_price": 2.9, "limit": 5}, {"code": 8, "price": 76.36, "final_price": 0.01, "limit": 1000}"#
        #expect(try sandbox.upload(RunningSandbox.body(registration)).status == 200)
        #expect(try sandbox.upload(RunningSandbox.body(registration, lines: two)).status == 200)
        let lines = try sandbox.listing(registration).lines
        #expect(lines.map { $0["code"].integer } == [7, 8])
        #expect(lines.map { $0["final_price"].number } == [2.9, 0.01])
        #expect(lines.map { $0["limit"].integer } == [5, 1000])
        #expect(lines[0]["start_at"].string == "2099-03-10T06:00:00.000-03:00")
        #expect(lines[0]["expire_at"].string == "2099-03-10T23:59:00.000-03:00")
        #expect(try sandbox.listing(registration, from: "2099-03-11T00:01:00", to: "2099-03-11T23:59:00").lines.isEmpty)
        #expect(try sandbox.listing(sandbox.stores[1].registration).lines.isEmpty)
        #expect(try sandbox.upload(RunningSandbox.body(registration, override: 0)).status == 200)
        #expect(try sandbox.listing(registration).lines.count == 3)

        let club = try sandbox.state("?bodies=1&lines=1")["crescevendas"]
        let uploads = club["uploads"].array
        #expect(uploads.map { $0["line_count"].integer } == [1, 2, 1])
        #expect(uploads.allSatisfy { $0["applied"].bool == true && $0["status"].integer == 200 })
        #expect(uploads[1]["body"].string == RunningSandbox.body(registration, lines: two))
        #expect(uploads[0]["digest"].string == uploads[2]["digest"].string)
        #expect(uploads[0]["digest"].string != uploads[1]["digest"].string)
        #expect(uploads[0]["body_digest"].string != uploads[2]["body_digest"].string)
        #expect(club["campaigns"][registration].array.map { $0["lines"].array.count } == [2, 1])
        #expect(club["requests"]["POST upload"].integer == 3)
        #expect(club["listings"].array.map { $0["line_count"].integer } == [2, 0, 0, 3])
    }

    static let refused: [(String, String)] = {
        let good = RunningSandbox.body("REG")
        let line = #"{"code": 1001, "price": 10.50, "final_price": 8.90, "limit": 1000}"#
        func changed(_ from: String, _ to: String) -> String { good.replacingOccurrences(of: from, with: to) }
        return [
            ("no JSON", "override=1"), ("an array", "[]"), ("more after it", good + "x"),
            ("a missing member", changed("\"override\": 1, ", "")), ("an unknown member", changed("\"name\"", "\"x\": 1, \"name\"")),
            ("override as a Bool", changed("\"override\": 1", "\"override\": true")),
            ("no lines", changed(line, "")), ("no store", changed("\"REG\"", "")), ("an unknown store", changed("REG", "00000000000191")),
            ("a price as text", changed("10.50", "\"10.50\"")), ("a price with four decimals", changed("10.50", "10.5000")),
            ("a price of 0", changed("8.90", "0")), ("a club price not below", changed("8.90", "10.50")),
            ("a limit of 0", changed("1000}", "0}")), ("a code of 0", changed("1001", "0")),
            ("a code twice", changed(line, "\(line), \(line)")),
            ("a start in the past", changed("2099-03-10T06:00", "2020-01-01T06:00")),
            ("a start after the end", changed("T06:00", "T23:59")), ("a start with seconds", changed("T06:00", "T06:00:00")),
            ("a day that does not exist", changed("2099-03-10T06:00", "2099-02-30T06:00")), ("an empty name", changed("001 Descontos", "")),
        ]
    }()

    @Test("an upload is refused with 422 and a reason for each thing that is wrong with it", arguments: refused)
    func refusals(_ what: String, _ body: String) throws {
        let sandbox = try RunningSandbox("--stores", "1", "--products", "1")
        let registration = sandbox.stores[0].registration
        let answer = try sandbox.upload(body.replacingOccurrences(of: "REG", with: registration))
        #expect(answer.status == 422, "\(what)")
        #expect(try answer.json["response"]["code"].integer == 422)
        #expect(try !answer.json["response"]["errors"].array[0]["message"].string.isEmpty)
        #expect(try sandbox.listing(registration).lines.isEmpty)
        #expect(try sandbox.state()["crescevendas"]["uploads"].array.map { $0["applied"].bool } == [false])
    }

    @Test("CresceVendas wants both headers, and answers 401 in its own shape")
    func clubHeaders() throws {
        let sandbox = try RunningSandbox("--stores", "1", "--products", "1")
        let path = "\(sandbox.club)/admin/integrations/discount_stores"
        for arguments in [
            [], Array(sandbox.clubHeaders.prefix(2)), ["-H", "X-AdminUser-Email: a@example.com", "-H", "X-AdminUser-Token: x"],
        ] {
            let listing = try HTTPAnswer(to: path + "?store_registration=\(sandbox.stores[0].registration)", arguments: arguments)
            let upload = try HTTPAnswer(
                to: path + "/batch_upload", arguments: arguments + ["-d", RunningSandbox.body(sandbox.stores[0].registration)])
            for answer in [listing, upload] {
                #expect(answer.status == 401)
                #expect(try answer.json["response"]["code"].integer == 401)
            }
        }
    }

    @Test("differences can be planted in what CresceVendas lists")
    func planting() throws {
        let sandbox = try RunningSandbox()
        let registration = sandbox.stores[0].registration
        #expect(try sandbox.upload(RunningSandbox.body(registration)).status == 200)
        let plan = #"{"store": 1, "set": [{"code": 5, "price": 2.5, "final_price": 2.25}], "remove": [1001]}"#
        #expect(try sandbox.control("/campaigns", plan).status == 200)
        let lines = try sandbox.listing(registration).lines
        #expect(lines.map { $0["code"].integer } == [5])
        #expect(lines.map { $0["final_price"].number } == [2.25])
        #expect(try sandbox.control("/campaigns", #"{"store": 1}"#).status == 400)
        #expect(try sandbox.control("/reset").status == 200)
        #expect(try sandbox.listing(registration).lines.isEmpty)
        #expect(try sandbox.state()["crescevendas"]["uploads"].array.isEmpty)
    }
}
