import Glibc
import Synchronization

/// Writes events to stderr, each with the name of the part it comes from; a failing stderr never stops anyone.
package struct Logger: Sendable {
    private let label: String
    private let ownSink: LogSink?

    /// Makes a logger that writes as `Logging` was configured, at the time of each event.
    package init(label: String) {
        self.label = label
        ownSink = nil
    }

    init(label: String, sink: LogSink) {
        self.label = label
        ownSink = sink
    }

    /// Writes what helps to follow a run step by step.
    package func debug(_ message: @autoclosure () -> String, _ fields: [String: String] = [:]) { log(.debug, message, fields) }

    /// Writes what is normal and worth a line.
    package func info(_ message: @autoclosure () -> String, _ fields: [String: String] = [:]) { log(.info, message, fields) }

    /// Writes what is normal and worth a look: start, stop, change of configuration.
    package func notice(_ message: @autoclosure () -> String, _ fields: [String: String] = [:]) { log(.notice, message, fields) }

    /// Writes what went wrong and mends itself.
    package func warning(_ message: @autoclosure () -> String, _ fields: [String: String] = [:]) { log(.warning, message, fields) }

    /// Writes what went wrong and needs somebody.
    package func error(_ message: @autoclosure () -> String, _ fields: [String: String] = [:]) { log(.error, message, fields) }

    private func log(_ level: LogLevel, _ message: () -> String, _ fields: [String: String]) {
        let sink = ownSink ?? Logging.sink
        guard level >= sink.level else { return }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let nanoseconds = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        sink.write(LogEvent(level: level, label: label, message: message(), fields: fields, time: nanoseconds))
    }
}

/// The process-wide choice of what is written and how.
package enum Logging {
    private static let current = Mutex(LogSink(level: .info, format: .text))

    static var sink: LogSink { current.withLock { $0 } }

    /// Fixes level and format for all loggers, and ignores SIGPIPE so that a closed stderr ends nobody; called once at the start.
    ///
    /// Programs started later inherit the ignored SIGPIPE, unless they are started with `POSIX_SPAWN_SETSIGDEF`.
    package static func configure(level: LogLevel, format: LogFormat) {
        signal(SIGPIPE, SIG_IGN)
        current.withLock { $0 = LogSink(level: level, format: format) }
    }

    /// Configures from `CHIMERA_LOG_LEVEL` (else `standardLevel`) and `CHIMERA_LOG_FORMAT` (else by where stderr goes).
    ///
    /// Throws `OperatorError` with `.configuration` for a name that is neither.
    package static func configure(environment: [String: String], standardLevel: LogLevel) throws(OperatorError) {
        let level = try choice(LogLevel.self, "CHIMERA_LOG_LEVEL", environment) ?? standardLevel
        let format = try choice(LogFormat.self, "CHIMERA_LOG_FORMAT", environment)
        configure(level: level, format: format ?? .detected(environment: environment))
    }

    static func choice<Choice: RawRepresentable & CaseIterable>(
        _: Choice.Type, _ name: String, _ environment: [String: String]
    ) throws(OperatorError) -> Choice? where Choice.RawValue == String {
        guard let word = environment[name], !word.isEmpty else { return nil }
        if let choice = Choice(rawValue: word) { return choice }
        let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        throw OperatorError(exitCode: .configuration, message: "\(name) is \"\(word.prefix(40))\"; set it to one of \(names)")
    }
}
