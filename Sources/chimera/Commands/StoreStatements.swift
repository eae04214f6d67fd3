import Postgres

/// The statements of `chimera store`.
enum StoreStatements {
    static let listing: SQL = """
        SELECT id, registration, name, document, active, config, created_at, updated_at FROM stores WHERE deleted_at IS NULL ORDER BY registration
        """

    /// Stores that are to have other names give theirs up when another store of the file takes it: names may be swapped, in any order of lines.
    static func releaseNames(_ stores: [ImportedStore]) -> SQL {
        """
        WITH f AS MATERIALIZED (SELECT * FROM unnest(\(stores.map(\.registration))::text[], \(stores.map(\.name))::text[]) AS f(registration, name))
        UPDATE stores AS s SET name = left(s.name, 150) || ' (' || gen_random_uuid() || ')' FROM f AS own
        WHERE s.deleted_at IS NULL AND own.registration = s.registration AND own.name <> s.name AND EXISTS (SELECT FROM f AS taker WHERE taker.name = s.name)
        """
    }

    /// Inserts a store or changes what differs of the one that has its registration. No row: nothing differed. A null leaves the column as it is.
    static func upsert(_ store: ImportedStore) -> SQL {
        """
        INSERT INTO stores AS s (registration, name, document, active)
        VALUES (\(store.registration), \(store.name), \(orNull: store.document ?? nil), coalesce(\(orNull: store.isActive)::boolean, true))
        ON CONFLICT (registration) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name,
          document = CASE WHEN \(store.document != nil)::boolean THEN excluded.document ELSE s.document END,
          active = coalesce(\(orNull: store.isActive)::boolean, s.active)
        WHERE s.name <> excluded.name OR \(store.document != nil)::boolean AND s.document IS DISTINCT FROM excluded.document
          OR s.active <> coalesce(\(orNull: store.isActive)::boolean, s.active)
        RETURNING xmax = 0 AS is_new
        """
    }
}
