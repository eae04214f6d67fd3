import Networking
import Retail
import Testing

@testable import Partners

struct RPPageTests {
    private func products(_ body: String) throws -> [OfferedProduct] {
        try RPPageReader().products(in: Fixture.response(body), connection: Fixture.connection(), purpose: "products")
    }

    private func failure(_ body: [UInt8]) throws -> PartnerFailure? {
        let response = HTTPResponse(status: 200, headers: [:], body: ResponseBody(body))
        let connection = try Fixture.connection()
        do throws(PartnerFailure) {
            _ = try RPPageReader().products(in: response, connection: connection, purpose: "products")
            return nil
        } catch {
            return error
        }
    }

    private func failure(_ body: String) throws -> PartnerFailure? {
        try failure(Array(body.utf8))
    }

    @Test("A page gives its products with prices read from their literals")
    func page() throws {
        let all = try products(Fixture.page([Fixture.product(7), Fixture.product(8, #","Ativo2":false"#)]))
        #expect(all.map(\.code) == [7, 8])
        let first = try #require(all.first)
        #expect(first.name == "PRODUTO 7")
        #expect(first.barcode == "7891000000000")
        #expect(first.isActive)
        #expect(first.status == "NORMAL")
        #expect(first.price == .amount(Cents(1050)))
        #expect(first.clubPrice == .amount(Cents(891)))
    }

    @Test("Absent, null and odd fields are told apart")
    func oddFields() throws {
        let all = try products(
            Fixture.page([
                "{}",
                #"{"Codigo":null,"Preco":null,"PrecoVenda2":"","Ativo":null,"Status":null}"#,
                #"{"Codigo":"12","Preco":"8,90","PrecoVenda2":"abc","Ativo":false,"Status":"CANCELADO"}"#,
                #"{"Codigo":9223372036854775808,"Preco":1e400,"PrecoVenda2":{"a":[1]},"Ativo":"N","Descricao":7}"#,
                #"{"Codigo":1.5,"Preco":1,"Preco":2,"PrecoVenda2":3.0,"PrecoVenda2":3.0}"#,
            ]))
        #expect(all.map(\.code) == [nil, nil, 12, nil, nil])
        #expect(all.map(\.price) == [.absent, .absent, .amount(Cents(890)), .unreadable, .unreadable])
        #expect(all.map(\.clubPrice) == [.absent, .unreadable, .unreadable, .unreadable, .amount(Cents(300))])
        #expect(all.map(\.isActive) == [true, true, false, false, true])
        #expect(all.map(\.status) == [nil, nil, "CANCELADO", nil, nil])
        #expect(all[3].name == "7")
    }

    @Test(
        "R62: text that PostgreSQL could not hold is replaced, escapes are resolved",
        arguments: [
            (#"a\u0000b"#, "a\u{FFFD}b"), (#"\ud800"#, "\u{FFFD}"), (#"\udc00x"#, "\u{FFFD}x"), (#"\ud83d\ude00"#, "😀"),
            (#"\ud83d\u0041"#, "\u{FFFD}A"), (#"\"\\\/\t\u00e7"#, "\"\\/\tç"), ("CAFÉ  ", "CAFÉ"),
        ] as [(String, String)])
    func text(literal: String, name: String) throws {
        let all = try products(Fixture.page([#"{"Codigo":1,"Descricao":"\#(literal)"}"#]))
        #expect(all.first?.name == name)
    }

    @Test("R62: an empty list is the end, in any order of keys and with a byte order mark")
    func empty() throws {
        #expect(try products(Fixture.page([])).isEmpty)
        #expect(try products("\u{FEFF}" + #" {"x":1,"response":{"produtos": [ ] ,"z":{}, "status":"ok"}} "#).isEmpty)
    }

    @Test(
        "R61: an error in a 200 is an error and may pass; stack traces and exceptions are left out",
        arguments: [
            #"{"response":{"status":"error","messages":[{"message":"Falha ao carregar dados"},{"message":"Exception: x.y"}]}}"#,
            #"{"response":{"messages":[{"message":"StackTrace: a"},{"message":"Falha ao carregar dados"}],"status":"error","produtos":[]}}"#,
        ])
    func errorEnvelope(body: String) throws {
        let failure = try #require(try failure(body))
        #expect(failure.code == "RP_ERROR")
        #expect(failure.isRetryable)
        #expect(failure.message.hasSuffix("the partner reports an error: Falha ao carregar dados"))
    }

    @Test(
        "R62: what is no page is a permanent failure that names its kind, never an empty page",
        arguments: [
            ("", "NOT_JSON"), ("   ", "NOT_JSON"), ("<html><body>login</body></html>", "NOT_JSON"), ("not json", "NOT_JSON"),
            (#"{"response":{"status":"ok","produtos":["#, "NOT_JSON"), (#"{"response":{"status":"ok","produtos":[]}} x"#, "NOT_JSON"),
            (#"{"response":{"status":"ok","produtos":[]}}{"#, "NOT_JSON"),
            (#"{"response":{"status":"ok","produtos":[{"Codigo":1}"#, "NOT_JSON"),
            (#"{"response":{"status":"ok","produtos":[{"Descricao":"a"#, "NOT_JSON"), ("[]", "WRONG_SHAPE"), ("42", "WRONG_SHAPE"),
            ("null", "WRONG_SHAPE"), (#""text""#, "WRONG_SHAPE"), ("{}", "WRONG_SHAPE"), (#"{"response":[]}"#, "WRONG_SHAPE"),
            (#"{"response":{"status":"ok"}}"#, "WRONG_SHAPE"), (#"{"response":{"status":"ok","produtos":null}}"#, "WRONG_SHAPE"),
            (#"{"response":{"produtos":[]}}"#, "WRONG_SHAPE"), (#"{"response":{"status":true,"produtos":[]}}"#, "WRONG_SHAPE"),
            (#"{"response":{"status":"ok","produtos":{}}}"#, "WRONG_SHAPE"),
            (#"{"response":{"status":"ok","produtos":[1]}}"#, "WRONG_SHAPE"),
            (#"{"response":{"status":"ok","produtos":[null]}}"#, "WRONG_SHAPE"), (#"{"produtos":[]}"#, "WRONG_SHAPE"),
            (#"{"response":{"status":"ok","produtos":[{"Codigo":1}],"produtos":[]}}"#, "WRONG_SHAPE"),
        ])
    func noPage(body: String, code: String) throws {
        let failure = try #require(try failure(body), "\(body)")
        #expect(failure.code == code, "\(body)")
        #expect(!failure.isRetryable)
    }

    @Test("R62: a million brackets end at once, wherever they stand")
    func depth() throws {
        let deep = String(repeating: "[", count: 1_000_000)
        for body in [deep, #"{"response":\#(deep)"#, #"{"response":{"status":"ok","produtos":\#(deep)"#, #"{"x":\#(deep)"#] {
            #expect(try failure(body)?.isRetryable == false)
        }
        let closed = deep + String(repeating: "]", count: 1_000_000)
        #expect(try products(#"{"x":\#(closed),"response":{"status":"ok","produtos":[{"Codigo":1,"y":\#(closed)}]}}"#).count == 1)
    }

    @Test("R62: invalid UTF-8 is said to be that")
    func notUTF8() throws {
        let body = Array(#"{"response":{"status":"ok","produtos":[{"Codigo":1,"Descricao":"CAF"#.utf8) + [0xC9] + Array(#""}]}}"#.utf8)
        #expect(try failure(body)?.code == "NOT_UTF8")
        #expect(try failure([0xFF, 0xFE, 0x7B, 0x00])?.isRetryable == false)
    }

    @Test("A failure shows the first bytes, without credentials and without line breaks")
    func excerpt() throws {
        let failure = try #require(try failure("<html>\r\n\twrong-horse\u{0} \(String(repeating: "x", count: 1000))"))
        #expect(failure.message.contains("It begins: <html> •••• xxx"))
        #expect(failure.message.utf8.count < 400)
    }

    @Test("A body cut anywhere never crashes and never passes for a page")
    func truncated() throws {
        let whole = Array(Fixture.page([Fixture.product(7), Fixture.product(8)]).utf8)
        for length in 0..<whole.count {
            #expect(try failure(Array(whole[..<length]))?.isRetryable == false, "\(length)")
        }
    }

    @Test("Random damage never crashes")
    func damaged() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var numbers = SeededNumbers(state: seed)
        let whole = Array(Fixture.page([Fixture.product(7, #","x":"\u00e7\ud83d\ude00""#), Fixture.product(8)]).utf8)
        for _ in 0..<3000 {
            var body = whole
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                body[Int.random(in: 0..<body.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            _ = try failure(body)
        }
    }
}

struct PageCursorTests {
    private func page(_ codes: [Int64?]) -> [OfferedProduct] {
        codes.map { OfferedProduct(code: $0, name: "", barcode: "", isActive: true, status: nil, price: .absent, clubPrice: .absent) }
    }

    @Test("R63: the cursor follows the last code until an empty page; a short page is not the end")
    func follows() throws {
        var cursor = PageCursor(maximumPages: 10)
        #expect(try cursor.advance(over: page([1, 2, 5])) == 5)
        #expect(try cursor.advance(over: page([6])) == 6)
        #expect(try cursor.advance(over: page([nil, 9, 0, nil, -3])) == 9)
        #expect(try cursor.advance(over: page([])) == nil)
    }

    @Test("R63: a page may begin with items of the one before")
    func overlap() throws {
        var cursor = PageCursor(maximumPages: 10)
        _ = try cursor.advance(over: page([1, 2]))
        #expect(try cursor.advance(over: page([2, 2, 3])) == 3)
    }

    @Test("R63: a page that leads nowhere is an error", arguments: [[1, 2], [2], [0], [-1]] as [[Int64?]])
    func stuck(codes: [Int64?]) throws {
        var cursor = PageCursor(maximumPages: 10)
        _ = try cursor.advance(over: page([1, 2]))
        #expect(throws: PageCursor.Defect.stuck(at: 2)) { _ = try cursor.advance(over: page(codes)) }
    }

    @Test("A page without a code that can be read is of another shape, not one that comes again and again")
    func noCodes() throws {
        var cursor = PageCursor(maximumPages: 10)
        #expect(throws: PageCursor.Defect.noCodes) { _ = try cursor.advance(over: page([nil, nil])) }
    }

    @Test("Codes that descend within a page are an error")
    func descending() {
        var cursor = PageCursor(maximumPages: 10)
        #expect(throws: PageCursor.Defect.notAscending(3, after: 5)) { _ = try cursor.advance(over: page([1, 5, 3, 9])) }
    }

    @Test("R63: the number of pages is capped")
    func cap() throws {
        var cursor = PageCursor(maximumPages: 2)
        for code: Int64 in [1, 2] { _ = try cursor.advance(over: page([code])) }
        var ended = cursor
        #expect(try ended.advance(over: []) == nil, "as many as may be, and the end behind them")
        #expect(throws: PageCursor.Defect.tooManyPages) { _ = try cursor.advance(over: page([3])) }
    }
}
