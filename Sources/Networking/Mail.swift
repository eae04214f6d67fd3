import Foundation

/// A mail to one recipient, with the same message as text and as HTML.
package struct Mail: Sendable {
    /// A bare address: `chimera@example.com`.
    package var from: String
    /// A bare address.
    package var to: String
    /// Any text on one line.
    package var subject: String
    /// `left@right`, without the angle brackets; the same for every try, so that a mailbox can tell a repetition.
    package var messageID: String
    /// Seconds since 1970.
    package var date: Int
    /// Lines may end in LF or CRLF.
    package var text: String
    /// Lines may end in LF or CRLF.
    package var html: String

    /// Makes a mail; whether it can be sent says `MailClient`.
    package init(from: String, to: String, subject: String, messageID: String, date: Int, text: String, html: String) {
        self.from = from
        self.to = to
        self.subject = subject
        self.messageID = messageID
        self.date = date
        self.text = text
        self.html = html
    }

    /// What makes the mail impossible to send, as part of a sentence; nil when nothing does.
    var defect: String? {
        for (name, address) in [("sender's", from), ("recipient's", to)] where !MailAddress.isUsable(address) {
            return "the \(name) address is not of the form name@host"
        }
        guard MailAddress.isUsable(messageID) else { return "the message id is not of the form left@right" }
        guard !subject.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) else {
            return "the subject holds a line break or another control character"
        }
        guard !text.utf8.contains(0), !html.utf8.contains(0) else { return "the text holds a NUL" }
        return nil
    }

    /// The header lines in the order in which they are sent.
    var headers: [String] {
        [
            "Date: \(MailDate.text(secondsSince1970: date))", "Message-ID: <\(messageID)>", "Auto-Submitted: auto-generated",
            "From: <\(from)>", "To: <\(to)>", "Subject: \(EncodedWord.header(subject))", "Content-Type: multipart/alternative",
        ]
    }
}

/// What may stand as an address in an envelope and in a header.
package enum MailAddress {
    private static let forbidden = Set("<>()[]\\,;:\" ".utf8)

    /// Whether it is a bare `name@host` in visible ASCII, without quotes, brackets, lists and anything that could end a line or an address.
    package static func isUsable(_ address: String) -> Bool {
        let parts = address.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        return parts.count == 2 && (1...64).contains(parts[0].count) && (1...189).contains(parts[1].count)
            && address.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !forbidden.contains($0) }
    }
}

/// A header's text in ASCII (RFC 2047).
enum EncodedWord {
    /// Bytes of text in one word: as base64 with its frame they leave room for the header's name in a line of 76.
    private static let chunkBytes = 39

    /// The text itself where it is plain and short, else words of base64 on lines of their own; angle brackets are never plain.
    static func header(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
        if isPlain, text.utf8.count <= 60, !text.contains("=?"), text == text.trimmingSpaces { return text }
        var words: [[UInt8]] = [[]]
        for scalar in text.unicodeScalars {
            let bytes = Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            if words[words.count - 1].count + bytes.count > chunkBytes { words.append([]) }
            words[words.count - 1] += bytes
        }
        return words.map { "=?UTF-8?B?\(Data($0).base64EncodedString())?=" }.joined(separator: "\r\n ")
    }
}

/// The date of a mail's header (RFC 5322 §3.3).
enum MailDate {
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Fri, 21 Nov 2025 05:30:00 +0000`
    static func text(secondsSince1970 seconds: Int) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
        let day = "\(weekdays[Int(parts.tm_wday)]), \(parts.tm_mday) \(months[Int(parts.tm_mon)]) \(Int(parts.tm_year) + 1900)"
        return "\(day) \(time) +0000"
    }
}

extension String {
    fileprivate var trimmingSpaces: String { trimmingCharacters(in: .whitespaces) }
}
