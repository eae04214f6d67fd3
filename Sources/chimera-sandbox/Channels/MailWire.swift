import COpenSSL
import Foundation

/// The bytes of one mail connection, plain or within TLS. Blocks; used by the one thread that serves the connection.
final class MailWire {
    /// A client that says nothing for so long is left.
    private static let patienceSeconds = 300
    private static let longestLine = 1 << 20

    private let socket: Int32
    private var tls: OpaquePointer?
    private var waiting: [UInt8] = []
    private var next = 0

    init(socket: Int32) {
        self.socket = socket
        var limit = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        if let tls {
            SSL_shutdown(tls)
            SSL_free(tls)
        }
        close(socket)
    }

    var isEncrypted: Bool { tls != nil }

    /// False when the handshake fails. What came before it and was not read yet is thrown away: it was not said within TLS.
    func startTLS(_ context: OpaquePointer) -> Bool {
        waiting = []
        next = 0
        guard let session = SSL_new(context) else { return false }
        SSL_set_fd(session, socket)
        guard SSL_accept(session) == 1 else {
            SSL_free(session)
            return false
        }
        tls = session
        return true
    }

    /// Up to and with the next line feed; nil when the other side is gone, or the line never ends.
    func readLine() -> [UInt8]? {
        var line: [UInt8] = []
        while line.count < Self.longestLine {
            if next == waiting.count, !receive() { return nil }
            let byte = waiting[next]
            next += 1
            line.append(byte)
            if byte == UInt8(ascii: "\n") { return line }
        }
        return nil
    }

    func write(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer -> Int in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                if let tls { return Int(SSL_write(tls, rest.baseAddress, Int32(rest.count))) }
                return send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Until the other side hangs up, five minutes at most.
    func waitForEnd() {
        while readLine() != nil {}
    }

    private func receive() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = buffer.withUnsafeMutableBytes { bytes -> Int in
            if let tls { return Int(SSL_read(tls, bytes.baseAddress, Int32(bytes.count))) }
            return recv(socket, bytes.baseAddress, bytes.count, 0)
        }
        guard count > 0 else { return false }
        waiting = Array(buffer[..<count])
        next = 0
        return true
    }
}
