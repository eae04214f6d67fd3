import Glibc
import Synchronization

/// The file descriptor that takes the lines, one `write(2)` each; whatever happens to it never stops anyone.
///
/// A reader that does not read costs its writers 100 ms once; from then on lines are dropped and counted until it reads again.
final class LogSink: Sendable {
    private struct State {
        var isStalled = false
        var droppedLines = 0
    }

    let level: LogLevel
    let format: LogFormat
    private let descriptor: Int32
    // Held around poll and write so that what poll saw is still true for write; nothing else is called inside.
    private let state = Mutex(State())

    init(level: LogLevel, format: LogFormat, descriptor: Int32 = STDERR_FILENO) {
        self.level = level
        self.format = format
        self.descriptor = descriptor
    }

    func write(_ event: LogEvent) {
        let line = event.line(format)
        state.withLock { state in
            guard isWritable(within: state.isStalled ? 0 : 100) else {
                state.isStalled = true
                state.droppedLines += 1
                return
            }
            state.isStalled = false
            if state.droppedLines > 0 {
                var report = event
                report.level = .warning
                report.message = "\(state.droppedLines) lines were dropped because nobody read them"
                report.fields = [:]
                state.droppedLines = 0
                writeOnce(report.line(format))
                guard isWritable(within: 0) else {
                    state.droppedLines = 1
                    return
                }
            }
            writeOnce(line)
        }
    }

    private func isWritable(within milliseconds: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    /// A line that fails (EAGAIN, EPIPE, ENOSPC, …) is gone: nobody is left to tell.
    private func writeOnce(_ line: [UInt8]) {
        _ = Glibc.write(descriptor, line, line.count)
    }
}
