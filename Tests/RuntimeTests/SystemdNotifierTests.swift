import Foundation
import Glibc
import Testing

@testable import Runtime

@Suite("systemd notifications")
struct SystemdNotifierTests {
    @Test("each call is one datagram, to a path or to an abstract name", arguments: [false, true])
    func datagrams(isAbstract: Bool) throws {
        let name = "/chimera-notify-\(UUID().uuidString)"
        let receiver = try NotifySocket(isAbstract ? "@" + name.dropFirst() : NSTemporaryDirectory() + name.dropFirst())
        let notifier = SystemdNotifier(environment: ["NOTIFY_SOCKET": receiver.name])
        notifier.ready()
        notifier.status("12 running\nREADY=0")
        notifier.watchdog(status: "idle")
        notifier.watchdog(status: "idle")
        notifier.stopping()
        #expect(receiver.next() == "READY=1")
        #expect(receiver.next() == "STATUS=12 running READY=0")
        #expect(receiver.next() == "WATCHDOG=1\nSTATUS=idle")
        #expect(receiver.next() == "WATCHDOG=1", "a status is told once a second at most")
        #expect(receiver.next() == "STOPPING=1")
    }

    @Test("a socket that is not there, too long or odd stops nobody")
    func failures() {
        for name in ["/nonexistent/notify", "/" + String(repeating: "x", count: 500), "relative", "", "@"] {
            SystemdNotifier(environment: ["NOTIFY_SOCKET": name]).ready()
        }
        SystemdNotifier(environment: [:]).ready()
    }

    @Test("a receiver that does not read stops nobody")
    func fullReceiver() throws {
        let receiver = try NotifySocket("@chimera-notify-\(UUID().uuidString)")
        let notifier = SystemdNotifier(environment: ["NOTIFY_SOCKET": receiver.name])
        for _ in 0..<5_000 { notifier.status("idle") }
        #expect(receiver.next() == "STATUS=idle")
    }
}

/// A stand-in for systemd's end of the notification socket.
final class NotifySocket {
    let name: String
    private let descriptor: Int32

    init(_ name: String) throws {
        self.name = name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        var path = Array(name.utf8)
        if path[0] == UInt8(ascii: "@") { path[0] = 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        try #require(path.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = socklen_t(2 + path.count + (path[0] == 0 ? 0 : 1))
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(status == 0)
    }

    deinit {
        close(descriptor)
        if name.hasPrefix("/") { unlink(name) }
    }

    /// The next datagram; nil when none comes within 10 s.
    func next() -> String? {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, 10_000) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count >= 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
