import Postgres

/// The statements of the migrator.
enum MigrationStatements {
    static let lock: SQL = "SELECT pg_advisory_xact_lock(hashtext('chimera.migrate'))"
    static let currentSchema: SQL = "SELECT current_schema()::text AS schema"

    /// For the transaction, and by SET … FROM CURRENT for the functions that it makes: nothing but the schema itself, and temporary tables last.
    /// Otherwise a table of one's own, such as `audit_log`, would take the place of ours.
    static let fixSearchPath: SQL = "SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true)"

    /// A row when the connection's default schema has our `schema_migrations`.
    static let hasTable: SQL = """
        SELECT 1 AS ours FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = 'schema_migrations' AND a.attname = 'incompatible'
        """

    /// Whether the database can hold every text.
    static let isUnicode: SQL = "SELECT current_setting('server_encoding') = 'UTF8' AS is_unicode"

    /// What migrations make that bears a name of its own, and would stand in their way.
    static let relations = [
        "audit_log", "campaigns", "comparison_differences", "delivery_claim", "delivery_lanes", "execution_logs", "integration_keys",
        "integration_state",
        "integrations", "job_attempts", "job_attempts_past", "job_channels", "job_configurations", "job_executions", "job_failures",
        "job_finished", "job_live", "job_notifications", "job_schedules", "job_watches", "last_wake", "lease_token",
        "missing_partition_days", "notification_channels", "notification_deliveries", "products", "queue_clock", "queue_defects",
        "request_reservations", "schedule_ticks", "schema_migrations", "start_wishes", "store_status", "stores", "workers",
    ]

    /// Relations of our names, of whatever kind and whoever's, in a schema that has not our `schema_migrations`.
    static let foreignRelations: SQL = """
        SELECT relname::text AS name FROM pg_class
        WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY (\(relations)::text[]) ORDER BY 1
        """

    static let createTable = """
        CREATE TABLE schema_migrations (
          number int PRIMARY KEY,
          name text NOT NULL,
          applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          incompatible boolean NOT NULL DEFAULT false
        );
        COMMENT ON COLUMN schema_migrations.incompatible IS 'true: programs of the version before must not run with it'
        """

    static let dropTable = "DROP TABLE schema_migrations"

    /// What our `schema_migrations` holds. One that the search path finds in a later schema is not ours, and counts as empty.
    static let applied: SQL = """
        SELECT number, name, applied_at::text AS applied_at, incompatible FROM schema_migrations
        WHERE tableoid IN (SELECT oid FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace)
        """

    static func isApplied(_ number: Int) -> SQL {
        "SELECT 1 AS applied FROM schema_migrations WHERE number = \(number)"
    }

    static func record(_ migration: Migration) -> SQL {
        "INSERT INTO schema_migrations (number, name) VALUES (\(migration.number), \(migration.name))"
    }

    static func forget(_ number: Int) -> SQL {
        "DELETE FROM schema_migrations WHERE number = \(number)"
    }
}
