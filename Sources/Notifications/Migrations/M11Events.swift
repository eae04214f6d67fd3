import JobQueue

/// How events become deliveries, in the transaction of what they tell.
extension Migration {
    static let m11Events = #"""
        -- Who hears what of a job: its rows in job_notifications; a job that has none (rows of removed channels are none) uses all channels.
        CREATE VIEW job_channels AS
          SELECT j.id AS job_config_id, c.id AS channel_id, coalesce(n.on_start, false) AS on_start, coalesce(n.on_success, false) AS on_success,
            coalesce(n.on_failure, true) AS on_failure, coalesce(n.on_warning, true) AS on_warning, coalesce(n.on_recovery, true) AS on_recovery,
            coalesce(n.on_late, true) AS on_late
          FROM job_configurations AS j CROSS JOIN notification_channels AS c
          LEFT JOIN job_notifications AS n ON n.job_config_id = j.id AND n.notification_channel_id = c.id
          WHERE c.active AND c.deleted_at IS NULL AND (n.job_config_id IS NOT NULL OR NOT EXISTS (
            SELECT FROM job_notifications AS r JOIN notification_channels AS k ON k.id = r.notification_channel_id AND k.deleted_at IS NULL
            WHERE r.job_config_id = j.id));

        -- START. As long as nobody ever asked for it no claim runs a query for it: then a sequence has no value yet, whose values no transaction
        -- takes back.
        CREATE SEQUENCE start_wishes;
        CREATE FUNCTION note_start_wish() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          PERFORM nextval('start_wishes');
          RETURN NULL;
        END $$;
        CREATE TRIGGER note_start_wish AFTER INSERT OR UPDATE ON job_notifications FOR EACH ROW WHEN (NEW.on_start) EXECUTE FUNCTION note_start_wish();
        -- Also for rows that come by replication, or are loaded as if they did: a sequence does not come along.
        ALTER TABLE job_notifications ENABLE ALWAYS TRIGGER note_start_wish;
        CREATE OR REPLACE FUNCTION executions_claimed(claimer uuid, claim_token bigint) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
          IF pg_sequence_last_value('start_wishes') IS NULL THEN
            RETURN false;
          ELSIF NOT EXISTS (SELECT FROM job_notifications WHERE on_start) THEN
            RETURN false;
          END IF;
          -- Somebody may have a channel's row locked: the run begins all the same, and nobody is told.
          BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            INSERT INTO notification_deliveries (channel_id, execution_id, job_config_id, event)
            SELECT c.channel_id, l.id, l.job_config_id, 'START' FROM job_live AS l JOIN job_channels AS c ON c.job_config_id = l.job_config_id AND c.on_start
            WHERE l.status = 'RUNNING' AND l.worker = claimer AND l.token = claim_token AND l.attempt = 1 AND l.parent_id IS NULL
            ORDER BY l.id, c.channel_id ON CONFLICT DO NOTHING;
            RETURN FOUND;
          EXCEPTION WHEN lock_not_available THEN
            RAISE WARNING 'nobody is told that runs began: a row of notification_channels, or the outbox, is locked';
            RETURN false;
          END;
        END $$;

        -- FAILURE, RECOVERY, WARNING, and SUCCESS where neither of these two says it, at the end of a top-level execution; a first success after
        -- a failure that has something to warn of is both. FAILURE "so far" when a child failed for good. A success that nobody wants to hear of costs two looks at small tables for the whole statement.
        CREATE OR REPLACE FUNCTION executions_ended(ended uuid[], remarkable uuid[], succeeded_jobs int[]) RETURNS void LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        DECLARE recovering int[]; recoveries uuid[]; with_success boolean;
        BEGIN
          IF remarkable IS NULL AND NOT EXISTS (SELECT FROM job_failures WHERE job_config_id = ANY (succeeded_jobs)
              UNION ALL SELECT FROM job_notifications WHERE job_config_id = ANY (succeeded_jobs) AND on_success) THEN
            RETURN;
          END IF;
          PERFORM note_failures(remarkable);
          recovering := ARRAY(SELECT DISTINCT f.job_config_id FROM job_failures AS f WHERE f.job_config_id = ANY (succeeded_jobs));
          with_success := EXISTS (SELECT FROM job_notifications WHERE job_config_id = ANY (succeeded_jobs) AND on_success);
          SELECT array_agg(r.id) INTO recoveries FROM unnest(recovering) AS job, take_recovery(job, ended, remarkable) AS r(id) WHERE r.id IS NOT NULL;
          IF NOT EXISTS (SELECT FROM notification_channels WHERE active AND deleted_at IS NULL) THEN
            RETURN;
          END IF;

          INSERT INTO notification_deliveries AS d (channel_id, execution_id, job_config_id, event, failures)
          SELECT c.channel_id, e.id, e.job_config_id, t.event,
            CASE WHEN t.event = 'FAILURE' THEN (SELECT count(*) FROM job_finished AS k WHERE k.parent_id = e.id AND k.status = 'FAILED') ELSE 0 END
          FROM job_finished AS e JOIN job_channels AS c ON c.job_config_id = e.job_config_id
          CROSS JOIN LATERAL (SELECT e.status = 'FAILED' AND c.on_failure AS is_failure,
            e.status = 'SUCCESS' AND c.on_recovery AND coalesce(e.id = ANY (recoveries), false) AS is_recovery,
            e.status = 'SUCCESS' AND c.on_warning AND coalesce(e.metrics ->> 'severity', '') IN ('warning', 'critical') AS is_warning OFFSET 0) AS k
          CROSS JOIN LATERAL (VALUES ('FAILURE', k.is_failure), ('RECOVERY', k.is_recovery), ('WARNING', k.is_warning),
            ('SUCCESS', e.status = 'SUCCESS' AND c.on_success AND NOT (k.is_recovery OR k.is_warning))) AS t(event, is_told)
          WHERE e.id = ANY (CASE WHEN with_success THEN ended ELSE remarkable || recoveries END)
            AND e.parent_id IS NULL AND e.status <> 'CANCELLED' AND t.is_told
          ORDER BY e.id, c.channel_id, t.event
          ON CONFLICT (execution_id, channel_id, event) WHERE event <> 'LATE' DO UPDATE SET
            failures = excluded.failures, status = 'PENDING', sent_at = NULL, reached = '{}', claim = nextval('delivery_claim'),
            edition = least(d.edition, 2147483646) + (d.attempts > 0)::int,
            raised_again_at = CASE WHEN d.attempts > 0 OR d.status = 'FAILED' THEN clock_timestamp() ELSE d.raised_again_at END,
            next_attempt_at = CASE WHEN d.attempts > 0 OR d.status = 'FAILED' THEN clock_timestamp() ELSE d.next_attempt_at END
          -- After a message "so far", whoever has it, only when more failed: to all, under another id, and the attempt under way is fenced off.
          -- One that failed for good told nobody: its channel may be mended.
          WHERE excluded.failures > d.told AND (d.status <> 'PENDING' OR excluded.failures > d.failures);

          INSERT INTO notification_deliveries (channel_id, execution_id, job_config_id, event, failures)
          SELECT c.channel_id, p.id, p.job_config_id, 'FAILURE', 1
          FROM (SELECT DISTINCT parent_id FROM job_finished WHERE id = ANY (remarkable) AND parent_id IS NOT NULL AND status = 'FAILED') AS k
          JOIN job_live AS p ON p.id = k.parent_id JOIN job_channels AS c ON c.job_config_id = p.job_config_id AND c.on_failure
          ORDER BY p.id, c.channel_id ON CONFLICT DO NOTHING;
        END $$;

        CREATE OR REPLACE FUNCTION executions_to_tell(low uuid, high uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
          SELECT EXISTS (SELECT FROM notification_deliveries
            WHERE execution_id >= low AND execution_id < high AND event <> 'LATE' AND status = 'PENDING')
        $$;

        -- A schedule that cannot be used: a FAILURE of the job, without an execution.
        CREATE FUNCTION tell_schedule_problem() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          INSERT INTO notification_deliveries (channel_id, job_config_id, event)
          SELECT channel_id, NEW.id, 'FAILURE' FROM job_channels WHERE job_config_id = NEW.id AND on_failure ORDER BY channel_id;
          RETURN NULL;
        END $$;
        CREATE TRIGGER tell_problem AFTER UPDATE OF problem ON job_configurations FOR EACH ROW
          WHEN (NEW.problem IS NOT NULL AND NEW.problem IS DISTINCT FROM OLD.problem AND NEW.deleted_at IS NULL)
          EXECUTE FUNCTION tell_schedule_problem();

        -- A channel failed for good: off, with the reason; its deliveries end FAILED, and the other channels say so. False: it was off already.
        CREATE FUNCTION switch_off_channel(channel int, reason text) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE actor text := coalesce(current_setting('chimera.actor', true), ''); was_on boolean;
        BEGIN
          PERFORM set_config('chimera.actor', 'chimera outbox', true);
          UPDATE notification_channels SET active = false, problem = reason WHERE id = channel AND active AND deleted_at IS NULL;
          was_on := FOUND;
          PERFORM set_config('chimera.actor', actor, true);
          IF NOT was_on THEN
            RETURN false;
          END IF;
          INSERT INTO notification_deliveries (channel_id, event, about_channel_id)
          SELECT id, 'FAILURE', channel FROM notification_channels WHERE active AND deleted_at IS NULL ORDER BY id;
          RETURN true;
        END $$;
        """#

    static let m11EventsDown = #"""
        DROP FUNCTION switch_off_channel;
        DROP TRIGGER tell_problem ON job_configurations;
        DROP FUNCTION tell_schedule_problem;
        CREATE OR REPLACE FUNCTION executions_to_tell(low uuid, high uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT false $$;
        CREATE OR REPLACE FUNCTION executions_ended(ended uuid[], remarkable uuid[], succeeded_jobs int[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
        CREATE OR REPLACE FUNCTION executions_claimed(claimer uuid, claim_token bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN false; END $$;
        DROP TRIGGER note_start_wish ON job_notifications;
        DROP FUNCTION note_start_wish;
        DROP SEQUENCE start_wishes;
        DROP VIEW job_channels;
        """#
}
