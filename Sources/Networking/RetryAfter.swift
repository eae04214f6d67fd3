import Foundation

/// Reads the header `Retry-After` (RFC 9110 §10.2.3).
package enum RetryAfter {
    /// No partner makes a run wait longer than this (SPEC.md §3).
    package static let maximum = Duration.seconds(3600)

    /// How long the answer asks to wait. A date counts from the answer's own `Date`, for this machine's clock may be another one; it is asked
    /// only where the answer has none.
    package static func duration(of response: HTTPResponse) -> Duration? {
        guard let header = response.headers["retry-after"] else { return nil }
        let answeredAt = response.headers["date"].flatMap { HTTPDate.secondsSince1970($0) }
        return duration(header, now: answeredAt.map { Date(timeIntervalSince1970: Double($0)) } ?? Date())
    }

    /// How long to wait, between zero and an hour; nil for what is neither a number of seconds nor an HTTP date.
    package static func duration(_ header: String, now: Date) -> Duration? {
        let text = header.trimmingCharacters(in: .whitespaces)
        guard !text.isEmpty else { return nil }
        if text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) {
            let significant = text.drop { $0 == "0" }
            return significant.utf8.count > 9 ? maximum : min(maximum, .seconds(Int(significant) ?? 0))
        }
        guard let seconds = HTTPDate.secondsSince1970(text) else { return nil }
        let wait = Double(seconds) - now.timeIntervalSince1970
        return min(maximum, max(.zero, .seconds(wait.rounded(.up))))
    }
}
