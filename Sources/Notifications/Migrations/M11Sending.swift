import JobQueue

/// How deliveries are claimed, in which order and how fast, and when they are given up.
extension Migration {
    static let m11Sending = #"""
        -- When the newest edition of a delivery was raised: what its 24 h and its waiting count from.
        CREATE FUNCTION raised_at(d notification_deliveries) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
          SELECT coalesce(d.raised_again_at, d.created_at)
        $$;

        -- Whether a delivery is a recovery, and an older message about its job through its channel is to go first: one whose next attempt comes
        -- after `moment`, or that goes to others than this one. Nobody hears that a job works again before hearing that it failed; whoever has
        -- heard that waits for no other recipient.
        CREATE FUNCTION waits_for_older(d notification_deliveries, moment timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE
        SET search_path FROM CURRENT AS $$
        BEGIN
          RETURN d.event = 'RECOVERY' AND EXISTS (SELECT FROM notification_deliveries AS o WHERE o.channel_id = d.channel_id AND o.status = 'PENDING'
            AND o.job_config_id = d.job_config_id AND (raised_at(o), o.id) < (raised_at(d), d.id)
            AND o.reached <@ d.reached AND (o.next_attempt_at > moment OR o.reached <> d.reached));
        END $$;

        -- Whether a newer message through the same channel says the opposite and is told already, or being told: a recovery while its job has
        -- failed again, and a failure some of whose recipients know that it is over. It would be the last that they hear, and is not sent.
        CREATE FUNCTION is_overtaken(d notification_deliveries) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
        BEGIN
          RETURN CASE
            WHEN d.event = 'RECOVERY' THEN EXISTS (SELECT FROM job_failures AS f JOIN notification_deliveries AS o ON o.execution_id = f.execution_id
                AND o.channel_id = d.channel_id AND o.event = 'FAILURE'
              WHERE f.job_config_id = d.job_config_id AND (raised_at(o), o.id) > (raised_at(d), d.id) AND (o.status <> 'PENDING' OR o.claim <> 0))
            WHEN d.event = 'FAILURE' AND d.reached <> '{}' THEN EXISTS (SELECT FROM notification_deliveries AS o
              WHERE o.channel_id = d.channel_id AND o.id > d.id AND o.job_config_id = d.job_config_id AND o.event = 'RECOVERY'
                AND raised_at(o) > raised_at(d) AND (o.status = 'SENT' OR NOT o.reached <@ d.reached))
            ELSE false END;
        END $$;

        -- Whether a delivery that is due may go: no message of a job goes beside its recovery, so that the newest comes last.
        CREATE FUNCTION may_go(d notification_deliveries, moment timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
        BEGIN
          RETURN NOT EXISTS (SELECT FROM notification_deliveries AS r WHERE r.channel_id = d.channel_id AND r.job_config_id = d.job_config_id
              AND r.event = 'RECOVERY' AND r.status = 'PENDING' AND r.claim <> 0 AND r.next_attempt_at > clock_timestamp())
            AND (d.event <> 'RECOVERY' OR NOT waits_for_older(d, moment)) AND (d.event <> 'RECOVERY' AND d.reached = '{}' OR NOT is_overtaken(d));
        END $$;

        -- Takes the next message of a channel: one due delivery, or for a channel that folds all that wait, once the first of them waited 10 s
        -- because not all could be sent in that time. Fenced by `claim`; nobody else takes them before `hold` is over. One row without an id
        -- says how long to wait; none: nothing is due. The lane's row is locked, so that its rate holds for all workers together:
        -- `spacing` between messages and at most `per_minute` in any 61 s: from the claim to the channel it is not always as far. A channel that folds sends at most
        -- one message a second.
        CREATE FUNCTION claim_deliveries(channel int, place text, spacing interval, per_minute int, folds boolean, hold interval)
        RETURNS TABLE (id bigint, claim bigint, attempts int, failures int, wait interval) LANGUAGE plpgsql SET search_path FROM CURRENT SET jit = off AS $$
        #variable_conflict use_column
        DECLARE l delivery_lanes; first notification_deliveries; moment timestamptz; last_sent timestamptz; free_at timestamptz; taken int := 1;
        BEGIN
          IF folds THEN
            spacing := greatest(spacing, interval '1 second');
          END IF;
          INSERT INTO delivery_lanes (lane) VALUES (place) ON CONFLICT DO NOTHING;
          SELECT * INTO l FROM delivery_lanes AS k WHERE k.lane = place FOR UPDATE;
          moment := clock_timestamp();
          last_sent := l.sent_at[cardinality(l.sent_at)];
          free_at := greatest(last_sent + spacing, l.sent_at[cardinality(l.sent_at) - per_minute + 1] + interval '61 seconds');
          IF free_at > moment + interval '1 minute' THEN
            free_at := moment + interval '1 minute';   -- the rate cannot ask for more: the server's clock jumped back
          END IF;
          free_at := greatest(free_at, l.paused_until);
          SELECT * INTO first FROM notification_deliveries AS d WHERE d.channel_id = channel AND d.status = 'PENDING' AND d.next_attempt_at <= moment
            AND may_go(d, '-infinity')
          ORDER BY d.next_attempt_at, d.id LIMIT 1;
          IF NOT FOUND THEN
            RETURN;
          ELSIF free_at > moment THEN
            RETURN QUERY SELECT NULL::bigint, NULL::bigint, NULL::int, NULL::int, free_at - moment;
            RETURN;
          END IF;
          IF folds AND raised_at(first) <= moment - interval '10 seconds' THEN
            taken := 20000;
          ELSIF folds AND last_sent > moment - interval '10 seconds' AND EXISTS (
              SELECT FROM (SELECT raised_at(d) AS raised, row_number() OVER (ORDER BY d.next_attempt_at, d.id) - 1 AS place
                FROM notification_deliveries AS d WHERE d.channel_id = channel AND d.status = 'PENDING' AND d.next_attempt_at <= moment
                ORDER BY d.next_attempt_at, d.id LIMIT 12) AS q
              WHERE moment + q.place * spacing > q.raised + interval '10 seconds') THEN
            RETURN QUERY SELECT NULL::bigint, NULL::bigint, NULL::int, NULL::int, least(raised_at(first), moment) + interval '10 seconds' - moment;
            RETURN;
          END IF;
          RETURN QUERY
          WITH t AS MATERIALIZED (SELECT nextval('delivery_claim') AS claim),
          c AS MATERIALIZED (
            SELECT d.id FROM notification_deliveries AS d WHERE d.channel_id = channel AND d.status = 'PENDING' AND d.next_attempt_at <= moment
              AND d.reached = first.reached
              -- A folded message tells the older one, too.
              AND may_go(d, CASE WHEN taken = 1 THEN '-infinity' ELSE moment END) ORDER BY d.next_attempt_at, d.id LIMIT taken FOR UPDATE SKIP LOCKED
          )
          UPDATE notification_deliveries AS n SET attempts = least(n.attempts, 2147483646) + 1, claim = t.claim, next_attempt_at = moment + hold
          FROM c, t WHERE n.id = c.id RETURNING n.id, n.claim, n.attempts, n.failures, NULL::interval;
          IF FOUND AND (spacing > interval '0' OR per_minute IS NOT NULL) THEN
            UPDATE delivery_lanes AS k SET sent_at = (k.sent_at || moment)[cardinality(k.sent_at) + 2 - greatest(per_minute, 1):] WHERE k.lane = place;
          END IF;
        END $$;

        -- Deliveries that nobody is to try any more: of channels that are off or gone, and those tried for 24 h, which it counts; and those
        -- that a newer message has overtaken.
        CREATE FUNCTION give_up_deliveries() RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT SET jit = off AS $$
        DECLARE given_up bigint;
        BEGIN
          WITH lost AS MATERIALIZED (
            SELECT d.id, format('the channel %s', CASE WHEN c.deleted_at IS NOT NULL THEN 'was removed' ELSE 'is switched off' || coalesce(': ' || c.problem, '') END) AS reason
            FROM notification_channels AS c CROSS JOIN LATERAL (
              SELECT p.id FROM notification_deliveries AS p WHERE p.channel_id = c.id AND p.status = 'PENDING' LIMIT 10000 FOR UPDATE SKIP LOCKED) AS d
            WHERE NOT c.active OR c.deleted_at IS NOT NULL
            UNION ALL
            SELECT d.id, 'given up after 24 h: ' || coalesce(d.last_error, 'no answer')
            FROM notification_channels AS c CROSS JOIN LATERAL (
              SELECT p.id, p.last_error FROM notification_deliveries AS p WHERE p.channel_id = c.id AND p.status = 'PENDING'
                AND p.next_attempt_at <= clock_timestamp() AND p.attempts > 0 AND raised_at(p) <= clock_timestamp() - interval '24 hours'
              LIMIT 10000 FOR UPDATE SKIP LOCKED) AS d
            WHERE c.active AND c.deleted_at IS NULL
          )
          UPDATE notification_deliveries AS n SET status = 'FAILED', last_error = lost.reason FROM lost WHERE n.id = lost.id;
          GET DIAGNOSTICS given_up = ROW_COUNT;
          UPDATE notification_deliveries AS n SET status = 'FAILED', last_error = 'overtaken by a newer message about its job' || coalesce(': ' || o.last_error, '')
          FROM (SELECT d.id, d.last_error FROM notification_deliveries AS d WHERE d.status = 'PENDING' AND d.next_attempt_at <= clock_timestamp()
            AND (d.event = 'RECOVERY' OR d.reached <> '{}') AND is_overtaken(d) ORDER BY d.id LIMIT 10000 FOR UPDATE SKIP LOCKED) AS o
          WHERE n.id = o.id;
          RETURN given_up;
        END $$;

        -- Messages, pauses and looks at what is late that lie ahead by a clock that was set back. What may have been written since then keeps
        -- some time: a message that is under way is nobody else's for two minutes, a pause that was asked for lasts one.
        CREATE OR REPLACE FUNCTION clock_set_back(back interval) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT SET jit = off AS $$
        DECLARE moment timestamptz := clock_timestamp();
        BEGIN
          UPDATE delivery_lanes SET
            paused_until = CASE WHEN paused_until > moment THEN least(paused_until, greatest(paused_until - back, moment + interval '1 minute')) ELSE paused_until END,
            sent_at = ARRAY(SELECT CASE WHEN s.at > moment THEN s.at - back ELSE s.at END FROM unnest(sent_at) WITH ORDINALITY AS s(at, place) ORDER BY s.place)
          WHERE greatest(paused_until, sent_at[cardinality(sent_at)]) > moment;
          UPDATE job_watches SET next_look_at = moment WHERE next_look_at > moment;
          UPDATE notification_deliveries AS d SET
            next_attempt_at = least(d.next_attempt_at, greatest(d.next_attempt_at - back, moment + interval '2 minutes')) FROM (
            SELECT id FROM notification_deliveries WHERE status = 'PENDING' AND next_attempt_at > moment ORDER BY id FOR UPDATE SKIP LOCKED) AS ahead
          WHERE d.id = ahead.id;
        END $$;
        """#

    static let m11SendingDown = #"""
        CREATE OR REPLACE FUNCTION clock_set_back(back interval) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
        DROP FUNCTION give_up_deliveries, claim_deliveries, may_go, is_overtaken, waits_for_older, raised_at;
        """#
}
