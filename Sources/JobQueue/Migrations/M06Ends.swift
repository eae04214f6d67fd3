extension Migration {
    /// How executions end: finished by their worker, cancelled, rescued, or with their last child.
    package static let m06Ends = Migration(
        number: 6, name: "ends of executions",
        up: m06Clock + "\n" + #"""
            -- Sums numbers, merges objects, keeps the worse severity: the metrics of many stores as those of one job.
            CREATE FUNCTION add_metrics(a jsonb, b jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
            BEGIN
              IF a IS NULL OR b IS NULL THEN
                RETURN coalesce(a, b);
              ELSIF jsonb_typeof(a) = 'number' AND jsonb_typeof(b) = 'number' THEN
                RETURN to_jsonb((a #>> '{}')::numeric + (b #>> '{}')::numeric);
              ELSIF jsonb_typeof(a) = 'object' AND jsonb_typeof(b) = 'object' THEN
                RETURN a || coalesce((SELECT jsonb_object_agg(key, CASE WHEN key = 'severity'
                  THEN CASE WHEN '"critical"' IN (a -> key, value) THEN '"critical"'::jsonb
                            WHEN '"warning"' IN (a -> key, value) THEN '"warning"'::jsonb ELSE value END
                  ELSE add_metrics(a -> key, value) END) FROM jsonb_each(b)), '{}');
              END IF;
              RETURN a;
            END $$;
            CREATE AGGREGATE sum_metrics(jsonb) (SFUNC = add_metrics, STYPE = jsonb);

            -- Few differences in each of many stores are many together: the job's thresholds count over the whole execution.
            CREATE FUNCTION weigh_differences(metrics jsonb, config jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
            DECLARE total numeric; severity text := coalesce(metrics ->> 'severity', 'ok');
            BEGIN
              IF jsonb_typeof(metrics -> 'differences') IS DISTINCT FROM 'object' THEN
                RETURN metrics;
              END IF;
              SELECT coalesce(sum((value #>> '{}')::numeric), 0) INTO total FROM jsonb_each(metrics -> 'differences') WHERE jsonb_typeof(value) = 'number';
              IF total >= coalesce((config #>> '{notification_threshold,critical_differences}')::numeric, 50) THEN
                severity := 'critical';
              ELSIF severity = 'ok' AND total >= coalesce((config #>> '{notification_threshold,min_differences}')::numeric, 5) THEN
                severity := 'warning';
              END IF;
              RETURN metrics || jsonb_build_object('severity', severity);
            END $$;

            -- What others do about ends, in the same transaction: a migration above the queue may replace it. `remarkable`: those that
            -- FAILED or have a severity, null when there are none; `succeeded_jobs`: whose top-level executions succeeded.
            CREATE FUNCTION executions_ended(ended uuid[], remarkable uuid[], succeeded_jobs int[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;

            -- Whether somebody outside the queue still waits to tell of executions of a range of ids; a migration above the queue may replace it.
            CREATE FUNCTION executions_to_tell(low uuid, high uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT false $$;

            -- Live rows become finished ones: DELETE and INSERT, for an UPDATE that moves a row makes other claims fail (40001).
            -- A null token is the queue's own decision; any other must be current. Nothing ends before it began, or before `not_before`, though
            -- the clock be set back. One plan, whatever the statistics: after a VACUUM that found next to no rows the planner takes job_live for
            -- empty and would look at all of it for each of the ids.
            CREATE FUNCTION move_to_finished(ids uuid[], tokens bigint[], statuses text[], outcomes text[], results jsonb[], errors jsonb[],
              not_before timestamptz, OUT ended uuid[], OUT remarkable uuid[], OUT succeeded_jobs int[])
            LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal)
            SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
            BEGIN
              WITH f AS (SELECT * FROM unnest(ids, tokens, statuses, outcomes, results, errors) AS f(id, token, status, outcome, result, error)),
              d AS (
                DELETE FROM job_live AS l USING f WHERE l.id = ANY (ids) AND l.id = f.id AND (f.token IS NULL OR l.token = f.token AND l.status = 'RUNNING')
                RETURNING l.*, f.status AS new_status, f.outcome AS new_outcome, f.result AS new_metrics, f.error AS new_error, f.token AS held_token
              ),
              h AS (
                INSERT INTO job_finished (id, job_config_id, parent_id, retry_of, status, trigger, priority, params, dedupe_key, run_at, scheduled_for,
                  attempt, max_attempts, rescues, rescued_from, failures, created_at, created_by, started_at, finished_at, worker, progress, metrics, error_details,
                  token, gated, store_id, registration, source_id, target_id, attempt_outcome)
                SELECT id, job_config_id, parent_id, retry_of, new_status, trigger, priority, params, dedupe_key, run_at, scheduled_for,
                  attempt, max_attempts, CASE WHEN new_outcome = 'RESCUED' THEN rescues + 1 ELSE rescues END, rescued_from, failures, created_at, created_by,
                  started_at, greatest(clock_timestamp(), started_at, not_before), worker, progress,
                  coalesce(new_metrics, metrics), new_error,
                  CASE WHEN held_token IS NULL THEN nextval('lease_token') ELSE token END, gated, store_id, registration, source_id, target_id,
                  CASE WHEN status = 'RUNNING' THEN new_outcome END
                FROM d
              )
              SELECT array_agg(id),
                array_agg(id) FILTER (WHERE new_status = 'FAILED' OR coalesce(new_metrics, metrics) ->> 'severity' IN ('warning', 'critical')),
                array_agg(DISTINCT job_config_id) FILTER (WHERE new_status = 'SUCCESS' AND parent_id IS NULL)
              INTO ended, remarkable, succeeded_jobs FROM d;
            END $$;

            CREATE FUNCTION archive_executions(ids uuid[], tokens bigint[], statuses text[], outcomes text[], results jsonb[], errors jsonb[],
              not_before timestamptz DEFAULT NULL)
            RETURNS uuid[] LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) SET enable_seqscan = off SET jit = off AS $$
            DECLARE ended uuid[]; remarkable uuid[]; succeeded_jobs int[];
            BEGIN
              SELECT * INTO ended, remarkable, succeeded_jobs FROM move_to_finished(ids, tokens, statuses, outcomes, results, errors, not_before);
              PERFORM executions_ended(ended, remarkable, succeeded_jobs);
              RETURN coalesce(ended, '{}');
            END $$;

            -- Ends those of the parents whose last child ended; the caller holds their locks or leaves a locked one to the sweep.
            CREATE FUNCTION end_parents(parents uuid[]) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) AS $$
            DECLARE parent job_live; live bigint; children record;
            BEGIN
              FOR parent IN SELECT * FROM job_live WHERE id = ANY (parents) AND status = 'RUNNING' AND worker IS NULL
                            ORDER BY id FOR UPDATE SKIP LOCKED LOOP
                SELECT count(*) INTO live FROM job_live WHERE parent_id = parent.id;
                IF live > 0 THEN
                  UPDATE job_live SET progress = jsonb_set(progress, '{done}', to_jsonb((progress ->> 'total')::bigint - live))
                  WHERE id = parent.id AND progress ? 'total';
                  CONTINUE;
                END IF;
                SELECT count(*) AS total, max(finished_at) AS last_end, count(*) FILTER (WHERE status <> 'SUCCESS') AS failed,
                  sum_metrics(CASE WHEN store_id IS NULL OR metrics ? 'stores' THEN metrics
                    ELSE coalesce(metrics, '{}') || jsonb_build_object('severity', CASE WHEN status = 'SUCCESS' THEN 'ok' ELSE 'critical' END, 'stores',
                         jsonb_build_object('total', 1, 'succeeded', (status = 'SUCCESS')::int, 'skipped', 0, 'failed', (status <> 'SUCCESS')::int)) END) AS metrics,
                  (array_agg(jsonb_build_object('store_id', store_id, 'registration', registration, 'message',
                     CASE WHEN status = 'CANCELLED' THEN 'cancelled' ELSE coalesce(error_details ->> 'message', 'failed') END) ORDER BY store_id, id)
                     FILTER (WHERE status <> 'SUCCESS')) AS failures
                INTO children FROM job_finished WHERE parent_id = parent.id;
                IF children.metrics ? 'duration_ms' THEN
                  children.metrics := jsonb_set(children.metrics, '{duration_ms}',
                    to_jsonb((extract(epoch FROM clock_timestamp() - parent.started_at) * 1000)::bigint));
                END IF;
                children.metrics := weigh_differences(children.metrics, (SELECT config FROM job_configurations WHERE id = parent.job_config_id));
                IF parent.progress ? 'total' THEN
                  UPDATE job_live SET progress = jsonb_set(progress, '{done}', progress -> 'total') WHERE id = parent.id;
                END IF;
                PERFORM archive_executions(ARRAY[parent.id], ARRAY[NULL::bigint],
                  ARRAY[CASE WHEN children.failed > 0 THEN 'FAILED' ELSE 'SUCCESS' END],
                  ARRAY[CASE WHEN children.failed > 0 THEN 'FAILED' ELSE 'SUCCESS' END],
                  ARRAY[children.metrics],
                  ARRAY[CASE WHEN children.failed > 0 THEN jsonb_build_object('code', 'CHILDREN_FAILED',
                    'message', format('%s of %s %s did not succeed', children.failed, children.total, coalesce(parent.progress ->> 'unit', 'children')),
                    'retryable', false,
                    'stores', CASE WHEN (children.failures[1] ->> 'store_id') IS NULL THEN '[]' ELSE to_jsonb(children.failures[1:100]) END,
                    'more', CASE WHEN (children.failures[1] ->> 'store_id') IS NULL THEN 0 ELSE greatest(children.failed - 100, 0) END) END],
                  children.last_end);
              END LOOP;
            END $$;

            -- The worker's word that runs ended: fenced, many at once. Rows and their parents are locked in order of id: no deadlock. `wakes_others`: limits or
            -- store locks held others back meanwhile, and the worker will not look for them itself.
            CREATE FUNCTION finish_executions(ids uuid[], tokens bigint[], statuses text[], outcomes text[], results jsonb[], errors jsonb[], parents uuid[], wakes_others boolean)
            RETURNS uuid[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE ended uuid[];
            BEGIN
              IF cardinality(parents) > 0 THEN
                PERFORM FROM job_live WHERE id = ANY (parents || ids) ORDER BY id FOR UPDATE;
              END IF;
              ended := archive_executions(ids, tokens, statuses, outcomes, results, errors);
              IF cardinality(parents) > 0 AND cardinality(ended) > 0 THEN
                PERFORM end_parents(parents);
              END IF;
              IF wakes_others AND EXISTS (SELECT FROM job_live WHERE status = 'PENDING' AND gated) THEN
                PERFORM wake_workers();
              END IF;
              RETURN ended;
            END $$;

            -- Runs that are tried again or were interrupted: PENDING after `delays`, with a row for the attempt that ended.
            -- Interruptions (INTERRUPTED, RESCUED) use no attempt: they raise the row's own max_attempts. Gives those whose job was deleted
            -- meanwhile apart, with their parents. One plan, as in move_to_finished.
            CREATE FUNCTION move_to_pending(ids uuid[], tokens bigint[], outcomes text[], errors jsonb[], delays interval[],
              OUT returned uuid[], OUT orphans uuid[], OUT parents uuid[]) LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal)
            SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
            BEGIN
              WITH f AS (SELECT * FROM unnest(ids, tokens, outcomes, errors, delays) AS f(id, token, outcome, error, delay)),
              held AS MATERIALIZED (
                SELECT l.id, l.attempt, l.worker, l.started_at, f.outcome, f.error, f.delay FROM job_live AS l JOIN f USING (id)
                WHERE l.id = ANY (ids) AND l.token = f.token AND l.status = 'RUNNING' ORDER BY l.id FOR UPDATE OF l
              ),
              past AS (
                INSERT INTO job_attempts_past (execution_id, attempt, worker, started_at, finished_at, outcome, error_details)
                SELECT id, attempt, worker, started_at, greatest(clock_timestamp(), started_at), outcome, error FROM held
                ON CONFLICT (execution_id, attempt) DO NOTHING   -- an attempt has one end: the first that was recorded
              ),
              u AS (
                UPDATE job_live AS l SET status = 'PENDING', worker = NULL, token = nextval('lease_token'), error_details = held.error,
                  run_at = CASE WHEN held.delay IS NULL THEN run_at ELSE clock_timestamp() + held.delay END,
                  max_attempts = CASE WHEN held.outcome IN ('INTERRUPTED', 'RESCUED') THEN least(max_attempts, 2147483646) + 1 ELSE max_attempts END,
                  rescues = CASE held.outcome WHEN 'RESCUED' THEN rescues + 1 ELSE 0 END,
                  rescued_from = CASE held.outcome WHEN 'RESCUED' THEN rescued_from || held.worker END,
                  failures = failures + CASE WHEN held.outcome IN ('RETRY', 'TIMED_OUT') THEN 1 ELSE 0 END,
                  gated = gated OR held.outcome = 'RESCUED' AND rescues >= 1 OR EXISTS (SELECT FROM job_configurations AS j WHERE j.id = l.job_config_id AND j.is_gated)
                FROM held WHERE l.id = ANY (ids) AND l.id = held.id RETURNING l.id, l.job_config_id, l.parent_id
              )
              SELECT array_agg(u.id ORDER BY u.id), array_agg(u.id ORDER BY u.id) FILTER (WHERE j.deleted_at IS NOT NULL),
                array_agg(DISTINCT u.parent_id) FILTER (WHERE j.deleted_at IS NOT NULL AND u.parent_id IS NOT NULL)
              INTO returned, orphans, parents FROM u LEFT JOIN job_configurations AS j ON j.id = u.job_config_id;
            END $$;

            CREATE FUNCTION return_executions(ids uuid[], tokens bigint[], outcomes text[], errors jsonb[], delays interval[])
            RETURNS uuid[] LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) AS $$
            DECLARE returned uuid[]; orphans uuid[]; parents uuid[];
            BEGIN
              SELECT * INTO returned, orphans, parents FROM move_to_pending(ids, tokens, outcomes, errors, delays);
              IF orphans IS NOT NULL THEN
                -- Their job was deleted while they ran: nothing pending is left of it.
                PERFORM archive_executions(orphans, NULL, array_fill('CANCELLED'::text, ARRAY[cardinality(orphans)]), NULL, NULL, NULL);
                PERFORM end_parents(parents);
              END IF;
              RETURN coalesce(returned, '{}');
            END $$;

            -- Runs of lost workers, locked by the caller: PENDING again, or FAILED as QUARANTINED when it was the third worker lost in a row.
            CREATE FUNCTION take_back(ids uuid[], tokens bigint[]) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE poisoned uuid[]; errors jsonb[]; parents uuid[]; n int := cardinality(ids);
            BEGIN
              SELECT array_agg(id ORDER BY id),
                array_agg(run_error('QUARANTINED', 'three workers in a row were lost while they ran it', false, store_id, registration) ORDER BY id),
                array_agg(DISTINCT parent_id) FILTER (WHERE parent_id IS NOT NULL)
              INTO poisoned, errors, parents FROM job_live WHERE id = ANY (ids) AND rescues >= 2;
              IF poisoned IS NOT NULL THEN
                PERFORM archive_executions(poisoned, NULL, array_fill('FAILED'::text, ARRAY[cardinality(poisoned)]),
                  array_fill('RESCUED'::text, ARRAY[cardinality(poisoned)]), NULL, errors);
                PERFORM end_parents(parents);
              END IF;
              PERFORM return_executions(ids, tokens, array_fill('RESCUED'::text, ARRAY[n]),
                array_fill('{"code": "WORKER_LOST", "message": "the worker that ran it stopped renewing its lease", "retryable": true}'::jsonb, ARRAY[n]),
                array_fill(NULL::interval, ARRAY[n]));
            END $$;

            -- Rescues runs whose worker's lease ended, `batch` at a time in order of id behind `after`: says how many, and the last one looked at
            -- when there may be more. A row that cannot come back is left for the next round and stops no other.
            CREATE FUNCTION rescue_executions(batch int, after uuid DEFAULT '00000000-0000-0000-0000-000000000000')
            RETURNS TABLE (rescued bigint, last_id uuid) LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
            DECLARE lost record; dead uuid[]; place int;
            BEGIN
              rescued := 0;
              UPDATE workers SET lease_until = clock_timestamp() + lease WHERE lease_until > clock_timestamp() + lease * 1.5;
              SELECT array_agg(r.worker) INTO dead FROM (SELECT DISTINCT worker FROM job_live WHERE status = 'RUNNING' AND worker IS NOT NULL) AS r
              WHERE NOT EXISTS (SELECT FROM workers AS w WHERE w.id = r.worker AND NOT is_lease_over(w.lease_until, w.lease));
              IF dead IS NULL THEN RETURN NEXT; RETURN; END IF;
              PERFORM create_partitions();   -- before any row is locked: whoever cancels makes them first, too
              SELECT array_agg(id ORDER BY id) AS ids, array_agg(token ORDER BY id) AS tokens, count(*) AS n INTO lost FROM (
                SELECT l.id, l.token FROM job_live AS l WHERE l.status = 'RUNNING' AND l.worker = ANY (dead) AND l.id > after
                  -- Once more: while partitions were made, it may have come back and claimed.
                  AND NOT EXISTS (SELECT FROM workers AS w WHERE w.id = l.worker AND NOT is_lease_over(w.lease_until, w.lease))
                ORDER BY l.id LIMIT batch FOR UPDATE SKIP LOCKED
              ) AS l;
              IF lost.n = batch THEN
                last_id := lost.ids[batch];
              END IF;
              IF lost.n > 0 THEN
                BEGIN
                  PERFORM take_back(lost.ids, lost.tokens);
                  rescued := lost.n;
                EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
                  FOR place IN 1..lost.n LOOP
                    BEGIN
                      PERFORM take_back(lost.ids[place:place], lost.tokens[place:place]);
                      rescued := rescued + 1;
                    EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
                      RAISE WARNING 'execution % cannot be rescued: %', lost.ids[place], SQLERRM;
                    END;
                  END LOOP;
                END;
                PERFORM wake_workers();
              END IF;
              RETURN NEXT;
            END $$;

            -- Ends transactions that lost workers left open: a worker that is stopped in one keeps its locks, also the row of the run that somebody is to
            -- take over, and the server waits for it. A worker's sessions bear its id at the end of their name; what it begins when it is back is
            -- left alone. It looks at the leases of now, not of the calling statement's begin. Gives how many.
            CREATE FUNCTION end_lost_transactions() RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              RETURN (WITH a AS MATERIALIZED (   -- sessions are few; workers that left stay in their table for a week
                  SELECT pid, xact_start, right(application_name, 36)::uuid AS worker FROM pg_stat_activity
                  WHERE xact_start IS NOT NULL AND datname = current_database() AND usename = current_user
                    AND application_name ~ '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                )
                SELECT count(pg_terminate_backend(a.pid)) FROM a JOIN workers AS w ON w.id = a.worker
                WHERE is_lease_over(w.lease_until, w.lease) AND a.xact_start < w.lease_until);
            END $$;

            -- A worker whose lease had ended renewed it: it was not lost (the database was away, a network, a suspension), so what was rescued from
            -- it does not count towards quarantine.
            CREATE FUNCTION forgive_rescues(returned uuid) RETURNS void LANGUAGE sql SET search_path FROM CURRENT
            \#(marksInternal) SET enable_seqscan = off SET jit = off AS $$
              UPDATE job_live AS l SET rescues = greatest(rescues - cardinality(array_positions(rescued_from, returned)), 0),
                rescued_from = array_remove(rescued_from, returned)
              FROM (SELECT id FROM job_live WHERE rescues > 0 AND returned = ANY (rescued_from) ORDER BY id FOR UPDATE) AS found
              WHERE l.id = found.id AND l.rescues > 0
            $$;

            -- Parents that wait though no child of theirs is live: left so by a cancellation by hand that met a lock.
            CREATE FUNCTION sweep_parents() RETURNS void LANGUAGE sql SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
              SELECT end_parents(array_agg(p.id)) FROM job_live AS p WHERE p.status = 'RUNNING' AND p.worker IS NULL
                AND NOT EXISTS (SELECT FROM job_live AS c WHERE c.parent_id = p.id) HAVING count(*) > 0
            $$;

            CREATE FUNCTION cancel_descendants(parent uuid) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) AS $$
            DECLARE children uuid[];
            BEGIN
              SELECT array_agg(id ORDER BY id) INTO children FROM
                (SELECT id FROM job_live WHERE parent_id = parent ORDER BY id FOR UPDATE) AS c;
              IF children IS NOT NULL THEN
                PERFORM archive_executions(children, NULL, array_fill('CANCELLED'::text, ARRAY[cardinality(children)]),
                  array_fill('CANCELLED'::text, ARRAY[cardinality(children)]), NULL, NULL);
              END IF;
            END $$;
            """#,
        down: #"""
            DROP FUNCTION cancel_descendants, sweep_parents, forgive_rescues, end_lost_transactions, rescue_executions, take_back, return_executions, move_to_pending, finish_executions, end_parents,
              archive_executions, move_to_finished, executions_ended, executions_to_tell;
            DROP AGGREGATE sum_metrics(jsonb);
            DROP FUNCTION add_metrics, weigh_differences;
            """# + "\n" + m06ClockDown)
}
