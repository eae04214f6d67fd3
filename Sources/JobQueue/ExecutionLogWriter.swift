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
///
/// All runs of a worker share its room, and beyond that each has a share of its own: a run that writes faster than lines can be stored costs
/// no other a line, and of its own a line says how many are missing.
final class ExecutionLogWriter: Sendable {
    /// The longest message kept, in UTF-8 bytes.
    static let longestMessage = 8_192
    /// How many lines wait at most, but for the share of each run.
    static let mostWaiting = 20_000
    /// So many lines of a run wait however many there are of others, up to twice as many in all; beyond that lines are dropped and counted.
    static let shareOfRun = 500
    /// From so many on a run that has its share is to write more slowly, if it can. Low enough for what all slots hand over at once.
    private static let muchWaiting = mostWaiting / 4

    private struct Waiting {
        var lines: [LogLine] = []
        var counts: [ExecutionID: Int] = [:]
        /// What was taken last and may come back: it has its room until it is stored.
        var taken = 0
        var takenCounts: [ExecutionID: Int] = [:]
        var dropped: [ExecutionID: (run: ClaimedRun, count: Int)] = [:]

        var total: Int { lines.count + taken }

        func hasShare(_ run: ClaimedRun) -> Bool { counts[run.id, default: 0] + takenCounts[run.id, default: 0] >= shareOfRun }

        func hasRoom(for run: ClaimedRun) -> Bool {
            total < mostWaiting || total < 2 * mostWaiting && !hasShare(run)
        }

        mutating func forgetTaken() {
            taken = 0
            takenCounts = [:]
        }
    }
    private let waiting = Mutex(Waiting())
    private let wakeup: Wakeup

    init(wakeup: Wakeup) {
        self.wakeup = wakeup
    }

    func append(run: ClaimedRun, level: LogLevel, message: String, fields: [String: JSONValue]) {
        let line = LogLine(
            run: run, level: level, message: message.replacingNUL.cut(toBytes: Self.longestMessage),
            fields: fields.isEmpty ? nil : JSONValue.object(fields).text,
            writtenAt: MonotonicClock.now())
        let isFirst = waiting.withLock { waiting in
            guard waiting.hasRoom(for: run) else {
                waiting.dropped[run.id, default: (run, 0)].count += 1
                return false
            }
            waiting.lines.append(line)
            waiting.counts[run.id, default: 0] += 1
            return waiting.lines.count == 1
        }
        if isFirst { wakeup.signal() }
    }

    var isEmpty: Bool { waiting.withLock { $0.lines.isEmpty && $0.dropped.isEmpty } }

    /// Whether a run has its share of lines that wait, and much waits in all.
    func isBehind(_ run: ClaimedRun) -> Bool { waiting.withLock { $0.total >= Self.muchWaiting && $0.hasShare(run) } }

    /// Takes all lines that wait, with one for each run of which lines were dropped, and how many those were since the last call.
    func take() -> (lines: [LogLine], dropped: Int) {
        let now = MonotonicClock.now()
        return waiting.withLock { waiting in
            let missing = waiting.dropped.values.map { run, count in
                LogLine(
                    run: run, level: .warning, message: "\(count) lines are missing here: they came faster than they could be stored",
                    fields: nil, writtenAt: now)
            }
            let (lines, dropped) = (waiting.lines + missing, waiting.dropped.values.reduce(0) { $0 + $1.count })
            waiting = Waiting(taken: lines.count, takenCounts: waiting.counts)
            return (lines, dropped)
        }
    }

    /// What was taken last is stored.
    func stored() {
        waiting.withLock { $0.forgetTaken() }
    }

    /// Puts lines back that could not be stored.
    func putBack(_ lines: [LogLine]) {
        waiting.withLock { waiting in
            waiting.forgetTaken()
            waiting.lines.insert(contentsOf: lines, at: 0)
            for line in lines { waiting.counts[line.run.id, default: 0] += 1 }
        }
    }
}
