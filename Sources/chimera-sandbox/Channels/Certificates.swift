import COpenSSL
import Foundation

/// An authority of this run, and what a TLS server shows with its help and without.
// @unchecked: everything is made in `init` and only read from then on; OpenSSL's contexts may be used from many threads.
final class Certificates: @unchecked Sendable {
    /// The authority's certificate as PEM.
    let authority: String
    let good: OpaquePointer
    let untrusted: OpaquePointer
    let expired: OpaquePointer
    let wrongHost: OpaquePointer

    /// Nil when OpenSSL fails.
    init?() {
        let here = "IP:127.0.0.1,DNS:localhost"
        let (hour, year) = (3_600, 365 * 86_400)
        guard let authorityKey = chimera_ssl_key(), let key = chimera_ssl_key(),
            let root = chimera_ssl_certificate(authorityKey, "chimera-sandbox", "DNS:authority.invalid", -hour, year, nil, nil),
            let good = chimera_ssl_certificate(key, "localhost", here, -hour, year, root, authorityKey),
            let untrusted = chimera_ssl_certificate(key, "localhost", here, -hour, year, nil, nil),
            let expired = chimera_ssl_certificate(key, "localhost", here, -year, -hour, root, authorityKey),
            let elsewhere = chimera_ssl_certificate(key, "mail.example.com", "DNS:mail.example.com", -hour, year, root, authorityKey),
            let goodServer = chimera_ssl_server(good, key), let untrustedServer = chimera_ssl_server(untrusted, key),
            let expiredServer = chimera_ssl_server(expired, key), let elsewhereServer = chimera_ssl_server(elsewhere, key)
        else { return nil }
        self.good = goodServer
        self.untrusted = untrustedServer
        self.expired = expiredServer
        wrongHost = elsewhereServer
        var text = [CChar](repeating: 0, count: 8_192)
        let count = chimera_ssl_pem(root, &text, Int32(text.count))
        guard count > 0 else { return nil }
        authority = String(decoding: text.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// The authority's certificate as a file for `ca_file`, there as long as the sandbox runs.
enum AuthorityFile {
    private static let prefix = "chimera-sandbox-"
    private static let suffix = ".ca.pem"

    private static var folder: String { ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp" }

    static var path: String { "\(folder)/\(prefix)\(getpid())\(suffix)" }

    /// Writes it, and removes those of sandboxes that were killed. False when it cannot be written.
    static func write(_ text: String) -> Bool {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard name.hasPrefix(prefix), name.hasSuffix(suffix), let pid = Int32(name.dropFirst(prefix.count).dropLast(suffix.count))
            else {
                continue
            }
            if kill(pid, 0) != 0, errno == ESRCH { unlink("\(folder)/\(name)") }
        }
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }

    static func remove() { unlink(path) }
}
