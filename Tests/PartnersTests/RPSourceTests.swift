import Dispatch
import Networking
import Retail
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Partners

@Suite(.timeLimit(.minutes(1)))
struct RPSourceTests {
    private let reading = RPReading()
    private var gate: OpenGate { reading.gate }

    @Test("A store is read page by page to the empty one, with one login and the token in its header")
    func wholeStore() async throws {
        let server = rpServer { request, _ in
            let after = cursor(of: request)
            return RawServer.answer(Fixture.page(after >= 10 ? [] : ((after + 1)...(after + 2)).map { Fixture.product($0) }))
        }
        #expect(try await reading.read(reading.source(server)) == Array(1...10))
        let requests = server.requests
        #expect(requests.first?.line == "POST /v1.1/auth HTTP/1.1")
        #expect(try JSONValue(parsing: requests[0].body) == ["usuario": "100000", "senha": "wrong-horse"])
        let expected = [0, 2, 4, 6, 8, 10].map {
            "/v2.8/produtounidade/listaprodutos/\($0)/unidade/00000000000191/detalhado?somentePreco2=true"
        }
        #expect(requests.dropFirst().map(\.target) == expected)
        #expect(requests.dropFirst().allSatisfy { $0.headers["token"] == "tok-1" && $0.headers["authorization"] == nil })
        #expect(gate.admitted == 7)
        #expect(gate.records.count == 7 && gate.records.allSatisfy { $0 == nil })
    }

    @Test("The unit is an opaque text, the endpoint, parameters, token header and limit are configurable")
    func configured() async throws {
        let server = rpServer { _, _ in RawServer.answer(Fixture.page([])) }
        let changes: [String: JSONValue] = [
            "auth_method": "TOKEN", "static_token": "fixed", "token_header": "X-Tok",
            "products_endpoint": "v3.2/list/{storeReg}/ativos?a=1",
            "pagination": ["method": "CURSOR", "param_name": "last", "additional_params": ["b": "x y", "c": true]], "page_limit": 50,
        ]
        #expect(try await reading.read(reading.source(server, changes), unit: "001/é") == [])
        let request = try #require(server.requests.first)
        #expect(server.requests.count == 1)
        #expect(request.target == "/v3.2/list/001%2F%C3%A9/ativos?a=1&last=0&b=x%20y&c=true&limit=50")
        #expect(request.headers["x-tok"] == "fixed")
    }

    @Test("R61: a token refused in mid page is renewed once for that call, and the page is asked for again")
    func renewal() async throws {
        let server = rpServer { request, _ in
            let after = cursor(of: request)
            if after >= 2, request.headers["token"] == "tok-1" { return RawServer.answer(#"{"content":"Não autorizado"}"#, status: 401) }
            return RawServer.answer(Fixture.page(after >= 4 ? [] : [Fixture.product(after + 1)]))
        }
        #expect(try await reading.read(reading.source(server)) == [1, 2, 3, 4])
        #expect(server.requests.count { $0.line.hasPrefix("POST") } == 2)
        #expect(gate.records.allSatisfy { $0 == nil })
    }

    @Test("A second 401 for the same call is permanent, and there was one login in between")
    func refusedTwice() async throws {
        let server = rpServer { _, _ in RawServer.answer(#"{"content":"Não autorizado"}"#, status: 401) }
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server)) }
        #expect(failure?.code == "TOKEN_REFUSED")
        #expect(failure?.isRetryable == false)
        #expect(server.requests.map { $0.line.prefix(4) } == ["POST", "GET ", "POST", "GET "])
    }

    @Test("A refused static token is permanent at once")
    func refusedStaticToken() async throws {
        let server = rpServer { _, _ in RawServer.answer("", status: 401) }
        let fixed: [String: JSONValue] = ["auth_method": "TOKEN", "static_token": "fixed"]
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server, fixed)) }
        #expect(failure?.code == "TOKEN_REFUSED")
        #expect(server.requests.count == 1)
    }

    @Test("Stores that run in parallel share one login")
    func sharedLogin() async throws {
        let server = rpServer { _, _ in RawServer.answer(Fixture.page([])) }
        let source = try reading.source(server)
        let gate = gate
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await source.readProducts(unit: "001", gate: gate) { _ in } } }
            try await group.waitForAll()
        }
        #expect(server.requests.count { $0.line.hasPrefix("POST") } == 1)
    }

    @Test("An error in the middle is an error of the whole unit, with the page named")
    func errorInTheMiddle() async throws {
        let server = rpServer { request, _ in
            cursor(of: request) == 0
                ? RawServer.answer(Fixture.page([Fixture.product(5)]))
                : RawServer.answer(#"{"response":{"status":"error","messages":[{"message":"Falha ao carregar dados"}]}}"#)
        }
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server)) }
        #expect(failure?.code == "RP_ERROR")
        #expect(failure?.isRetryable == true)
        #expect(
            failure?.message
                == "Integration rp, products of unit 00000000000191 after code 5: the partner reports an error: Falha ao carregar dados")
        #expect(gate.records.last.flatMap { $0 }?.code == "RP_ERROR")
    }

    @Test("R63: the same page for ever is an error, not an endless run")
    func samePage() async throws {
        let server = rpServer { _, _ in RawServer.answer(Fixture.page([Fixture.product(5)])) }
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server)) }
        #expect(failure?.code == "CURSOR_STUCK")
        #expect(failure?.isRetryable == false)
        #expect(server.requests.count == 3)
    }

    @Test(
        "A page that does not lead on is quoted in the error, without the credentials that it repeats",
        arguments: [
            ("CURSOR_STUCK", [5, 5], 2_000), ("NOT_ASCENDING", [5, 9, 7], 2_000), ("WRONG_SHAPE", [], 2_000), ("TOO_MANY_PAGES", [5], 1),
        ])
    func quotedPages(code: String, codes: [Int], maximumPages: Int64) async throws {
        let server = rpServer { request, _ in
            let products = codes.isEmpty ? ["{}"] : cursor(of: request) == 0 ? [Fixture.product(5)] : codes.map { Fixture.product($0) }
            return RawServer.answer(
                #"{"seen":"tok-1 wrong-horse","response":{"status":"ok","produtos":[\#(products.joined(separator: ","))]}}"#)
        }
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server, ["max_pages": .integer(maximumPages)])) }
        #expect(failure?.code == code)
        let message = failure?.message ?? ""
        #expect(message.contains(#" The page begins: {"seen":"•••• ••••","response":{"status":"ok","produtos":[{"#), "\(message)")
        #expect(!message.contains("tok-1") && !message.contains("wrong-horse") && message.utf8.count < 500, "\(message)")
    }

    @Test("What came of a page that is too large is quoted, but no half of a credential where it was cut; a login's answer is not")
    func quotedLargePages() async throws {
        let beginning = #"{"seen":"tok-1 wrong-horse","response":{"#
        func message(_ text: String, login: String? = nil, changes: [String: JSONValue] = ["max_response_bytes": 4_000]) async throws
            -> String
        {
            // Without a length: one that is announced is refused before a byte of the body came.
            let server = rpServer(login: login) { _, _ in "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\(text)" }
            let failure = await partnerFailure { _ = try await reading.read(reading.source(server, changes)) }
            #expect(failure?.code == "TOO_LARGE" && failure?.isRetryable == false)
            return failure?.message ?? ""
        }
        let long = try await message(beginning + String(repeating: "x", count: 100_000))
        #expect(long.contains(#"more than 4000 bytes. It begins: {"seen":"•••• ••••","response":{xxx"#) && long.utf8.count < 500, "\(long)")
        for length in 20...beginning.utf8.count {
            let text = try await message(beginning, changes: ["max_response_bytes": .integer(Int64(length - 1))])
            #expect(!text.contains("tok-1") && !text.contains("wro") && !text.contains("hor"), "\(length): \(text)")
        }
        let login = try await message(
            "", login: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"token\":\"fresh-one\(String(repeating: "x", count: 9_000))")
        #expect(login.hasSuffix("more than 4000 bytes"), "\(login)")
    }

    @Test("What `receive` throws ends the reading and comes out as it is")
    func receiveThrows() async throws {
        struct Stop: Error {}
        let server = rpServer { request, _ in RawServer.answer(Fixture.page([Fixture.product(cursor(of: request) + 1)])) }
        await #expect(throws: Stop.self) { try await reading.source(server).readProducts(unit: "001", gate: gate) { _ in throw Stop() } }
    }

    @Test("A body beyond the limit is permanent, an outage is tried again and honours Retry-After")
    func limits() async throws {
        let server = rpServer { _, number in
            number == 0
                ? RawServer.answer(Fixture.page([Fixture.product(1)]))
                : RawServer.answer("<html>", status: 503, headers: ["Retry-After: 7"])
        }
        let large = await partnerFailure { _ = try await reading.read(reading.source(server, ["max_response_bytes": 100])) }
        #expect(large?.code == "TOO_LARGE")
        #expect(large?.isRetryable == false)
        let outage = await partnerFailure { _ = try await reading.read(reading.source(server)) }
        #expect(outage?.code == "HTTP_503")
        #expect(outage?.isRetryable == true)
        #expect(outage?.retryAfter == .seconds(7))
    }

    @Test("A redirect is permanent and says where it led, without the query")
    func redirect() async throws {
        let server = rpServer { _, _ in RawServer.answer("", status: 302, headers: ["Location: http://u:p@login.example/in?token=abc"]) }
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server)) }
        #expect(failure?.code == "REDIRECTED")
        #expect(failure?.isRetryable == false)
        #expect(failure?.message.contains("to http://login.example/in,") == true)
    }

    @Test("Nobody there is a failure that may pass")
    func unreachable() async throws {
        let port = RawServer { _ in }.port
        let source = try RPSource(integration: Fixture.rp("http://127.0.0.1:\(port)"), client: reading.client, tokens: SoloTokenVault())
        let failure = await partnerFailure { try await source.logIn(gate: gate) }
        #expect(failure?.code == "UNREACHABLE")
        #expect(failure?.isRetryable == true)
        #expect(failure?.mayHaveArrived == false)
    }

    @Test("A cancelled read ends as cancelled and blames nobody")
    func cancelled() async throws {
        let server = RawServer { connection in
            _ = connection.readRequest()
            connection.waitForPeer(upTo: 20_000)
        }
        let source = try reading.source(server)
        let gate = gate
        let task = Task { try await source.logIn(gate: gate) }
        try await eventually { !server.requests.isEmpty }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(gate.records.isEmpty)
    }

    @Test("A probe logs in, reads one page and reports both")
    func probe() async throws {
        let server = rpServer { _, _ in RawServer.answer(Fixture.page([Fixture.product(3), Fixture.product(9)])) }
        let probe = IntegrationProbe(integration: Fixture.rp(server.url), client: reading.client)
        let report = try await probe.run(unit: "001", registration: nil, day: "2026-11-21", gate: gate)
        #expect(
            report == [
                "Login accepted.", "Unit 001: 2 products in the first page, codes 3 to 9, 2 with a club price below the regular one.",
            ])
        #expect(server.requests.count == 2)
    }
}
