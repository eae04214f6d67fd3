import Postgres

/// The statements of `chimera status`.
enum StatusStatements {
    /// Active stores today, the worst first, each with the sync job that serves it and how its run stands.
    static let stores: SQL = """
        SELECT s.store_id, s.registration, s.name, s.day, s.state, s.reason, s.campaign_id, s.execution_id, e.status AS execution_status, e.error_code,
          coalesce(c.verified_at, e.finished_at, e.started_at, c.created_at) AS since,
          extract(epoch FROM now() - coalesce(c.verified_at, e.finished_at, e.started_at, c.created_at))::float8 AS seconds, s.job, s.job_paused_at
        FROM store_status AS s
        CROSS JOIN LATERAL execution_state(s.execution_id) AS e
        LEFT JOIN campaigns AS c ON c.id = s.campaign_id
        ORDER BY array_position(ARRAY['MISSING', 'FAILED', 'SENT', 'RUNNING', 'SKIPPED', 'VERIFIED'], s.state), s.registration
        """

    static let workers: SQL = """
        SELECT count(*) AS alive, coalesce(sum(slots), 0) AS slots,
          (SELECT count(*) FROM job_live AS l WHERE l.status = 'RUNNING' AND l.worker = ANY (array_agg(w.id))) AS running
        FROM workers AS w WHERE lease_until > clock_timestamp()
        """

    /// Sync jobs by which no sync comes though none other brings one: inactive with a pattern where no active one has any, or all of them
    /// without a pattern.
    static let idleSyncs: SQL = """
        SELECT j.name, CASE WHEN j.cron_pattern IS NULL THEN 'UNSCHEDULED' ELSE 'INACTIVE' END AS state
        FROM job_configurations AS j
        WHERE j.job_type = 'SYNC_PRODUCTS' AND j.deleted_at IS NULL AND NOT EXISTS (
          SELECT FROM job_configurations AS o WHERE o.job_type = 'SYNC_PRODUCTS' AND o.deleted_at IS NULL AND o.cron_pattern IS NOT NULL
            AND (o.active OR j.cron_pattern IS NULL))
        ORDER BY j.name
        """

    /// Partners that failed so often in a row that they are left alone for a while, by whomever.
    static let resting: SQL = """
        SELECT i.name, s.failures, s.open_until, extract(epoch FROM s.open_until - clock_timestamp())::float8 AS seconds
        FROM integration_state AS s JOIN integrations AS i ON i.id = s.integration_id
        WHERE s.open_until > clock_timestamp() AND i.deleted_at IS NULL ORDER BY i.name
        """

    /// Jobs with a schedule whose failures nobody hears of.
    static let untold: SQL = """
        SELECT j.name FROM job_configurations AS j
        WHERE j.active AND j.deleted_at IS NULL AND j.cron_pattern IS NOT NULL
          AND NOT EXISTS (SELECT FROM job_channels AS c WHERE c.job_config_id = j.id AND c.on_failure) ORDER BY j.name
        """

    /// Active schedules that are not as they should be: unusable, paused, not looked at by any scheduler, or without the success that was due.
    static let schedules: SQL = """
        SELECT j.name, j.problem, j.paused_at, s.next_due_at, late.due_at AS late_since,
          to_char(late.due_at AT TIME ZONE usable_time_zone(j.time_zone), 'YYYY-MM-DD HH24:MI') AS late_for, late.retry AS late_execution_id,
          CASE WHEN j.problem IS NOT NULL THEN 'PROBLEM' WHEN j.paused_at IS NOT NULL THEN 'PAUSED' WHEN late.due_at IS NOT NULL THEN 'LATE' ELSE 'WAITING' END AS state
        FROM job_configurations AS j
        LEFT JOIN job_schedules AS s ON s.job_config_id = j.id
        LEFT JOIN LATERAL (
          SELECT t.due_at, t.execution_id FROM schedule_ticks AS t WHERE t.job_config_id = j.id AND t.due_at < now() - j.expect_success_within
            AND j.expect_success_within IS NOT NULL
          ORDER BY t.due_at DESC LIMIT 1
        ) AS due ON true
        LEFT JOIN LATERAL (
          -- The newest come first: where all is well, one is read.
          SELECT due.due_at, (SELECT due.execution_id FROM execution_state(due.execution_id) AS e WHERE e.status IN ('FAILED', 'CANCELLED')) AS retry
          WHERE due.due_at IS NOT NULL AND (
            SELECT f.id FROM job_finished AS f WHERE f.job_config_id = j.id AND f.status = 'SUCCESS' AND f.parent_id IS NULL
              AND f.scheduled_for >= due.due_at AND f.id >= uuid_v7_floor(due.due_at - interval '1 hour') ORDER BY f.id DESC LIMIT 1) IS NULL
        ) AS late ON true
        WHERE j.active AND j.deleted_at IS NULL AND j.cron_pattern IS NOT NULL
          AND (j.problem IS NOT NULL OR j.paused_at IS NOT NULL OR late.due_at IS NOT NULL
            OR CASE WHEN s.planned_for IS DISTINCT FROM j.updated_at AND isfinite(coalesce(s.planned_for, now())) THEN j.updated_at
              ELSE s.next_due_at END < now() - interval '60 seconds')
        ORDER BY j.name
        """
}
