/// Percent-encoding for what is put into a URL (RFC 3986).
enum PercentEncoding {
    /// All but letters, digits, `-`, `.`, `_`, `~` and the characters in `keeping`.
    static func encode(_ text: String, keeping: String = "") -> String {
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            let character = Character(scalar)
            let isPlain =
                byte < 0x80 && (character.isLetter || character.isNumber || "-._~".contains(character) || keeping.contains(character))
            if isPlain {
                result.unicodeScalars.append(scalar)
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    /// A path with parameters appended behind those it has.
    static func path(_ path: String, adding parameters: [(name: String, value: String)]) -> String {
        guard !parameters.isEmpty else { return path }
        let query = parameters.map { "\(encode($0.name))=\(encode($0.value, keeping: ":"))" }.joined(separator: "&")
        return path + (path.contains("?") ? "&" : "?") + query
    }
}
