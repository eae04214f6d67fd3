import Postgres

/// The statements of what messages tell of single stores, and of how the stores stand in the club.
enum PartStatements {
    /// The parts of an execution that failed: its children, else the stores that its own error names. Where there are more than `limit`, some of
    /// every code.
    static func failedParts(of execution: String, limit: Int) -> SQL {
        """
        WITH children AS MATERIALIZED (
          SELECT k.store_id, k.registration, k.error_details ->> 'code' AS code, k.error_details ->> 'message' AS message,
            count(*) OVER (PARTITION BY k.error_details ->> 'code') AS code_count FROM job_finished AS k
          WHERE k.parent_id = \(execution)::uuid AND k.status = 'FAILED'
          ORDER BY row_number() OVER (PARTITION BY k.error_details ->> 'code' ORDER BY k.store_id, k.id), k.store_id, k.id LIMIT \(limit)
        ),
        named AS (
          SELECT CASE WHEN n.value ->> 'store_id' ~ '^[0-9]{1,9}$' THEN (n.value ->> 'store_id')::int END,
            n.value ->> 'registration', e.error_details ->> 'code', n.value ->> 'message', NULL::bigint
          FROM job_executions AS e CROSS JOIN LATERAL jsonb_array_elements(
            CASE jsonb_typeof(e.error_details -> 'stores') WHEN 'array' THEN e.error_details -> 'stores' ELSE '[]' END) AS n
          WHERE e.id = \(execution)::uuid AND NOT EXISTS (SELECT FROM children)
        )
        SELECT p.store_id, p.registration, s.name, coalesce(p.code, '') AS code, coalesce(p.message, '') AS message, p.code_count
        FROM (SELECT * FROM children UNION ALL SELECT * FROM named) AS p LEFT JOIN stores AS s ON s.id = p.store_id ORDER BY p.store_id NULLS LAST
        """
    }

    /// The stores of an execution, or its own, that succeeded with differences or a severity, and how many there are in all.
    static func remarkedParts(of execution: String, limit: Int) -> SQL {
        """
        WITH parts AS (
          SELECT * FROM job_finished AS k WHERE k.parent_id = \(execution)::uuid AND k.status = 'SUCCESS'
          UNION ALL SELECT * FROM job_finished AS f WHERE f.id = \(execution)::uuid AND f.store_id IS NOT NULL
        )
        SELECT coalesce(s.name, k.registration, '#' || k.store_id) AS name, d.count AS differences, c.status AS campaign, c.reason, count(*) OVER () AS count
        FROM parts AS k LEFT JOIN stores AS s ON s.id = k.store_id
        CROSS JOIN LATERAL (SELECT coalesce(sum(least(n.value::numeric, 1e9)), 0)::bigint AS count FROM jsonb_each_text(
          CASE jsonb_typeof(k.metrics -> 'differences') WHEN 'object' THEN k.metrics -> 'differences' ELSE '{}' END) AS n
          WHERE n.value ~ '^[0-9]{1,12}$') AS d
        LEFT JOIN LATERAL (SELECT y.status, y.reason FROM campaigns AS y WHERE y.execution_id = k.id ORDER BY y.id DESC LIMIT 1) AS c ON true
        WHERE k.store_id IS NOT NULL AND (d.count > 0 OR k.metrics ->> 'severity' IN ('warning', 'critical'))
        ORDER BY d.count DESC, k.store_id LIMIT \(limit)
        """
    }

    /// How the stores that a sync failed for stand today: its children's, its own, or all that it was to plan.
    static func clubToday(of execution: String) -> SQL {
        """
        WITH e AS MATERIALIZED (
          SELECT f.store_id, f.status, coalesce(nullif(f.params -> 'store_ids', '[]'), nullif(j.config -> 'store_ids', '[]')) AS chosen,
            EXISTS (SELECT FROM job_finished AS k WHERE k.parent_id = f.id) AS is_planned
          FROM job_finished AS f JOIN job_configurations AS j ON j.id = f.job_config_id WHERE f.id = \(execution)::uuid
        ),
        failed AS MATERIALIZED (
          SELECT k.store_id FROM job_finished AS k WHERE k.parent_id = \(execution)::uuid AND k.status = 'FAILED'
          UNION SELECT e.store_id FROM e
        )
        """
            + clubToday(
                """
                s.id IN (SELECT f.store_id FROM failed AS f)
                  OR EXISTS (SELECT FROM e WHERE e.store_id IS NULL AND NOT e.is_planned AND (e.chosen IS NULL OR e.chosen @> to_jsonb(s.id)))
                """)
    }

    /// How the stores of a sync's configuration stand today.
    static func clubToday(ofJob job: Int) -> SQL {
        clubToday(
            """
            EXISTS (SELECT FROM job_configurations AS j
              WHERE j.id = \(job) AND coalesce(nullif(j.config -> 'store_ids', '[]') @> to_jsonb(s.id), true))
            """)
    }

    /// A row for each state of the newest campaign of today of the active stores `s` that are meant. The view `store_status` says more and
    /// takes seconds where stores are many.
    private static func clubToday(_ isMeant: SQL) -> SQL {
        """
         SELECT coalesce(c.state, 'NONE') AS state, count(*) AS count FROM stores AS s
        CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE store_time_zone(s.id, s.config))::date AS today OFFSET 0) AS d
        LEFT JOIN LATERAL (
          SELECT CASE status WHEN 'PLANNED' THEN 'SENT' ELSE status END AS state FROM campaigns
          WHERE store_id = s.id AND day = d.today AND NOT dry_run
            AND (status IN ('SENT', 'VERIFIED') OR (status = 'PLANNED' AND upload_started_at IS NOT NULL))
          ORDER BY id DESC LIMIT 1) AS c ON true
        WHERE s.active AND s.deleted_at IS NULL AND (\(isMeant)) GROUP BY 1
        """
    }
}
