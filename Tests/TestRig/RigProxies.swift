import Foundation
import TestSupport

extension Rig {
    /// Stands between programs and the database; `url(through:)` is the address to give them.
    package func proxyToDatabase(seed: UInt64 = 0) throws -> TCPProxy {
        guard let port = URLComponents(string: url)?.port else { throw RigError("\(url) has no port") }
        return try TCPProxy(to: port, seed: seed)
    }

    /// The database's address with the proxy's port.
    package func url(through proxy: TCPProxy) -> String {
        guard let port = URLComponents(string: url)?.port else { return url }
        return url.replacingOccurrences(of: ":\(port)/", with: ":\(proxy.port)/")
    }

    /// Puts a proxy between the programs and one partner, `rp` or `club`.
    package func proxyToPartner(_ name: String, seed: UInt64 = 0) async throws -> TCPProxy {
        let base: String = try await value("SELECT base_url AS value FROM integrations WHERE name = \(name)")
        guard let port = URLComponents(string: base)?.port else { throw RigError("\(base) has no port") }
        let proxy = try TCPProxy(to: port, seed: seed)
        let address = base.replacingOccurrences(of: ":\(port)", with: ":\(proxy.port)")
        _ = try await pool.query("UPDATE integrations SET base_url = \(address) WHERE name = \(name)")
        return proxy
    }
}
