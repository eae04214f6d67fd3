import Foundation

/// One conversation of the mail server (RFC 5321, 3207, 4954), as far as a client that only submits needs it.
final class MailSession {
    private static let largestMail = 10 << 20

    private let wire: MailWire
    private let sink: MailSink
    private var mail = ChannelLog.Mail()
    private var hasSender = false

    init(_ wire: MailWire, sink: MailSink) {
        self.wire = wire
        self.sink = sink
    }

    func run(beginsWithTLS: Bool) {
        if beginsWithTLS, !wire.startTLS(sink.certificate()) { return }
        if sink.fires(.silence) { return wire.waitForEnd() }
        if sink.fires(.greeting421) {
            _ = say("421 4.3.2 closing down")
            return
        }
        guard say(sink.fires(.greeting554) ? "554 5.3.2 no service here" : "220 sandbox ESMTP") else { return }
        while let line = readCommand() {
            sink.log.add(mailCommand: line.verb == "AUTH" ? "AUTH \(line.words.dropFirst().first ?? "")" : line.text)
            guard answer(line) else { return }
        }
    }

    // MARK: commands

    private struct Line {
        let text: String
        let words: [String]
        let verb: String

        init(_ bytes: [UInt8]) {
            text = String(decoding: bytes.filter { $0 != 0x0D && $0 != 0x0A }, as: UTF8.self)
            words = text.split(separator: " ").map(String.init)
            verb = words.first?.uppercased() ?? ""
        }
    }

    /// False when the conversation is over.
    private func answer(_ line: Line) -> Bool {
        switch line.verb {
        case "EHLO", "HELO": return greet(line)
        case "STARTTLS": return startTLS()
        case "AUTH": return logIn(line)
        case "MAIL": return takeSender(line)
        case "RCPT": return takeRecipient(line)
        case "DATA": return takeMail()
        case "RSET":
            forget()
            return say("250 2.0.0 forgotten")
        case "NOOP": return say("250 2.0.0 nothing done")
        case "QUIT":
            _ = say("221 2.0.0 bye")
            return false
        default: return say("500 5.5.1 unknown command")
        }
    }

    private func greet(_ line: Line) -> Bool {
        forget()
        mail.hello = line.words.dropFirst().first ?? ""
        guard line.verb == "EHLO" else { return say("250 sandbox") }
        var lines = ["sandbox", "SIZE \(Self.largestMail)", "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES"]
        if !wire.isEncrypted, !sink.fires(.noStartTLS) { lines.append("STARTTLS") }
        return say(lines.dropLast().map { "250-\($0)\r\n" }.joined() + "250 \(lines[lines.count - 1])")
    }

    private func startTLS() -> Bool {
        guard !wire.isEncrypted else { return say("503 5.5.1 TLS is there already") }
        if sink.fires(.startTLSRefused) { return say("454 4.7.0 no TLS now") }
        guard say("220 2.0.0 go ahead") else { return false }
        mail = ChannelLog.Mail()
        return wire.startTLS(sink.certificate())
    }

    private func logIn(_ line: Line) -> Bool {
        guard !mail.hello.isEmpty else { return say("503 5.5.1 EHLO first") }
        if sink.fires(.login454) { return say("454 4.7.0 cannot check passwords now") }
        var found: (username: String, password: String)?
        switch line.words.dropFirst().first?.uppercased() {
        case "PLAIN":
            guard let text = line.words.count > 2 ? line.words[2] : ask("334 ") else { return false }
            let parts = Self.decoded(text).split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            if parts.count == 3 { found = (parts[1], parts[2]) }
        case "LOGIN":
            guard let name = line.words.count > 2 ? line.words[2] : ask("334 VXNlcm5hbWU6"), let password = ask("334 UGFzc3dvcmQ6") else {
                return false
            }
            found = (String(decoding: Self.decoded(name), as: UTF8.self), String(decoding: Self.decoded(password), as: UTF8.self))
        default: return say("504 5.5.4 only PLAIN and LOGIN")
        }
        guard let found, found.username == MailSink.username, found.password == MailSink.password, !sink.fires(.login535) else {
            return say("535 5.7.8 user or password is wrong")
        }
        mail.username = found.username
        return say("235 2.7.0 welcome")
    }

    private func takeSender(_ line: Line) -> Bool {
        guard !mail.hello.isEmpty, !hasSender else { return say("503 5.5.1 not now") }
        guard !mail.username.isEmpty else { return say("530 5.7.0 log in first") }
        guard let sender = Self.address(line.text, after: "MAIL FROM:") else { return say("501 5.1.7 no address") }
        if sink.fires(.sender550, sender) { return say("550 5.7.1 sender is not allowed") }
        mail.from = sender
        hasSender = true
        return say("250 2.1.0 fine")
    }

    private func takeRecipient(_ line: Line) -> Bool {
        guard hasSender else { return say("503 5.5.1 MAIL first") }
        guard let recipient = Self.address(line.text, after: "RCPT TO:"), recipient.contains("@") else {
            return say("501 5.1.3 no address")
        }
        if sink.fires(.recipient550, recipient) { return say("550 5.1.1 no such user here") }
        if sink.fires(.recipient451, recipient) { return say("451 4.7.1 greylisted, try again later") }
        mail.recipients.append(recipient)
        return say("250 2.1.5 fine")
    }

    private func takeMail() -> Bool {
        guard let place = mail.recipients.first else { return say("503 5.5.1 RCPT first") }
        if sink.fires(.data554, place) { return say("554 5.3.0 no") }
        guard say("354 end with a line that holds a dot alone") else { return false }
        if sink.fires(.dropInData, place) { return false }
        guard readMail() else { return false }
        mail.at = Date().timeIntervalSince1970
        defer { forget() }
        if sink.fires(.message554, place) { return end(554, "554 5.7.1 this looks like spam") }
        if sink.fires(.message452, place) { return end(452, "452 4.3.1 no room") }
        mail.isKept = true
        if sink.fires(.dropAfterDot, place) { return end(0, nil) }
        if sink.fires(.silenceAfterDot, place) {
            _ = end(0, nil)
            wire.waitForEnd()
            return false
        }
        return end(250, "250 2.0.0 kept")
    }

    private func end(_ status: Int, _ text: String?) -> Bool {
        mail.status = status
        sink.log.add(mail)
        return text.map(say) ?? false
    }

    /// False when the other side was gone before the final dot.
    private func readMail() -> Bool {
        var bytes: [UInt8] = []
        while let line = wire.readLine() {
            let hasCarriageReturn = line.count > 1 && line[line.count - 2] == 0x0D
            if line.first == UInt8(ascii: "."), line.count == 3, hasCarriageReturn {
                mail.text = String(decoding: bytes, as: UTF8.self)
                return true
            }
            mail.bareLineFeeds += hasCarriageReturn ? 0 : 1
            mail.bytesAboveASCII += line.count { $0 >= 0x80 }
            mail.longestLine = max(mail.longestLine, line.count - (hasCarriageReturn ? 2 : 1))
            if bytes.count < Self.largestMail { bytes += line.first == UInt8(ascii: ".") ? line.dropFirst() : line[...] }
        }
        return false
    }

    private func forget() {
        var fresh = ChannelLog.Mail()
        (fresh.hello, fresh.username, fresh.isEncrypted) = (mail.hello, mail.username, wire.isEncrypted)
        mail = fresh
        hasSender = false
    }

    // MARK: lines

    private func readCommand() -> Line? { wire.readLine().map(Line.init) }

    /// A line of the client's that is no command.
    private func ask(_ question: String) -> String? {
        guard say(question) else { return nil }
        return readCommand()?.text
    }

    private func say(_ text: String) -> Bool {
        if sink.fires(.slow) { sleep(1) }
        return wire.write(text + "\r\n")
    }

    private static func decoded(_ base64: String) -> [UInt8] { Data(base64Encoded: base64).map(Array.init) ?? [] }

    /// What stands between the angle brackets.
    private static func address(_ line: String, after beginning: String) -> String? {
        guard line.uppercased().hasPrefix(beginning) else { return nil }
        let rest = line.dropFirst(beginning.count).drop { $0 == " " }
        guard rest.first == "<", let end = rest.firstIndex(of: ">") else { return nil }
        let address = String(rest[rest.index(after: rest.startIndex)..<end])
        return address.contains(where: { $0 == " " || $0 == "<" }) ? nil : address
    }
}
