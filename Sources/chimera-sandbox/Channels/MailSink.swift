import COpenSSL
import Foundation

/// A mail server that keeps what it gets: one port with STARTTLS, one that begins with TLS.
final class MailSink: Sendable {
    static let username = "chimera"
    static let password = "senha-do-correio"

    let port: UInt16
    let tlsPort: UInt16
    let certificates: Certificates
    let log: ChannelLog
    private let faults: FaultRules

    /// Nil when there is no port or no certificate to be had. It then serves as long as the program runs.
    init?(log: ChannelLog, faults: FaultRules) {
        guard let certificates = Certificates(), let plain = Self.listener(), let tls = Self.listener() else { return nil }
        self.certificates = certificates
        self.log = log
        self.faults = faults
        (port, tlsPort) = (plain.port, tls.port)
        serve(plain.descriptor, beginsWithTLS: false)
        serve(tls.descriptor, beginsWithTLS: true)
    }

    func fires(_ quirk: MailQuirk, _ place: String = "") -> Bool {
        faults.fires(.mail, place: place) { if case .mail(quirk) = $0 { true } else { false } }
    }

    /// The certificate that a handshake now shows.
    func certificate() -> OpaquePointer {
        if fires(.untrusted) { return certificates.untrusted }
        if fires(.expired) { return certificates.expired }
        return fires(.wrongHost) ? certificates.wrongHost : certificates.good
    }

    private func serve(_ listener: Int32, beginsWithTLS: Bool) {
        Thread.detachNewThread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else {
                    // Out of descriptors or a client that has gone already: the next one may do better.
                    guard errno != EBADF, errno != EINVAL else { return }
                    usleep(10_000)
                    continue
                }
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                log.addMailConnection()
                Thread.detachNewThread { [self] in
                    MailSession(MailWire(socket: descriptor), sink: self).run(beginsWithTLS: beginsWithTLS)
                }
            }
        }
    }

    private static func listener() -> (descriptor: Int32, port: UInt16)? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { plain in
                bind(descriptor, plain, length) == 0 && listen(descriptor, 512) == 0 && getsockname(descriptor, plain, &length) == 0
            }
        }
        return isBound ? (descriptor, UInt16(bigEndian: address.sin_port)) : nil
    }
}

extension MailQuirk: Equatable {}
