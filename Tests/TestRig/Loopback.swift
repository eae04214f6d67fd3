import Foundation
import Runtime
import TestSupport

/// What went wrong with a test's own surroundings.
package struct RigError: Error, CustomStringConvertible {
    /// What it was, in one sentence.
    package let description: String

    /// Says it in one sentence.
    package init(_ description: String) { self.description = description }
}

/// A client of its own for the sandbox: one request a connection, no code shared with the product.
package enum Loopback {
    /// What came back.
    package struct Answer {
        /// The HTTP status; 0 when there was none.
        package let status: Int
        /// Everything behind the headers.
        package let body: Data
    }

    /// `url` must begin with `http://127.0.0.1:`.
    package static func request(_ method: String = "GET", _ url: String, headers: [String: String] = [:], body: String? = nil) async throws
        -> Answer
    {
        guard let parts = URLComponents(string: url), let port = parts.port else { throw RigError("\(url) has no port") }
        let target = parts.percentEncodedPath + (parts.percentEncodedQuery.map { "?" + $0 } ?? "")
        var text = "\(method) \(target) HTTP/1.0\r\nHost: 127.0.0.1\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let body { text += "Content-Length: \(body.utf8.count)\r\n" }
        let bytes = Array((text + "\r\n" + (body ?? "")).utf8)
        let answer = Suspension<Result<Answer, any Error>>()
        DispatchQueue.global().async { answer.resume(with: Result { try exchange(bytes, port: port) }) }
        return try await answer.wait(onCancel: {}).get()
    }

    private static func exchange(_ request: [UInt8], port: Int) throws -> Answer {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else { throw RigError("nobody listens on port \(port)") }
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { throw RigError("the sandbox hung up") }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = recv(descriptor, &buffer, buffer.count, 0), count != 0 {
            guard count > 0 else { throw RigError("no answer from the sandbox within 30 s") }
            received += buffer[..<count]
        }
        guard let end = received.firstRange(of: Array("\r\n\r\n".utf8)) else { throw RigError("the sandbox answered no HTTP") }
        let status = String(decoding: received[..<end.lowerBound], as: UTF8.self).split(separator: " ").dropFirst().first.flatMap {
            Int($0)
        }
        return Answer(status: status ?? 0, body: Data(received[end.upperBound...]))
    }
}
