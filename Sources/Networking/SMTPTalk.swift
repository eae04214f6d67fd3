import CCurl
import Synchronization

/// What was said in one SMTP conversation, as far as it decides what an error means; libcurl's results do not tell.
final class SMTPTalk: Sendable {
    /// An answer's last line.
    struct Reply: Sendable {
        let code: Int
        let text: String
    }

    private struct State {
        var command = "CONNECT"
        var reply: Reply?
        var handsOver = false
        /// QUIT was said, which libcurl does before it tells of an error: what comes now does not matter any more.
        var isOver = false
    }

    private static let verbs: Set<String> = ["EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"]
    private static let longestReply = 300

    private let state = Mutex(State())

    /// The last command, without its parameters; `CONNECT` before the first.
    var command: String { state.withLock { $0.command } }
    /// The answer to the last command, or to the mail itself.
    var reply: Reply? { state.withLock { $0.reply } }
    /// Whether the server has asked for the mail, so that it may have accepted it.
    var handsOver: Bool { state.withLock { $0.handsOver } }

    var step: MailFailure.Step {
        switch command {
        case "AUTH": .login
        case "MAIL": .sender
        case "RCPT": .recipient
        case "DATA": .message
        default: .connection
        }
    }

    func said(_ line: String) {
        // What follows AUTH is a secret in base64, and no command.
        let verb = String(line.prefix { $0.isLetter })
        state.withLock { state in
            state.isOver = state.isOver || verb == "QUIT"
            guard !state.isOver else { return }
            state.reply = nil
            if Self.verbs.contains(verb), line.dropFirst(verb.count).first.map({ $0 == " " || $0.isNewline }) == true {
                state.command = verb
            }
        }
    }

    func heard(_ line: String) {
        guard let code = Int(line.prefix(3)) else { return }
        let text = String(
            String.UnicodeScalarView(line.unicodeScalars.filter { $0.value >= 0x20 && $0.value < 0x7F }).prefix(Self.longestReply))
        state.withLock { state in
            guard !state.isOver else { return }
            if state.command == "DATA", code == 354 {
                state.handsOver = true
                state.reply = nil
            } else {
                state.reply = Reply(code: code, text: text)
            }
        }
    }

    /// What an unsuccessful end means, and the answer that says so.
    func kind(_ result: CURLcode) -> (MailFailure.Kind, reply: Int?) {
        let code = reply?.code ?? 0
        switch result {
        case CURLE_USE_SSL_FAILED, CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CACERT_BADFILE:
            return (.insecure, code >= 400 ? code : nil)
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return (.invalid, nil)
        default: break
        }
        switch code {
        // A server that says no to everybody, as when it is full or being moved, may say yes later.
        case 500...599 where step == .connection: return (.deferred, code)
        // An enhanced code that contradicts it (RFC 3463): "535 4.7.8 try again later".
        case 500...599 where reply?.text.dropFirst(4).hasPrefix("4.") == true: return (.deferred, code)
        case 500...599: return (.refused, code)
        case 400...499: return (.deferred, code)
        default: return (handsOver ? .unknownFate : .unreachable, nil)
        }
    }
}
