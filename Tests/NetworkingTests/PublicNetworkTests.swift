import CCurl
import Foundation
import TestSupport
import Testing

@testable import Networking

@Suite(.timeLimit(.minutes(1)))
struct PublicNetworkTests {
    private func bytes(_ address: String) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, address, &bytes) == 1 { return Array(bytes.prefix(4)) }
        try #require(inet_pton(AF_INET6, address, &bytes) == 1, "\(address)")
        return bytes
    }

    @Test(
        "R72: addresses of private networks are told from public ones, at their edges too",
        arguments: [
            "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
            "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.0",
            "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.0",
            "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808", "100::1", "2001::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::", "3fff:fff::1", "fc00::1", "fdff::1",
            "fe80::1", "febf::1", "fec0::1", "ff02::1", "4000::1",
        ])
    func privateAddresses(_ address: String) throws {
        #expect(!PublicNetwork.contains(try bytes(address)))
    }

    @Test(
        "Public addresses are public, next to the edges too",
        arguments: [
            "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
            "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
            "223.255.255.255",
            "8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2003::1", "3ffe::1", "64:ff9b::808:808",
        ])
    func publicAddresses(_ address: String) throws {
        #expect(PublicNetwork.contains(try bytes(address)))
    }

    @Test("What is no address is not public")
    func others() {
        #expect(!PublicNetwork.contains([]) && !PublicNetwork.contains([8, 8, 8]))
    }

    private func post(_ url: String) -> HTTPRequest {
        var request = HTTPRequest(.post, url, body: Array("{}".utf8))
        request.avoidsPrivateNetwork = true
        return request
    }

    @Test(
        "R72: a private address is refused in every spelling and behind every name, before a byte is sent",
        arguments: [
            "127.0.0.1", "2130706433", "0x7f.1", "127.1", "0x7f000001", "017700000001", "127.0.1", "0177.0.0.1", "0", "0.0.0.0",
            "127.0.0.1.",
            "localhost", "localhost.", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]",
            "[::127.0.0.1]",
            "%31%32%37.0.0.1", "①②⑦.0.0.1",
        ])
    func spellings(_ host: String) async throws {
        let server = RawServer { _, _ in RawServer.answer("ok") }
        let failure = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(post("http://\(host):\(server.port)/hook")) }
        // A spelling that is no host name at all never gets as far as an address.
        let mayBeUnknown = !host.utf8.allSatisfy { $0 < 0x80 } || host.contains("%") || host.hasSuffix(".")
        #expect(failure?.kind == .privateNetwork || mayBeUnknown, "\(failure as Any)")
        #expect(failure?.mayHaveArrived == false)
        #expect(server.connectionCount == 0)
    }

    /// A libcurl's view of an IPv4 address.
    private func socketAddress(_ address: String) throws -> curl_sockaddr {
        var ip = sockaddr_in()
        ip.sin_family = sa_family_t(AF_INET)
        try #require(inet_pton(AF_INET, address, &ip.sin_addr) == 1, "\(address)")
        var made = curl_sockaddr()
        made.family = AF_INET
        made.socktype = Int32(SOCK_STREAM.rawValue)
        made.addrlen = UInt32(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutableBytes(of: &made.addr) { to in withUnsafeBytes(of: ip) { to.copyMemory(from: $0) } }
        return made
    }

    @Test(
        "R72: a name with a private address beside a public one that does not answer is not refused for good; one with private ones alone is",
        arguments: [(["10.0.0.1"], .privateNetwork), (["10.0.0.1", "8.8.8.8"], .connect), (["8.8.8.8", "10.0.0.1"], .connect)]
            as [([String], HTTPFailure.Kind)])
    func mixed(_ addresses: [String], _ kind: HTTPFailure.Kind) async throws {
        let transfer = HTTPTransfer(post("http://shop.example/"), body: ResponseBody([]))
        #expect(transfer.begin() != nil)
        for address in addresses {
            var tried = try socketAddress(address)
            let socket = transfer.openSocket(&tried)
            #expect((socket == CURL_SOCKET_BAD) == address.hasPrefix("10."), "\(address)")
            if socket != CURL_SOCKET_BAD { close(socket) }
        }
        _ = transfer.finish(CURLE_COULDNT_CONNECT)
        let outcome = await transfer.outcome.wait(onCancel: {})
        let failure = #expect(throws: HTTPFailure.self) { try outcome.get() }
        #expect(failure?.kind == kind)
    }

    @Test("A private address is connected to when the request does not mind; with a proxy it is the proxy's address that counts")
    func allowed() async throws {
        let server = RawServer { _, _ in RawServer.answer("ok") }
        var request = post(server.url)
        request.avoidsPrivateNetwork = false
        #expect(try await HTTPClient().send(request).status == 200)
        request.avoidsPrivateNetwork = true
        request.proxy = server.url
        request.url = "http://shop.invalid/"
        let failure = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(request) }
        #expect(failure?.kind == .privateNetwork)
        #expect(server.connectionCount == 1)
    }

    @Test("R72: where the header decides, a redirect is an answer, and a body that is too long, breaks off or never ends is cut")
    func headerOnly() async throws {
        let bodies = [
            "HTTP/1.1 202 X\r\nContent-Length: 5000\r\n\r\n" + String(repeating: "a", count: 5000),
            "HTTP/1.1 202 X\r\nContent-Length: 5000\r\n\r\naaaa", "HTTP/1.1 202 X\r\n\r\naaaa",
            "HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\nnonsense",
        ]
        for (index, answer) in bodies.enumerated() {
            let server = RawServer { connection in
                _ = connection.readRequest()
                connection.send(answer)
                if index == 2 { connection.waitForPeer(upTo: 60_000) }
            }
            var request = HTTPRequest(.post, server.url)
            request.needsHeaderOnly = true
            request.maximumBodyBytes = 1000
            request.timeout = .seconds(2)
            let response = try await HTTPClient().send(request)
            #expect(response.status == 202)
            #expect(response.body.count <= 1000)
            #expect(index != 0 || response.body.count == 1000)
        }
        let half = RawServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 20")
        }
        var request = HTTPRequest(.post, half.url)
        request.needsHeaderOnly = true
        await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(request) }
    }
}
