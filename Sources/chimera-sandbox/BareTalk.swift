import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A talk over the bare socket, for what an HTTP server refuses to do: it ends when its steps are done or the other side hangs up.
struct BareTalk: Sendable {
    enum Step: Sendable {
        /// Writes the bytes as fast as they are taken.
        case write([UInt8])
        /// Writes the bytes one at a time with a pause after each.
        case trickle([UInt8], pauseMilliseconds: Int32)
        /// Writes the same block this many times.
        case flood([UInt8], times: Int)
        /// Says nothing until the other side hangs up, an hour at most.
        case silence
        /// Ends the connection with a TCP reset instead of a proper close.
        case reset

        fileprivate var isShort: Bool {
            switch self {
            case .write, .reset: true
            case .trickle, .flood, .silence: false
            }
        }
    }

    let steps: [Step]

    /// Leads the talk on a non-blocking socket; blocks the calling thread. `ending` is called before the other side can know that the talk
    /// is over, as far as that is in our hands.
    func lead(on socket: Int32, ending: () -> Void) {
        defer { ending() }
        for (index, step) in steps.enumerated() {
            if index == steps.count - 1, step.isShort { ending() }
            switch step {
            case .write(let bytes):
                guard Self.write(bytes, to: socket) else { return }
            case .trickle(let bytes, let pause):
                for byte in bytes {
                    guard Self.write([byte], to: socket), !Self.hangsUp(socket, within: pause) else { return }
                }
            case .flood(let block, let times):
                for _ in 0..<times {
                    guard Self.write(block, to: socket) else { return }
                }
            case .silence:
                _ = Self.hangsUp(socket, within: 3_600_000)
            case .reset:
                // Connecting a TCP socket to "no address" aborts it at once (connect(2), tcp_disconnect).
                var nowhere = sockaddr()
                nowhere.sa_family = sa_family_t(AF_UNSPEC)
                _ = connect(socket, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
            }
        }
    }

    /// False when the other side is gone.
    private static func write(_ bytes: [UInt8], to socket: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let count = send(socket, buffer.baseAddress.map { $0 + written }, buffer.count - written, Int32(MSG_NOSIGNAL))
                if count > 0 {
                    written += count
                } else if errno == EAGAIN {
                    var waiting = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
                    guard poll(&waiting, 1, 60_000) > 0 else { return false }
                } else if errno != EINTR {
                    return false
                }
            }
            return true
        }
    }

    /// POLLRDHUP, which Glibc shows only to those who define _GNU_SOURCE.
    private static let otherSideClosed: Int16 = 0x2000

    private static func hangsUp(_ socket: Int32, within milliseconds: Int32) -> Bool {
        var waiting = pollfd(fd: socket, events: Self.otherSideClosed, revents: 0)
        return poll(&waiting, 1, milliseconds) > 0
    }
}

/// A port that takes connections and says nothing, and one that refuses them.
final class DeafPorts: Sendable {
    /// The kernel accepts connections, nobody answers: a TLS handshake stalls here.
    let silentPort: UInt16
    /// Taken, but nobody listens: every connection is refused, and no other program can take its place.
    let refusingPort: UInt16

    init?() {
        guard let silent = Self.boundPort(listens: true), let refusing = Self.boundPort(listens: false) else { return nil }
        silentPort = silent
        refusingPort = refusing
    }

    /// The socket stays open until the program ends.
    private static func boundPort(listens: Bool) -> UInt16? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { plain in
                bind(descriptor, plain, length) == 0 && (!listens || listen(descriptor, 512) == 0)
                    && getsockname(descriptor, plain, &length) == 0
            }
        }
        return isBound ? UInt16(bigEndian: address.sin_port) : nil
    }
}
