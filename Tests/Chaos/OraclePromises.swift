extension Oracle {
    /// What the tables promise by themselves, whether or not anybody wrote down what happened.
    static let promises = [
        Promise(
            "attempt <= max_attempts",
            breaks: "SELECT id || ' ' || attempt || '/' || max_attempts AS what FROM job_executions WHERE attempt > max_attempts"),
        Promise(
            "an execution that ended has one end, in its last attempt",
            breaks: """
                SELECT e.id || ': ' || string_agg(a.attempt || ' ' || coalesce(a.outcome, 'none'), ' ' ORDER BY a.attempt) AS what
                FROM job_finished AS e JOIN job_attempts AS a ON a.execution_id = e.id
                GROUP BY e.id, e.attempt
                HAVING count(*) FILTER (WHERE a.outcome IN ('SUCCESS', 'FAILED', 'CANCELLED') OR a.outcome IS NULL) > 1
                  OR count(*) <> count(DISTINCT a.attempt) OR max(a.attempt) > e.attempt
                """),
        Promise(
            "a success has an attempt that succeeded",
            breaks: """
                SELECT e.id::text AS what FROM job_finished AS e
                WHERE e.status = 'SUCCESS' AND e.attempt > 0
                  AND NOT EXISTS (SELECT FROM job_attempts AS a WHERE a.execution_id = e.id AND a.attempt = e.attempt AND a.outcome = 'SUCCESS')
                """),
        Promise(
            "an end has its status and its moment",
            breaks: """
                SELECT id || ' ' || status AS what FROM job_finished
                WHERE finished_at IS NULL OR finished_at < started_at OR status = 'FAILED' AND error_details ->> 'code' IS NULL
                """),
        Promise(
            "the attempts of an execution never overlap", comparesAttempts: true,
            breaks: """
                SELECT execution_id || ' attempt ' || attempt AS what FROM (
                  SELECT execution_id, attempt, started_at, lag(finished_at) OVER (PARTITION BY execution_id ORDER BY attempt) AS earlier_end
                  FROM job_attempts) AS t
                WHERE started_at < earlier_end
                """),
        Promise("an execution is in one place", breaks: "SELECT id::text AS what FROM job_executions GROUP BY id HAVING count(*) > 1"),
        Promise(
            "a parent ends after its children",
            breaks: """
                SELECT p.id::text AS what FROM job_finished AS p JOIN job_executions AS c ON c.parent_id = p.id
                WHERE c.finished_at IS NULL OR c.finished_at > p.finished_at AND p.status <> 'CANCELLED'
                """),
        Promise(
            "a parent succeeds only with every child",
            breaks: """
                SELECT p.id::text AS what FROM job_finished AS p JOIN job_finished AS c ON c.parent_id = p.id
                WHERE p.status = 'SUCCESS' AND c.status <> 'SUCCESS'
                """),
        Promise(
            "a child has its parent",
            breaks: """
                SELECT c.id::text AS what FROM job_executions AS c
                WHERE c.parent_id IS NOT NULL AND NOT EXISTS (SELECT FROM job_executions AS p WHERE p.id = c.parent_id)
                """),
        Promise(
            "a due time has one tick",
            breaks: "SELECT job_config_id || ' ' || due_at AS what FROM schedule_ticks GROUP BY job_config_id, due_at HAVING count(*) > 1"),
        Promise(
            "an enqueued tick has its execution, and only it",
            breaks: """
                SELECT t.job_config_id || ' ' || t.due_at AS what FROM schedule_ticks AS t LEFT JOIN job_executions AS e ON e.id = t.execution_id
                WHERE t.outcome = 'ENQUEUED' AND e.id IS NULL
                """),
        Promise(
            "a due time has one execution",
            breaks: """
                SELECT job_config_id || ' ' || scheduled_for AS what FROM job_executions WHERE trigger = 'SCHEDULE'
                GROUP BY job_config_id, scheduled_for HAVING count(*) > 1
                """),
        Promise(
            "a failure is told through every channel that is to hear of it",
            breaks: """
                SELECT e.id || ' through channel ' || c.channel_id AS what FROM job_finished AS e
                JOIN job_channels AS c ON c.job_config_id = e.job_config_id AND c.on_failure
                JOIN notification_channels AS k ON k.id = c.channel_id AND k.created_at < e.created_at
                WHERE e.status = 'FAILED' AND e.parent_id IS NULL AND NOT EXISTS (
                  SELECT FROM notification_deliveries AS d WHERE d.execution_id = e.id AND d.channel_id = c.channel_id AND d.event = 'FAILURE')
                """),
        Promise(
            "a store has at most one VERIFIED campaign of an execution",
            breaks: """
                SELECT execution_id || ' store ' || store_id AS what FROM campaigns WHERE status = 'VERIFIED'
                GROUP BY execution_id, store_id HAVING count(*) > 1
                """),
        Promise(
            "a store's products are those of its newest VERIFIED campaign",
            breaks: """
                SELECT c.store_id || ': ' || c.line_count || ' lines, ' || count(p.code) || ' products' AS what
                FROM (SELECT DISTINCT ON (store_id) store_id, line_count, starts_at FROM campaigns WHERE status = 'VERIFIED'
                      ORDER BY store_id, verified_at DESC, id DESC) AS c
                LEFT JOIN products AS p ON p.store_id = c.store_id AND p.starts_at = c.starts_at
                GROUP BY c.store_id, c.line_count HAVING count(p.code) <> c.line_count
                """),
    ]
}
