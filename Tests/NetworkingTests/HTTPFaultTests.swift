import Networking
import Synchronization
import TestSupport
import Testing

/// What a peer can do wrong (FAILURES.md R60, R62), and what the client says of it.
@Suite(.timeLimit(.minutes(1)))
struct HTTPFaultTests {
    private let client = HTTPClient()

    private func failure(_ request: HTTPRequest) async -> HTTPFailure? {
        await #expect(throws: HTTPFailure.self) { try await client.send(request) }
    }

    /// A server that reads the request and then does its worst.
    private func server(_ serve: @escaping @Sendable (RawConnection) -> Void) -> RawServer {
        RawServer { connection in
            _ = connection.readRequest()
            serve(connection)
        }
    }

    @Test("R60: a port where nobody listens is a failed connection, and nothing has arrived")
    func refused() async {
        let port = RawServer { _ in }.port
        let failure = await failure(HTTPRequest(.post, "http://user:pass@127.0.0.1:\(port)/path?token=hidden"))
        #expect(failure?.kind == .connect)
        #expect(failure?.mayHaveArrived == false)
        #expect(failure?.message.contains("POST http://127.0.0.1:\(port): ") == true)
        #expect(failure?.message.contains("hidden") == false)
        #expect(failure?.message.contains("pass") == false)
    }

    @Test(
        "of a proxy that cannot be used nothing is repeated: libcurl quotes it with its password",
        arguments: ["http://someone:geheim@[::bad", "nonsense://someone:geheim@127.0.0.1:1", "http://someone:geheim@nothing.invalid:1"])
    func unusableProxy(proxy: String) async {
        var request = HTTPRequest(.get, "http://127.0.0.1:1/")
        request.proxy = proxy
        let failure = await failure(request)
        #expect(failure?.message.contains("GET http://127.0.0.1:1: the proxy ") == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("geheim") == false && failure?.message.contains("someone") == false)
    }

    @Test("R60: a name that does not exist is a failed look-up, and nothing has arrived")
    func noSuchName() async {
        let failure = await failure(HTTPRequest(.get, "http://nothing.invalid/"))
        #expect(failure?.kind == .resolve)
        #expect(failure?.mayHaveArrived == false)
    }

    @Test("R60: accept and silence ends with the time limit, and the request may have arrived")
    func silence() async {
        let server = server { _ = $0.waitForPeer(upTo: 20_000) }
        var request = HTTPRequest(.get, server.url)
        request.timeout = .milliseconds(300)
        let failure = await failure(request)
        #expect(failure?.kind == .timeout)
        #expect(failure?.mayHaveArrived == true)
    }

    @Test("R60: a body of a byte every now and then ends with the low speed limit")
    func trickle() async {
        let server = server { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while !connection.waitForPeer(upTo: 200), connection.send("x") {}
        }
        var request = HTTPRequest(.get, server.url)
        request.lowSpeedLimit = HTTPRequest.LowSpeedLimit(bytesPerSecond: 100, duration: .seconds(1))
        let failure = await failure(request)
        #expect(failure?.kind == .timeout)
        #expect(failure?.message.contains("too slow") == true)
    }

    @Test("R62: 300 MB are refused when they are announced")
    func announced() async {
        let server = server { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
            connection.waitForPeer(upTo: 20_000)
        }
        #expect(await failure(HTTPRequest(.get, server.url))?.kind == .bodyTooLarge)
    }

    @Test("R60: an endless body ends at the limit")
    func endless() async {
        let sent = Mutex(0)
        let server = server { connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            let block = [UInt8](repeating: 0x20, count: 1 << 16)
            while connection.send(block) { sent.withLock { $0 += block.count } }
        }
        #expect(await failure(HTTPRequest(.get, server.url))?.kind == .bodyTooLarge)
        #expect(sent.withLock { $0 } < 64 << 20)
    }

    @Test("R60: an endless header ends too")
    func endlessHeader() async {
        let server = server { connection in
            connection.send("HTTP/1.1 200 OK\r\n")
            while connection.send("X-Thing: \(String(repeating: "x", count: 1000))\r\n") {}
        }
        #expect(await failure(HTTPRequest(.get, server.url))?.kind == .malformed)
    }

    @Test("R60: a length that promises too much is a broken connection, and so is a reset in the middle", arguments: [false, true])
    func cutShort(isReset: Bool) async {
        let server = server { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
            if isReset { connection.reset() }
        }
        let failure = await failure(HTTPRequest(.get, server.url))
        #expect(failure?.kind == .reset)
        #expect(failure?.mayHaveArrived == true)
    }

    @Test("R60: a length that promises too little cuts the body there")
    func cutOff() async throws {
        let server = server { $0.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourfive") }
        let response = try await client.send(HTTPRequest(.get, server.url))
        #expect(response.body.prefix(100) == Array("four".utf8))
    }

    @Test("What is not HTTP is said to be malformed", arguments: ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc\r\n\r\n"])
    func notHTTP(answer: String) async {
        let server = server { $0.send(answer) }
        #expect(await failure(HTTPRequest(.get, server.url))?.kind == .malformed)
    }

    @Test("A gzip body that is none is malformed")
    func brokenGzip() async {
        let server = server { $0.send(RawServer.answer("no gzip", headers: ["Content-Encoding: gzip"])) }
        #expect(await failure(HTTPRequest(.get, server.url))?.kind == .malformed)
    }

    @Test("R60: a stalled TLS handshake ends with the connection's time limit, and nothing has arrived")
    func stalledHandshake() async {
        let server = RawServer { _ = $0.waitForPeer(upTo: 20_000) }
        let stalling = RawServer { connection in
            _ = connection.waitForPeer(upTo: 5_000)
            _ = connection.readRequest()
        }
        for port in [server.port, stalling.port] {
            var request = HTTPRequest(.post, "https://127.0.0.1:\(port)/", body: [1])
            request.connectTimeout = .milliseconds(400)
            let failure = await failure(request)
            #expect(failure?.kind == .timeout || failure?.kind == .tls)
            #expect(failure?.mayHaveArrived == false)
        }
    }

    @Test("R60: a peer that speaks no TLS fails the handshake, and nothing has arrived")
    func noTLS() async {
        let server = RawServer { $0.send("HTTP/1.1 400 Bad\r\n\r\n") }
        let failure = await failure(HTTPRequest(.get, "https://127.0.0.1:\(server.port)/"))
        #expect(failure?.kind == .tls)
        #expect(failure?.mayHaveArrived == false)
    }

    @Test("A request that cannot be sent as it is says why and touches no network")
    func defects() async {
        let server = RawServer { _, _ in RawServer.answer("ok") }
        let requests = [
            HTTPRequest(.get, "ftp://127.0.0.1/"), HTTPRequest(.get, "/path"), HTTPRequest(.get, server.url + "/a b"),
            HTTPRequest(.get, server.url + "/\r\nX: y"), HTTPRequest(.get, server.url, headers: [("X", "a\r\nInjected: yes")]),
            HTTPRequest(.get, server.url, headers: [("X: y\r\nZ", "a")]), HTTPRequest(.get, server.url, headers: [("", "a")]),
        ]
        for request in requests {
            let failure = await failure(request)
            #expect(failure?.kind == .invalidRequest)
            #expect(failure?.mayHaveArrived == false)
        }
        #expect(server.connectionCount == 0)
    }

    @Test("Cancelling the task ends the transfer at once, and the peer sees the connection close")
    func cancellation() async throws {
        let closed = Mutex(false)
        let client = client
        let server = server { connection in
            if connection.waitForPeer(upTo: 20_000) { closed.withLock { $0 = true } }
        }
        let url = server.url
        let task = Task { () -> HTTPFailure? in
            do throws(HTTPFailure) { _ = try await client.send(HTTPRequest(.get, url)) } catch { return error }
            return nil
        }
        try await eventually { !server.requests.isEmpty }
        let start = ContinuousClock.now
        task.cancel()
        let failure = await task.value
        #expect(failure?.kind == .cancelled)
        #expect(failure?.mayHaveArrived == true)
        #expect(ContinuousClock.now - start < .seconds(25))
        try await eventually { closed.withLock { $0 } }
    }

    @Test("A task that is cancelled already sends nothing worth mentioning")
    func cancelledBefore() async {
        let client = client
        let server = RawServer { _ = $0.waitForPeer(upTo: 5_000) }
        let url = server.url
        let task = Task { () -> HTTPFailure? in
            while !Task.isCancelled { await Task.yield() }
            do throws(HTTPFailure) { _ = try await client.send(HTTPRequest(.get, url)) } catch { return error }
            return nil
        }
        task.cancel()
        #expect(await task.value?.kind == .cancelled)
    }
}
