import Foundation
import Runtime
import Testing

@testable import Secrets

@Suite("Key file")
struct SecretKeyringTests {
    private static let base64 = Data(0..<32).base64EncodedString()

    @Test("a key file is read back as it was written")
    func roundTrip() throws {
        let keyring = SecretKeyring.generate().rotated().rotated()
        #expect(try SecretKeyring(parsing: keyring.fileText) == keyring)
        #expect(Set(keyring.keys.map(\.id)).count == 3)
    }

    @Test("comments, empty lines and line ends of another system do no harm")
    func lenient() throws {
        let keyring = try SecretKeyring(parsing: "# made in March\r\n\r\n  new_1:\(Self.base64) \r\nold-0:\(Self.base64)\n\n")
        #expect(keyring.keys.map(\.id) == ["new_1", "old-0"])
        #expect(keyring.currentKey.bytes == Array(0..<32))
    }

    @Test(
        "a file of another form is an error of configuration that names the line",
        arguments: [
            ("", "holds no key"), ("# nothing\n", "holds no key"), ("abc", "Line 1"), ("k1:", "Line 1"), ("k1:AAAA", "Line 1"),
            (":\(base64)", "Line 1"),
            ("k 1:\(base64)", "Line 1"), ("k1:\(base64)\nk2:\(base64)x", "Line 2"), ("k1:\(base64)\n\nk1:\(base64)", "Line 3"),
            ("\(String(repeating: "k", count: 33)):\(base64)", "Line 1"), ("ké:\(base64)", "Line 1"),
        ])
    func refusal(_ text: String, _ place: String) {
        let error = #expect(throws: OperatorError.self) { try SecretKeyring(parsing: text) }
        #expect(error?.exitCode == .configuration)
        #expect(error?.message.contains(place) == true && error?.message.contains("chimera secret generate-key") == true)
        #expect(error?.message.contains(Self.base64) == false)
    }

    @Test("a file is loaded, and one that cannot be read is an error of configuration")
    func load() throws {
        let path = NSTemporaryDirectory() + "chimera-key-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let keyring = SecretKeyring.generate()
        try keyring.fileText.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try SecretKeyring.load(path: path) == keyring)
        try Data(repeating: 0x23, count: 65_537).write(to: URL(fileURLWithPath: path))
        for badPath in [path, path + "-absent", "/tmp", "/dev/zero"] {
            let error = #expect(throws: OperatorError.self, "\(badPath)") { try SecretKeyring.load(path: badPath) }
            #expect(error?.exitCode == .configuration)
        }
    }

    @Test("a key shows its name and never its bytes")
    func redaction() throws {
        let key = try #require(SecretKey(id: "k1", bytes: Array(0..<32)))
        var dumped = ""
        dump(key, to: &dumped)
        for shown in ["\(key)", String(reflecting: key), dumped, "\(try SecretKeyring(parsing: key.fileLine))"] {
            #expect(shown.contains("k1") && !shown.contains(Self.base64) && !shown.contains("31"), "\(shown)")
        }
    }
}

@Suite("Digests")
struct DigestTests {
    @Test("HMAC-SHA256 gives the codes of RFC 4231, and one for an empty key")
    func code() {
        func code(_ key: [UInt8], _ message: String) -> String { hexText(hmacSHA256(key: key, message: Array(message.utf8))) }
        #expect(
            code([UInt8](repeating: 0x0B, count: 20), "Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            code(Array("Jefe".utf8), "what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let longKey = [UInt8](repeating: 0xAA, count: 131)
        #expect(
            code(longKey, "Test Using Larger Than Block-Size Key - Hash Key First")
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        #expect(code([], "") == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test("the vector of Standard Webhooks comes out")
    func webhookVector() throws {
        let key = try #require(Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let content = #"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#
        let code = hmacSHA256(key: Array(key), message: Array(content.utf8))
        #expect(Data(code).base64EncodedString() == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }
}
