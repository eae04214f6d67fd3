import Postgres

/// The statements behind the differences that `chimera execution show` prints.
enum DifferenceStatements {
    /// Where a row of `worst` stands in its order.
    struct Place {
        let rank: Int
        let gap: String
        let store: Int
        let code: Int64
        let id: Int64

        /// Takes a row that `worst` gave.
        init(_ row: PostgresRow) throws {
            rank = try row.get("rank")
            gap = try row.get("gap")
            store = try row.get("store_id")
            code = try row.get("code")
            id = try row.get("id")
        }
    }

    /// The worst first.
    static let kinds = ["MISSING_IN_TARGET", "EXTRA_IN_TARGET", "FINAL_PRICE", "WINDOW", "PRICE", "LIMIT"]

    /// The differences of an execution and its children, the worst first: products that the club does not show, products that it shows and
    /// nobody offers, wrong club prices, wrong times, wrong regular prices, wrong limits; among prices those that lie furthest apart. At most
    /// `limit` behind a place.
    static func worst(of id: String, behind last: Place?, limit: Int) -> SQL {
        var select: SQL = """
            SELECT w.id, w.rank, w.gap::text AS gap, w.store_id, s.registration, s.name AS store, w.code, p.name AS product, w.kind, w.expected,
              w.actual
            FROM (SELECT d.*,
                array_position(\(kinds)::text[], d.kind) AS rank,
                CASE WHEN d.kind IN ('FINAL_PRICE', 'PRICE') AND d.expected ~ '^[0-9]+([.][0-9]+)?$' AND d.actual ~ '^[0-9]+([.][0-9]+)?$'
                  THEN -abs(d.expected::numeric - d.actual::numeric) ELSE 0 END AS gap
              FROM comparison_differences AS d WHERE d.execution_id = ANY (
            """
        select += family(id)
        select += """
            )) AS w LEFT JOIN stores AS s ON s.id = w.store_id LEFT JOIN products AS p ON p.store_id = w.store_id AND p.code = w.code
            """
        if let last {
            select += " WHERE (w.rank, w.gap, w.store_id, w.code, w.id)"
            select += " > (\(last.rank), \(last.gap)::numeric, \(last.store), \(last.code), \(last.id))"
        }
        return select + " ORDER BY w.rank, w.gap, w.store_id, w.code, w.id LIMIT \(limit)"
    }

    /// The stores with differences, those with the most first, each with how many there are of each kind.
    static func stores(of id: String) -> SQL {
        """
        SELECT d.store_id, s.registration, s.name AS store, sum(d.count)::bigint AS count, jsonb_object_agg(d.kind, d.count) AS kinds
        FROM (SELECT store_id, kind, count(*) AS count FROM comparison_differences WHERE execution_id = ANY (
        """ + family(id) + """
            ) GROUP BY store_id, kind) AS d LEFT JOIN stores AS s ON s.id = d.store_id
            GROUP BY d.store_id, s.registration, s.name ORDER BY count DESC, d.store_id
            """
    }

    /// The active sync job, where there is exactly one.
    static let onlySync: SQL = """
        SELECT min(name) AS name FROM job_configurations WHERE job_type = 'SYNC_PRODUCTS' AND active AND deleted_at IS NULL HAVING count(*) = 1
        """

    private static func family(_ id: String) -> SQL {
        """
        ARRAY(SELECT e.id FROM job_executions AS e WHERE e.id = \(id)::uuid
          UNION ALL SELECT c.id FROM job_executions AS c WHERE c.parent_id = \(id)::uuid)
        """
    }
}
