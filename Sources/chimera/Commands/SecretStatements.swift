import Postgres

/// The statements of `chimera secret rotate`. Rows are locked so that nobody's change is lost, and so that references to them go on.
enum SecretStatements {
    /// A table whose `config` may hold envelopes.
    struct Place: Sendable {
        let word: String
        let table: String
        let name: String
    }

    static let places = [
        Place(word: "integration", table: "integrations", name: "name"),
        Place(word: "channel", table: "notification_channels", name: "name"),
        Place(word: "job", table: "job_configurations", name: "name"),
        Place(word: "store", table: "stores", name: "registration"),
    ]

    /// The text of a document keeps the digits of its numbers, which a parsed one would not. `after` nil: from the lowest id.
    static func configs(in place: Place, after id: Int?, limit: Int) -> SQL {
        // Names of the code.
        return """
            SELECT id, \(unsafe: place.name) AS name, config::text AS document FROM \(unsafe: place.table)
            WHERE id > \(id ?? .min)::bigint AND config::text LIKE '%"enc:v1:%' ORDER BY id LIMIT \(limit) FOR NO KEY UPDATE
            """
    }

    static func store(_ document: String, in place: Place, id: Int) -> SQL {
        // Names of the code.
        return "UPDATE \(unsafe: place.table) SET config = \(document)::jsonb WHERE id = \(id)"
    }

    /// Executions that wait, as long as they do: a claim waits for the row and then reads the params anew.
    static func params(after id: String?, limit: Int) -> SQL {
        """
        SELECT id::text AS id, params::text AS document FROM job_executions
        WHERE status = 'PENDING' AND id > coalesce(\(orNull: id)::uuid, '00000000-0000-0000-0000-000000000000')
          AND params::text LIKE '%"enc:v1:%' ORDER BY id LIMIT \(limit) FOR NO KEY UPDATE
        """
    }

    static func store(_ params: String, execution id: String) -> SQL {
        "UPDATE job_executions SET params = \(params)::jsonb WHERE id = \(id)::uuid AND status = 'PENDING'"
    }

    /// Executions that run with params that may not be changed, and may wait again with them.
    static let running: SQL = """
        SELECT id::text AS id, params::text AS document FROM job_executions
        WHERE status = 'RUNNING' AND params::text LIKE '%"enc:v1:%' ORDER BY id
        """

    static func keys(after integration: Int, _ key: String, limit: Int) -> SQL {
        """
        SELECT k.integration_id AS id, k.key, k.value AS document, i.name FROM integration_keys AS k JOIN integrations AS i ON i.id = k.integration_id
        WHERE (k.integration_id, k.key) > (\(integration)::bigint, \(key)) ORDER BY k.integration_id, k.key LIMIT \(limit) FOR NO KEY UPDATE OF k
        """
    }

    static func store(_ value: String, integration: Int, key: String) -> SQL {
        "UPDATE integration_keys SET value = \(value) WHERE integration_id = \(integration) AND key = \(key)"
    }
}
