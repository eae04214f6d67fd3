import JobQueue
import Postgres

/// The statements of `LateWatch`. Only the database's clock counts; a due time is judged a second after its deadline, for ends commit
/// a moment after the time that they record.
enum LateStatements {
    /// Whether a watch has to begin, to end, or to be looked at.
    static let glance: SQL = """
        SELECT EXISTS (
            SELECT FROM job_configurations AS j LEFT JOIN job_watches AS w ON w.job_config_id = j.id
            WHERE j.expect_success_within IS NOT NULL AND j.active AND j.deleted_at IS NULL
              AND (w.job_config_id IS NULL OR w.seen <> j.updated_at OR w.next_look_at <= clock_timestamp()))
          OR EXISTS (
            SELECT FROM job_watches AS w JOIN job_configurations AS j ON j.id = w.job_config_id
            WHERE j.expect_success_within IS NULL OR NOT j.active OR j.deleted_at IS NOT NULL) AS has_work
        """

    /// For this transaction: where one job has most of the history, the planner would rather read all of it.
    static let readByIndex: SQL = """
        SELECT set_config('enable_seqscan', 'off', true) AS scans, set_config('enable_bitmapscan', 'off', true) AS bitmaps, set_config('jit', 'off', true) AS jit
        """

    /// Makes the rows of jobs that are watched from now on, and forgets the others. A due time counts when its deadline comes after the
    /// expectation was set; a job without a pattern is measured from its last success, or from then.
    static let follow: SQL = """
        WITH gone AS (
          DELETE FROM job_watches AS w USING job_configurations AS j
          WHERE j.id = w.job_config_id AND (j.expect_success_within IS NULL OR NOT j.active OR j.deleted_at IS NOT NULL)
        )
        INSERT INTO job_watches (job_config_id, seen, expected_within, watched_through, next_look_at)
        SELECT j.id, j.updated_at, j.expect_success_within,
          CASE WHEN j.cron_pattern IS NOT NULL THEN j.updated_at - j.expect_success_within ELSE coalesce(
            (SELECT max(s.at) FROM (\(successes(of: "j.id", after: "j.updated_at - j.expect_success_within"))) AS s), j.updated_at) END, '-infinity'
        FROM job_configurations AS j
        WHERE j.expect_success_within IS NOT NULL AND j.active AND j.deleted_at IS NULL
          AND NOT EXISTS (SELECT FROM job_watches AS w WHERE w.job_config_id = j.id)
        ORDER BY j.id ON CONFLICT DO NOTHING
        """

    /// Watches to be looked at now, locked; `horizon`: due times up to here are past their deadline (Unix seconds).
    static func watches(limit: Int) -> SQL {
        """
        SELECT w.job_config_id, j.cron_pattern, j.time_zone, j.paused_at IS NOT NULL AS is_paused,
          floor(extract(epoch FROM clock_timestamp() - interval '1 second' - j.expect_success_within))::bigint AS horizon,
          floor(extract(epoch FROM w.watched_through))::bigint AS watched_through,
          -- Where a scheduler would begin: it may not have planned the job as it stands.
          floor(extract(epoch FROM CASE
            WHEN s.cron_pattern IS DISTINCT FROM j.cron_pattern OR s.time_zone IS DISTINCT FROM j.time_zone THEN j.updated_at
            WHEN s.next_due_at IS NULL AND s.planned_for <> j.updated_at THEN greatest(s.looked_until, j.updated_at)
            ELSE s.looked_until END))::bigint AS looked_until
        FROM job_watches AS w JOIN job_configurations AS j ON j.id = w.job_config_id
        LEFT JOIN job_schedules AS s ON s.job_config_id = j.id
        WHERE j.expect_success_within IS NOT NULL AND j.active AND j.deleted_at IS NULL
          AND (w.next_look_at <= clock_timestamp() OR w.seen <> j.updated_at)
        ORDER BY w.job_config_id LIMIT \(limit) FOR UPDATE OF w SKIP LOCKED
        """
    }

    /// Tells what is late of jobs with a pattern: due times that have a tick, and those that no scheduler has looked at yet. Where the
    /// expectation changed, it counts from then: whose deadline had passed is not measured by it. Of the due times that a pause skips the first
    /// is told while it lasts, and all once it is over: nobody makes up for them.
    static func judge(_ looks: [LateLook]) -> SQL {
        let unticked = looks.flatMap { look in look.untickedDueTimes.map { (look.jobConfigID, $0) } }
        return """
            WITH l AS MATERIALIZED (
              SELECT l.job, to_timestamp(l.horizon) AS horizon, to_timestamp(l.next) AS next, w.watched_through, j.expect_success_within AS within,
                j.updated_at, j.paused_at, w.expected_within <> j.expect_success_within AS is_new
              FROM unnest(\(looks.map(\.jobConfigID))::int[], \(looks.map(\.horizon))::bigint[], \(looks.map(\.nextDueAt))::bigint[]) AS l(job, horizon, next)
              JOIN job_watches AS w ON w.job_config_id = l.job JOIN job_configurations AS j ON j.id = l.job
            ),
            due AS MATERIALIZED (
              SELECT t.job_config_id AS job, t.due_at FROM l JOIN schedule_ticks AS t ON t.job_config_id = l.job
                AND t.due_at > l.watched_through AND t.due_at <= l.horizon
              WHERE t.outcome <> 'SKIPPED_PAUSED' OR l.paused_at IS NULL OR 'SKIPPED_PAUSED' IS DISTINCT FROM (
                SELECT p.outcome FROM schedule_ticks AS p WHERE p.job_config_id = t.job_config_id AND p.due_at < t.due_at ORDER BY p.due_at DESC LIMIT 1)
              UNION
              SELECT u.job, to_timestamp(u.due_at) FROM unnest(\(unticked.map(\.0))::int[], \(unticked.map(\.1))::bigint[]) AS u(job, due_at)
            ),
            done AS MATERIALIZED (
              SELECT f.* FROM (SELECT job, min(due_at) AS first FROM due GROUP BY job) AS d CROSS JOIN LATERAL (
                SELECT x.job_config_id AS job, x.scheduled_for, x.finished_at FROM job_finished AS x
                WHERE x.job_config_id = d.job AND x.id >= uuid_v7_floor(d.first - interval '1 hour') AND x.parent_id IS NULL AND x.status = 'SUCCESS'
                  AND x.scheduled_for IS NOT NULL OFFSET 0) AS f
            ),
            late AS (
              SELECT due.job, due.due_at FROM due JOIN l USING (job) WHERE
                NOT (l.is_new AND due.due_at + l.within <= l.updated_at) AND NOT EXISTS (
                SELECT FROM done WHERE done.job = due.job AND done.scheduled_for >= due.due_at AND done.finished_at <= due.due_at + l.within)
            ),
            told AS (\(telling(isScheduled: true)))
            UPDATE job_watches AS w SET watched_through = greatest(w.watched_through, l.horizon), seen = l.updated_at,
              expected_within = l.within,
              next_look_at = least(clock_timestamp() + interval '10 minutes', interval '1 second' + l.within + least(l.next,
                (SELECT min(t.due_at) FROM schedule_ticks AS t WHERE t.job_config_id = l.job AND t.due_at > l.horizon)))
            FROM l WHERE w.job_config_id = l.job
            RETURNING (SELECT count(*) FROM late) AS late
            """
    }

    /// The same of jobs without a pattern: a success is due within the time after every success. While a job is paused, nothing is.
    static func judgeUnscheduled(_ jobs: [Int]) -> SQL {
        """
        WITH l AS MATERIALIZED (
          SELECT w.job_config_id AS job, w.watched_through, w.late_for, j.expect_success_within AS within, j.updated_at, j.paused_at IS NOT NULL AS is_paused
          FROM job_watches AS w JOIN job_configurations AS j ON j.id = w.job_config_id WHERE w.job_config_id = ANY (\(jobs)::int[])
        ),
        done AS MATERIALIZED (
          SELECT l.job, s.at FROM l CROSS JOIN LATERAL (\(successes(of: "l.job", after: "l.watched_through"))) AS s
        ),
        chain AS MATERIALIZED (
          SELECT job, at, lead(at) OVER (PARTITION BY job ORDER BY at) AS next
          FROM (SELECT job, watched_through AS at FROM l UNION ALL SELECT job, at FROM done) AS points
        ),
        late AS MATERIALIZED (
          SELECT c.job, c.at AS due_at FROM chain AS c JOIN l USING (job) WHERE NOT l.is_paused AND c.at > coalesce(l.late_for, '-infinity')
            AND coalesce(c.next, clock_timestamp() - interval '1 second') > c.at + l.within
        ),
        told AS (\(telling(isScheduled: false)))
        UPDATE job_watches AS w SET seen = l.updated_at, expected_within = l.within,
          watched_through = CASE WHEN l.is_paused THEN clock_timestamp() ELSE newest.at END,
          late_for = greatest(w.late_for, (SELECT max(late.due_at) FROM late WHERE late.job = l.job)),
          next_look_at = CASE WHEN l.is_paused THEN clock_timestamp() + interval '1 minute'
            WHEN newest.at + l.within > clock_timestamp() - interval '1 second' THEN newest.at + l.within + interval '1 second'
            ELSE clock_timestamp() + l.within END
        FROM l JOIN (SELECT job, max(at) AS at FROM chain GROUP BY job) AS newest USING (job) WHERE w.job_config_id = l.job
        RETURNING (SELECT count(*) FROM late) AS late
        """
    }

    /// When top-level executions of a job succeeded after a moment: those that lived an hour at most by their id, the others by their end.
    private static func successes(of job: SQL, after moment: SQL) -> SQL {
        """
        SELECT f.finished_at AS at FROM job_finished AS f WHERE f.job_config_id = \(job) AND f.parent_id IS NULL AND f.status = 'SUCCESS'
          AND f.finished_at > \(moment) AND f.id >= uuid_v7_floor(\(moment) - interval '1 hour')
        UNION ALL
        SELECT f.finished_at FROM (
          SELECT * FROM job_finished AS x WHERE x.finished_at > \(moment) AND x.finished_at - x.created_at > interval '1 hour' OFFSET 0) AS f
        WHERE f.job_config_id = \(job) AND f.parent_id IS NULL AND f.status = 'SUCCESS' AND f.id < uuid_v7_floor(\(moment) - interval '1 hour')
        """
    }

    /// With what was expected: the job may be another one when it is told.
    private static func telling(isScheduled: Bool) -> SQL {
        """
        INSERT INTO notification_deliveries (channel_id, job_config_id, event, due_at, expected_within, is_scheduled)
        SELECT c.channel_id, late.job, 'LATE', late.due_at, l.within, \(isScheduled)
        FROM late JOIN l USING (job) JOIN job_channels AS c ON c.job_config_id = late.job AND c.on_late
        ORDER BY late.due_at, late.job, c.channel_id ON CONFLICT DO NOTHING
        """
    }
}

/// One watched job with a pattern, and what its pattern says beyond its ticks. Unix seconds.
struct LateLook: Sendable {
    let jobConfigID: Int
    /// Due times up to here are past their deadline.
    let horizon: Int64
    /// Due times up to the horizon that no scheduler has looked at.
    var untickedDueTimes: [Int64] = []
    /// The first one behind the horizon; nil: none, or not known.
    var nextDueAt: Int64?
}
