/// An answer of any status; redirects are answers too, they are never followed.
package struct HTTPResponse: Sendable {
    /// 100 to 999.
    package let status: Int
    /// First values, by lower-case name.
    package let headers: [String: String]
    /// The decoded body.
    package let body: ResponseBody

    /// Makes an answer; header names are lower-case.
    package init(status: Int, headers: [String: String], body: ResponseBody) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Whether the status is 2xx.
    package var isSuccess: Bool { (200..<300).contains(status) }
}

/// Why a request got no answer.
package struct HTTPFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong.
    package enum Kind: String, Sendable {
        /// The request itself cannot be sent: a bad URL, a header with a line break.
        case invalidRequest
        case resolve
        case connect
        /// The host has no address outside of private networks, and the request avoids those.
        case privateNetwork
        /// No session whose peer is known to be the right one, also because the file of authorities cannot be read here.
        case tls
        case timeout
        /// The connection broke, or memory ran out, before the answer was whole.
        case reset
        case bodyTooLarge
        /// The peer does not speak HTTP, or the body's encoding is broken.
        case malformed
        case cancelled
    }

    /// What went wrong.
    package let kind: Kind
    /// True from the moment that a byte of the request may have reached the peer.
    package let mayHaveArrived: Bool
    /// One sentence with method, scheme, host and port; no path (tokens stand in some), no query, no user.
    package let message: String
    /// The first bytes of a body that was too large, as far as they came: none when its length was announced. Not safe to show.
    package let beginning: [UInt8]

    /// So many bytes it has at most.
    static let longestBeginning = 16 << 10

    /// Makes one; the message must be safe to show.
    package init(kind: Kind, mayHaveArrived: Bool, message: String, beginning: [UInt8] = []) {
        self.kind = kind
        self.mayHaveArrived = mayHaveArrived
        self.message = message
        self.beginning = beginning
    }

    /// The sentence.
    package var description: String { message }
}
