import Foundation
import Networking
import TestSupport
import Testing

/// Certificates: OpenSSL's own test server with a certificate that only we trust.
@Suite(.timeLimit(.minutes(1)))
struct TLSTests {
    private let client = HTTPClient()
    private let folder = FileManager.default.temporaryDirectory.appending(path: "chimera-tls-\(UUID().uuidString)").path

    private func failure(_ request: HTTPRequest) async -> HTTPFailure? {
        await #expect(throws: HTTPFailure.self) { try await client.send(request) }
    }

    /// Starts the server and returns its port.
    private func serve() async throws -> (RunningProgram, Int) {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let making = try RunningProgram(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                "/CN=chimera test",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem",
            ])
        #expect(try await making.waitForExit() == .exited(0))
        let server = try RunningProgram(
            "/usr/bin/openssl", ["s_server", "-accept", "127.0.0.1:0", "-cert", folder + "/cert.pem", "-key", folder + "/key.pem", "-www"])
        let line = try await server.line(containing: "ACCEPT")
        return (server, try #require(line.split(separator: ":").last.flatMap { Int($0) }))
    }

    @Test("R60: a certificate is checked against the system's authorities, or against ca_file alone; the environment has no say")
    func certificates() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (server, port) = try await serve()
        defer { server.signal(15) }
        setenv("SSL_CERT_FILE", folder + "/cert.pem", 1)
        defer { unsetenv("SSL_CERT_FILE") }

        var request = HTTPRequest(.post, "https://127.0.0.1:\(port)/", body: [1])
        let unknown = await failure(request)
        #expect(unknown?.kind == .tls)
        #expect(unknown?.mayHaveArrived == false)

        request = HTTPRequest(.get, "https://127.0.0.1:\(port)/")
        request.caFile = folder + "/cert.pem"
        #expect(try await client.send(request).status == 200)

        request.caFile = folder + "/nothing.pem"
        #expect(await failure(request)?.kind == .invalidRequest)

        request = HTTPRequest(.get, "https://localhost:\(port)/")
        request.caFile = folder + "/cert.pem"
        let wrongName = await failure(request)
        #expect(wrongName?.kind == .tls)
        #expect(wrongName?.mayHaveArrived == false)
    }
}
