extension Migration {
    /// The end of both claims: the rows of `c`, which are locked, begin in its order under the token of `t`. In one statement with what finds
    /// them: a second one costs a job that is claimed alone a quarter of a millisecond. By their places in the table, so that no plan can choose
    /// another way, whatever the planner believes of the table. A row that somebody changed between the statement's snapshot and its lock has moved,
    /// and is left for the next look from the start, like one that was locked.
    private static let beginClaimed = #"""
        UPDATE job_live AS l SET status = 'RUNNING', attempt = l.attempt + 1, token = (SELECT t.token FROM t), worker = claimer,
          started_at = clock_timestamp()
        FROM c WHERE l.ctid = c.place
        RETURNING l.id, l.token, l.job_config_id, l.attempt, l.max_attempts, nullif(l.params::text, '{}'), l.parent_id, l.store_id,
          l.registration, l.source_id, l.target_id, l.scheduled_for, l.priority, l.run_at, l.retry_of, l.gated, l.failures;
        """#

    /// Rows `p` that are due and that no limit, pause or store lock concerns.
    private static let isOpen = """
        p.status = 'PENDING' AND NOT p.gated AND p.run_at <= moment
          AND p.job_config_id NOT IN (SELECT j.id FROM job_configurations AS j WHERE j.is_gated OR j.deleted_at IS NOT NULL)
        """

    /// The claim, and what makes a row wait without delaying what stands behind it.
    package static let m07Claims = Migration(
        number: 7, name: "claims",
        up: #"""
            -- Due rows that limits, pauses and store locks let through, at most `batch`, in order. Callers come one at a time, so that
            -- two cannot both take the last place. A lane is one (job, source, target): within it only busy stores hold a row back, what a
            -- schedule made that lets nothing overlap (QUEUE, or SKIP that catches up on all) waits for every other top-level run of its job,
            -- and of a comparison those whose sync is live wait, be it between two attempts. Of runs that were rescued twice in a row a worker has one at
            -- a time: what kills its worker once more takes no other one with it.
            CREATE FUNCTION admit_gated(batch int, claimer uuid) RETURNS uuid[] LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '250ms' AS $$
            DECLARE
              candidate record;
              admitted uuid[] := '{}';
              jobs jsonb := '{}'; partners jsonb := '{}'; stores jsonb := '{}'; begun jsonb := '{}';   -- places taken by this call
              store text; taken int;
              passed uuid[] := '{}'; passed_before int;   -- rows that somebody has locked, and suspects whose turn it is not
              has_suspect boolean;   -- null: not looked yet
              moment timestamptz;   -- as a value, for an index to end at
            BEGIN
              -- Who holds it to the end of his claim may be stopped while the server sends him his rows: then the others go on with what has no limits.
              BEGIN
                PERFORM pg_advisory_xact_lock(hashtext('chimera.admission'));
              EXCEPTION WHEN lock_not_available THEN
                RETURN admitted;
              END;
              moment := clock_timestamp();
              -- Once more when somebody has locked rows: those behind them are beyond what was looked at.
              LOOP
                passed_before := cardinality(passed);
                FOR candidate IN
                  WITH RECURSIVE lanes AS (
                    (SELECT job_config_id, source_id, target_id FROM job_live WHERE status = 'PENDING' AND gated
                     ORDER BY job_config_id, source_id, target_id LIMIT 1)
                    UNION ALL
                    SELECT n.* FROM lanes AS l CROSS JOIN LATERAL (
                      SELECT job_config_id, source_id, target_id FROM job_live
                      WHERE status = 'PENDING' AND gated AND (job_config_id, source_id, target_id) > (l.job_config_id, l.source_id, l.target_id)
                      ORDER BY job_config_id, source_id, target_id LIMIT 1) AS n
                  ),
                  runs AS MATERIALIZED (
                    SELECT job_config_id, source_id, target_id, store_id FROM job_live WHERE status = 'RUNNING' AND worker IS NOT NULL AND gated
                  ),
                  -- Counted once, looked up by key: whatever plan is chosen, the cost grows with runs + lanes and not with their product.
                  held AS MATERIALIZED (
                    SELECT (SELECT jsonb_object_agg(job_config_id, n) FROM (SELECT job_config_id, count(*) AS n FROM runs GROUP BY job_config_id) AS c) AS job_runs,
                      (SELECT jsonb_object_agg(partner, n) FROM (
                        SELECT partner, count(*) AS n FROM runs CROSS JOIN LATERAL
                          unnest(CASE WHEN source_id = target_id THEN ARRAY[source_id] ELSE ARRAY[source_id, target_id] END) AS partner
                        GROUP BY partner) AS c) AS partner_runs,
                      (SELECT jsonb_object_agg(target_id || ':' || store_id, true) FROM runs WHERE store_id IS NOT NULL) AS busy_stores,
                      (SELECT jsonb_object_agg(job_config_id, true) FROM (
                        SELECT DISTINCT job_config_id FROM job_live WHERE status = 'RUNNING' AND parent_id IS NULL) AS b) AS busy_jobs
                  ),
                  -- Read only where a comparison waits.
                  syncing AS MATERIALIZED (
                    SELECT jsonb_object_agg(s.target_id || ':' || s.store_id, true) AS busy
                    FROM job_live AS s JOIN job_configurations AS j ON j.id = s.job_config_id AND j.job_type = 'SYNC_PRODUCTS' WHERE s.store_id IS NOT NULL
                  ),
                  room AS MATERIALIZED (
                    SELECT jsonb_object_agg(i.id, CASE WHEN s.open_until > clock_timestamp() THEN 0 WHEN s.open_until IS NOT NULL THEN 1
                        ELSE coalesce((i.config ->> 'max_concurrency')::numeric::int, CASE i.type WHEN 'RP' THEN 4 END) END
                      - coalesce((SELECT (partner_runs ->> i.id::text)::int FROM held), 0)) AS partner_room
                    FROM integrations AS i LEFT JOIN integration_state AS s ON s.integration_id = i.id
                    WHERE i.id IN (SELECT source_id FROM lanes UNION SELECT target_id FROM lanes)
                  ),
                  open_lanes AS MATERIALIZED (
                    SELECT l.*, j.is_serial,
                      coalesce((SELECT busy_jobs FROM held) ? l.job_config_id::text, false) AS is_busy, j.job_type = 'COMPARE_DATA' AS yields,
                      j.max_concurrency - coalesce(((SELECT job_runs FROM held) ->> l.job_config_id::text)::int, 0) AS job_room,
                      ((SELECT partner_room FROM room) ->> l.source_id::text)::int AS source_room,
                      ((SELECT partner_room FROM room) ->> l.target_id::text)::int AS target_room
                    FROM lanes AS l JOIN job_configurations AS j ON j.id = l.job_config_id AND j.paused_at IS NULL AND j.deleted_at IS NULL
                  )
                  SELECT p.*, l.job_config_id, l.source_id, l.target_id, l.job_room, l.source_room, l.target_room
                  FROM open_lanes AS l CROSS JOIN LATERAL (
                    SELECT q.id, q.priority, q.run_at, q.store_id, q.rescues >= 2 AS is_suspect, q.parent_id IS NULL AS is_top, l.is_serial AND q.trigger = 'SCHEDULE' AS is_queued
                    FROM job_live AS q
                    WHERE q.status = 'PENDING' AND q.gated AND q.job_config_id = l.job_config_id AND q.source_id = l.source_id
                      AND q.target_id = l.target_id AND q.run_at <= moment AND q.id <> ALL (admitted || passed)
                      AND (q.trigger <> 'SCHEDULE' OR NOT l.is_serial OR NOT l.is_busy)
                      AND (q.store_id IS NULL OR NOT coalesce((SELECT busy_stores FROM held) ? (q.target_id || ':' || q.store_id), false))
                      AND (NOT l.yields OR NOT coalesce((SELECT busy FROM syncing) ? (q.target_id || ':' || q.store_id), false))
                    ORDER BY q.priority, q.run_at, q.id
                    LIMIT CASE WHEN least(l.job_room, l.source_room, l.target_room) <= 0 THEN 0 ELSE batch + 16 + 4 * cardinality(passed) END
                  ) AS p
                  ORDER BY p.priority, p.run_at, p.id
                LOOP
                  EXIT WHEN cardinality(admitted) >= batch;
                  store := candidate.target_id || ':' || candidate.store_id;
                  CONTINUE WHEN stores ? store OR candidate.is_queued AND begun ? candidate.job_config_id::text
                    OR coalesce((jobs ->> candidate.job_config_id::text)::int, 0) >= candidate.job_room
                    OR coalesce((partners ->> candidate.source_id::text)::int, 0) >= candidate.source_room
                    OR coalesce((partners ->> candidate.target_id::text)::int, 0) >= candidate.target_room;
                  IF candidate.is_suspect THEN
                    has_suspect := coalesce(has_suspect, EXISTS (
                      SELECT FROM job_live AS s WHERE s.status = 'RUNNING' AND s.gated AND s.worker = claimer AND s.rescues >= 2));
                    IF has_suspect THEN
                      passed := passed || candidate.id;
                      CONTINUE;
                    END IF;
                  END IF;
                  -- Whom somebody else has locked takes nobody's place.
                  PERFORM FROM job_live WHERE id = candidate.id AND status = 'PENDING' FOR UPDATE SKIP LOCKED;
                  IF NOT FOUND THEN
                    passed := passed || candidate.id;
                    CONTINUE;
                  END IF;
                  admitted := admitted || candidate.id;
                  has_suspect := CASE WHEN candidate.is_suspect THEN true ELSE has_suspect END;
                  IF candidate.is_top THEN
                    begun := begun || jsonb_build_object(candidate.job_config_id, true);
                  END IF;
                  jobs := jobs || jsonb_build_object(candidate.job_config_id, coalesce((jobs ->> candidate.job_config_id::text)::int, 0) + 1);
                  FOREACH taken IN ARRAY CASE WHEN candidate.source_id = candidate.target_id THEN ARRAY[candidate.source_id] ELSE ARRAY[candidate.source_id, candidate.target_id] END LOOP
                    partners := partners || jsonb_build_object(taken, coalesce((partners ->> taken::text)::int, 0) + 1);
                  END LOOP;
                  IF store IS NOT NULL THEN
                    stores := stores || jsonb_build_object(store, true);
                  END IF;
                END LOOP;
                EXIT WHEN cardinality(admitted) >= batch OR cardinality(passed) = passed_before OR cardinality(passed) > 2000;
              END LOOP;
              RETURN admitted;
            END $$;

            -- What others do about runs that a claim began, in the same transaction: a migration above the queue may replace it. Gives whether they did
            -- anything. It is called by the claim alone, under the claim's settings.
            CREATE FUNCTION executions_claimed(claimer uuid, claim_token bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN false; END $$;

            -- Takes up to `batch` due rows for a worker whose lease holds. Rows of a deleted job, and ungated ones of a paused or limited job, come from a
            -- transaction that did not see its change: `gate_stragglers` sees to them. Rows at or before the watermark (the last key claimed) are not looked
            -- at: a held snapshot leaves dead entries there, 0.26 µs each for every claim. Plan settings: without statistics the
            -- planner sorts the whole table, 200 ms a claim instead of 3. And no join by id: after a VACUUM that found next to no rows it takes the
            -- table for empty and would look at all of it for each of them, 8 s a claim with 30,000 due. Nor are plans made anew for the first five calls of
            -- every session: they come out the same, and making them took four fifths of a claim under limits. `started_at` keeps the queue's order, for
            -- rows begin one after the other.
            CREATE FUNCTION claim_executions(claimer uuid, batch int, after_priority smallint, after_run_at timestamptz, after_id uuid)
            RETURNS TABLE (id uuid, token bigint, job_config_id int, attempt int, max_attempts int, params text, parent_id uuid, store_id int,
              registration text, source_id int, target_id int, scheduled_for timestamptz, priority smallint, run_at timestamptz, retry_of uuid, gated boolean, failures int)
            LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) SET enable_sort = off SET enable_bitmapscan = off
            SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
            #variable_conflict use_column
            DECLARE holds_lease boolean; has_gated boolean; is_told boolean; through uuid[] := '{}'; moment timestamptz;
            BEGIN
              SELECT EXISTS (SELECT FROM workers AS w WHERE w.id = claimer AND w.lease_until > clock_timestamp()),
                EXISTS (SELECT FROM job_live AS g WHERE g.status = 'PENDING' AND g.gated)
              INTO holds_lease, has_gated;
              IF NOT holds_lease THEN
                RETURN;
              ELSIF has_gated THEN
                through := admit_gated(batch, claimer);
              END IF;
              moment := clock_timestamp();   -- as a value, for an index to end at: a million rows of tomorrow cost 25 ms so, and 300 by the clock
              IF through = '{}' THEN
                RETURN QUERY
                WITH t AS MATERIALIZED (SELECT nextval('lease_token') AS token),
                c AS MATERIALIZED (
                  SELECT p.ctid AS place FROM job_live AS p WHERE \#(isOpen)
                    AND (p.priority, p.run_at, p.id) > (after_priority, after_run_at, after_id)
                  ORDER BY p.priority, p.run_at, p.id LIMIT batch FOR UPDATE SKIP LOCKED
                )
                \#(beginClaimed)
              ELSE
                RETURN QUERY
                WITH t AS MATERIALIZED (SELECT nextval('lease_token') AS token),
                open AS MATERIALIZED (
                  SELECT p.ctid AS place, p.id, p.priority, p.run_at FROM job_live AS p WHERE \#(isOpen)
                  ORDER BY p.priority, p.run_at, p.id LIMIT batch FOR UPDATE SKIP LOCKED
                ),
                admitted AS MATERIALIZED (
                  SELECT p.ctid AS place, p.id, p.priority, p.run_at FROM job_live AS p WHERE p.id = ANY (through) AND p.status = 'PENDING'
                  ORDER BY p.id FOR UPDATE SKIP LOCKED
                ),
                c AS MATERIALIZED (
                  SELECT u.place FROM (SELECT * FROM open UNION ALL SELECT * FROM admitted) AS u ORDER BY u.priority, u.run_at, u.id LIMIT batch
                )
                \#(beginClaimed)
              END IF;
              IF FOUND THEN
                is_told := executions_claimed(claimer, currval('lease_token'));   -- as an expression: PERFORM would run a query
              END IF;
            END $$;

            -- A parent planned its children: they are made and it waits, without a worker, in one fenced statement. False: the run lost its lease.
            CREATE FUNCTION fan_out(parent uuid, held_token bigint, unit text, children_params jsonb[], stores int[], registrations text[],
              sources int[], targets int[]) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) AS $$
            DECLARE p job_live;
            BEGIN
              UPDATE job_live SET worker = NULL, token = nextval('lease_token'), progress = jsonb_build_object('done', 0, 'total', cardinality(children_params), 'unit', unit)
              WHERE id = parent AND token = held_token AND status = 'RUNNING' RETURNING * INTO p;
              IF NOT FOUND THEN
                RETURN false;
              END IF;
              INSERT INTO job_executions (job_config_id, parent_id, trigger, priority, params, scheduled_for, created_by, store_id, registration, source_id, target_id)
              SELECT p.job_config_id, p.id, 'PARENT', p.priority, c.params, p.scheduled_for, p.created_by, c.store, c.registration, coalesce(c.source, 0), coalesce(c.target, 0)
              FROM unnest(children_params, stores, registrations, sources, targets) WITH ORDINALITY AS c(params, store, registration, source, target, place)
              ORDER BY place;
              RETURN true;
            END $$;

            CREATE FUNCTION report_progress(execution uuid, held_token bigint, state jsonb) RETURNS void LANGUAGE sql
            SET search_path FROM CURRENT \#(marksInternal) AS $$
              UPDATE job_live SET progress = state WHERE id = execution AND token = held_token AND status = 'RUNNING'
            $$;

            -- Comparisons that a live sync of their store kept waiting longer than their timeout_seconds end FAILED: what was not compared is no success.
            CREATE FUNCTION expire_waits() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
            DECLARE late uuid[]; parents uuid[]; locked uuid[]; errors jsonb[];
            BEGIN
              SELECT array_agg(q.id), array_agg(DISTINCT q.parent_id) FILTER (WHERE q.parent_id IS NOT NULL) INTO late, parents
              FROM job_configurations AS j JOIN job_live AS q ON q.job_config_id = j.id AND q.status = 'PENDING' AND q.gated AND q.store_id IS NOT NULL
              WHERE j.job_type = 'COMPARE_DATA' AND j.paused_at IS NULL AND q.run_at < clock_timestamp() - j.timeout_seconds * interval '1 second'
                AND EXISTS (SELECT FROM job_live AS s JOIN job_configurations AS k ON k.id = s.job_config_id AND k.job_type = 'SYNC_PRODUCTS'
                  WHERE s.store_id = q.store_id AND s.target_id = q.target_id AND s.created_at < clock_timestamp() - j.timeout_seconds * interval '1 second');
              IF late IS NULL THEN
                RETURN;
              END IF;
              PERFORM create_partitions();
              -- Those that somebody has locked, or whose parent he has, are for a later round.
              locked := ARRAY(SELECT id FROM job_live WHERE id = ANY (late || parents) ORDER BY id FOR UPDATE SKIP LOCKED);
              -- Once more: meanwhile one may have been claimed after all.
              SELECT array_agg(q.id ORDER BY q.id), array_agg(run_error('SYNC_LIVE',
                  format('it was not compared: a sync of the store did not end within %s s (timeout_seconds)', j.timeout_seconds), true,
                  q.store_id, q.registration) ORDER BY q.id)
                INTO late, errors
              FROM job_live AS q JOIN job_configurations AS j ON j.id = q.job_config_id
              WHERE q.id = ANY (late) AND q.id = ANY (locked) AND (q.parent_id IS NULL OR q.parent_id = ANY (locked)) AND q.status = 'PENDING';
              IF late IS NOT NULL THEN
                PERFORM archive_executions(late, NULL, array_fill('FAILED'::text, ARRAY[cardinality(late)]), NULL, NULL, errors);
                PERFORM end_parents(parents);
              END IF;
            END $$;
            """#,
        down: #"""
            DROP FUNCTION expire_waits, report_progress, fan_out, claim_executions, executions_claimed, admit_gated;
            """#)
}
