import Postgres

/// The statements of `chimera integration`.
enum IntegrationStatements {
    /// `keys`: the names of credentials that are kept apart from the configuration.
    static let listing: SQL = """
        SELECT i.id, i.name, i.type, i.base_url, i.config, i.active,
          (SELECT coalesce(jsonb_agg(k.key ORDER BY k.key), '[]') FROM integration_keys AS k WHERE k.integration_id = i.id) AS keys, i.created_at, i.updated_at
        FROM integrations AS i WHERE i.deleted_at IS NULL ORDER BY i.name
        """

    /// A store to ask the partner about, the one named or the first active one, what the ERP calls it (PARTNERS §5), and its day.
    static func sampleStore(id: Int?) -> SQL {
        """
        SELECT registration, CASE WHEN coalesce(document, '') = '' THEN CASE WHEN r.digits ~ '^[0-9]{14}$' THEN r.digits END
            WHEN d.digits ~ '^[0-9]{14}$' THEN d.digits ELSE document END AS unit,
          (now() AT TIME ZONE store_time_zone(config))::date::text AS day
        FROM stores, LATERAL (SELECT regexp_replace(registration, '[^0-9]', '', 'g') AS digits) AS r,
          LATERAL (SELECT regexp_replace(document, '[^0-9]', '', 'g') AS digits) AS d
        WHERE deleted_at IS NULL AND CASE WHEN \(orNull: id)::int IS NULL THEN active ELSE id = \(orNull: id)::int END ORDER BY id LIMIT 1
        """
    }

    static let today: SQL = "SELECT (now() AT TIME ZONE store_time_zone('{}'))::date::text AS day"
}
