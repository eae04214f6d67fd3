/// How much an event matters; `CHIMERA_LOG_LEVEL` names the least that is written.
package enum LogLevel: String, Comparable, Sendable, CaseIterable {
    case debug, info, notice, warning, error

    /// The number of syslog(3), which journald reads from a `<N>` prefix.
    var syslogPriority: Int {
        switch self {
        case .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        }
    }

    /// Orders from `debug` up to `error`.
    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.syslogPriority > right.syslogPriority }
}
