import Foundation
import Runtime

/// The keys of a key file: the first one encrypts, all of them decrypt, so a key is rotated without downtime.
package struct SecretKeyring: Sendable, Hashable {
    /// Bytes that a key file may have.
    package static let maximumFileByteCount = 65_536

    /// In the file's order, at least one, names unique.
    package let keys: [SecretKey]

    private init(keys: [SecretKey]) { self.keys = keys }

    /// Reads the text of a key file: `keyid:base64` a line; empty lines and lines that begin with `#` are skipped.
    ///
    /// Throws `OperatorError` with `.configuration` that names the line and never repeats it.
    package init(parsing text: String) throws(OperatorError) {
        var keys: [SecretKey] = []
        for (index, rawLine) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = rawLine.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, let bytes = Data(base64Encoded: parts[1]), let key = SecretKey(id: parts[0], bytes: Array(bytes)) else {
                throw Self.failure("Line \(index + 1) of the key file is not \"keyid:base64 of 32 bytes\"")
            }
            guard !keys.contains(where: { $0.id == key.id }) else {
                throw Self.failure("Line \(index + 1) of the key file repeats the key id \(key.id)")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw Self.failure("The key file holds no key") }
        self.keys = keys
    }

    /// Reads a key file (`CHIMERA_KEY_FILE`); throws `OperatorError` with `.configuration`.
    package static func load(path: String) throws(OperatorError) -> SecretKeyring {
        guard let file = FileHandle(forReadingAtPath: path), let bytes = try? file.read(upToCount: maximumFileByteCount + 1) ?? Data()
        else {
            throw OperatorError(
                exitCode: .configuration,
                message: "The key file \(path) cannot be read; set CHIMERA_KEY_FILE to a file that this user can read.")
        }
        guard bytes.count <= maximumFileByteCount, let text = String(bytes: bytes, encoding: .utf8) else {
            throw failure("The key file \(path) is no text of at most \(maximumFileByteCount) bytes")
        }
        return try SecretKeyring(parsing: text)
    }

    /// Makes a keyring with one random key.
    package static func generate() -> SecretKeyring { SecretKeyring(keys: [.generate()]) }

    /// The same keys behind a new one, which encrypts from now on.
    package func rotated() -> SecretKeyring { SecretKeyring(keys: [.generate()] + keys) }

    /// The text of a key file with these keys: a secret.
    package var fileText: String { keys.map { $0.fileLine + "\n" }.joined() }

    /// The key that encrypts.
    package var currentKey: SecretKey { keys[0] }

    private static func failure(_ fact: String) -> OperatorError {
        OperatorError(exitCode: .configuration, message: "\(fact); make one with `chimera secret generate-key`.")
    }
}
