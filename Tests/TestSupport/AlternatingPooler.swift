import Foundation
import Synchronization

/// A pooler like PgBouncer in transaction mode, at its most unfriendly: every transaction of a client goes to its other backend.
///
/// Each client gets two connections to the server. Only the end of every answer is parsed: ReadyForQuery, outside a transaction, changes the backend.
package final class AlternatingPooler: Sendable {
    /// Where the client connects to.
    package let port: Int
    private let listener: Int32

    /// Starts to listen for the server on this port of 127.0.0.1.
    package init(to target: Int) throws {
        let listener = try listenOnLoopback(port: 0)
        self.listener = listener
        port = try boundPort(of: listener)
        Thread.detachNewThread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { break }
                Thread.detachNewThread { PooledClient(client: client, target: target)?.run() }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}

/// One client and its two backends.
private struct PooledClient {
    private let client: Int32
    private var backends: [Int32] = []
    private var current = 0

    init?(client: Int32, target: Int) {
        self.client = client
        guard let startup = Self.readStartup(client) else {
            close(client)
            return nil
        }
        for index in 0..<2 {
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = loopback(port: target)
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            backends.append(server)
            _ = startup.withUnsafeBytes { write(server, $0.baseAddress, startup.count) }
            // The greeting of the first is the client's.
            while let message = Self.readMessage(server) {
                // With a process of its own invention: its clients have none.
                let told = message[0] == UInt8(ascii: "K") ? Array(message[..<5]) + [0x7F, 0xFF, 0xFF, 0xFF] + message[9...] : message
                if index == 0 { Self.send(told, to: client) }
                if message[0] == UInt8(ascii: "Z") { break }
            }
        }
    }

    func run() {
        var state = self
        while state.turn() {}
        for descriptor in backends + [client] { close(descriptor) }
    }

    private mutating func turn() -> Bool {
        var descriptors = [
            pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: backends[current], events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&descriptors, 2, -1) > 0 else { return true }
        if descriptors[0].revents != 0 {
            guard let message = Self.readMessage(client) else { return false }
            Self.send(message, to: backends[current])
        }
        if descriptors[1].revents != 0 {
            guard let message = Self.readMessage(backends[current]) else { return false }
            Self.send(message, to: client)
            if message[0] == UInt8(ascii: "Z"), message[5] == UInt8(ascii: "I") { current = 1 - current }
        }
        return true
    }

    /// Declines TLS and gives the startup packet.
    private static func readStartup(_ client: Int32) -> [UInt8]? {
        while let length = readExactly(client, 4) {
            guard let body = readExactly(client, Int(number(length)) - 4) else { return nil }
            // SSLRequest and GSSENCRequest have the length 8 and a code instead of a version.
            guard body.count == 4 else { return length + body }
            send([UInt8(ascii: "N")], to: client)
        }
        return nil
    }

    private static func readMessage(_ descriptor: Int32) -> [UInt8]? {
        guard let head = readExactly(descriptor, 5), let body = readExactly(descriptor, Int(number(Array(head[1...]))) - 4) else {
            return nil
        }
        return head + body
    }

    private static func number(_ bytes: [UInt8]) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

    private static func readExactly(_ descriptor: Int32, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { buffer in buffer.baseAddress.map { read(descriptor, $0 + done, count - done) } ?? -1 }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }

    private static func send(_ bytes: [UInt8], to descriptor: Int32) {
        _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    }
}
