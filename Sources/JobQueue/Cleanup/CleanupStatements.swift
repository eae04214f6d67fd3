import Postgres

/// The statements of the clean-up. The logic of partitions stands in migration 12.
enum CleanupStatements {
    /// Rows that one statement removes at most: some milliseconds of work.
    static let pageSize = 1_000

    static func expired(_ parent: String, days: Int) -> SQL {
        "SELECT partition, row_count, is_exact, in_use FROM expired_partitions(\(parent), retention_cutoff(\(days)))"
    }

    static func drop(_ partition: String, days: Int) -> SQL {
        "SELECT drop_expired_partition(\(partition), retention_cutoff(\(days))) AS outcome"
    }

    // In the statements below table, conditions and page size are texts of the program, no user's: they are spliced. A page size that
    // the planner knows keeps it on the index.

    /// A page in order of `id`; the walk ends with the first one that holds nothing old.
    static func page(_ page: RetentionPage, of table: String, isOld: String, mayGo: String) -> SQL {
        """
        WITH c AS MATERIALIZED (SELECT retention_cutoff(\(page.days)) AS cutoff, uuid_v7_floor(retention_cutoff(\(page.days))) AS first_id),
        page AS MATERIALIZED (
          SELECT t.id, \(unsafe: isOld) AS is_old FROM \(unsafe: table) AS t CROSS JOIN c
          WHERE t.id > \(page.after ?? "0")::bigint ORDER BY t.id LIMIT \(unsafe: "\(pageSize)")
        ),
        doomed AS MATERIALIZED (
          SELECT t.id FROM \(unsafe: table) AS t CROSS JOIN c WHERE t.id IN (SELECT id FROM page WHERE is_old) AND (\(unsafe: isOld)) AND (\(unsafe: mayGo))
          ORDER BY t.id \(unsafe: page.isDryRun ? "" : "FOR UPDATE OF t SKIP LOCKED")
        )
        """ + removal(page, of: table, key: "t.id = d.id") + """
            ,
            (SELECT max(id)::text FROM page HAVING count(*) = \(unsafe: "\(pageSize)") AND bool_or(is_old)) AS next
            """
    }

    /// The ticks of one job after another, in the order of their key: the oldest of each come first. Those that somebody still has to look at
    /// stay, whatever the retention.
    static func ticks(_ page: RetentionPage) -> SQL {
        """
        WITH c AS MATERIALIZED (SELECT retention_cutoff(\(page.days)) AS cutoff),
        job AS MATERIALIZED (SELECT min(job_config_id) AS id FROM schedule_ticks WHERE job_config_id > \(page.after ?? "0")::int),
        doomed AS MATERIALIZED (
          SELECT t.job_config_id, t.due_at FROM schedule_ticks AS t
          WHERE t.job_config_id = (SELECT id FROM job) AND t.due_at < (SELECT least(cutoff, ticks_seen_through((SELECT id FROM job))) FROM c)
            AND NOT EXISTS (SELECT FROM job_live AS l WHERE l.id = t.execution_id)
          ORDER BY t.due_at \(unsafe: page.isDryRun ? "" : "LIMIT \(pageSize) FOR UPDATE OF t SKIP LOCKED")
        )
        """ + removal(page, of: "schedule_ticks", key: "t.job_config_id = d.job_config_id AND t.due_at = d.due_at") + """
            ,
            (SELECT CASE WHEN (SELECT count(*) FROM doomed) = \(unsafe: "\(pageSize)") AND NOT \(page.isDryRun) THEN \(page.after ?? "0")
                         ELSE id::text END FROM job) AS next
            """
    }

    private static func removal(_ page: RetentionPage, of table: String, key: String) -> SQL {
        guard !page.isDryRun else { return " SELECT (SELECT count(*) FROM doomed) AS removed" }
        // `table` and `key` are this file's own text.
        return """
            , gone AS (DELETE FROM \(unsafe: table) AS t USING doomed AS d WHERE \(unsafe: key) RETURNING 1)
            SELECT (SELECT count(*) FROM gone) AS removed
            """
    }
}
