import Foundation

/// A key for AES-256-GCM with the name that its envelopes carry; it shows its name and never its bytes.
package struct SecretKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Bytes of every key.
    package static let byteCount = 32

    /// 1 to 32 letters, digits, `-` and `_`.
    package let id: String
    let bytes: [UInt8]

    /// Takes a name and 32 bytes; nil when either has another form.
    package init?(id: String, bytes: [UInt8]) {
        guard Self.isID(id), bytes.count == Self.byteCount else { return nil }
        self.id = id
        self.bytes = bytes
    }

    private init(fresh: [UInt8]) {
        id = "k" + hexText(randomBytes(count: 4))
        bytes = fresh
    }

    /// Makes a random key with a random name.
    package static func generate() -> SecretKey { SecretKey(fresh: randomBytes(count: byteCount)) }

    /// The line of a key file, `keyid:base64`: a secret.
    package var fileLine: String { "\(id):\(Data(bytes).base64EncodedString())" }

    /// The name alone.
    package var description: String { "key \(id)" }

    /// The name alone.
    package var debugDescription: String { description }

    /// The name alone, so that `dump` shows no bytes.
    package var customMirror: Mirror { Mirror(self, children: ["id": id]) }

    static func isID(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
