import Synchronization
import TestSupport

/// A mail server without TLS that says what a test wants it to say.
final class MailScript: Sendable {
    /// What it does when it is spoken to.
    enum Answer: Sendable {
        case say(String)
        case hangUp
        case saySlowly(String, afterMilliseconds: Int32)
        /// Until the peer has gone.
        case nothing
    }

    private struct Heard {
        var commands: [String] = []
        var mails: [[UInt8]] = []
    }

    /// Closes when it is released: connections must not outlive the test.
    private let server: RawServer
    private let heard: HeardLog

    private final class HeardLog: Sendable {
        let state = Mutex(Heard())
    }

    /// `answer` is asked for every command, with `CONNECT` for the connection and `.` for a whole mail; nil gives the usual answer.
    init(_ answer: @escaping @Sendable (String) -> Answer? = { _ in nil }) {
        let heard = HeardLog()
        self.heard = heard
        server = RawServer { connection in
            guard Self.act(answer("CONNECT") ?? .say("220 script ESMTP"), on: connection) else { return }
            while let line = connection.readLine() {
                let command = String(decoding: line, as: UTF8.self).trimmingLineEnd
                heard.state.withLock { $0.commands.append(command) }
                let done = answer(command) ?? Self.usual(command)
                guard Self.act(done, on: connection) else { return }
                guard command == "DATA", case .say(let text) = done, text.hasPrefix("354") else { continue }
                guard let mail = Self.readMail(connection) else { return }
                heard.state.withLock { $0.mails.append(mail) }
                guard Self.act(answer(".") ?? .say("250 2.0.0 accepted"), on: connection) else { return }
            }
        }
    }

    var url: String { "smtp://127.0.0.1:\(server.port)" }
    var commands: [String] { heard.state.withLock { $0.commands } }
    /// As they came over the wire, dots doubled, without the final one.
    var mails: [[UInt8]] { heard.state.withLock { $0.mails } }

    private static func usual(_ command: String) -> Answer {
        switch command.prefix(4) {
        case "EHLO": .say("250-script\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000")
        case "AUTH": .say("334 ")
        case "MAIL", "RCPT": .say("250 2.1.0 fine")
        case "DATA": .say("354 go on")
        case "QUIT": .say("221 bye")
        // The secret that AUTH asked for.
        default: .say("235 2.7.0 welcome")
        }
    }

    /// False when the conversation is over.
    private static func act(_ answer: Answer, on connection: RawConnection) -> Bool {
        switch answer {
        case .say(let text): return connection.send(text + "\r\n")
        case .saySlowly(let text, let milliseconds): return !connection.waitForPeer(upTo: milliseconds) && connection.send(text + "\r\n")
        case .hangUp: return false
        case .nothing:
            connection.waitForPeer(upTo: 60_000)
            return false
        }
    }

    private static func readMail(_ connection: RawConnection) -> [UInt8]? {
        var mail: [UInt8] = []
        while let line = connection.readLine() {
            if line == Array(".\r\n".utf8) { return mail }
            mail += line
        }
        return nil
    }
}

extension String {
    fileprivate var trimmingLineEnd: String { String(unicodeScalars.filter { $0 != "\r" && $0 != "\n" }) }
}
