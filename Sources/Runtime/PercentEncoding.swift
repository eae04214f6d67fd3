/// Percent-encoding for what is put into a URL (RFC 3986).
package enum PercentEncoding {
    /// All but letters, digits, `-`, `.`, `_`, `~` and the characters in `keeping`.
    package static func encode(_ text: String, keeping: String = "") -> String {
        if text.utf8.allSatisfy(isPlain) { return text }
        var result = ""
        for byte in text.utf8 {
            if isPlain(byte) || byte < 0x80 && keeping.utf8.contains(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: false
        }
    }

    /// A path with parameters appended behind those it has.
    package static func path(_ path: String, adding parameters: [(name: String, value: String)]) -> String {
        guard !parameters.isEmpty else { return path }
        let query = parameters.map { "\(encode($0.name))=\(encode($0.value, keeping: ":"))" }.joined(separator: "&")
        return path + (path.utf8.contains(UInt8(ascii: "?")) ? "&" : "?") + query
    }
}
