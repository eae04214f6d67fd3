/// A mail server and how to speak with it.
package struct MailServer: Sendable, Hashable {
    /// `smtp://host:port` or `smtps://host:port`; a path is the name that the server is greeted with. It may hold a user and a password.
    package var url: String
    /// Logs in when set.
    package var username: String?
    /// The password of `username`.
    package var password: String?
    /// Refuses to go on without TLS, which is then verified; without it, TLS is used for `smtps` only.
    package var requiresTLS = true
    /// A PEM file with the authorities to trust; the system's when nil.
    package var caFile: String?
    /// A proxy's URL; none when nil, whatever the environment says.
    package var proxy: String?
    /// From the start to the end of the connection's handshakes.
    package var connectTimeout: Duration = .seconds(15)
    /// From the start to the answer to the whole mail.
    package var timeout: Duration = .seconds(60)

    /// Makes a server with default limits.
    package init(url: String) {
        self.url = url
    }

    /// What makes it impossible to use, as part of a sentence; nil when nothing does.
    package var defect: String? {
        let lowered = url.lowercased()
        guard lowered.hasPrefix("smtp://") || lowered.hasPrefix("smtps://"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            ShownURL.origin(of: url).split(separator: "/").count == 2
        else { return "the URL is not of the form smtp://host:port or smtps://host:port" }
        for (name, text) in [("username", username), ("password", password)]
        where text?.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) == true {
            return "the \(name) holds a control character"
        }
        return nil
    }
}

/// Why a mail was not accepted, or not known to be.
package struct MailFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What follows from it.
    package enum Kind: String, Sendable {
        /// The mail or the server's description cannot be used: an address, a header, a URL.
        case invalid
        /// No conversation came about, or it broke off before the mail was handed over; it was not sent.
        case unreachable
        /// TLS is required and the server does not offer it, or its certificate is not trusted, or there is no file to trust it by; nothing was sent.
        case insecure
        /// The server says "not now" (4xx); it was not sent.
        case deferred
        /// The server says no (5xx); it was not sent.
        case refused
        /// The conversation broke off while or after the mail was handed over; it may have been accepted.
        case unknownFate
        /// The task was cancelled before the mail was handed over.
        case cancelled
    }

    /// Where the conversation stood.
    package enum Step: String, Sendable {
        case connection
        case login
        case sender
        case recipient
        case message
    }

    /// What follows from it.
    package let kind: Kind
    /// Where the conversation stood.
    package let step: Step
    /// The server's last answer, when it was a no.
    package let reply: Int?
    /// One sentence with the server's scheme, host and port and its answer; no user, no password.
    package let message: String

    /// Makes one; the message must be safe to show.
    package init(kind: Kind, step: Step, reply: Int? = nil, message: String) {
        self.kind = kind
        self.step = step
        self.reply = reply
        self.message = message
    }

    /// The sentence.
    package var description: String { message }
}
