import JobQueue
import Postgres
import Runtime

/// A store as its row describes it.
package struct Store: Sendable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// How the target knows it: 14 digits as a rule, leading zeros included. Never a number.
    package let registration: String
    /// The CNPJ that RP knows it by; empty: none given.
    package let document: String
    /// Whether it is active and not deleted.
    package let isActive: Bool
    /// `source`, `time_zone`, `quantity_limit`: exceptions for this store. Null: they cannot be read.
    package let config: JSONValue

    init(_ row: PostgresRow) throws {
        id = try row.get("id")
        name = try row.get("name")
        registration = try row.get("registration")
        document = try row.get("document")
        isActive = try row.get("active", as: Bool.self) && !row.get("deleted", as: Bool.self)
        // jsonb holds more than we read (1e400, depth): that store fails by name, and no other.
        config = (try? row.get("config")) ?? .null
    }

    /// The unit that RP is asked for: the document, else a registration of 14 digits (PARTNERS §5).
    package func unit() throws(RunError) -> String {
        let digits = document.filter(\.isNumber)
        if !document.isEmpty { return digits.count == 14 ? digits : document }
        let registered = registration.filter(\.isNumber)
        guard registered.count == 14 else {
            throw RunError(
                code: "STORE_WITHOUT_DOCUMENT",
                message: "store \(name) has no document and its registration \(registration) has not 14 digits; set stores.document",
                isRetryable: false)
        }
        return registered
    }
}

/// Stores and integrations by name and id.
struct RetailDirectory: Sendable {
    let pool: PostgresPool

    func activeStores() async throws -> [Store] {
        try await pool.query(RetailStatements.activeStores).map(Store.init)
    }

    /// The stores of `ids` by id; one that is missing is unknown.
    func stores(_ ids: [Int]) async throws -> [Int: Store] {
        let stores = try await pool.query(RetailStatements.stores(ids: ids)).map(Store.init)
        return Dictionary(uniqueKeysWithValues: stores.map { ($0.id, $0) })
    }

    /// A store and two integrations by their ids, active or not; nil: there is none of this id. And the database's clock, in Unix seconds.
    func rows(
        store: Int, source: Int, target: Int
    ) async throws -> (store: Store?, source: IntegrationRow?, target: IntegrationRow?, now: Int64) {
        let rows = try await pool.queries([
            RetailStatements.stores(ids: [store]), RetailStatements.integration(id: source), RetailStatements.integration(id: target),
            RetailStatements.now,
        ])
        return try (
            rows[0].first.map(Store.init), rows[1].first.map(IntegrationRow.init), rows[2].first.map(IntegrationRow.init),
            rows[3].first?.get("now") ?? 0
        )
    }

    /// The integration that a row named by its id, else by name or type as `integration(named:type:)`. One that is inactive is a permanent
    /// failure that names it.
    func integration(_ row: IntegrationRow?, orNamed name: String?, type: String) async throws -> IntegrationRow {
        guard let row else { return try await integration(named: name, type: type) }
        return try Self.active(row)
    }

    /// The integration of that name, else the only active one of the type. Missing, inactive or ambiguous is a permanent failure that
    /// names it.
    func integration(named name: String?, type: String) async throws -> IntegrationRow {
        if let name {
            guard let row = try await pool.query(RetailStatements.integration(named: name)).first else {
                throw Self.failure("there is no integration named \(name)")
            }
            let integration = try IntegrationRow(row)
            guard integration.type == type else {
                throw Self.failure("integration \(name) is of type \(integration.type), \(type) is needed")
            }
            return try Self.active(integration)
        }
        let rows = try await pool.query(RetailStatements.activeIntegrations(type: type))
        guard rows.count == 1, let row = rows.first else {
            let side = type == "RP" ? "source" : "target"
            throw Self.failure(
                rows.isEmpty
                    ? "there is no active integration of type \(type)"
                    : "there is more than one active integration of type \(type); name the one to use as config.\(side) of the job")
        }
        return try IntegrationRow(row)
    }

    private static func active(_ integration: IntegrationRow) throws -> IntegrationRow {
        guard integration.isActive else { throw failure("integration \(integration.name) is inactive") }
        return integration
    }

    private static func failure(_ message: String) -> RunError {
        RunError(code: "INTEGRATION", message: message, isRetryable: false)
    }
}

/// A row of `integrations`, its secrets still sealed.
package struct IntegrationRow: Sendable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// `RP`, `CRESCEVENDAS`, …
    package let type: String
    /// The column `base_url`, else `config.base_url`; empty when there is none.
    package let baseURL: String
    /// Its settings.
    package let config: JSONValue
    /// Whether it may be used.
    package let isActive: Bool
    /// Changes with every change of the row.
    package let version: String

    /// A row of one of the statements of integrations.
    package init(_ row: PostgresRow) throws {
        id = try row.get("id")
        name = try row.get("name")
        type = try row.get("type")
        baseURL = try row.get("base_url")
        config = try Self.merging(row.get("config"), keys: row.getIfPresent("keys"))
        isActive = try row.get("active")
        version = try row.get("version")
    }

    /// `integration_keys` over `config`; a key such as `auth_headers.X-AdminUser-Token` names a member of an object.
    private static func merging(_ config: JSONValue, keys: JSONValue?) -> JSONValue {
        var merged = config.objectValue ?? [:]
        for (key, value) in keys?.objectValue ?? [:] {
            let path = key.split(separator: ".", maxSplits: 1).map(String.init)
            if path.count == 2 {
                var member = merged[path[0]]?.objectValue ?? [:]
                member[path[1]] = value
                merged[path[0]] = .object(member)
            } else {
                merged[key] = value
            }
        }
        return .object(merged)
    }
}

/// Makes partners' clients from their rows; `Partners` stands behind it.
package protocol PartnerDirectory: Sendable {
    /// Throws a permanent `RunError` that names the integration and the field at fault.
    func source(_ integration: IntegrationRow) throws -> any ProductSource
    /// Throws likewise.
    func target(_ integration: IntegrationRow) throws -> any CampaignTarget
}
