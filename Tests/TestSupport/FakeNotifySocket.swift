import Foundation
import Runtime
import Synchronization

/// Stands for systemd: a datagram socket that keeps what `sd_notify` sends.
package final class FakeNotifySocket: Sendable {
    /// The value for `$NOTIFY_SOCKET`.
    package let path: String
    private let descriptor: Int32
    private let received: Received

    private final class Received: Sendable {
        let messages = Mutex<[String]>([])
        let changed = Wakeup()
    }

    private static let number = Atomic(0)

    /// Binds a socket in the temporary folder.
    package init() throws {
        let path = "/tmp/chimera-notify-\(getpid())-\(Self.number.add(1, ordering: .relaxed).newValue)"
        self.path = path
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.descriptor = descriptor
        let received = Received()
        self.received = received
        unlink(path)
        Undertaker.shared.remove(path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard code == 0 else { throw TestSupportError("cannot bind \(path)") }
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                let message = String(decoding: buffer[..<count], as: UTF8.self)
                received.messages.withLock { $0.append(message) }
                received.changed.signal()
            }
            close(descriptor)
        }
    }

    deinit {
        unlink(path)
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    /// Everything received so far, one string a datagram.
    package var messages: [String] { received.messages.withLock { $0 } }

    /// The first datagram that contains the text.
    @discardableResult
    package func message(containing text: String, within limit: Duration = .seconds(60)) async throws -> String {
        let deadline = ContinuousClock.now + limit
        while true {
            if let found = messages.first(where: { $0.contains(text) }) { return found }
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { throw TestSupportError("no \"\(text)\" on the notify socket within \(limit), but \(messages)") }
            _ = await received.changed.wait(upTo: min(left, .milliseconds(250)))
        }
    }
}
