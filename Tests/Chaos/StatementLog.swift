import Foundation
import TestSupport

/// Who said what to a server and when, from the log that it keeps of every statement.
struct StatementLog {
    /// A server's settings that make it keep this log.
    static let settings = ["log_statement": "all", "log_line_prefix": "%n|%a|", "log_parameter_max_length": "0", "max_connections": "500"]

    struct Entry: Sendable {
        /// Seconds since 1970, by the server's clock.
        let at: Double
        /// The session's name.
        let session: String
        let text: Substring
    }

    let entries: [Entry]

    /// Reads what the server has logged so far.
    init(_ server: RestartableServer) {
        entries = server.log.compactMap { line in
            let parts = line.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, let at = Double(parts[0]), let sort = parts[2].firstMatch(of: #/^LOG:  (?:execute [^:]*|statement): /#)
            else { return nil }
            return Entry(at: at, session: String(parts[1]), text: parts[2][sort.range.upperBound...])
        }
    }

    /// What workers said in a stretch of time, but for statements that do not hold this text.
    func ofWorkers(from begin: Double, to end: Double, holding text: String = "") -> [Entry] {
        entries.filter { entry in
            entry.at >= begin && entry.at <= end && entry.session.hasPrefix("chimera worker") && (text.isEmpty || entry.text.contains(text))
        }
    }
}

/// The most of these moments that lie within any stretch of so many seconds.
func most(_ times: [Double], within seconds: Double) -> Int {
    let times = times.sorted()
    var most = 0
    var first = 0
    for last in times.indices {
        while times[first] < times[last] - seconds { first += 1 }
        most = max(most, last - first + 1)
    }
    return most
}

func median(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }
