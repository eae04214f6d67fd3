import Glibc
import Synchronization

/// Tells systemd how this program is, by one datagram each (sd_notify); it does nothing when `NOTIFY_SOCKET` is unset.
///
/// No failure of the socket ever reaches the caller, and no call blocks.
package final class SystemdNotifier: Sendable {
    private let socketPath: String?
    private let saidAt = Mutex<Duration?>(nil)

    /// Reads `NOTIFY_SOCKET`.
    package init(environment: [String: String]) {
        socketPath = environment["NOTIFY_SOCKET"].flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
    }

    /// Says that the start is over.
    package func ready() { send("READY=1") }

    /// Says that the end has begun.
    package func stopping() { send("STOPPING=1") }

    /// Says in a line what `systemctl status` shows; line breaks become spaces.
    package func status(_ text: String) { send(Self.line(text)) }

    /// Says that the program lives and, once a second at most, what it does: systemd tells everybody who listens of each change.
    package func watchdog(status text: @autoclosure () -> String) {
        guard socketPath != nil else { return }
        let now = MonotonicClock.now()
        let isDue = saidAt.withLock { last in
            if let last, now - last < .seconds(1) { return false }
            last = now
            return true
        }
        send(isDue ? "WATCHDOG=1\n" + Self.line(text()) : "WATCHDOG=1")
    }

    private static func line(_ text: String) -> String { "STATUS=" + String(text.map { $0.isNewline ? " " : $0 }) }

    private func send(_ message: String) {
        guard let socketPath else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var path = Array(socketPath.utf8)
        // An abstract name begins with a zero byte, and only its length ends it.
        let isAbstract = path[0] == UInt8(ascii: "@")
        if isAbstract { path[0] = 0 }
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.count < capacity else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + path.count + (isAbstract ? 0 : 1)

        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(message.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), address, socklen_t(length))
            }
        }
    }
}
