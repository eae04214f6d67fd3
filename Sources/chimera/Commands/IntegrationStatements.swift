import Postgres

/// The statements of `chimera integration`.
enum IntegrationStatements {
    /// `keys`: the names of credentials that are kept apart from the configuration.
    static let listing: SQL = """
        SELECT i.id, i.name, i.type, i.base_url, i.config, i.active,
          (SELECT coalesce(jsonb_agg(k.key ORDER BY k.key), '[]') FROM integration_keys AS k WHERE k.integration_id = i.id) AS keys, i.created_at, i.updated_at
        FROM integrations AS i WHERE i.deleted_at IS NULL ORDER BY i.name
        """

    /// Active jobs that fail without an integration: those that name it, or have stores that do, and those that take the only active one of
    /// its type.
    static func users(of id: Int) -> SQL {
        """
        SELECT j.name FROM integrations AS i JOIN job_configurations AS j ON j.active AND j.deleted_at IS NULL
        CROSS JOIN LATERAL (SELECT j.config ->> CASE i.type WHEN 'RP' THEN 'source' WHEN 'CRESCEVENDAS' THEN 'target' END AS named) AS n
        WHERE i.id = \(id) AND (j.integration_id = i.id OR j.job_type IN ('SYNC_PRODUCTS', 'COMPARE_DATA') AND (
          n.named = i.name
          OR i.type = 'RP' AND EXISTS (SELECT FROM stores AS s WHERE s.active AND s.deleted_at IS NULL AND s.config ->> 'source' = i.name)
          OR i.type IN ('RP', 'CRESCEVENDAS') AND n.named IS NULL AND i.active AND NOT EXISTS (
            SELECT FROM integrations AS o WHERE o.type = i.type AND o.active AND o.deleted_at IS NULL AND o.id <> i.id)))
        ORDER BY j.name LIMIT 20
        """
    }

    /// A store to ask the partner about, the one named or the first active one, what the ERP calls it (PARTNERS §5), and its day.
    static func sampleStore(id: Int?) -> SQL {
        """
        SELECT registration, CASE WHEN coalesce(document, '') = '' THEN CASE WHEN r.digits ~ '^[0-9]{14}$' THEN r.digits END
            WHEN d.digits ~ '^[0-9]{14}$' THEN d.digits ELSE document END AS unit,
          (now() AT TIME ZONE store_time_zone(id, config))::date::text AS day
        FROM stores, LATERAL (SELECT regexp_replace(registration, '[^0-9]', '', 'g') AS digits) AS r,
          LATERAL (SELECT regexp_replace(document, '[^0-9]', '', 'g') AS digits) AS d
        WHERE deleted_at IS NULL AND CASE WHEN \(orNull: id)::int IS NULL THEN active ELSE id = \(orNull: id)::int END ORDER BY id LIMIT 1
        """
    }

    static let today: SQL = "SELECT (now() AT TIME ZONE store_time_zone(NULL, '{}'))::date::text AS day"
}
