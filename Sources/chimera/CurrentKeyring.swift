import Runtime
import Secrets
import Synchronization

/// The keys of the key file as they were last read: SIGHUP reads them again.
final class CurrentKeyring: Sendable {
    private let path: String?
    private let read: Mutex<(keyring: SecretKeyring?, times: Int)>

    /// Nil: there is no key file. Throws when it cannot be read (78).
    init(path: String?) throws(OperatorError) {
        self.path = path
        read = Mutex((try Self.load(path), 1))
    }

    var keyring: SecretKeyring? { read.withLock { $0.keyring } }

    /// How often the file was read: what was made with the keys of an earlier time is made anew.
    var timesRead: Int { read.withLock { $0.times } }

    /// Reads the file again; throws and keeps the old keys when it cannot be read.
    func reload() throws(OperatorError) {
        let fresh = try Self.load(path)
        read.withLock { $0 = (fresh, $0.times + 1) }
    }

    private static func load(_ path: String?) throws(OperatorError) -> SecretKeyring? {
        if let path { try SecretKeyring.load(path: path) } else { nil }
    }
}
