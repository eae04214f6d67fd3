/// What may be shown of a URL: users, passwords, queries and fragments may hold secrets, and so may paths.
package enum ShownURL {
    /// Scheme, host and port: `http://10.0.0.7:9000`.
    package static func origin(of url: String) -> String {
        let (scheme, authority, _) = split(url)
        return scheme + authority
    }

    /// Scheme, host, port and path.
    package static func withoutQuery(_ url: String) -> String {
        let (scheme, authority, path) = split(url)
        return scheme + authority + path.prefix { $0 != "?" && $0 != "#" }
    }

    private static func split(_ url: String) -> (scheme: String, authority: String, rest: String) {
        var rest = Substring(url)
        var scheme = ""
        if let colon = rest.range(of: "://") {
            scheme = String(rest[..<colon.upperBound])
            rest = rest[colon.upperBound...]
        } else if rest.hasPrefix("//") {
            scheme = "//"
            rest = rest.dropFirst(2)
        } else {
            return ("", "", url)  // a relative reference: only a path
        }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = rest[..<end]
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        return (scheme, String(host), String(rest[end...]))
    }
}
