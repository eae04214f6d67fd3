import Runtime
import Secrets

/// The key of encrypted settings, when there is one.
struct Keyring: Sendable {
    private let keyring: SecretKeyring?

    /// Reads the key file that the environment names; throws `.configuration` when it cannot be used.
    init(_ settings: ProgramSettings) throws(OperatorError) {
        guard let path = settings.keyFile else {
            keyring = nil
            return
        }
        keyring = try SecretKeyring.load(path: path)
    }

    /// The document with every envelope opened; throws `.configuration` when there is one and no key opens it.
    func opened(_ document: JSONValue) throws(OperatorError) -> OpenedDocument {
        guard let keyring else {
            guard !document.text.contains("\"enc:v1:") else {
                throw OperatorError(
                    exitCode: .configuration,
                    message: "it holds encrypted settings and no key is set; set CHIMERA_KEY_FILE to the workers' key file")
            }
            return OpenedDocument(value: document)
        }
        do {
            return try keyring.decryptAll(in: document)
        } catch {
            throw OperatorError(exitCode: .configuration, message: "\(error)")
        }
    }
}
