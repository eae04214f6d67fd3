import Foundation
import Networking
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Notifications

@Suite(.timeLimit(.minutes(3)))
struct EmailChannelTests {
    private let email = EmailChannel()

    @Test("Every recipient gets the message in a transaction of its own, by STARTTLS, logged in")
    func sent() async throws {
        let sandbox = try await ChannelSandbox()
        let recipients = (1...6).map { "r\($0)@example.com" }
        #expect(await email.deliver(failureMessage(), through: sandbox.email(to: recipients)) == .sent())
        let mails = try await sandbox.mails
        #expect(mails.compactMap { $0["to"]?.arrayValue?.compactMap(\.stringValue) }.sorted { $0[0] < $1[0] } == recipients.map { [$0] })
        #expect(mails.allSatisfy { $0["tls"] == true && $0["username"] == "chimera" && $0["from"] == "chimera@example.com" })
        #expect(mails.allSatisfy { $0["bare_line_feeds"] == 0 && $0["bytes_above_ascii"] == 0 })
        let text = try #require(mails.first?["data"]?.stringValue)
        #expect(text.contains("\r\nMessage-ID: <msg_42.1763703061500.chimera@example.com>\r\n"))
        #expect(text.contains("\r\nAuto-Submitted: auto-generated\r\n") && text.contains("\r\nSubject: sync-products falhou\r\n"))
    }

    @Test("TLS from the start, and no TLS at all where the channel says so", arguments: [true, false])
    func otherWays(_ isEncrypted: Bool) async throws {
        let sandbox = try await ChannelSandbox("smtp-no-starttls")
        let changes: [String: JSONValue] =
            isEncrypted ? ["smtp_url": .string(sandbox.fact("smtps"))] : ["starttls": "none", "ca_file": .null]
        #expect(await email.deliver(failureMessage(), through: sandbox.email(changes)) == .sent())
        #expect(try await sandbox.mails.map { $0["tls"] } == [.bool(isEncrypted)])
    }

    @Test("R73: one bad recipient does not cost the others their mail, and is named")
    func badRecipient() async throws {
        let sandbox = try await ChannelSandbox("smtp-recipient-550@b@example.com", "smtp-message-554@d@example.com")
        let recipients = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]
        guard case .sent(let note) = await email.deliver(failureMessage(), through: sandbox.email(to: recipients)) else {
            Issue.record("it was not sent")
            return
        }
        #expect(note?.contains("b@example.com") == true || note?.contains("d@example.com") == true, "\(note as Any)")
        #expect(note?.contains("and 1 more") == true)
        let kept = try await sandbox.mails.filter { $0["kept"] == true }
        #expect(Set(kept.compactMap { $0["to"]?.arrayValue?.first?.stringValue }) == ["a@example.com", "c@example.com"])
    }

    @Test("R73: a recipient that cannot be served now is tried again, and nobody gets the mail twice")
    func laterRecipient() async throws {
        let sandbox = try await ChannelSandbox("smtp-recipient-451@b@example.com", "smtp-recipient-550@x@example.com")
        let channel = sandbox.email(to: ["a@example.com", "b@example.com", "x@example.com", "c@example.com"])
        let first = await email.deliver(failureMessage(), through: channel)
        #expect(first.isRetry && first.reached == ["a@example.com", "c@example.com"] && first.reason.contains("b@example.com"), "\(first)")
        let second = await email.deliver(failureMessage(reached: Set(first.reached)), through: channel)
        #expect(second.isRetry && second.reached == first.reached)
        try await sandbox.setFaults("smtp-recipient-550@x@example.com")
        guard case .sent(let note) = await email.deliver(failureMessage(reached: Set(second.reached)), through: channel) else {
            Issue.record("it was not sent")
            return
        }
        #expect(note?.contains("x@example.com") == true)
        let recipients = try await sandbox.mails.compactMap { $0["to"]?.arrayValue?.first?.stringValue }
        #expect(recipients.sorted() == ["a@example.com", "b@example.com", "c@example.com"])
    }

    @Test("Where nobody can be served for good, the message is refused")
    func nobody() async throws {
        let sandbox = try await ChannelSandbox("smtp-recipient-550")
        let outcome = await email.deliver(failureMessage(), through: sandbox.email(to: ["a@example.com", "b@example.com"]))
        #expect(outcome.isRefused && outcome.reason.contains("550"))
        let again = await email.deliver(failureMessage(reached: ["z@example.com"]), through: sandbox.email(to: ["a@example.com"]))
        #expect(again.reason.contains("550") && !again.isRefused)
    }

    @Test("R73: a connection lost after the final dot is tried again under the same Message-ID")
    func lostAfterDot() async throws {
        let sandbox = try await ChannelSandbox("smtp-drop-after-dot:1x")
        let outcome = await email.deliver(failureMessage(), through: sandbox.email())
        #expect(outcome.isRetry && outcome.reached.isEmpty)
        #expect(await email.deliver(failureMessage(), through: sandbox.email()) == .sent())
        let ids = try await sandbox.mails.compactMap {
            $0["data"]?.stringValue?.components(separatedBy: "\r\n").first { $0.hasPrefix("Message-ID") }
        }
        #expect(ids.count == 2 && Set(ids).count == 1)
    }

    @Test(
        "R73: without STARTTLS, or with a certificate that cannot be trusted, nothing is sent and nobody logs in",
        arguments: ["no-starttls", "starttls-refused", "untrusted-certificate", "expired-certificate", "wrong-host-certificate"])
    func insecure(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("smtp-" + fault)
        let outcome = await email.deliver(failureMessage(), through: sandbox.email(to: ["a@example.com", "b@example.com"]))
        #expect(outcome.isRetry, "\(outcome)")
        #expect(try await sandbox.mails.isEmpty)
        #expect(try await !sandbox.mailCommands.contains { $0.hasPrefix("AUTH") || $0.hasPrefix("MAIL") })
    }

    @Test("Without ca_file the sandbox's authority is not trusted")
    func noAuthority() async throws {
        let sandbox = try await ChannelSandbox()
        #expect(await email.deliver(failureMessage(), through: sandbox.email(["ca_file": .null])).isRetry)
        #expect(try await sandbox.mails.isEmpty)
    }

    @Test(
        "What may pass is tried again, and never tells the password",
        arguments: [
            "greeting-421", "greeting-554", "auth-454", "sender-550", "data-554", "message-452", "drop-in-data",
        ])
    func passing(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("smtp-" + fault)
        let outcome = await email.deliver(failureMessage(), through: sandbox.email())
        #expect(fault == "data-554" ? outcome.isRefused : outcome.isRetry, "\(outcome)")
        #expect(!outcome.reason.contains("senha-do-correio") && !outcome.reason.isEmpty)
        #expect(try await !sandbox.mails.contains { $0["kept"] == true })
    }

    @Test("A login that is refused switches the channel off, and never tells the password; one that somebody else got through does not")
    func loginRefused() async throws {
        let sandbox = try await ChannelSandbox()
        let outcome = await email.deliver(failureMessage(), through: sandbox.email(["password": "wrong-password"]))
        #expect(outcome.isSwitchedOff && outcome.reason.contains("535") && !outcome.reason.contains("wrong-password"), "\(outcome)")
        try await sandbox.setFaults("smtp-auth-535:1x")
        let mixed = await email.deliver(failureMessage(), through: sandbox.email(to: ["a@example.com", "b@example.com"]))
        #expect(mixed.isRetry && mixed.reached.count == 1, "\(mixed)")
        let configuration = try EmailConfiguration(sandbox.email())
        func ended(_ failures: (MailFailure.Step, Int)...) -> DeliveryOutcome {
            let results = failures.map {
                MailRound.Result(
                    recipient: "r@example.com", failure: MailFailure(kind: .refused, step: $0.0, reply: $0.1, message: "no: \($0.1)"))
            }
            return EmailChannel.outcome(results, configuration, reached: [])
        }
        for code in [534, 535, 538] { #expect(ended((.login, code), (.login, code)).isSwitchedOff) }
        #expect(ended((.login, 503)).isRetry && ended((.recipient, 550), (.login, 535)).isRetry)
    }

    @Test("Everybody who has the mail is remembered before the next one is served, unless there is nobody else")
    func remembering() async throws {
        let sandbox = try await ChannelSandbox("smtp-recipient-550@x@example.com", "smtp-recipient-451@y@example.com")
        let recipients = ["a@example.com", "x@example.com", "y@example.com", "b@example.com"]
        let remembered = Mutex<[String]>([])
        let message = failureMessage(remember: { recipient in remembered.withLock { $0.append(recipient) } })
        _ = await email.deliver(message, through: sandbox.email(to: recipients))
        #expect(remembered.withLock { $0 }.sorted() == ["a@example.com", "b@example.com"])
        _ = await email.deliver(message, through: sandbox.email(to: ["c@example.com"]))
        #expect(remembered.withLock { $0 }.count == 2)
    }

    @Test("A server that refuses the login is not asked again for every recipient")
    func oneLogin() async throws {
        let sandbox = try await ChannelSandbox()
        let recipients = (1...40).map { "r\($0)@example.com" }
        let outcome = await email.deliver(failureMessage(), through: sandbox.email(to: recipients, ["password": "wrong-password"]))
        #expect(outcome.isSwitchedOff && outcome.reason.contains("535"), "\(outcome)")
        #expect(try await sandbox.mailCommands.filter { $0.hasPrefix("AUTH") }.count <= 4)
    }

    @Test("A server that is silent or slow costs no more than the time for one message; who was served stays served")
    func slow() async throws {
        let hurried = EmailChannel(patience: .seconds(3))
        let sandbox = try await ChannelSandbox("smtp-silence-after-dot@b@example.com")
        let started = ContinuousClock.now
        let outcome = await hurried.deliver(failureMessage(), through: sandbox.email(to: ["a@example.com", "b@example.com"]))
        #expect(outcome.isRetry && outcome.reached == ["a@example.com"], "\(outcome)")
        #expect(started.duration(to: .now) < .seconds(60))
        try await sandbox.setFaults("smtp-silence")
        #expect(await hurried.deliver(failureMessage(), through: sandbox.email()).isRetry)
    }

    @Test("Cancelling ends it soon, and says who was served")
    func cancelling() async throws {
        let sandbox = try await ChannelSandbox("smtp-silence-after-dot@b@example.com")
        let (email, channel) = (email, sandbox.email(to: ["a@example.com", "b@example.com"]))
        let sending = Task { await email.deliver(failureMessage(), through: channel) }
        try await eventually { try await sandbox.mails.count == 2 }
        try await eventually { try await sandbox.mailCommands.contains("QUIT") }
        sending.cancel()
        let outcome = await sending.value
        #expect(outcome.isRetry && outcome.reached == ["a@example.com"], "\(outcome)")
    }

    @Test("A subject that tries to add a header is one line, and angle brackets are encoded")
    func subjects() async throws {
        let sandbox = try await ChannelSandbox()
        let message = failureMessage(subject: "<b>falhou\r\nBcc: evil@example.com\u{0}\u{2028}x")
        #expect(await email.deliver(message, through: sandbox.email()) == .sent())
        let header = try #require(try await sandbox.mails.first?["data"]?.stringValue?.components(separatedBy: "\r\n\r\n").first)
        #expect(!header.contains("Bcc: evil") && !header.contains("<b>") && header.contains("\r\nSubject: =?UTF-8?B?"))
    }

    @Test(
        "R73: CR, LF, NUL, < and > in any address, and every config that cannot be used, refuse the message with the field's name",
        arguments: [
            (["to": ["a@b.example\r\nRCPT TO:<c@d.example>"]], "config.to"), (["to": ["a\0@b.example"]], "config.to"),
            (["to": ["a@b.example", "<c@d.example>"]], "config.to"), (["to": ["a@b.example>"]], "config.to"), (["to": [""]], "config.to"),
            (["from": "a@b.example\nBcc: c@d.example"], "config.from"), (["from": "Nome <a@b.example>"], "config.from"),
            (["from": .null], "config.from"), (["to": []], "config.to"), (["to": .null], "config.to"), (["to": [7]], "config.to"),
            (["smtp_url": .null], "config.smtp_url"), (["smtp_url": "http://a.example"], "config.smtp_url"),
            (["smtp_url": "smtp://a.example/x\r\nEHLO y"], "config.smtp_url"), (["starttls": "maybe"], "config.starttls"),
            (["username": "a\r\nb"], "config.smtp_url"), (["password": 7], "config.password"), (["ca_file": 7], "config.ca_file"),
        ] as [([String: JSONValue], String)])
    func defects(_ changes: [String: JSONValue], _ field: String) async throws {
        let sandbox = try await ChannelSandbox()
        let outcome = await email.deliver(failureMessage(), through: sandbox.email(changes))
        #expect(outcome.isRefused && outcome.reason.hasPrefix(field) && !outcome.reason.contains("\n"), "\(outcome)")
        #expect(try await sandbox.mailCommands.isEmpty)
    }
}
