import Networking
import Retail
import Runtime
import TestSupport
import Testing

@testable import Partners

@Suite(.timeLimit(.minutes(1)))
struct CresceVendasTests {
    private let client = HTTPClient()
    private let gate = OpenGate()
    private let draft = CampaignDraft(
        name: #"001 "Descontos" - 2026-11-21 06:00"#, startsAt: "2026-11-21T06:00", endsAt: "2026-11-21T23:59",
        registration: "00000000000191",
        lines: [
            CampaignLine(code: 12345, price: Cents(1050), finalPrice: Cents(890), limit: 1000),
            CampaignLine(code: 7, price: Cents(100), finalPrice: Cents(5), limit: 3),
        ])

    private func target(_ url: String, _ changes: [String: JSONValue] = [:]) throws -> CresceVendasTarget {
        try CresceVendasTarget(integration: Fixture.cresceVendas(url, changes), client: client)
    }

    private func upload(_ answer: String) async throws -> UploadReceipt {
        let server = RawServer { _, _ in answer }
        return try await target(server.url).upload([UInt8(ascii: "{")], gate: gate)
    }

    private func list(_ body: String, status: Int = 200, _ changes: [String: JSONValue] = [:]) async throws -> Listing {
        let server = RawServer { _, _ in RawServer.answer(body, status: status) }
        return try await target(server.url, changes).list(registration: "00000000000191", day: "2026-11-21", gate: gate)
    }

    @Test("The body is exactly what PARTNERS §2 shows")
    func body() throws {
        let expected = #"""
            {"override":1,"start_date":"2026-11-21T06:00","end_date":"2026-11-21T23:59","store_registrations":["00000000000191"],\#
            "name":"001 \"Descontos\" - 2026-11-21 06:00","discount_store_lines":[\#
            {"code":12345,"price":10.50,"final_price":8.90,"limit":1000},{"code":7,"price":1.00,"final_price":0.05,"limit":3}]}
            """#
        #expect(String(decoding: try target("http://h").encode(draft), as: UTF8.self) == expected)
    }

    @Test("Field names, the code's type and override are configurable")
    func configuredBody() throws {
        let changes: [String: JSONValue] = [
            "fields": ["code": "sku", "final_price": "promo"], "code_as_string": true, "campaign_config": ["override_existing": false],
        ]
        let body = String(decoding: try target("http://h", changes).encode(draft), as: UTF8.self)
        #expect(body.hasPrefix(#"{"override":0,"#))
        #expect(body.contains(#"{"sku":"12345","price":10.50,"promo":8.90,"limit":1000}"#))
    }

    @Test("An upload goes to its path with the configured headers, and its answer is kept, redacted")
    func accepted() async throws {
        let server = RawServer { _, _ in RawServer.answer(#"{"response":{"code":200},"echo":"s3cr3t-token","token":"other"}"#, status: 201)
        }
        let target = try target(server.url)
        let receipt = try await target.upload(target.encode(draft), gate: gate)
        #expect(receipt.httpStatus == 201)
        #expect(receipt.excerpt == #"{"response":{"code":200},"echo":"••••","token":"••••"}"#)
        let request = try #require(server.requests.first)
        #expect(request.line == "POST /admin/integrations/discount_stores/batch_upload HTTP/1.1")
        #expect(request.headers["x-adminuser-email"] == "loja@example.org")
        #expect(request.headers["x-adminuser-token"] == "s3cr3t-token")
        #expect(request.headers["content-type"] == "application/json")
        #expect(Array(request.body.utf8) == target.encode(draft))
        #expect(gate.admitted == 1 && gate.records.count == 1 && gate.records.allSatisfy { $0 == nil })
    }

    @Test(
        "2xx with an empty or a JSON body that carries no error is accepted",
        arguments: [
            "", "  ", "{}", "[]", #""ok""#, "true", #"{"response":{"code":201}}"#, #"{"response":{"code":"200"}}"#,
            #"{"error":null,"errors":[]}"#,
            #"{"response":{"error":"","errors":{}}}"#, #"{"errors":false}"#,
        ])
    func acceptable(body: String) async throws {
        #expect(try await upload(RawServer.answer(body)).httpStatus == 200)
    }

    @Test("An answer that repeats 20,000 lines is read whole: accepted, unless it carries an error")
    func echo() async throws {
        let line = #"{"code":1234567,"price":10.50,"final_price":8.90,"limit":1000,"status":"accepted"}"#
        let lines = Array(repeating: line, count: 20_000).joined(separator: ",")
        let receipt = try await upload(RawServer.answer(#"{"lines":[\#(lines)]}"#, status: 201))
        #expect(receipt.httpStatus == 201 && receipt.excerpt.utf8.count < 4_000)
        let failure = await partnerFailure { _ = try await upload(RawServer.answer(#"{"lines":[\#(lines)],"error":"no"}"#)) }
        #expect(failure?.code == "REFUSED")
    }

    @Test("R61: 204 is accepted")
    func noContent() async throws {
        #expect(try await upload("HTTP/1.1 204 No Content\r\n\r\n").httpStatus == 204)
    }

    @Test(
        "What is refused, by status or in a 200, follows the table of PARTNERS §3",
        arguments: [
            (200, #"{"error":"campanha inválida"}"#, "REFUSED", false, true),
            (200, #"{"errors":[{"message":"x"}]}"#, "REFUSED", false, true),
            (200, #"{"response":{"code":422,"errors":[{"message":"x"}]}}"#, "HTTP_422", false, false),
            (200, #"{"response":{"code":"503"}}"#, "HTTP_503", true, true), (200, #"{"response":{"code":429}}"#, "HTTP_429", true, false),
            (200, #"{"response":{"code":"abc"}}"#, "WRONG_SHAPE", false, true), (200, "<html>", "NOT_JSON", false, true),
            (400, "", "HTTP_400", false, false), (401, #"{"response":{"code":401,"error":"x"}}"#, "HTTP_401", false, false),
            (403, "", "HTTP_403", false, false), (404, "", "HTTP_404", false, false), (422, "", "HTTP_422", false, false),
            (408, "", "HTTP_408", true, true), (425, "", "HTTP_425", true, false), (429, "", "HTTP_429", true, false),
            (500, #"{"error":"x"}"#, "HTTP_500", true, true), (502, "<html>", "HTTP_502", true, true), (504, "", "HTTP_504", true, true),
            (301, "", "REDIRECTED", false, false), (418, "", "HTTP_418", false, true),
        ] as [(Int, String, String, Bool, Bool)])
    func refused(status: Int, body: String, code: String, isRetryable: Bool, mayHaveArrived: Bool) async throws {
        let failure = try #require(await partnerFailure { _ = try await upload(RawServer.answer(body, status: status)) })
        #expect(failure.code == code)
        #expect(failure.isRetryable == isRetryable)
        #expect(failure.mayHaveArrived == mayHaveArrived)
        #expect(gate.records.first.flatMap { $0 }?.code == code)
    }

    @Test("A refusal carries the partner's message")
    func message() async throws {
        let body = #"{"response":{"code":422,"errors":[{"message":"preço inválido"},{"message":"loja s3cr3t-token"},{"message":"três"}]}}"#
        let failure = await partnerFailure { _ = try await upload(RawServer.answer(body, status: 422)) }
        #expect(failure?.message == "Integration clube, upload: the partner answered 422: preço inválido; loja ••••")
        #expect(failure?.httpStatus == 422)
    }

    @Test("429 waits as long as it says, else a minute")
    func rateLimit() async throws {
        let plain = await partnerFailure { _ = try await upload(RawServer.answer("", status: 429)) }
        #expect(plain?.retryAfter == .seconds(60))
        let said = await partnerFailure { _ = try await upload(RawServer.answer("", status: 429, headers: ["Retry-After: 5"])) }
        #expect(said?.retryAfter == .seconds(5))
        let absurd = await partnerFailure { _ = try await upload(RawServer.answer("", status: 429, headers: ["Retry-After: 1000000000"])) }
        #expect(absurd?.retryAfter == .seconds(3600))
    }

    @Test("R31: a date in Retry-After counts from the answer's own Date, whatever this machine's clock says")
    func rateLimitAsADate() async throws {
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sat, 01 Jan 2050 08:49:37 GMT"] {
            let later = date.replacingOccurrences(of: "08:49:37", with: "08:51:07")
            let answer = RawServer.answer("", status: 503, headers: ["Date: \(date)", "Retry-After: \(later)"])
            let failure = await partnerFailure { _ = try await upload(answer) }
            #expect(failure?.retryAfter == .seconds(90), "\(date)")
        }
    }

    @Test("R64: an upload whose connection broke may have arrived, and was sent once")
    func ambiguous() async throws {
        let server = RawServer { _ = $0.readRequest() }
        let failure = await partnerFailure { _ = try await target(server.url).upload([1], gate: gate) }
        #expect(failure?.code == "CONNECTION_LOST")
        #expect(failure?.isRetryable == true)
        #expect(failure?.mayHaveArrived == true)
        #expect(server.requests.count == 1)
    }

    @Test("A listing gives its lines, numbers or strings, and its times untouched")
    func listing() async throws {
        let listing = try await list(
            #"{"response":{"code":200,"discounts":[{"code":"12345","price":"10.50","final_price":8.9,"limit":"1000","start_at":"2026-11-21T06:00:00.000-03:00","expire_at":null},{"code":7,"price":"1,00","final_price":0.05,"limit":3}]}}"#
        )
        #expect(listing.lines.map(\.line) == draft.lines && listing.tellsWindows)
        let absent = ListedWindow(startsAt: nil, expiresAt: nil)
        #expect(listing.windows == [ListedWindow(startsAt: "2026-11-21T06:00:00.000-03:00", expiresAt: nil), absent])
        #expect(listing.lines.map(\.window) == [0, 1])
    }

    @Test("Lines with the same times share them, wherever they stand and however the times are written")
    func sharedWindows() async throws {
        let pairs = [("a", "b"), ("a", "b"), ("a", "c"), ("a", "b"), ("null", "b"), ("a", "c"), ("7", "b"), ("\"7\"", "b"), ("null", "b")]
        func json(_ text: String) -> String { text.first?.isLetter == true && text != "null" ? "\"\(text)\"" : text }
        let lines = pairs.enumerated().map { place, pair in
            #"{"code":\#(place + 1),"price":2,"final_price":1,"limit":1,"start_at":\#(json(pair.0)),"expire_at":\#(json(pair.1))}"#
        }
        let listing = try await list(#"{"response":{"discounts":[\#(lines.joined(separator: ","))]}}"#)
        #expect(listing.lines.map(\.line.code) == Array(1...9) && listing.lines.map(\.window) == [0, 0, 1, 0, 2, 1, 3, 3, 2])
        #expect(listing.windows.map(\.startsAt) == ["a", "a", nil, "7"] && listing.windows.map(\.expiresAt) == ["b", "c", "b", "b"])
    }

    @Test("A listing asks for one store and one local day")
    func listingRequest() async throws {
        let server = RawServer { _, _ in RawServer.answer(#"{"response":{"discounts":[]}}"#) }
        #expect(try await target(server.url).list(registration: "00000000000191", day: "2026-11-21", gate: gate).lines.isEmpty)
        #expect(
            server.requests.first?.target
                == "/admin/integrations/discount_stores?store_registration=00000000000191&start_date=2026-11-21T00:01:00&end_date=2026-11-21T23:59:00"
        )
    }

    @Test("The second shape is read when it is configured, and only then")
    func secondShape() async throws {
        let body = #"{"discount_store_lines":[{"code":7,"price":1.00,"final_price":0.05,"limit":3}]}"#
        let listing = try await list(body, ["listing_shape": "discount_store_lines"])
        #expect(listing.lines.map(\.line) == [draft.lines[1]] && !listing.tellsWindows)
        #expect(await partnerFailure { _ = try await list(body) }?.code == "WRONG_SHAPE")
        let refusal = await partnerFailure { _ = try await list(#"{"response":{"code":503}}"#, ["listing_shape": "discount_store_lines"]) }
        #expect(refusal?.code == "HTTP_503")
    }

    @Test(
        "A listing that is not understood is an error, never an empty one",
        arguments: [
            (200, "", "NOT_JSON"), (200, "<html>", "NOT_JSON"), (200, "{}", "WRONG_SHAPE"), (200, "[]", "WRONG_SHAPE"),
            (200, #"{"response":{}}"#, "WRONG_SHAPE"), (200, #"{"response":{"discounts":null}}"#, "WRONG_SHAPE"),
            (200, #"{"response":{"discounts":{}}}"#, "WRONG_SHAPE"), (200, #"{"response":{"discounts":[{}]}}"#, "WRONG_SHAPE"),
            (200, #"{"response":{"discounts":[{"code":1,"price":1,"final_price":"x","limit":1}]}}"#, "WRONG_SHAPE"),
            (200, #"{"response":{"code":401,"discounts":[]}}"#, "HTTP_401"),
            (200, #"{"error":"x","response":{"discounts":[]}}"#, "REFUSED"),
            (404, "", "HTTP_404"), (500, "", "HTTP_500"),
        ] as [(Int, String, String)])
    func unknownShape(status: Int, body: String, code: String) async throws {
        #expect(await partnerFailure { _ = try await list(body, status: status) }?.code == code)
    }
}

extension CresceVendasTests {
    fileprivate func list(_ body: String, _ changes: [String: JSONValue]) async throws -> Listing {
        let server = RawServer { _, _ in RawServer.answer(body) }
        let target = try CresceVendasTarget(
            integration: Fixture.cresceVendas(server.url, changes), client: HTTPClient())
        return try await target.list(registration: "00000000000191", day: "2026-11-21", gate: OpenGate())
    }
}
