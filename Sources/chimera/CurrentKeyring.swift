import Runtime
import Secrets
import Synchronization

/// The keys of the key file as they were last read: SIGHUP reads them again.
final class CurrentKeyring: Sendable {
    private let path: String?
    private let keys: Mutex<SecretKeyring?>

    /// Nil: there is no key file. Throws when it cannot be read (78).
    init(path: String?) throws(OperatorError) {
        self.path = path
        keys = Mutex(try Self.load(path))
    }

    var keyring: SecretKeyring? { keys.withLock { $0 } }

    /// Reads the file again; throws and keeps the old keys when it cannot be read.
    func reload() throws(OperatorError) {
        let fresh = try Self.load(path)
        keys.withLock { $0 = fresh }
    }

    private static func load(_ path: String?) throws(OperatorError) -> SecretKeyring? {
        if let path { try SecretKeyring.load(path: path) } else { nil }
    }
}
