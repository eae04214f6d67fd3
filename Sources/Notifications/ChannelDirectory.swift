import Postgres
import Runtime
import Secrets

/// Reads channels with the integrations that they name, and opens their secrets for one message at a time.
package struct ChannelDirectory: Sendable {
    private let pool: PostgresPool
    /// The keys of now: a SIGHUP may bring others.
    private let keyring: @Sendable () -> SecretKeyring?

    /// `keyring` gives nil when there is no key file.
    package init(pool: PostgresPool, keyring: @escaping @Sendable () -> SecretKeyring?) {
        self.pool = pool
        self.keyring = keyring
    }

    /// What came of opening a channel.
    enum Opening: Sendable {
        case open(OpenChannel)
        /// It was switched off or removed meanwhile.
        case gone
        /// Its deliveries fail, or wait for a key, for this reason.
        case unusable(DeliveryOutcome)
    }

    func open(_ id: Int, evenInactive: Bool = false) async throws -> Opening {
        guard let row = try await pool.query(DeliveryStatements.channel(id: id, evenInactive: evenInactive)).first, let name = row["name"],
            let type = row["type"].flatMap(ChannelType.init)
        else { return .gone }
        let config: [String: JSONValue]
        do {
            config = try Self.merged(row, type: type)
        } catch let defect as ChannelDefect {
            return .unusable(.refused(reason: defect.reason))
        }
        do {
            let opened = try opened(.object(config))
            return .open(OpenChannel(id: id, name: name, type: type, config: opened.value, secrets: opened.secrets))
        } catch {
            // Another worker may have the key, or this one after its next SIGHUP.
            return .unusable(.retry(reason: "\(error)"))
        }
    }

    private func opened(_ document: JSONValue) throws -> OpenedDocument {
        if let keyring = keyring() { return try keyring.decryptAll(in: document) }
        guard !document.text.contains("\"\(SecretKeyring.envelopePrefix)") else {
            throw OperatorError(
                exitCode: .configuration, message: "its config has encrypted values and there is no key; set CHIMERA_KEY_FILE")
        }
        return OpenedDocument(value: document)
    }

    /// The channel's config over the config, the keys and the address of its integration.
    private static func merged(_ row: PostgresRow, type: ChannelType) throws -> [String: JSONValue] {
        guard let own = (try? row.get("config", as: JSONValue.self))?.objectValue else {
            throw ChannelDefect(reason: "its config cannot be read; mend it")
        }
        guard let name = row["integration"] else { return own }
        guard let found = row["integration_type"] else { throw ChannelDefect(reason: "there is no integration named \(name)") }
        guard found == type.rawValue else {
            throw ChannelDefect(reason: "integration \(name) is of type \(found), \(type.rawValue) is needed")
        }
        guard try row.get("integration_active", as: Bool.self) else { throw ChannelDefect(reason: "integration \(name) is inactive") }
        guard var merged = (try? row.get("integration_config", as: JSONValue.self))?.objectValue else {
            throw ChannelDefect(reason: "the config of integration \(name) cannot be read; mend it")
        }
        for (key, value) in try row.getIfPresent("keys", as: JSONValue.self)?.objectValue ?? [:] {
            // `auth_headers.X-Key` names a member of an object.
            let path = key.split(separator: ".", maxSplits: 1).map(String.init)
            if path.count == 2 {
                merged[path[0]] = .object((merged[path[0]]?.objectValue ?? [:]).merging([path[1]: value]) { $1 })
            } else {
                merged[key] = value
            }
        }
        if let address = row["base_url"] { merged["base_url"] = .string(address) }
        return merged.merging(own) { $1 }
    }
}

/// Why a channel's configuration cannot be used until somebody mends it.
private struct ChannelDefect: Error {
    let reason: String
}
