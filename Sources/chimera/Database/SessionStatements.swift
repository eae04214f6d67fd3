import Postgres

/// What every command says to the database, whatever it asks for.
enum SessionStatements {
    static let ping: SQL = "SELECT 1 AS here"

    /// Signs the transaction for the audit log and fixes how values are written; it holds for this transaction alone.
    static func introduce(actor: String) -> SQL {
        """
        SELECT set_config('chimera.actor', \(actor), true), set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),
          set_config('IntervalStyle', 'postgres', true)
        """
    }

    /// Each row of a SELECT as one JSON object without secrets.
    static func asJSON(_ select: SQL) -> SQL {
        "SELECT mask_secrets(to_jsonb(answer)) AS answer FROM (" + select + ") AS answer"
    }

    static let now: SQL = "SELECT floor(extract(epoch FROM now()))::bigint AS now"

    static func interval(_ text: String) -> SQL {
        "SELECT \(text)::interval AS interval"
    }
}
