import Runtime

/// Hides secrets from everything that is shown, stored as history or sent out (listings, logs, errors, notifications, audit).
///
/// A secret is: an envelope (`enc:v1:…`), the value of a key that matches `pass|senha|secret|token|authorization|api_?key`
/// in any case, all values under `auth_headers`, and the user info of a URL.
package enum Masking {
    /// What stands where a secret stood.
    package static let mask = "••••"

    /// The same document with its secrets hidden; a `null` under a secret key stays, for nothing is not a secret.
    package static func mask(json document: JSONValue) -> JSONValue {
        switch document {
        case .string(let text): .string(SecretKeyring.isEnvelope(text) ? mask : mask(text: text))
        case .array(let elements): .array(elements.map(mask(json:)))
        case .object(let members): .object(Dictionary(uniqueKeysWithValues: members.map { ($0, mask(value: $1, of: $0)) }))
        default: document
        }
    }

    /// The same text with its secrets hidden, wherever they stand: `password=…`, `"token": "…"`, `Authorization: …`, URLs, envelopes.
    ///
    /// Where the end of a secret is not certain it hides too much. Masking twice changes nothing.
    package static func mask(text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "=") }) else { return text }
        var scanner = SecretScanner(bytes: Array(text.utf8))
        return String(decoding: scanner.masked(), as: UTF8.self)
    }

    /// Tells whether the value of this key is a secret by the key's name.
    package static func isSecretKey(_ key: some StringProtocol) -> Bool {
        let lowercased = key.lowercased()
        return secretWords.contains { lowercased.contains($0) }
    }

    /// `api-key` as well, as HTTP headers spell it.
    private static let secretWords = ["pass", "senha", "secret", "token", "authorization", "api_key", "apikey", "api-key", "auth_headers"]

    private static func mask(value: JSONValue, of key: String) -> JSONValue {
        guard isSecretKey(key) else {
            // Without a scheme nobody sees where its user and password end.
            let isBare = key.lowercased() == "proxy" && value.stringValue.map { $0.contains("@") && !$0.contains("://") } == true
            return isBare ? .string(mask) : mask(json: value)
        }
        return key.lowercased() == "auth_headers" ? maskLeaves(of: value) : value.isNull ? .null : .string(mask)
    }

    /// Keeps the names of the headers, which help, and hides every value.
    private static func maskLeaves(of value: JSONValue) -> JSONValue {
        switch value {
        case .null: .null
        case .array(let elements): .array(elements.map(maskLeaves(of:)))
        case .object(let members): .object(members.mapValues(maskLeaves(of:)))
        default: .string(mask)
        }
    }
}
