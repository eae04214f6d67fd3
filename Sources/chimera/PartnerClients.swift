import JobQueue
import Networking
import Partners
import Postgres
import Retail
import Runtime
import Secrets
import Synchronization

/// Makes RP's and CresceVendas' clients from their rows, once for each version of a row, and keeps their logins.
final class PartnerClients: PartnerDirectory {
    private struct Made {
        var keyring: SecretKeyring?
        var sources: [Int: (version: String, client: any ProductSource)] = [:]
        var targets: [Int: (version: String, client: any CampaignTarget)] = [:]
        var soloVaults: [Int: (version: String, vault: SoloTokenVault)] = [:]
    }
    private let made = Mutex(Made())
    private let http = HTTPClient()
    private let pool: PostgresPool
    /// A UUID of this process.
    private let caller: String
    private let keyFile: String?

    /// Throws when the key file cannot be read (78).
    init(pool: PostgresPool, keyFile: String?, caller: String) throws(OperatorError) {
        self.pool = pool
        self.keyFile = keyFile
        self.caller = caller
        try reload()
    }

    /// Reads the key file again and makes every client anew when it is next asked for.
    func reload() throws(OperatorError) {
        let keyring: SecretKeyring? = if let keyFile { try SecretKeyring.load(path: keyFile) } else { nil }
        made.withLock { $0 = Made(keyring: keyring) }
    }

    private var keyring: SecretKeyring? { made.withLock { $0.keyring } }

    func source(_ row: IntegrationRow) throws -> any ProductSource {
        if let known = made.withLock({ $0.sources[row.id] }), known.version == row.version { return known.client }
        let client = try Self.naming(row) {
            let (integration, secrets) = try open(row)
            return try RPSource(integration: integration, secrets: secrets, client: http, tokens: vault(row))
        }
        made.withLock { $0.sources[row.id] = (row.version, client) }
        return client
    }

    func target(_ row: IntegrationRow) throws -> any CampaignTarget {
        if let known = made.withLock({ $0.targets[row.id] }), known.version == row.version { return known.client }
        let client = try Self.naming(row) {
            let (integration, secrets) = try open(row)
            return try CresceVendasTarget(integration: integration, secrets: secrets, client: http)
        }
        made.withLock { $0.targets[row.id] = (row.version, client) }
        return client
    }

    /// Shared by all workers where there is a key to seal tokens with, else this process's own.
    private func vault(_ row: IntegrationRow) -> any TokenVault {
        if let keyring {
            return SharedTokenVault(
                integrationID: row.id, pool: pool, caller: caller, seal: { keyring.encrypt($0) }, open: { try keyring.decrypt($0) })
        }
        return made.withLock { made in
            if let known = made.soloVaults[row.id], known.version == row.version { return known.vault }
            let vault = SoloTokenVault()
            made.soloVaults[row.id] = (row.version, vault)
            return vault
        }
    }

    /// The integration, and what stood sealed in its configuration.
    private func open(_ row: IntegrationRow) throws -> (Integration, secrets: [String]) {
        let opened = try opened(row.config)
        return (Integration(row, config: opened.value), opened.secrets)
    }

    /// A document of the configuration with its envelopes opened.
    func opened(_ document: JSONValue) throws -> OpenedDocument {
        if let keyring { return try keyring.decryptAll(in: document) }
        guard !document.text.contains("\"enc:v1:") else { throw NoKeyring() }
        return OpenedDocument(value: document)
    }

    /// A configuration that cannot be used is a permanent failure that names the integration. A key that this worker lacks another one may have.
    private static func naming<T>(_ row: IntegrationRow, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch {
            let message = "\(error)"
            throw RunError(
                code: "INTEGRATION", message: message.contains(row.name) ? message : "integration \(row.name) cannot be used: \(message)",
                isRetryable: isMissingKey(error))
        }
    }

    private static func isMissingKey(_ error: any Error) -> Bool {
        if case SecretsError.unknownKey = error { return true }
        return error is NoKeyring
    }
}

/// Something is sealed, and this process has no key at all.
private struct NoKeyring: Error, CustomStringConvertible {
    let description = "its config has encrypted values and there is no key; set CHIMERA_KEY_FILE"
}

extension Integration {
    /// The row as a client of the partner takes it; `config` is its own with the envelopes opened, among them perhaps its address.
    init(_ row: IntegrationRow, config: JSONValue) {
        let baseURL = row.baseURL.hasPrefix("enc:v1:") ? config["base_url"]?.stringValue ?? "" : row.baseURL
        self.init(id: row.id, name: row.name, type: row.type, baseURL: baseURL, config: config)
    }
}
