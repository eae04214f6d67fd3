import Runtime
import Synchronization

/// A line on its way to `execution_logs`.
struct LogLine: Sendable {
    let run: ClaimedRun
    let level: LogLevel
    let message: String
    let fields: String?
    let writtenAt: Duration
}

/// Collects the lines that jobs log; the outcome writer stores them before the ends of their runs.
final class ExecutionLogWriter: Sendable {
    /// The longest message kept, in UTF-8 bytes.
    static let longestMessage = 8_192
    /// How many lines wait at most; beyond that lines are dropped and counted.
    static let mostWaiting = 20_000

    private struct Waiting {
        var lines: [LogLine] = []
        var dropped = 0
    }
    private let waiting = Mutex(Waiting())
    private let wakeup: Wakeup

    init(wakeup: Wakeup) {
        self.wakeup = wakeup
    }

    func append(run: ClaimedRun, level: LogLevel, message: String, fields: [String: JSONValue]) {
        var text = message.replacingNUL
        if text.utf8.count > Self.longestMessage {
            text = String(decoding: text.utf8.prefix(Self.longestMessage), as: UTF8.self) + " …"
        }
        let line = LogLine(
            run: run, level: level, message: text, fields: fields.isEmpty ? nil : JSONValue.object(fields).text,
            writtenAt: MonotonicClock.now())
        let isFirst = waiting.withLock { waiting in
            guard waiting.lines.count < Self.mostWaiting else {
                waiting.dropped += 1
                return false
            }
            waiting.lines.append(line)
            return waiting.lines.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    var isEmpty: Bool { waiting.withLock { $0.lines.isEmpty } }

    /// Takes all lines that wait, and how many were dropped since the last call.
    func take() -> (lines: [LogLine], dropped: Int) {
        waiting.withLock { waiting in
            let taken = (waiting.lines, waiting.dropped)
            waiting = Waiting()
            return taken
        }
    }

    /// Puts lines back that could not be stored.
    func putBack(_ lines: [LogLine]) {
        waiting.withLock { waiting in
            let room = max(0, Self.mostWaiting - waiting.lines.count)
            waiting.dropped += max(0, lines.count - room)
            waiting.lines.insert(contentsOf: lines.prefix(room), at: 0)
        }
    }
}
