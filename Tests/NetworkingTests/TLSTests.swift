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

    private func openssl(_ arguments: String...) async throws {
        let program = try RunningProgram("/usr/bin/openssl", arguments, workingDirectory: folder)
        let end = try await program.waitForExit()
        #expect(end == .exited(0), "\(arguments) \(program.errors)")
    }

    /// Makes `name.pem` and `name-key.pem` in the folder: a certificate of 127.0.0.1 that signs itself.
    private func certify(_ name: String) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=chimera test",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", name + "-key.pem", "-out", name + ".pem")
    }

    /// Starts the server with that certificate and returns its port.
    private func serve(_ name: String) async throws -> (RunningProgram, Int) {
        // Left to itself, it would send what it finds among the system's certificates, too.
        let alone = ["-no-CAfile", "-no-CApath", "-no-CAstore"]
        let server = try RunningProgram(
            "/usr/bin/openssl", ["s_server", "-accept", "127.0.0.1:0", "-cert", name + ".pem", "-key", name + "-key.pem", "-www"] + alone,
            workingDirectory: folder)
        let line = try await server.line(containing: "ACCEPT")
        return (server, try #require(line.split(separator: ":").last.flatMap { Int($0) }))
    }

    @Test("R60: a certificate is checked against the system's authorities, or against ca_file alone; the environment has no say")
    func certificates() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await certify("cert")
        let (server, port) = try await serve("cert")
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
        #expect(await failure(request)?.kind == .tls)

        request = HTTPRequest(.get, "https://localhost:\(port)/")
        request.caFile = folder + "/cert.pem"
        let wrongName = await failure(request)
        #expect(wrongName?.kind == .tls)
        #expect(wrongName?.mayHaveArrived == false)
    }

    @Test("with ca_file the system's authorities have no say, not even those in its folder of certificates: neither over HTTP nor in mail")
    func authoritiesOfTheSystem() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await certify("ours")
        // A certificate that says it comes from one of the system's authorities: who looks that up there finds that the signature is not its own.
        let authority = "/etc/ssl/certs/ISRG_Root_X1.pem"
        try #require(FileManager.default.fileExists(atPath: authority), "scripts/setup installs ca-certificates")
        try Data("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=none\n".utf8).write(to: URL(filePath: folder + "/extensions"))
        try await openssl("genrsa", "-out", "false-key.pem", "2048")
        try await openssl("x509", "-in", authority, "-clrext", "-signkey", "false-key.pem", "-days", "2", "-out", "authority.pem")
        try await openssl("req", "-new", "-key", "false-key.pem", "-subj", "/CN=chimera test", "-out", "request.pem")
        try await openssl(
            "x509", "-req", "-in", "request.pem", "-CA", "authority.pem", "-CAkey", "false-key.pem", "-CAcreateserial", "-days", "2",
            "-extfile", "extensions", "-out", "false.pem")
        let (server, port) = try await serve("false")
        defer { server.signal(15) }

        var request = HTTPRequest(.get, "https://127.0.0.1:\(port)/")
        let unknown = "unable to get local issuer certificate"
        let withoutFile = await failure(request)
        #expect(withoutFile?.kind == .tls && withoutFile?.message.contains(unknown) == false, "\(withoutFile as Any)")
        request.caFile = folder + "/ours.pem"
        let overHTTP = await failure(request)
        #expect(overHTTP?.message.contains(unknown) == true, "\(overHTTP as Any)")

        var mailServer = MailServer(url: "smtps://127.0.0.1:\(port)")
        mailServer.caFile = request.caFile
        let mail = Mail(from: "a@example.com", to: "b@example.com", subject: "s", messageID: "1@example.com", date: 0, text: "t", html: "h")
        let inMail = await #expect(throws: MailFailure.self) { try await MailClient().send(mail, through: mailServer) }
        #expect(inMail?.message.contains(unknown) == true, "\(inMail as Any)")
    }

    @Test("a ca_file that was replaced counts at the next connection")
    func replacedFile() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["old", "new"] { try await certify(name) }
        let (server, port) = try await serve("new")
        defer { server.signal(15) }
        var request = HTTPRequest(.get, "https://127.0.0.1:\(port)/")
        request.caFile = folder + "/ca.pem"
        for name in ["old", "new"] {
            try Data(contentsOf: URL(filePath: folder + "/\(name).pem")).write(to: URL(filePath: folder + "/ca.pem"))
            let response = try? await client.send(request)
            #expect(response?.status == (name == "old" ? nil : 200))
        }
    }
}
