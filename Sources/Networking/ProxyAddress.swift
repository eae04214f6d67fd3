/// The address of a proxy.
package enum ProxyAddress {
    private static let schemes = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]

    /// Whether it has a scheme that libcurl knows, and something behind it: without a scheme nobody sees where user and password end.
    package static func isUsable(_ text: String) -> Bool {
        guard let separator = text.firstRange(of: "://") else { return false }
        return schemes.contains(text[..<separator.lowerBound].lowercased()) && separator.upperBound < text.endIndex
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
