import Foundation
import Runtime

@testable import Secrets

extension FuzzTarget {
    private static let keyFileText =
        "# rotated\n"
        + "k2:\(Foundation.Data(repeating: 0x5A, count: 32).base64EncodedString())\n\nk1:\(Foundation.Data((0..<32).map { $0 }).base64EncodedString())\n"
    private static let keyring: SecretKeyring = {
        guard let keyring = try? SecretKeyring(parsing: keyFileText) else { fatalError("the key file is good") }
        return keyring
    }()

    /// What two envelopes hold, and their bytes: made with fixed nonces, so that every run fuzzes the same.
    private static let genuine: [(text: String, keyID: String, bytes: [UInt8], envelope: String)] = ["", "pa55wörd of the ERP"].enumerated()
        .map {
            let key = keyring.keys[$0.offset]
            let nonce = [UInt8](repeating: UInt8($0.offset + 1), count: SealedBox.nonceByteCount)
            let bytes = nonce + SealedBox().seal(Array($0.element.utf8), key: key.bytes, nonce: nonce, associated: Array(key.id.utf8))
            return ($0.element, key.id, bytes, envelope(key.id, bytes))
        }

    private static func envelope(_ keyID: String, _ bytes: [UInt8]) -> String {
        let text = Foundation.Data(bytes).base64EncodedString()
        return "enc:v1:\(keyID):" + text.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// An envelope that somebody had in his hands.
    static let envelope = FuzzTarget(
        "envelope", longest: 1000, words: ["enc:v1:", "enc:v2:", "k1:", "k2:", "=", "+", "/", "-", "_", ":", "\n", "A"],
        seeds: {
            genuine.map { Array($0.envelope.utf8) }
                + ["enc:v1:", "enc:v1:k1:", "enc:v1:k9:AAAA", "enc:v1::", "enc:v1:k1:AAAA:", "ENC:V1:k1:AAAA", "", "plain"].map {
                    Array($0.utf8)
                }
        }
    ) { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        if let opened = try? keyring.decrypt(text) {
            try require(
                genuine.contains { $0.envelope.utf8.elementsEqual(text.utf8) && $0.text == opened }, "only a genuine envelope opens")
        }
        let opened = try keyring.decrypt(keyring.encrypt(text))
        try require(opened.utf8.elementsEqual(text.utf8), "what was encrypted is decrypted")
        // The input as a choice: which bit of a genuine one is turned, in its bytes and in its text.
        let choice = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        for one in genuine {
            var changed = one.bytes
            changed[choice / 8 % changed.count] ^= 1 << UInt8(choice % 8)
            try require((try? keyring.decrypt(envelope(one.keyID, changed))) == nil, "one bit of its bytes changed, and it opens")
            var spelled = Array(one.envelope.utf8)
            spelled[choice / 8 % spelled.count] ^= 1 << UInt8(choice % 8)
            try require(
                (try? keyring.decrypt(String(decoding: spelled, as: UTF8.self))) == nil, "one bit of its text changed, and it opens")
            let other = keyring.keys.map(\.id).first { $0 != one.keyID } ?? ""
            try require((try? keyring.decrypt(envelope(other, one.bytes))) == nil, "under another key's id, and it opens")
        }
    }

    /// A key file.
    static let keyFile = FuzzTarget(
        "key-file", longest: 2000, words: ["k1:", ":", "\n", "\r\n", "#", "=", "AAAA", "\u{2028}", " ", "\t"],
        texts: [
            keyFileText, "", "\n", "#\n", "k1", "k1:", ":AAAA", "k1:AAAA", "k1:\(String(repeating: "A", count: 43))=",
            "k1:\(String(repeating: "A", count: 43))=\nk1:\(String(repeating: "B", count: 43))=",
            "k 1:\(String(repeating: "A", count: 43))=",
            "k1:\(String(repeating: "A", count: 43))=:x", "\u{FEFF}k1:\(String(repeating: "A", count: 43))=",
            "k1:\(String(repeating: "A", count: 43))B",
        ]
    ) { text in
        do {
            let keyring = try SecretKeyring(parsing: text)
            try require(!keyring.keys.isEmpty && keyring.keys.allSatisfy { $0.bytes.count == 32 }, "a keyring has keys of 32 bytes")
            try require(Set(keyring.keys.map(\.id)).count, equals: keyring.keys.count, "no key id occurs twice")
            try require(try SecretKeyring(parsing: keyring.fileText), equals: keyring, "what is written is read as the same")
            try require(!"\(keyring)".contains(keyring.keys[0].fileLine.suffix(20)), "a keyring shows no key")
        } catch let error as OperatorError {
            try require(error.exitCode, equals: .configuration, "a bad key file is a matter of configuration")
            for secret in text.split(whereSeparator: { $0.isNewline || $0 == ":" })
            where secret.utf8.count > 32 && secret.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
                try require(!error.message.contains(secret), "the error quotes no key")
            }
        }
    }

    /// Text that may hold a secret: logs, errors, answers.
    static let masking = FuzzTarget(
        "masking", longest: 3000,
        words: [
            "password=", "\"token\": \"", "Authorization: Bearer ", "://user:", "@", "enc:v1:k:", "\\\"", "\\\\", "'", "{", "[", "••••",
            "api_key:", "senha =",
            "\n", "auth_headers", "https://",
        ],
        texts: [
            "password=hunter2 next", #"{"token": "abc", "x": 1}"#, #"{\"token\": \"abc\"}"#, "Authorization: Bearer abc\nX: y",
            "https://u:p@host/x",
            "https://u:p/a@host", "enc:v1:k1:AAAA", "senha : abc", "token:{\"a\":[1,\"}\"]}x",
            "password='a b' c", "token=\"a\\\"b\" c",
            "••••", "token=••••",
            "https://[::1]:5432/x@y", "https://[::1]:5enc:v1:k:4/x@y", "://[::1]@:5enc:v1:k:4/x@y",
            "token:\\\\\\", "pass=\"", "secret:[", "a=b", "", "::::====",
            "https://a:b@c:d@e", "token: api_key:",
        ]
    ) { text in
        let once = Masking.mask(text: text)
        try require(Masking.mask(text: once), equals: once, "masking twice changes nothing")
        let secret = "Zq7xK2mW9pL4"
        guard !text.contains(secret) else { return }
        let frames = [
            ("password=", ""), (" \"token\": \"", "\""), ("\nAuthorization: Bearer ", "\n"), (" https://user:", "@host/"),
            (" enc:v1:k1:", " "),
            (" api_key: ", " "), (" {\\\"senha\\\": \\\"", "\\\"}"), ("&client_secret=", "&"),
        ]
        for (front, back) in frames {
            try require(!Masking.mask(text: front + secret + back + text).contains(secret), "hidden in front of anything: \(front)")
            try require(!Masking.mask(text: text + front + secret + back).contains(secret), "hidden behind anything: \(front)")
        }
        if let document = try? JSONValue(parsing: text) {
            let masked = Masking.mask(json: document)
            try require(Masking.mask(json: masked), equals: masked, "masking a document twice changes nothing")
            let planted = Masking.mask(json: [
                "password": .string(secret), "rest": document, "auth_headers": ["x": .string(secret), "y": document],
            ])
            try require(!planted.text.contains(secret), "a secret of a document is hidden")
        }
    }
}
