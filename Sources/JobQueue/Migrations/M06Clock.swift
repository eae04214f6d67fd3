/// What the queue makes of a server whose clock jumps.
extension Migration {
    static let m06Clock = #"""
        -- One row: when somebody last looked for lost runs, by the server's clock. A step between two looks that nobody's pace explains is a jump.
        CREATE TABLE queue_clock (
          is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
          seen_at timestamptz NOT NULL DEFAULT '-infinity',
          seen_before timestamptz NOT NULL DEFAULT '-infinity',  -- the look before the clock ran ahead
          ran_ahead_at timestamptz NOT NULL DEFAULT '-infinity'  -- noticed then; or nobody had looked for long
        ) WITH (fillfactor = 50);
        INSERT INTO queue_clock DEFAULT VALUES;

        -- What others do about a clock that was set back, in the same transaction: a migration above the queue may replace it.
        CREATE FUNCTION clock_set_back(back interval) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;

        -- Moments that the queue itself computed from a clock that was set back since lie too far ahead: they follow it. A `run_at` that
        -- somebody asked for stays, and so do due times that have their tick: nothing is due twice.
        CREATE FUNCTION follow_clock_back(back interval) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
        \#(marksInternal) SET lock_timeout = '2s' SET enable_seqscan = off SET jit = off AS $$
        DECLARE moment timestamptz := clock_timestamp();
        BEGIN
          UPDATE request_reservations SET at = at - back WHERE at > moment;
          UPDATE integration_state SET next_request_at = next_request_at - CASE WHEN next_request_at > moment THEN back ELSE interval '0' END,
            open_until = open_until - CASE WHEN open_until > moment THEN back ELSE interval '0' END,
            login_until = login_until - CASE WHEN login_until > moment THEN back ELSE interval '0' END
          WHERE greatest(next_request_at, open_until, login_until) > moment;
          WITH ahead AS MATERIALIZED (
            SELECT l.id FROM job_live AS l WHERE l.status = 'PENDING' AND l.run_at > moment
              AND (l.run_at = l.created_at   -- due at once
                OR EXISTS (SELECT FROM job_attempts_past AS a WHERE a.execution_id = l.id AND a.attempt = l.attempt AND a.finished_at > moment
                  AND l.run_at >= a.finished_at))
            ORDER BY l.id FOR UPDATE SKIP LOCKED
          )
          UPDATE job_live AS l SET run_at = l.run_at - back FROM ahead WHERE l.id = ahead.id;
          PERFORM clock_set_back(back);
          PERFORM wake_workers();
          -- At last, for renewals wait for these rows until this is committed; and by the time of now, for they went on meanwhile.
          UPDATE workers SET lease_until = clock_timestamp() + lease WHERE lease_until > clock_timestamp() + lease;
        END $$;

        -- Notes the time, for whoever looks `every` so often. How far the clock jumped, negative when it was set back; null: it runs as it should.
        CREATE FUNCTION follow_clock(every interval) RETURNS interval LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE known queue_clock; moment timestamptz;
        BEGIN
          SELECT * INTO known FROM queue_clock FOR UPDATE SKIP LOCKED;
          IF NOT FOUND THEN   -- somebody else notes it just now, or somebody took the row away
            INSERT INTO queue_clock (seen_at) SELECT clock_timestamp() WHERE NOT EXISTS (SELECT FROM queue_clock) ON CONFLICT DO NOTHING;
            RETURN NULL;
          END IF;
          moment := clock_timestamp();
          IF NOT isfinite(known.seen_at) THEN
            UPDATE queue_clock SET seen_at = moment;
          ELSIF known.seen_at > moment + interval '2 seconds' THEN
            PERFORM follow_clock_back(known.seen_at - moment);
            UPDATE queue_clock SET seen_at = moment, ran_ahead_at = '-infinity';
            RETURN moment - known.seen_at;
          ELSIF known.seen_at < moment - every - interval '10 seconds' THEN
            UPDATE queue_clock SET seen_at = moment, ran_ahead_at = moment, seen_before = known.seen_at;
            RETURN moment - known.seen_at;
          ELSIF known.seen_at < moment - interval '1 second' THEN
            UPDATE queue_clock SET seen_at = moment;
          END IF;
          RETURN NULL;
        END $$;

        -- Whether a worker's lease has ended. Not in the first lease time after the server started, for workers could not renew while it was
        -- down; nor in half a lease after the clock ran ahead: who lives renews within a third. A lease that was over before that is over.
        CREATE FUNCTION is_lease_over(lease_until timestamptz, lease interval) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE moment timestamptz := clock_timestamp();
        BEGIN
          RETURN lease_until <= moment AND (moment >= pg_postmaster_start_time() + lease OR moment < pg_postmaster_start_time())
            AND NOT EXISTS (SELECT FROM queue_clock WHERE moment >= ran_ahead_at AND moment < ran_ahead_at + lease / 2
              AND lease_until > seen_before);
        END $$;
        """#

    static let m06ClockDown = #"""
        DROP FUNCTION is_lease_over, follow_clock, follow_clock_back, clock_set_back;
        DROP TABLE queue_clock;
        """#
}
