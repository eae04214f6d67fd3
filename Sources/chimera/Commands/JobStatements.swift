import Postgres
import Runtime

/// The statements of `chimera job`.
enum JobStatements {
    static let listing: SQL = """
        SELECT j.id, j.name, j.description, j.job_type, j.cron_pattern, j.time_zone, j.config, j.integration_id, i.name AS integration, j.active,
          j.paused_at, j.priority, j.max_attempts, j.retry_delay_seconds, j.timeout_seconds, j.max_concurrency, j.overlap_policy, j.misfire_policy,
          j.expect_success_within, j.problem, n.notifications, CASE WHEN j.active AND s.cron_pattern = j.cron_pattern AND s.time_zone = j.time_zone THEN s.next_due_at END AS next_due_at,
          j.created_at, j.updated_at
        FROM job_configurations AS j LEFT JOIN integrations AS i ON i.id = j.integration_id LEFT JOIN job_schedules AS s ON s.job_config_id = j.id
        CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_object('channel', c.name, 'on', to_jsonb(array_remove(ARRAY[
            CASE WHEN k.on_start THEN 'start' END, CASE WHEN k.on_success THEN 'success' END, CASE WHEN k.on_failure THEN 'failure' END,
            CASE WHEN k.on_warning THEN 'warning' END, CASE WHEN k.on_recovery THEN 'recovery' END, CASE WHEN k.on_late THEN 'late' END], NULL)))
            ORDER BY c.name), '[]') AS notifications
          FROM job_notifications AS k JOIN notification_channels AS c ON c.id = k.notification_channel_id AND c.deleted_at IS NULL
          WHERE k.job_config_id = j.id) AS n
        WHERE j.deleted_at IS NULL ORDER BY j.name
        """

    static func pause(id: Int) -> SQL {
        "UPDATE job_configurations SET paused_at = coalesce(paused_at, clock_timestamp()) WHERE id = \(id)"
    }

    static func resume(id: Int) -> SQL {
        "UPDATE job_configurations SET paused_at = NULL WHERE id = \(id)"
    }

    /// Gives the names of those that were not paused before.
    static let pauseAll: SQL = """
        UPDATE job_configurations SET paused_at = clock_timestamp() WHERE deleted_at IS NULL AND paused_at IS NULL RETURNING name
        """

    static let resumeAll: SQL = """
        UPDATE job_configurations SET paused_at = NULL WHERE deleted_at IS NULL AND paused_at IS NOT NULL RETURNING name
        """

    /// `flags`: start, success, failure, warning, recovery, late.
    static func notify(job: Int, channel: Int, flags: [Bool]) -> SQL {
        """
        INSERT INTO job_notifications (job_config_id, notification_channel_id, on_start, on_success, on_failure, on_warning, on_recovery, on_late)
        VALUES (\(job), \(channel), \(flags[0]), \(flags[1]), \(flags[2]), \(flags[3]), \(flags[4]), \(flags[5]))
        ON CONFLICT (job_config_id, notification_channel_id) DO UPDATE SET on_start = excluded.on_start, on_success = excluded.on_success,
          on_failure = excluded.on_failure, on_warning = excluded.on_warning, on_recovery = excluded.on_recovery, on_late = excluded.on_late
        """
    }

    static func forgetNotification(job: Int, channel: Int) -> SQL {
        "DELETE FROM job_notifications WHERE job_config_id = \(job) AND notification_channel_id = \(channel)"
    }

    static func otherChannels(than channel: Int) -> SQL {
        "SELECT name FROM notification_channels WHERE active AND deleted_at IS NULL AND id <> \(channel) ORDER BY name LIMIT 20"
    }

    /// What a run by hand and a preview need to know of a job.
    static func plan(id: Int) -> SQL {
        """
        SELECT name, cron_pattern, time_zone, active, paused_at IS NOT NULL AS is_paused, floor(extract(epoch FROM now()))::bigint AS now,
          EXISTS (SELECT FROM workers WHERE lease_until > now()) AS has_workers
        FROM job_configurations WHERE id = \(id)
        """
    }

    /// A run due at an instant (Unix seconds) or after a time from now; at once without either.
    static func run(job name: String, params: String, at time: TimeArgument?) -> SQL {
        let runAt: SQL =
            switch time {
            case nil: "now()"
            case .instant(let seconds): "to_timestamp(\(seconds)::bigint)"
            case .fromNow(let duration): "now() + \(duration)::interval"
            }
        return "SELECT enqueue_job(\(name), params => \(params)::jsonb, run_at => " + runAt + ")::text AS id"
    }
}
