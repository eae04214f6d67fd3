import Postgres
import Runtime

/// The statements that send what stands in the outbox.
enum DeliveryStatements {
    /// Active channels of these types that have something to send: how many of their messages are due and could go side by side (`most` at
    /// most), and in how many seconds the next one will be, a day at most: one without an end leaves all others theirs.
    static func due(types: [String], most: Int) -> SQL {
        """
        SELECT c.id, c.type, due.waiting, extract(epoch FROM least(soon.at, clock_timestamp() + interval '1 day') - clock_timestamp())::float8 AS next_in
        FROM notification_channels AS c CROSS JOIN LATERAL (
          SELECT count(*) AS waiting FROM (SELECT FROM notification_deliveries AS d WHERE d.channel_id = c.id AND d.status = 'PENDING'
            AND d.next_attempt_at <= clock_timestamp() AND may_go(d, clock_timestamp())
            LIMIT \(most)) AS first) AS due
        CROSS JOIN LATERAL (SELECT min(d.next_attempt_at) AS at FROM notification_deliveries AS d
          WHERE d.channel_id = c.id AND d.status = 'PENDING' AND d.next_attempt_at > clock_timestamp()) AS soon
        WHERE c.active AND c.deleted_at IS NULL AND c.type = ANY (\(types)::text[]) AND (due.waiting > 0 OR soon.at IS NOT NULL) ORDER BY c.id
        """
    }

    /// A channel with the integration that it names, secrets still sealed.
    static func channel(id: Int, evenInactive: Bool) -> SQL {
        """
        SELECT c.id, c.name, c.type, c.config, c.config ->> 'integration' AS integration, i.type AS integration_type, i.active AS integration_active,
          i.config AS integration_config, i.base_url, (SELECT jsonb_object_agg(k.key, k.value) FROM integration_keys AS k
            WHERE k.integration_id = i.id AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())) AS keys
        FROM notification_channels AS c LEFT JOIN integrations AS i ON i.name = c.config ->> 'integration' AND i.deleted_at IS NULL
        WHERE c.id = \(id) AND (c.active OR \(evenInactive)) AND c.deleted_at IS NULL
        """
    }

    static func claim(channel: Int, lane: SendingLane, folds: Bool, hold: Duration) -> SQL {
        """
        SELECT id, claim, attempts, failures, extract(epoch FROM wait)::float8 AS wait
        FROM claim_deliveries(\(channel), \(lane.key), \(lane.spacing)::interval, \(orNull: lane.perMinute)::int, \(folds), \(hold)::interval) ORDER BY id
        """
    }

    /// For this transaction: all that is read is as its first statement finds it.
    static let oneSnapshot: SQL = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

    /// What a delivery tells, as it stands now.
    static func facts(id: Int64) -> SQL {
        """
        SELECT d.id, d.edition, d.event, d.execution_id::text AS execution_id, coalesce(e.job_config_id, d.job_config_id) AS job_config_id,
          d.reached, raised_at(d) AS occurred_at, clock_timestamp() AS now,
          coalesce(j.name, '#' || coalesce(e.job_config_id, d.job_config_id)) AS job_name, j.job_type, j.problem, d.due_at,
          extract(epoch FROM coalesce(d.expected_within, j.expect_success_within))::float8 AS expected_within,
          coalesce(d.is_scheduled, j.cron_pattern IS NOT NULL) AS is_scheduled, t.outcome AS tick_outcome,
          to_char(d.due_at AT TIME ZONE usable_time_zone(j.time_zone), 'YYYY-MM-DD HH24:MI') AS due_wall,
          to_char(coalesce(e.scheduled_for, e.started_at) AT TIME ZONE usable_time_zone(j.time_zone), 'YYYY-MM-DD HH24:MI') AS wall, e.progress,
          e.id::text AS found_execution_id, e.scheduled_for, e.started_at,
          CASE WHEN d.event = 'START' AND e.id IS NOT NULL THEN 'RUNNING' ELSE since.status END AS status, since.finished_at, since.metrics, since.error_details,
          ran_dry(j.job_type, e.params, j.config) AS is_dry_run,
          d.about_channel_id, a.name AS about_name, a.problem AS about_problem,
          (SELECT count(*) FROM job_finished AS k WHERE d.event <> 'START' AND k.parent_id = d.execution_id AND k.status = 'FAILED') AS failed_children
        FROM notification_deliveries AS d
        LEFT JOIN notification_channels AS a ON a.id = d.about_channel_id
        LEFT JOIN schedule_ticks AS t ON d.event = 'LATE' AND t.job_config_id = d.job_config_id AND t.due_at = d.due_at
        LEFT JOIN LATERAL (SELECT x.* FROM job_executions AS x WHERE x.id = coalesce(d.execution_id, t.execution_id)) AS e ON true
        -- What became of it; that a run began is told as it was then, be it that it has ended meanwhile.
        LEFT JOIN LATERAL (SELECT e.status, e.finished_at, e.metrics, e.error_details WHERE d.event <> 'START') AS since ON true
        LEFT JOIN job_configurations AS j ON j.id = coalesce(e.job_config_id, d.job_config_id)
        WHERE d.id = \(id)
        """
    }

    /// What an operator has to see first comes first.
    private static let weight: SQL = "array_position(ARRAY['FAILURE', 'LATE', 'WARNING', 'RECOVERY', 'SUCCESS', 'START'], d.event)"

    /// Of deliveries of one message the newest of the weightiest event; what a recovery among them ended comes last.
    static func newest(of ids: [Int64]) -> SQL {
        """
        WITH told AS MATERIALIZED (SELECT d.*, raised_at(d) AS raised FROM notification_deliveries AS d WHERE d.id = ANY (\(ids)::bigint[]))
        SELECT d.id FROM told AS d LEFT JOIN (
          SELECT job_config_id, max(raised) AS raised FROM told WHERE event = 'RECOVERY' GROUP BY job_config_id) AS r USING (job_config_id)
        ORDER BY d.event IN ('FAILURE', 'LATE') AND coalesce(d.raised < r.raised, false), \(weight), d.raised DESC, d.id DESC LIMIT 1
        """
    }

    /// Deliveries of one message by job and event, the weightiest event first, then the most frequent, with what is the same for all of them.
    static func groups(ids: [Int64]) -> SQL {
        """
        SELECT j.name AS job_name, d.event, count(*) AS count,
          extract(epoch FROM max(max(d.raised)) OVER () - min(min(d.raised)) OVER ())::float8 AS span
        FROM (SELECT f.*, CASE WHEN isfinite(raised_at(f)) THEN raised_at(f) END AS raised FROM notification_deliveries AS f
          WHERE f.id = ANY (\(ids)::bigint[])) AS d
        -- A row that somebody wrote by hand need not name its job.
        LEFT JOIN LATERAL (SELECT x.job_config_id FROM job_executions AS x WHERE d.job_config_id IS NULL AND x.id = d.execution_id) AS e ON true
        LEFT JOIN job_configurations AS j ON j.id = coalesce(d.job_config_id, e.job_config_id)
        GROUP BY j.name, d.event ORDER BY \(weight), count(*) DESC, j.name
        """
    }

    // MARK: How it ended. Each holds only while the claim is the delivery's newest, and locks in order of id.

    private static func held(_ claimed: ClaimedDeliveries) -> SQL {
        """
        h AS MATERIALIZED (SELECT id FROM notification_deliveries WHERE id = ANY (\(claimed.ids)::bigint[]) AND claim = \(claimed.claim)
          AND status = 'PENDING' ORDER BY id FOR UPDATE)
        """
    }

    /// What each delivery's message is about to count, where that is more than was to be told: an end that counts no more adds nothing. Who
    /// may have it from an attempt before, with another count, gets it under another id; gives the deliveries' editions.
    static func counted(_ claimed: ClaimedDeliveries, told: [Int]) -> SQL {
        """
        WITH \(held(claimed)),
        t AS (SELECT * FROM unnest(\(claimed.ids)::bigint[], \(told)::int[]) AS t(id, told))
        UPDATE notification_deliveries AS n SET failures = greatest(n.failures, t.told),
          edition = least(n.edition, 2147483646) + (n.attempts > 1 AND t.told > n.failures)::int,
          reached = CASE WHEN n.attempts > 1 AND t.told > n.failures THEN '{}' ELSE n.reached END
        FROM h, t WHERE n.id = h.id AND t.id = h.id RETURNING n.id, n.edition, n.reached
        """
    }

    /// `told`: how many failed parts the message counted, for each delivery. Gives how often the lane had failed in a row until then.
    static func sent(_ claimed: ClaimedDeliveries, told: [Int], note: String?, lane: String) -> SQL {
        """
        WITH \(held(claimed)),
        t AS (SELECT * FROM unnest(\(claimed.ids)::bigint[], \(told)::int[]) AS t(id, told)),
        b AS MATERIALIZED (SELECT failures FROM delivery_lanes WHERE lane = \(lane)),
        l AS (UPDATE delivery_lanes SET failures = 0 WHERE lane = \(lane) AND failures > 0)
        UPDATE notification_deliveries AS n SET told = greatest(n.told, t.told), last_error = \(orNull: note)::text, reached = '{}',
          status = 'SENT', sent_at = clock_timestamp()
        FROM h, t WHERE n.id = h.id AND t.id = h.id RETURNING coalesce((SELECT b.failures FROM b), 0) AS failures
        """
    }

    /// A channel works again: what waits for its next attempt is due, in the order in which it was raised. Attempts under way have a claim.
    static func worksAgain(channel: Int) -> SQL {
        """
        UPDATE notification_deliveries AS n SET next_attempt_at = raised_at(n) FROM (
          SELECT id FROM notification_deliveries WHERE channel_id = \(channel) AND status = 'PENDING' AND claim = 0 AND attempts > 0
            AND next_attempt_at > clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED) AS w
        WHERE n.id = w.id
        """
    }

    /// Tried again after `delay`, until 24 h after it was raised. `pause`: the other side asked that the lane rests so long; without one it
    /// rests when it failed three times in a row, longer each time, up to a minute. Whoever has the message keeps it: an attempt that took too
    /// long, or did not come so far as to ask, names nobody.
    static func retried(
        _ claimed: ClaimedDeliveries, delay: Duration, pause: Duration, reason: String, reached: [String], lane: String
    ) -> SQL {
        """
        WITH \(held(claimed)),
        l AS (
          UPDATE delivery_lanes SET failures = CASE WHEN \(pause > .zero) THEN failures ELSE least(failures + 1, 1000) END,
            paused_until = CASE WHEN \(pause > .zero) THEN greatest(paused_until, clock_timestamp() + \(pause)::interval)
              WHEN failures >= 2 THEN clock_timestamp() + least(60, 2 ^ least(failures - 2, 6)) * interval '1 second' ELSE paused_until END
          WHERE lane = \(lane)
        )
        UPDATE notification_deliveries AS n SET claim = 0,
          last_error = CASE WHEN raised_at(n) + interval '24 hours' <= clock_timestamp() THEN 'given up after 24 h: ' ELSE '' END || \(reason),
          reached = ARRAY(SELECT DISTINCT r.name FROM unnest(n.reached || \(reached)::text[]) AS r(name) ORDER BY r.name),
          status = CASE WHEN raised_at(n) + interval '24 hours' <= clock_timestamp() THEN 'FAILED' ELSE 'PENDING' END,
          next_attempt_at = greatest(clock_timestamp(), least(clock_timestamp() + \(delay)::interval, raised_at(n) + interval '24 hours'))
        FROM h WHERE n.id = h.id RETURNING n.status = 'FAILED' AS given_up
        """
    }

    /// One more recipient has the message; how it ends is recorded later.
    static func reached(_ claimed: ClaimedDeliveries, recipient: String) -> SQL {
        """
        WITH \(held(claimed))
        UPDATE notification_deliveries AS n SET reached = n.reached || \(recipient)::text FROM h
        WHERE n.id = h.id AND \(recipient)::text <> ALL (n.reached)
        """
    }

    static func refused(_ claimed: ClaimedDeliveries, reason: String) -> SQL {
        """
        WITH \(held(claimed))
        UPDATE notification_deliveries AS n SET last_error = \(reason), status = 'FAILED' FROM h WHERE n.id = h.id
        """
    }

    static func switchOff(channel: Int, reason: String) -> SQL {
        "SELECT switch_off_channel(\(channel), \(reason)) AS is_first"
    }

    /// Follows a chat that moved, once: whoever still knows the old id changes nothing. An id that the integration holds, or that is
    /// encrypted, is replaced by a plain one of the channel's own.
    static func moveChat(channel: Int, from old: String, to new: String) -> SQL {
        """
        UPDATE notification_channels SET config = jsonb_set(config, '{chat_id}', to_jsonb(\(new)::text))
        WHERE id = \(channel) AND (coalesce(config ->> 'chat_id', \(old)) = \(old) OR config ->> 'chat_id' LIKE 'enc:v1:%') RETURNING name
        """
    }

    static let giveUp: SQL = "SELECT give_up_deliveries() AS given_up"

    /// Of a job that goes on failing the newest failure of a whole run, and what failed since, is enough to know its recovery by.
    static let forgetFailures: SQL = """
        DELETE FROM job_failures WHERE execution_id IN (
          SELECT f.execution_id FROM job_failures AS f
          WHERE EXISTS (SELECT FROM job_failures AS n WHERE n.job_config_id = f.job_config_id AND n.execution_id > f.execution_id AND n.is_whole)
             OR NOT EXISTS (SELECT FROM job_configurations AS j WHERE j.id = f.job_config_id)
          LIMIT 50000 FOR UPDATE SKIP LOCKED)
        """

    static let forgetLanes: SQL = """
        DELETE FROM delivery_lanes WHERE lane IN (SELECT lane FROM delivery_lanes
          WHERE coalesce(greatest(sent_at[cardinality(sent_at)], paused_until), '-infinity') < clock_timestamp() - interval '1 day' AND failures = 0
          FOR UPDATE SKIP LOCKED)
        """
}

/// The deliveries of one message, taken by this process.
struct ClaimedDeliveries: Sendable {
    /// Fences what is written about them.
    let claim: Int64
    /// Ascending.
    let ids: [Int64]
    /// Failed parts that each had to tell when it was taken.
    let failures: [Int]
    /// The most attempts that one of them has had, this one included.
    let attempts: Int

    /// Those of them that `isKept` says.
    func filter(_ isKept: (Int64) -> Bool) -> ClaimedDeliveries {
        let kept = ids.indices.filter { isKept(ids[$0]) }
        return ClaimedDeliveries(claim: claim, ids: kept.map { ids[$0] }, failures: kept.map { failures[$0] }, attempts: attempts)
    }
}
