import Foundation
import Networking
import Synchronization
import TestSupport
import Testing

private func text(_ response: HTTPResponse) -> String {
    String(decoding: response.body.prefix(.max), as: UTF8.self)
}

@Suite(.timeLimit(.minutes(1)))
struct HTTPClientTests {
    private let client = HTTPClient()

    @Test("An answer comes with its status, its first headers in lower case and its padded body")
    func answer() async throws {
        let server = RawServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 103 Early\r\nX-Early: yes\r\n\r\n")
            connection.send(RawServer.answer("hello", status: 404, headers: ["X-Thing:  one ", "x-thing: two"]))
        }
        let response = try await client.send(HTTPRequest(.get, server.url + "/a?b=c", headers: [("X-Ask", "me")]))
        #expect(response.status == 404)
        #expect(response.headers["x-thing"] == "one")
        #expect(response.headers["x-early"] == nil)
        #expect(text(response) == "hello")
        response.body.withPaddedBytes { bytes, capacity in
            #expect(bytes.count == 5)
            #expect(capacity >= 5 + 64)
        }
        let request = try #require(server.requests.first)
        #expect(request.line == "GET /a?b=c HTTP/1.1")
        #expect(request.headers["x-ask"] == "me")
        #expect(request.headers["expect"] == nil)
    }

    @Test("A POST sends its body as it is, also when it is large")
    func post() async throws {
        let server = RawServer { request, _ in RawServer.answer("\(request.body.utf8.count)") }
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20)
        let response = try await client.send(HTTPRequest(.post, server.url, headers: [("Content-Type", "text/plain")], body: body))
        #expect(text(response) == "\(3 << 20)")
        #expect(server.requests.first?.headers["content-type"] == "text/plain")
        #expect(server.requests.first?.headers["expect"] == nil)
    }

    @Test("GETs share a kept connection, a POST opens its own")
    func connections() async throws {
        let server = RawServer { _, _ in RawServer.answer("ok") }
        for _ in 0..<3 { _ = try await client.send(HTTPRequest(.get, server.url)) }
        #expect(server.connectionCount == 1)
        _ = try await client.send(HTTPRequest(.post, server.url))
        #expect(server.connectionCount == 2)
    }

    @Test("A request that is begun where an answer is whole goes out before anybody waits for it, over the same connection")
    func following() async throws {
        let server = RawServer { request, _ in RawServer.answer(request.target) }
        let (client, url) = (client, server.url)
        let (first, next) = try await client.begin(HTTPRequest(.get, url + "/1")).response { answer in
            (client.begin(HTTPRequest(.get, url + "/2")), text(answer))
        }
        #expect(text(first) == "/1" && next.1 == "/1")
        try await eventually { server.requests.map(\.target) == ["/1", "/2"] }
        #expect(text(try await next.0.response()) == "/2", "it may have come before this")
        #expect(server.connectionCount == 1)
    }

    @Test("A request that is begun and cancelled ends as cancelled, whoever waits for it")
    func begunAndCancelled() async throws {
        let isOver = DispatchSemaphore(value: 0)
        defer { isOver.signal() }
        let server = RawServer { connection in
            _ = connection.readRequest()
            isOver.wait()
        }
        let exchange = client.begin(HTTPRequest(.get, server.url))
        try await eventually { server.requests.count == 1 }
        exchange.cancel()
        let failure = await #expect(throws: HTTPFailure.self) { try await exchange.response() }
        #expect(failure?.kind == .cancelled && failure?.mayHaveArrived == true)
    }

    @Test("A POST that got no answer is never repeated behind our back")
    func noSilentRepetition() async throws {
        let server = RawServer { connection in
            while let request = connection.readRequest(), request.line.hasPrefix("GET") { connection.send(RawServer.answer("ok")) }
        }
        _ = try await client.send(HTTPRequest(.get, server.url))
        let failure = await #expect(throws: HTTPFailure.self) { try await client.send(HTTPRequest(.post, server.url, body: [1])) }
        #expect(failure?.kind == .reset)
        #expect(failure?.mayHaveArrived == true)
        #expect(server.requests.count { $0.line.hasPrefix("POST") } == 1)
    }

    @Test("What an earlier answer left behind on a kept connection does not spoil the next one")
    func leftovers() async throws {
        let server = RawServer { connection in
            while let request = connection.readRequest() {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + (request.target == "/1" ? "fourand too much" : "next"))
            }
        }
        #expect(text(try await client.send(HTTPRequest(.get, server.url + "/1"))) == "four")
        #expect(text(try await client.send(HTTPRequest(.get, server.url + "/2"))) == "next")
        #expect(text(try await client.send(HTTPRequest(.get, server.url + "/3"))) == "next")
    }

    @Test("R61: a redirect is an answer and is not followed")
    func redirect() async throws {
        let server = RawServer { _, _ in RawServer.answer("", status: 302, headers: ["Location: /elsewhere"]) }
        let response = try await client.send(HTTPRequest(.get, server.url))
        #expect(response.status == 302)
        #expect(response.headers["location"] == "/elsewhere")
        #expect(server.requests.count == 1)
    }

    @Test("Two hundred requests at once are all answered, each with its own answer")
    func many() async throws {
        let server = RawServer { request, _ in RawServer.answer(request.target) }
        let client = client
        let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<200 {
                group.addTask { text(try await client.send(HTTPRequest(.get, "\(server.url)/\(number)"))) != "/\(number)" }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wrong == 0)
    }

    @Test("Proxies in the environment are ignored, one in the request is used")
    func proxies() async throws {
        for name in ["http_proxy", "all_proxy", "ALL_PROXY"] { setenv(name, "http://127.0.0.1:1", 1) }
        setenv("no_proxy", "*", 1)
        defer { for name in ["http_proxy", "all_proxy", "ALL_PROXY", "no_proxy"] { unsetenv(name) } }
        let server = RawServer { request, _ in RawServer.answer(request.target) }
        #expect(text(try await client.send(HTTPRequest(.get, server.url + "/direct"))) == "/direct")
        var request = HTTPRequest(.get, "http://shop.invalid/through")
        request.proxy = server.url
        #expect(text(try await client.send(request)) == "http://shop.invalid/through")
    }

    @Test("A gzip body arrives decoded")
    func gzip() async throws {
        let packed = try pack("head -c 100000 /dev/zero | tr '\\0' a")
        let server = RawServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n\r\n")
            connection.send(packed)
        }
        let response = try await client.send(HTTPRequest(.get, server.url))
        #expect(text(response) == String(repeating: "a", count: 100_000))
    }

    @Test("R62: the limit counts decoded bytes, so a gzip bomb does not unfold")
    func bomb() async throws {
        let packed = try pack("head -c 300000000 /dev/zero")
        #expect(packed.count < 1 << 20)
        let server = RawServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n\r\n")
            connection.send(packed)
        }
        let failure = await failure(HTTPRequest(.get, server.url))
        #expect(failure?.kind == .bodyTooLarge)
        #expect(failure?.message.hasSuffix("more than 1048576 bytes") == true)
    }

    private func failure(_ request: HTTPRequest) async -> HTTPFailure? {
        await #expect(throws: HTTPFailure.self) { try await client.send(request) }
    }

    private func pack(_ command: String) throws -> [UInt8] {
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "\(command) | gzip -9"]
        let output = Pipe()
        shell.standardOutput = output
        try shell.run()
        return Array(output.fileHandleForReading.readDataToEndOfFile())
    }
}
