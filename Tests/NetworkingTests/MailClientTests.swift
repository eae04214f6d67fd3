import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Networking

/// SMTP as it goes over the wire. TLS and logging in are tested with the sandbox's server and with a real one.
@Suite(.timeLimit(.minutes(2)))
struct MailClientTests {
    private let client = MailClient()

    private func mail(to: String = "gerente@example.com", subject: String = "sync-products falhou") -> Mail {
        Mail(
            from: "chimera@example.com", to: to, subject: subject, messageID: "chimera.1.abc@example.com", date: 1_763_703_000,
            text: "Olá,\n.ponto no começo\n\nLoja São João: 3 < 5 & não é só isso\r\nfim", html: "<p>Olá &amp; até já</p>\n")
    }

    private func server(_ script: MailScript) -> MailServer {
        var server = MailServer(url: script.url)
        server.requiresTLS = false
        return server
    }

    private func failure(_ mail: Mail, _ server: MailServer) async -> MailFailure? {
        await #expect(throws: MailFailure.self) { try await client.send(mail, through: server) }
    }

    @Test("A mail goes to one recipient with all its headers, and the server's answer is told")
    func accepted() async throws {
        let script = MailScript()
        #expect(try await client.send(mail(), through: server(script)) == "250 2.0.0 accepted")
        #expect(script.commands.filter { $0.hasPrefix("MAIL") }.count == 1)
        #expect(script.commands.first { $0.hasPrefix("MAIL") }?.hasPrefix("MAIL FROM:<chimera@example.com>") == true)
        #expect(script.commands.filter { $0.hasPrefix("RCPT") } == ["RCPT TO:<gerente@example.com>"])
        let text = String(decoding: try #require(script.mails.first), as: UTF8.self)
        for line in [
            "Date: Fri, 21 Nov 2025 05:30:00 +0000", "Message-ID: <chimera.1.abc@example.com>", "Auto-Submitted: auto-generated",
            "From: <chimera@example.com>", "To: <gerente@example.com>", "Subject: sync-products falhou", "Mime-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8",
        ] {
            #expect(text.components(separatedBy: "\r\n").filter { $0 == line }.count == 1, "\(line)")
        }
        #expect(text.contains("Content-Type: multipart/alternative; boundary="))
        try await eventually("QUIT") { script.commands.last == "QUIT" }
    }

    @Test("R73: every line ends in CRLF, none is longer than 100 characters, and every byte is ASCII")
    func wire() async throws {
        let script = MailScript()
        var mail = mail(subject: String(repeating: "Loja São João 😀 ", count: 20))
        mail.text =
            String(repeating: "não é só isso ", count: 100) + "\n\r\r\n.\n..\nend of line blank \n" + String(repeating: "😀", count: 300)
        mail.html = "<p>\n" + mail.text + "</p>"
        _ = try await client.send(mail, through: server(script))
        let bytes = try #require(script.mails.first)
        #expect(bytes.allSatisfy { $0 < 0x80 })
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        #expect(lines.count > 20)
        #expect(lines.allSatisfy { $0.last == UInt8(ascii: "\r") && $0.count <= 101 })
        #expect(lines.allSatisfy { $0.dropLast().contains(UInt8(ascii: "\r")) == false })
    }

    @Test(
        "R73: CR, LF, NUL, < and > in an address are refused before anybody is called",
        arguments: [
            "a@b.example\r\nRCPT TO:<c@d.example", "a@b.example\nBcc: c", "a\0@b.example", "<a@b.example>", "a@b.example>", "a<b@c.example",
            "a@b@c.example", "a b@c.example", "ab.example", "@b.example", "a@", "", "a,b@c.example", "\"a\"@b.example", "ação@b.example",
            String(repeating: "a", count: 65) + "@b.example",
        ])
    func badAddresses(_ address: String) async throws {
        let script = MailScript()
        var mails = [mail(to: address), mail(), mail()]
        mails[1].from = address
        mails[2].messageID = address
        for mail in mails {
            let failure = await failure(mail, server(script))
            #expect(failure?.kind == .invalid)
            #expect(failure?.message.contains("\n") == false)
        }
        #expect(script.commands.isEmpty)
    }

    @Test(
        "R73: a subject with a control character is refused; one with angle brackets is encoded",
        arguments: ["\r", "\n", "\r\n", "\0", "\u{85}"])
    func badSubjects(_ character: String) async throws {
        let script = MailScript()
        #expect(await failure(mail(subject: "a\(character)Bcc: evil@example.com"), server(script))?.kind == .invalid)
        #expect(script.commands.isEmpty)
        _ = try await client.send(mail(subject: "<b>"), through: server(script))
        #expect(String(decoding: try #require(script.mails.first), as: UTF8.self).contains("\r\nSubject: =?UTF-8?B?PGI+?=\r\n"))
    }

    @Test("A subject of any length and script is ASCII in lines of at most 76, and reads the same when it is decoded")
    func subjects() throws {
        for subject in [
            "", "plain", " padded ", "=?UTF-8?B?eA==?=", "São João", String(repeating: "é😀a", count: 70),
            String(repeating: "x", count: 500),
        ] {
            let lines = "Subject: \(EncodedWord.header(subject))".components(separatedBy: "\r\n")
            #expect(lines.allSatisfy { $0.utf8.count <= 76 && $0.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } })
            let words = EncodedWord.header(subject).components(separatedBy: "\r\n ")
            guard words[0].hasPrefix("=?") else {
                #expect(words == [subject])
                continue
            }
            let bytes = words.flatMap { Array(Data(base64Encoded: String($0.dropFirst(10).dropLast(2))) ?? Data()) }
            #expect(String(decoding: bytes, as: UTF8.self) == subject)
        }
    }

    @Test(
        "An answer says what happened: where it was refused, and whether it may pass",
        arguments: [
            ("CONNECT", "554 no service", MailFailure.Kind.deferred, MailFailure.Step.connection),
            ("CONNECT", "421 busy", .deferred, .connection), ("AUTH", "535 5.7.8 no", .refused, .login),
            ("AUTH", "454 later", .deferred, .login), ("AUTH", "535 4.7.8 ask again", .deferred, .login),
            ("MAIL", "550 not you", .refused, .sender), ("MAIL", "451 later", .deferred, .sender),
            ("RCPT", "550 5.1.1 unknown", .refused, .recipient), ("RCPT", "451 4.7.1 greylisted", .deferred, .recipient),
            ("DATA", "554 no", .refused, .message), (".", "554 5.7.1 spam", .refused, .message), (".", "452 full", .deferred, .message),
        ] as [(String, String, MailFailure.Kind, MailFailure.Step)])
    func answers(_ command: String, _ answer: String, _ kind: MailFailure.Kind, _ step: MailFailure.Step) async throws {
        let script = MailScript { $0.hasPrefix(command) ? .say(answer) : nil }
        var server = server(script)
        (server.username, server.password) = ("user", "geheim")
        let failure = try #require(await failure(mail(), server))
        #expect(failure.kind == kind && failure.step == step, "\(failure)")
        #expect(failure.reply == Int(answer.prefix(3)))
        #expect(failure.message.contains(answer) && failure.message.contains("mail server smtp://127.0.0.1:"))
        #expect(!failure.message.contains("geheim"))
    }

    @Test("R73: a connection lost after the final dot leaves the mail's fate unknown; lost before, it was not sent")
    func lostConnections() async throws {
        for command in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"] {
            let script = MailScript { $0.hasPrefix(command) ? .hangUp : nil }
            #expect(await failure(mail(), server(script))?.kind == .unreachable, "\(command)")
        }
        let script = MailScript { $0 == "." ? .hangUp : nil }
        let failure = await failure(mail(), server(script))
        #expect(failure?.kind == .unknownFate && failure?.step == .message)
        #expect(script.mails.count == 1)
    }

    @Test("R73: where STARTTLS is required and not offered, or declined, nothing is sent")
    func noStartTLS() async throws {
        for script in [
            MailScript(),
            MailScript { $0 == "STARTTLS" ? .say("454 no TLS now") : $0.hasPrefix("EHLO") ? .say("250-x\r\n250 STARTTLS") : nil },
        ] {
            var server = MailServer(url: script.url)
            (server.username, server.password) = ("user", "geheim")
            let failure = await failure(mail(), server)
            #expect(failure?.kind == .insecure && failure?.message.contains("STARTTLS") == true, "\(failure as Any)")
            #expect(!script.commands.contains { ["MAIL", "RCPT", "DATA", "AUTH"].contains($0.prefix(4)) })
        }
    }

    @Test("A server that is silent is left after the time limit; what it may have accepted is told apart")
    func silence() async throws {
        for (command, kind) in [("CONNECT", MailFailure.Kind.unreachable), ("RCPT", .unreachable), (".", .unknownFate)] {
            let script = MailScript { $0.hasPrefix(command) ? .nothing : nil }
            var server = server(script)
            server.timeout = .milliseconds(1500)
            #expect(await failure(mail(), server)?.kind == kind, "\(command)")
        }
    }

    @Test("A server that is silent after QUIT, or slow after the final dot, holds up nobody else")
    func slowServers() async throws {
        let mute = MailScript { $0 == "QUIT" ? .nothing : nil }
        let started = ContinuousClock.now
        _ = try await client.send(mail(), through: server(mute))
        let slow = MailScript { $0 == "." ? .saySlowly("250 at last", afterMilliseconds: 1500) : nil }
        let quick = MailScript()
        async let late = client.send(mail(), through: server(slow))
        try await eventually { slow.mails.count == 1 }
        _ = try await client.send(mail(), through: server(quick))
        #expect(started.duration(to: .now) < .seconds(60))
        #expect(quick.mails.count == 1)
        #expect(try await late == "250 at last")
    }

    @Test("Cancelling ends the wait at once, also while the server thinks about the whole mail")
    func cancelling() async throws {
        for (command, kind) in [("RCPT", MailFailure.Kind.cancelled), (".", .unknownFate)] {
            let script = MailScript { $0.hasPrefix(command) ? .nothing : nil }
            let mail = mail()
            let server = server(script)
            let client = client
            let sending = Task { try await client.send(mail, through: server) }
            try await eventually { script.commands.contains { $0.hasPrefix("RCPT") } && (command != "." || script.mails.count == 1) }
            sending.cancel()
            let failure = await #expect(throws: MailFailure.self) { try await sending.value }
            #expect(failure?.kind == kind)
        }
    }

    @Test("A proxy in the environment is ignored, one that is configured is asked for a tunnel; the URL's path greets the server")
    func proxies() async throws {
        for name in ["all_proxy", "ALL_PROXY", "smtp_proxy"] { setenv(name, "http://127.0.0.1:1", 1) }
        defer { for name in ["all_proxy", "ALL_PROXY", "smtp_proxy"] { unsetenv(name) } }
        let script = MailScript()
        var server = server(script)
        server.url += "/loja.example.com"
        _ = try await client.send(mail(), through: server)
        #expect(script.commands.first == "EHLO loja.example.com")
        let proxy = RawServer { request, _ in RawServer.answer("", status: 403) }
        server.url = "smtp://mail.invalid:25"
        server.proxy = proxy.url
        #expect(await failure(mail(), server)?.kind == .unreachable)
        #expect(proxy.requests.first?.line == "CONNECT mail.invalid:25 HTTP/1.1")
        server.proxy = "http://someone:geheim@[::bad"
        let message = await failure(mail(), server)?.message
        #expect(message?.contains("the proxy cannot be used") == true && message?.contains("geheim") == false, "\(message ?? "")")
    }

    @Test(
        "A URL that is none, and one that is not SMTP's, is refused",
        arguments: ["", "http://a.example", "smtp://", "smtp://a b", "smtp://a\r\nb", "file:///etc/passwd"])
    func badURLs(_ url: String) async {
        #expect(await failure(mail(), MailServer(url: url))?.kind == .invalid)
    }
}
