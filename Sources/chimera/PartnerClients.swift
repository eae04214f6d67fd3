import JobQueue
import Networking
import Partners
import Postgres
import Retail
import Runtime
import Secrets
import Synchronization

/// Makes RP's and CresceVendas' clients from their rows, once for each version of a row and of the keys, and keeps their logins.
final class PartnerClients: PartnerDirectory {
    /// What a client was made from.
    private struct Version: Equatable {
        let row: String
        let keys: Int
    }
    private struct Made {
        var sources: [Int: (version: Version, client: any ProductSource)] = [:]
        var targets: [Int: (version: Version, client: any CampaignTarget)] = [:]
        var soloVaults: [Int: (version: Version, vault: SoloTokenVault)] = [:]
    }
    private let made = Mutex(Made())
    private let http = HTTPClient()
    private let pool: PostgresPool
    private let keys: CurrentKeyring

    init(pool: PostgresPool, keys: CurrentKeyring) {
        self.pool = pool
        self.keys = keys
    }

    /// Asked before the keys are: what is made of later ones is made once too often, never too seldom.
    private func version(of row: IntegrationRow) -> Version { Version(row: row.version, keys: keys.timesRead) }

    func source(_ row: IntegrationRow) throws -> any ProductSource {
        let version = version(of: row)
        if let known = made.withLock({ $0.sources[row.id] }), known.version == version { return known.client }
        let client = try Self.naming(row) {
            let (integration, secrets) = try open(row)
            return try RPSource(integration: integration, secrets: secrets, client: http, tokens: vault(row, version))
        }
        made.withLock { $0.sources[row.id] = (version, client) }
        return client
    }

    func target(_ row: IntegrationRow) throws -> any CampaignTarget {
        let version = version(of: row)
        if let known = made.withLock({ $0.targets[row.id] }), known.version == version { return known.client }
        let client = try Self.naming(row) {
            let (integration, secrets) = try open(row)
            return try CresceVendasTarget(integration: integration, secrets: secrets, client: http)
        }
        made.withLock { $0.targets[row.id] = (version, client) }
        return client
    }

    /// Shared by all workers where there is a key to seal tokens with, else this process's own.
    private func vault(_ row: IntegrationRow, _ version: Version) -> any TokenVault {
        if let keyring = keys.keyring {
            return SharedTokenVault(
                integrationID: row.id, pool: pool, seal: { keyring.encrypt($0) }, open: { try keyring.decrypt($0) })
        }
        return made.withLock { made in
            if let known = made.soloVaults[row.id], known.version == version { return known.vault }
            let vault = SoloTokenVault()
            made.soloVaults[row.id] = (version, vault)
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
        if let keyring = keys.keyring { return try keyring.decryptAll(in: document) }
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
