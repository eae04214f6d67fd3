import Foundation
import Runtime

/// Why an envelope gave no text; it holds nothing of the secret.
package enum SecretsError: Error, Hashable, CustomStringConvertible {
    /// No key of the key file has the envelope's key id.
    case unknownKey(String)
    /// The text does not have the form `enc:v1:<keyid>:<base64url>`.
    case malformed
    /// The envelope was changed, or its key has the right id and other bytes.
    case tampered

    /// One sentence for the operator.
    package var description: String {
        switch self {
        case .unknownKey(let id):
            "A secret was encrypted with the key \(id), which the key file lacks; "
                + "add that key to CHIMERA_KEY_FILE or encrypt the secret again with `chimera secret encrypt`."
        case .malformed:
            "A secret begins with enc:v1: and is no envelope; it was cut or mistyped: make it again with `chimera secret encrypt`."
        case .tampered:
            "A secret does not open with the key it names: it was changed, or that key was replaced under the same id; "
                + "make it again with `chimera secret encrypt`."
        }
    }
}

/// A document of the configuration with its envelopes opened. Never log it.
package struct OpenedDocument: Sendable {
    /// The document, its secrets in the clear.
    package let value: JSONValue
    /// What the envelopes held: secrets, under whatever key they stood.
    package let secrets: [String]

    /// Takes a document and what was opened in it; without a key there is nothing to open.
    package init(value: JSONValue, secrets: [String] = []) {
        self.value = value
        self.secrets = secrets
    }
}

/// The form of an encrypted string: `enc:v1:<keyid>:<base64url of nonce, ciphertext and tag>`, unpadded.
///
/// AES-256-GCM with a random 96-bit nonce; the key id is associated data, so an envelope cannot be moved to another id.
extension SecretKeyring {
    /// What every envelope begins with.
    package static let envelopePrefix = "enc:v1:"
    /// Bytes that an envelope may have.
    package static let maximumEnvelopeByteCount = 1 << 20

    /// Tells whether a string wants to be decrypted.
    package static func isEnvelope(_ text: String) -> Bool { text.hasPrefix(envelopePrefix) }

    /// The id of the key that an envelope names, for rotation; throws `.malformed`.
    package static func keyID(of envelope: String) throws(SecretsError) -> String { try parts(of: envelope).keyID }

    /// Encrypts with the first key; two calls never give the same envelope.
    package func encrypt(_ text: String) -> String {
        let nonce = randomBytes(count: SealedBox.nonceByteCount)
        let sealed = SealedBox().seal(Array(text.utf8), key: currentKey.bytes, nonce: nonce, associated: Array(currentKey.id.utf8))
        return "\(Self.envelopePrefix)\(currentKey.id):\(Self.base64URL(nonce + sealed))"
    }

    /// Decrypts with the key that the envelope names.
    package func decrypt(_ envelope: String) throws(SecretsError) -> String {
        let (keyID, bytes) = try Self.parts(of: envelope)
        guard let key = keys.first(where: { $0.id == keyID }) else { throw .unknownKey(keyID) }
        let plaintext = SealedBox().open(
            Array(bytes.dropFirst(SealedBox.nonceByteCount)), key: key.bytes, nonce: Array(bytes.prefix(SealedBox.nonceByteCount)),
            associated: Array(keyID.utf8))
        guard let plaintext, let text = String(validating: plaintext, as: UTF8.self) else { throw .tampered }
        return text
    }

    /// The same document with every envelope decrypted, and what they held; keys of objects stay as they are.
    package func decryptAll(in document: JSONValue) throws(SecretsError) -> OpenedDocument {
        var secrets: [String] = []
        return OpenedDocument(value: try opened(document, &secrets), secrets: secrets)
    }

    private func opened(_ document: JSONValue, _ secrets: inout [String]) throws(SecretsError) -> JSONValue {
        switch document {
        case .string(let envelope) where Self.isEnvelope(envelope):
            let text = try decrypt(envelope)
            secrets.append(text)
            return .string(text)
        case .array(let elements):
            var result: [JSONValue] = []
            for element in elements { result.append(try opened(element, &secrets)) }
            return .array(result)
        case .object(let members):
            var result: [String: JSONValue] = [:]
            for (key, value) in members { result[key] = try opened(value, &secrets) }
            return .object(result)
        default:
            return document
        }
    }

    private static func parts(of envelope: String) throws(SecretsError) -> (keyID: String, bytes: [UInt8]) {
        guard isEnvelope(envelope), envelope.utf8.count <= maximumEnvelopeByteCount else { throw .malformed }
        let parts = envelope.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, SecretKey.isID(parts[2]), let bytes = bytes(base64URL: parts[3]),
            bytes.count >= SealedBox.nonceByteCount + SealedBox.tagByteCount
        else { throw .malformed }
        return (parts[2], bytes)
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString()
            .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    private static func bytes(base64URL text: String) -> [UInt8]? {
        let standard = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        let padding = String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let decoded = Data(base64Encoded: standard + padding) else { return nil }
        // One spelling only: no `+`, no `=`, no bits set that decoding ignores.
        return base64URL(Array(decoded)) == text ? Array(decoded) : nil
    }
}
