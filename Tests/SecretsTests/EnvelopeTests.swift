import Foundation
import Runtime
import Testing

@testable import Secrets

@Suite("Envelopes")
struct EnvelopeTests {
    private let keyring = SecretKeyring.generate()

    @Test("what was encrypted is decrypted", arguments: ["", "x", "senha do RP ção 😀", "a\u{0}b", String(repeating: "é", count: 40_000)])
    func roundTrip(_ text: String) throws {
        let envelope = keyring.encrypt(text)
        #expect(SecretKeyring.isEnvelope(envelope) && !SecretKeyring.isEnvelope(text))
        #expect(envelope.hasPrefix("enc:v1:\(keyring.currentKey.id):"))
        #expect(envelope.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "/") })
        #expect(try keyring.decrypt(envelope) == text)
    }

    @Test("the same text never has the same envelope twice")
    func nonces() {
        #expect(Set((0..<1_000).map { _ in keyring.encrypt("x") }).count == 1_000)
    }

    @Test("an envelope that another program sealed with AES-256-GCM opens")
    func knownEnvelope() throws {
        // Made with Python's cryptography: key 00…1f, nonce 000102…0b, associated data "k1", text "segredo".
        let known = try #require(SecretKey(id: "k1", bytes: Array(0..<32)))
        let ring = try SecretKeyring(parsing: known.fileLine)
        #expect(try ring.decrypt(Self.knownEnvelope) == "segredo")
    }

    @Test("no character of an envelope can be changed, removed or added")
    func tampering() {
        let envelope = Array(keyring.encrypt("senha").utf8)
        for index in envelope.indices {
            for replacement in [UInt8](Set([UInt8](":A.b-_=1".utf8) + [envelope[index] ^ 1])) where replacement != envelope[index] {
                var changed = envelope
                changed[index] = replacement
                #expect(throws: SecretsError.self, "byte \(index)") { try keyring.decrypt(String(decoding: changed, as: UTF8.self)) }
            }
            var shorter = envelope
            shorter.remove(at: index)
            #expect(throws: SecretsError.self, "without byte \(index)") { try keyring.decrypt(String(decoding: shorter, as: UTF8.self)) }
        }
        #expect(throws: SecretsError.self) { try keyring.decrypt(String(decoding: envelope, as: UTF8.self) + "A") }
    }

    @Test("every bit of nonce, ciphertext and tag counts")
    func bits() throws {
        let box = SealedBox()
        let key = randomBytes(count: 32)
        let nonce = randomBytes(count: 12)
        let sealed = box.seal(Array("senha".utf8), key: key, nonce: nonce, associated: [1, 2])
        #expect(box.open(sealed, key: key, nonce: nonce, associated: [1, 2]) == Array("senha".utf8))
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(box.open(changed, key: key, nonce: nonce, associated: [1, 2]) == nil)
        }
        var otherNonce = nonce
        otherNonce[11] ^= 1
        #expect(box.open(sealed, key: key, nonce: otherNonce, associated: [1, 2]) == nil)
        #expect(box.open(sealed, key: key, nonce: nonce, associated: [1, 3]) == nil)
        #expect(box.open(Array(sealed.prefix(15)), key: key, nonce: nonce, associated: [1, 2]) == nil)
    }

    @Test("the error says which of three things is wrong")
    func errors() throws {
        let other = SecretKeyring.generate()
        let envelope = other.encrypt("x")
        #expect(throws: SecretsError.unknownKey(other.currentKey.id)) { try keyring.decrypt(envelope) }
        let sameName = try #require(SecretKey(id: other.currentKey.id, bytes: randomBytes(count: 32)))
        #expect(throws: SecretsError.tampered) { try SecretKeyring(parsing: sameName.fileLine).decrypt(envelope) }
        for text in [
            "", "x", "enc:v1:", "enc:v1:k1", "enc:v1:k1:", "enc:v1:k1:AAAA", "enc:v1::AAAA", "enc:v2:k1:AAAA", envelope + "=",
            envelope + ":x",
        ] {
            #expect(throws: SecretsError.malformed) { try other.decrypt(text) }
        }
        for error in [SecretsError.unknownKey("k1"), .malformed, .tampered] {
            #expect(error.description.contains("chimera secret encrypt"))
        }
    }

    @Test("after a rotation the new key encrypts and the old one still decrypts")
    func rotation() throws {
        let old = keyring.encrypt("x")
        let rotated = keyring.rotated()
        #expect(rotated.keys.count == 2 && rotated.keys[1] == keyring.currentKey)
        let new = rotated.encrypt("y")
        #expect(try SecretKeyring.keyID(of: new) == rotated.currentKey.id && SecretKeyring.keyID(of: old) == keyring.currentKey.id)
        #expect(try rotated.decrypt(old) == "x" && rotated.decrypt(new) == "y")
        #expect(throws: SecretsError.unknownKey(rotated.currentKey.id)) { try keyring.decrypt(new) }
    }

    @Test("every envelope in a document is opened, and nothing else changes")
    func documents() throws {
        let document: JSONValue = [
            "password": .string(keyring.encrypt("p")), "plain": "q", "list": [.string(keyring.encrypt("r")), 1, nil], "enc:v1:key": true,
        ]
        let opened: JSONValue = ["password": "p", "plain": "q", "list": ["r", 1, nil], "enc:v1:key": true]
        let result = try keyring.decryptAll(in: document)
        #expect(result.value == opened && result.secrets.sorted() == ["p", "r"])
        #expect(throws: SecretsError.malformed) { try keyring.decryptAll(in: [["a": "enc:v1:broken"]]) }
    }

    private static let knownEnvelope = "enc:v1:k1:AAECAwQFBgcICQoLNGexaaCBrST05EgvwvOIlNjrt6jpmEM"
}
