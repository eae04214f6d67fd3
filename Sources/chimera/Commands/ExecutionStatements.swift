import Postgres

/// The statements of `chimera execution`.
enum ExecutionStatements {
    private static let columns: SQL = """
        e.id, e.job_config_id, j.name AS job, j.job_type, e.parent_id, e.retry_of, e.status, e.trigger, e.priority, e.params, e.dedupe_key, e.run_at, e.scheduled_for,
        e.attempt, e.max_attempts, e.rescues, e.created_at, e.created_by, e.started_at, e.finished_at, e.worker, e.progress, e.metrics, e.error_details,
        e.store_id, e.registration,
        CASE WHEN e.status <> 'PENDING' THEN extract(epoch FROM coalesce(e.finished_at, clock_timestamp()) - e.started_at)::float8 END AS seconds
        """
    private static let job: SQL = " LEFT JOIN job_configurations AS j ON j.id = e.job_config_id"

    /// The newest first. `jobs`: ids, nil is all; `parent`: its children, nil is top-level executions unless `withChildren`.
    ///
    /// Each shape reads by one index alone, whatever the statistics say: children by their parent, a job's executions by job and id, the order
    /// that no other index has.
    static func list(jobs: [Int]?, status: String?, parent: String?, withChildren: Bool, before: String?, limit: Int) -> SQL {
        var wanted: SQL = " AS x WHERE true"
        if let status { wanted += " AND x.status = \(status)" }
        if let before { wanted += " AND x.id < \(before)::uuid" }
        if let parent {
            wanted += " AND x.parent_id = \(parent)::uuid"
        } else if !withChildren {
            wanted += " AND x.parent_id IS NULL"
        }
        let newest: SQL = " ORDER BY x.id DESC LIMIT \(limit)"
        let tail: SQL = " ORDER BY e.id DESC LIMIT \(limit)"
        guard let jobs, parent == nil, !withChildren else {
            if let jobs { wanted += " AND x.job_config_id = ANY (\(jobs)::int[])" }
            if parent == nil {
                return "SELECT " + columns + " FROM (SELECT * FROM job_executions" + wanted + newest + ") AS e" + job + tail
            }
            return "WITH e AS MATERIALIZED (SELECT * FROM job_executions" + wanted + ") SELECT " + columns + " FROM e" + job + tail
        }
        let live: SQL = "(SELECT * FROM job_live" + wanted + " AND x.job_config_id = w.job" + newest + ")"
        let ended: SQL =
            "(SELECT * FROM job_finished" + wanted
            + " AND x.job_config_id BETWEEN w.job AND w.job ORDER BY x.job_config_id DESC, x.id DESC LIMIT \(limit))"
        return "SELECT " + columns + " FROM unnest(\(jobs)::int[]) AS w(job) CROSS JOIN LATERAL (" + live + " UNION ALL " + ended + ") AS e"
            + job + tail
    }

    static func one(_ id: String) -> SQL {
        "SELECT " + columns + " FROM job_executions AS e" + job + " WHERE e.id = \(id)::uuid"
    }

    static func attempts(of id: String) -> SQL {
        """
        SELECT a.attempt, a.worker, w.host, a.started_at, a.finished_at, a.outcome, a.error_details,
          extract(epoch FROM coalesce(a.finished_at, clock_timestamp()) - a.started_at)::float8 AS seconds
        FROM job_attempts AS a LEFT JOIN workers AS w ON w.id = a.worker WHERE a.execution_id = \(id)::uuid ORDER BY a.attempt
        """
    }

    /// How many children stand how.
    static func children(of id: String) -> SQL {
        "SELECT status, count(*) AS count FROM job_executions WHERE parent_id = \(id)::uuid GROUP BY status ORDER BY status"
    }

    /// Ids of the jobs of a name, removed ones too, for their history stays; where there is none, the one of an id.
    static func jobs(named text: String) -> SQL {
        """
        SELECT id FROM job_configurations WHERE name = \(text)
          OR id::text = \(text) AND NOT EXISTS (SELECT FROM job_configurations AS n WHERE n.name = \(text))
        """
    }

    /// An ended execution and its children that did not succeed.
    static func failedFamily(of id: String) -> SQL {
        "SELECT id FROM job_finished WHERE id = \(id)::uuid UNION ALL SELECT id FROM job_finished WHERE parent_id = \(id)::uuid AND status <> 'SUCCESS'"
    }

    /// What decides how executions that did not succeed are tried again: the parent, where it did not succeed either, and the integration
    /// whose settings are at fault, which the sentence names (`Integration RP, login: …`). Each is looked for in the one day of its id.
    static func failures(of ids: [String]) -> SQL {
        """
        SELECT f.id, p.id AS parent_id, i.name AS integration, i.active AS is_active
        FROM unnest(\(ids)::uuid[]) AS w(id)
        CROSS JOIN LATERAL (SELECT x.parent_id, x.id, x.error_details ->> 'code' AS code, x.error_details ->> 'message' AS message
          FROM job_finished AS x WHERE x.id = w.id OFFSET 0) AS f
        LEFT JOIN LATERAL (SELECT x.id FROM job_finished AS x WHERE x.id = f.parent_id AND x.status <> 'SUCCESS' OFFSET 0) AS p ON true
        LEFT JOIN LATERAL (
          SELECT i.name, i.active FROM integrations AS i
          WHERE f.code ~ '^(LOGIN_REFUSED|LOGIN_WITHOUT_TOKEN|TOKEN_REFUSED|CONFIGURATION|INTEGRATION|REDIRECTED|HTTP_40[134])$' AND i.deleted_at IS NULL
            AND substr(f.message, 2, 11 + length(i.name)) = 'ntegration ' || i.name AND substr(f.message, 13 + length(i.name), 1) IN (',', ':', ' ')
          ORDER BY length(i.name) DESC LIMIT 1
        ) AS i ON true
        """
    }

    static func cancel(_ id: String) -> SQL {
        "SELECT cancel_execution(\(id)::uuid) AS is_cancelled"
    }

    static func retry(_ id: String) -> SQL {
        "SELECT retry_execution(\(id)::uuid)::text AS id"
    }

    /// Lines of an execution and its children behind an id, in the order of writing.
    static func logs(of id: String, after line: Int64, limit: Int) -> SQL {
        """
        SELECT l.id, l.execution_id, l.attempt, l.logged_at, l.level, l.message, l.fields, e.registration
        FROM (SELECT x.id, x.registration FROM job_executions AS x WHERE x.id = \(id)::uuid
              UNION ALL SELECT c.id, c.registration FROM job_executions AS c WHERE c.parent_id = \(id)::uuid) AS e
        JOIN execution_logs AS l ON l.execution_id = e.id AND l.logged_at >= uuid_v7_time(\(id)::uuid) - interval '1 minute'
        WHERE l.id > \(line) ORDER BY l.id LIMIT \(limit)
        """
    }

    static func status(of id: String) -> SQL {
        "SELECT status, progress, error_details FROM job_executions WHERE id = \(id)::uuid"
    }
}
