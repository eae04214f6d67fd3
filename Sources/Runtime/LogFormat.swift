import Glibc

/// How an event is written, always in one line; `CHIMERA_LOG_FORMAT` names it.
package enum LogFormat: String, Sendable, CaseIterable {
    /// Time, level, label, message and `key=value` fields.
    case text
    /// One object a line.
    case json
    /// A `<N>` priority and no time, which journald adds itself.
    case journal

    /// Chooses by where stderr goes: `journal` when `JOURNAL_STREAM` (device:inode, systemd.exec(5)) is stderr itself, else `text`.
    package static func detected(environment: [String: String]) -> LogFormat {
        detected(environment: environment, descriptor: STDERR_FILENO)
    }

    static func detected(environment: [String: String], descriptor: Int32) -> LogFormat {
        var status = stat()
        guard let stream = environment["JOURNAL_STREAM"], fstat(descriptor, &status) == 0 else { return .text }
        return stream == "\(status.st_dev):\(status.st_ino)" ? .journal : .text
    }
}
