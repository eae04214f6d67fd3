import Foundation
import Networking

extension FuzzTarget {
    /// The value of `Retry-After`.
    static let retryAfter = FuzzTarget(
        "retry-after", longest: 200,
        words: ["Sun, ", "Sat, 21 Nov 2026 05:10:00 GMT", "GMT", "Jan", "99999999999999999999", "00:00:00", "-1", "1994", "\t", " "],
        texts: [
            "0", "120", "3600", "3601", "1000000000", "99999999999999999999999", "-1", "+1", "1.5", "1e3", "", " ", " 120 ", "120s", "٣",
            "Sat, 21 Nov 2026 05:10:00 GMT", "Sat, 21 Nov 2026 05:15:01 GMT", "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994", "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 32 Nov 2026 05:10:00 GMT", "Sat, 21 Nov 2026 25:10:00 GMT",
            "Sat, 21 Nov 292277026596 05:10:00 GMT", "Sat: : :", "A:", "Mon, 29 Feb 2027 00:00:00 GMT",
        ]
    ) { text in
        let now = 1_795_237_800  // Sat, 21 Nov 2026 05:10:00 GMT
        let found = RetryAfter.duration(text, now: Date(timeIntervalSince1970: Double(now)))
        if let found { try require(found >= .zero && found <= .seconds(3600), "a wait lies between zero and an hour") }
        let trimmed = text.trimmingCharacters(in: .whitespaces)
        if !trimmed.isEmpty, trimmed.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            let significant = trimmed.drop { $0 == "0" }
            let seconds = significant.count > 4 ? 3600 : min(3600, Int(significant) ?? 0)
            try require(found, equals: .seconds(seconds), "a number of seconds")
        } else if let moment = httpDate(trimmed) {
            try require(found, equals: .seconds(min(3600, max(0, moment - now))), "a date of HTTP")
        }
    }

    /// `Sat, 21 Nov 2026 05:10:00 GMT`, and nothing else; nil also for days that do not exist.
    private static func httpDate(_ text: String) -> Int? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard
            let pattern = try? Regex(
                #"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$"#),
            let groups = (try? pattern.wholeMatch(in: text))?.output.map({ $0.substring.map(String.init) ?? "" }),
            let month = months.firstIndex(of: groups[2]), let day = Int(groups[1]), let year = Int(groups[3]), year >= 1970,
            let start = SlowDate.seconds(year: year, month: month + 1, day: day), let hour = Int(groups[4]), let minute = Int(groups[5]),
            let second = Int(groups[6]), hour < 24, minute < 60, second < 60
        else { return nil }
        return start + hour * 3600 + minute * 60 + second
    }
}
