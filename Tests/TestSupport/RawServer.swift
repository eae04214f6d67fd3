import Foundation
import Synchronization

/// A server on a loopback port that answers byte by byte as a test says, right or wrong.
package final class RawServer: Sendable {
    private final class Log: Sendable {
        let connections = Atomic(0)
        let requests = Mutex<[RawRequest]>([])
    }

    private final class Counter: Sendable {
        private let value = Atomic(0)
        func next() -> Int { value.add(1, ordering: .relaxed).oldValue }
    }

    /// The port that the system chose.
    package let port: UInt16
    private let listener: Int32
    private let log = Log()

    /// Serves every connection on a thread of its own, until the closure returns.
    package init(_ serve: @escaping @Sendable (RawConnection) -> Void) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 128) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        precondition(bound, "no loopback port")
        port = UInt16(bigEndian: address.sin_port)
        self.listener = listener
        let log = log
        Thread.detachNewThread {
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                log.connections.add(1, ordering: .relaxed)
                let connection = RawConnection(descriptor: descriptor) { request in log.requests.withLock { $0.append(request) } }
                Thread.detachNewThread {
                    serve(connection)
                    connection.close()
                }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        Foundation.close(listener)
    }

    /// `http://127.0.0.1:PORT`
    package var url: String { "http://127.0.0.1:\(port)" }
    /// Connections accepted so far.
    package var connectionCount: Int { log.connections.load(ordering: .relaxed) }
    /// Requests read so far, in order of arrival.
    package var requests: [RawRequest] { log.requests.withLock { $0 } }

    /// A server that answers each request with what `answer` makes of it and its number (from 0), and keeps connections open.
    package convenience init(answering answer: @escaping @Sendable (RawRequest, Int) -> String) {
        let count = Counter()
        self.init { connection in
            while let request = connection.readRequest() {
                guard connection.send(answer(request, count.next())) else { return }
            }
        }
    }

    /// A whole HTTP answer with its length.
    package static func answer(_ body: String, status: Int = 200, headers: [String] = []) -> String {
        let lines = ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)"] + headers
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }
}

/// A request as it came over the wire.
package struct RawRequest: Sendable {
    /// `GET /path HTTP/1.1`
    package let line: String
    /// By lower-case name.
    package let headers: [String: String]
    /// As sent.
    package let body: String

    /// The path with its query.
    package var target: String { line.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
}

/// One accepted connection; used by the one thread that serves it.
package struct RawConnection: Sendable {
    fileprivate let descriptor: Int32
    fileprivate let onRequest: @Sendable (RawRequest) -> Void

    /// Reads one request with its body; nil when the peer is gone.
    package func readRequest() -> RawRequest? {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        while !bytes.suffix(4).elementsEqual(end) {
            var byte: UInt8 = 0
            guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
            bytes.append(byte)
        }
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        var body = [UInt8](repeating: 0, count: Int(headers["content-length"] ?? "0") ?? 0)
        var received = 0
        while received < body.count {
            let count = body.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + received, $0.count - received, 0) }
            guard count > 0 else { return nil }
            received += count
        }
        let request = RawRequest(line: lines[0], headers: headers, body: String(decoding: body, as: UTF8.self))
        onRequest(request)
        return request
    }

    /// Reads up to and with the next line feed; nil when the peer is gone.
    package func readLine() -> [UInt8]? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while byte != UInt8(ascii: "\n") {
            guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// Sends everything; false when the peer is gone.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Sends a text.
    @discardableResult
    package func send(_ text: String) -> Bool {
        send(Array(text.utf8))
    }

    /// Waits until the peer closes or sends, at most so long; true when it did.
    @discardableResult
    package func waitForPeer(upTo milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    /// Ends the connection with a reset instead of an orderly close.
    package func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    fileprivate func close() {
        Foundation.close(descriptor)
    }
}
