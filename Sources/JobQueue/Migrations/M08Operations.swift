extension Migration {
    /// What operators call from `psql`, and what a change of a job's configuration does to its executions.
    package static let m08Operations = Migration(
        number: 8, name: "operations",
        up: #"""
            CREATE FUNCTION job_id(job_name text) RETURNS int LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
            DECLARE found_id int;
            BEGIN
              SELECT id INTO found_id FROM job_configurations WHERE name = job_name AND deleted_at IS NULL;
              IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no job named "%s"', left(job_name, 200)),
                  HINT = 'SELECT name FROM job_configurations WHERE deleted_at IS NULL lists them';
              END IF;
              RETURN found_id;
            END $$;

            -- A new execution's id, or that of the live one that has the same dedupe_key.
            CREATE FUNCTION enqueue_job(job_name text, params jsonb DEFAULT '{}', run_at timestamptz DEFAULT NULL, priority int DEFAULT NULL, dedupe_key text DEFAULT NULL)
            RETURNS uuid LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE job int := job_id(job_name); made uuid;
            BEGIN
              IF enqueue_job.priority NOT BETWEEN -32768 AND 32767 THEN
                PERFORM refuse('priority', format('%s is outside -32768 to 32767', enqueue_job.priority));
              END IF;
              LOOP
                -- First: an INSERT that meets its key wakes the workers for nothing.
                IF enqueue_job.dedupe_key IS NOT NULL THEN
                  SELECT id INTO made FROM job_live AS l WHERE l.job_config_id = job AND l.dedupe_key = enqueue_job.dedupe_key;
                END IF;
                IF made IS NULL THEN
                  INSERT INTO job_executions (job_config_id, params, run_at, priority, dedupe_key)
                  VALUES (job, coalesce(enqueue_job.params, '{}'), coalesce(enqueue_job.run_at, now()), enqueue_job.priority, enqueue_job.dedupe_key)
                  ON CONFLICT DO NOTHING RETURNING id INTO made;
                END IF;
                IF made IS NOT NULL THEN
                  RETURN made;
                END IF;
              END LOOP;
            END $$;

            CREATE FUNCTION pause_job(job_name text) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
              UPDATE job_configurations SET paused_at = coalesce(paused_at, clock_timestamp()) WHERE id = job_id(job_name)
            $$;
            CREATE FUNCTION resume_job(job_name text) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
              UPDATE job_configurations SET paused_at = NULL WHERE id = job_id(job_name)
            $$;

            CREATE FUNCTION refuse_unknown_execution(execution uuid) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
              RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no execution %s', coalesce(execution::text, 'null')),
                HINT = 'SELECT id, status FROM job_executions ORDER BY id DESC LIMIT 20 shows the newest';
            END $$;

            -- Locks those of the rows that are live, in order of id as everybody who locks several, and gives their ids. Who waits for a row that an
            -- UPDATE by hand moves out of its partition is told 40001: then the row has ended, and we look again.
            CREATE FUNCTION lock_live(executions uuid[]) RETURNS uuid[] LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
            BEGIN
              LOOP
                BEGIN
                  RETURN ARRAY(SELECT id FROM job_live WHERE id = ANY (executions) ORDER BY id FOR UPDATE);
                EXCEPTION WHEN serialization_failure THEN
                  IF current_setting('transaction_isolation') <> 'read committed' THEN
                    RAISE;
                  END IF;
                END;
              END LOOP;
            END $$;

            -- Ends live executions and their live children at once; their runs are fenced off. Everybody concerned, parents too, is locked
            -- first, in order of id as everywhere: no deadlock. Gives how many of them ended.
            CREATE FUNCTION cancel_executions(executions uuid[]) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT
            \#(marksInternal) SET enable_seqscan = off SET jit = off AS $$
            DECLARE parents uuid[]; family uuid[]; locked uuid[]; ended uuid[];
            BEGIN
              IF coalesce(cardinality(executions), 0) = 0 THEN
                RETURN 0;
              END IF;
              PERFORM create_partitions();
              LOOP
                parents := ARRAY(SELECT DISTINCT parent_id FROM job_live WHERE id = ANY (executions) AND parent_id IS NOT NULL);
                family := ARRAY(SELECT unnest(executions) UNION SELECT id FROM job_live WHERE parent_id = ANY (executions));
                BEGIN
                  -- Not by lock_live: what a block inside this one had locked, others would wait for until our transaction ends, though this
                  -- block lets go of it.
                  locked := ARRAY(SELECT id FROM job_live WHERE id = ANY (family || parents) ORDER BY id FOR UPDATE);
                  EXIT WHEN NOT EXISTS (SELECT id FROM job_live WHERE parent_id = ANY (executions) EXCEPT SELECT unnest(locked));
                  -- While we waited, a parent made children, whose place in the order lies before rows that we hold: let go and begin again.
                  RAISE SQLSTATE 'CH001';
                EXCEPTION WHEN SQLSTATE 'CH001' THEN
                  NULL;
                WHEN serialization_failure THEN
                  IF current_setting('transaction_isolation') <> 'read committed' THEN
                    RAISE;
                  END IF;
                END;
              END LOOP;
              family := ARRAY(SELECT unnest(locked) INTERSECT SELECT unnest(family) ORDER BY 1);
              IF family = '{}' THEN
                RETURN 0;
              END IF;
              ended := archive_executions(family, NULL, array_fill('CANCELLED'::text, ARRAY[cardinality(family)]),
                array_fill('CANCELLED'::text, ARRAY[cardinality(family)]), NULL, NULL);
              PERFORM end_parents(parents);
              PERFORM pg_notify('chimera_cancel', '');
              RETURN (SELECT count(*) FROM unnest(ended) AS id WHERE id = ANY (executions));
            END $$;

            -- Ends a live execution and its live children at once. False: it had ended already.
            CREATE FUNCTION cancel_execution(execution uuid) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              IF cancel_executions(ARRAY[execution]) > 0 THEN
                RETURN true;
              ELSIF NOT EXISTS (SELECT FROM job_finished WHERE id = execution) THEN
                PERFORM refuse_unknown_execution(execution);
              END IF;
              RETURN false;
            END $$;

            -- A new execution that repeats an ended one (of a parent: for the stores that did not succeed); a live one that waits for
            -- its next attempt becomes due and keeps its id.
            CREATE FUNCTION retry_execution(execution uuid) RETURNS uuid LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) AS $$
            DECLARE old job_executions; made uuid; remaining jsonb;
            BEGIN
              PERFORM lock_live(ARRAY[execution]);   -- it neither comes back nor ends between our looks
              UPDATE job_live SET run_at = least(run_at, clock_timestamp()) WHERE id = execution AND status = 'PENDING';
              IF FOUND THEN
                PERFORM wake_workers();
                RETURN execution;
              END IF;
              SELECT * INTO old FROM job_executions WHERE id = execution;
              IF NOT FOUND THEN
                PERFORM refuse_unknown_execution(execution);
              ELSIF old.status NOT IN ('FAILED', 'CANCELLED') THEN
                RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('execution %s is %s; only FAILED and CANCELLED ones are retried', execution, old.status);
              END IF;
              SELECT jsonb_build_object('store_ids', jsonb_agg(DISTINCT store_id)) INTO remaining FROM job_finished
              WHERE parent_id = execution AND status <> 'SUCCESS' AND store_id IS NOT NULL HAVING count(*) > 0;
              INSERT INTO job_executions (job_config_id, retry_of, trigger, priority, params, scheduled_for, store_id, registration, source_id, target_id)
              VALUES (old.job_config_id, old.id, 'RETRY', old.priority, old.params || coalesce(remaining, '{}'), old.scheduled_for,
                      old.store_id, old.registration, old.source_id, old.target_id)
              RETURNING id INTO made;
              RETURN made;
            END $$;

            -- Executions follow their job: gated while it is paused or limited, cancelled when it is deleted, claimed soon after it resumes. Of the
            -- pending ones a page here, in the operator's own transaction, which holds their locks; `gate_stragglers` takes the rest, page by page: until
            -- then claims step over them. All jobs of a statement at once, so that rows are locked in order of id.
            CREATE FUNCTION follow_job_configurations() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT \#(marksInternal) AS $$
            DECLARE page CONSTANT int := 10000; deleted int[]; moved int[]; closed int[]; open uuid[]; changes bigint;
            BEGIN
              PERFORM pg_notify('chimera_configurations', '');
              SELECT array_agg(n.id) FILTER (WHERE n.deleted_at IS NOT NULL AND o.deleted_at IS NULL),
                array_agg(n.id) FILTER (WHERE n.deleted_at IS NULL AND n.source_id IS DISTINCT FROM o.source_id),
                array_agg(n.id) FILTER (WHERE n.deleted_at IS NULL AND (n.paused_at IS NOT NULL AND o.paused_at IS NULL
                  OR n.max_concurrency IS NOT NULL AND o.max_concurrency IS NULL)),
                count(*)
              INTO deleted, moved, closed, changes FROM before AS o JOIN after AS n USING (id)
              WHERE (n.paused_at, n.max_concurrency, n.deleted_at, n.source_id) IS DISTINCT FROM (o.paused_at, o.max_concurrency, o.deleted_at, o.source_id);
              IF changes = 0 THEN
                RETURN NULL;
              END IF;
              IF deleted IS NOT NULL THEN
                PERFORM cancel_executions(ARRAY(
                  SELECT id FROM job_live WHERE job_config_id = ANY (deleted) AND (status = 'PENDING' OR worker IS NULL) LIMIT page));
              END IF;
              IF moved IS NOT NULL OR closed IS NOT NULL THEN
                open := lock_live(ARRAY(
                  -- They count for the integration that the job has now.
                  SELECT l.id FROM job_live AS l JOIN job_configurations AS j ON j.id = l.job_config_id
                  WHERE l.job_config_id = ANY (moved) AND l.source_id <> coalesce(j.source_id, 0)
                  -- Running ones count for limits.
                  UNION SELECT id FROM job_live WHERE job_config_id = ANY (closed) AND status = 'RUNNING' AND NOT gated
                  UNION (SELECT id FROM job_live WHERE job_config_id = ANY (closed) AND status = 'PENDING' AND NOT gated LIMIT page)));
                UPDATE job_live AS l SET gated = true, source_id = CASE WHEN l.job_config_id = ANY (moved)
                  THEN coalesce((SELECT j.source_id FROM job_configurations AS j WHERE j.id = l.job_config_id), 0) ELSE l.source_id END
                WHERE id = ANY (open);
              END IF;
              PERFORM pg_notify('chimera_jobs', '');
              RETURN NULL;
            END $$;
            CREATE TRIGGER follow_configurations AFTER UPDATE ON job_configurations REFERENCING OLD TABLE AS before NEW TABLE AS after
              FOR EACH STATEMENT EXECUTE FUNCTION follow_job_configurations();

            -- Rows that a change of their job did not reach, `batch` at most: it has more than a page of them, or they come from a transaction that did
            -- not see it. Gated, or cancelled when the job was deleted. Looks at jobs that changed within `recent`, at all when it is null, and then
            -- also for rows whose job is gone altogether; reads rows only when there is such a job. Gives how many.
            CREATE FUNCTION gate_stragglers(recent interval, batch int) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT
            \#(marksInternal) SET enable_seqscan = off SET jit = off AS $$
            DECLARE closed int[]; deleted int[]; found bigint := 0;
            BEGIN
              SELECT array_agg(id) FILTER (WHERE deleted_at IS NULL), array_agg(id) FILTER (WHERE deleted_at IS NOT NULL)
              INTO closed, deleted FROM job_configurations
              WHERE (is_gated OR deleted_at IS NOT NULL)
                AND (recent IS NULL OR updated_at > clock_timestamp() - recent);
              IF recent IS NULL THEN
                -- Claims would say so of those without limits; the others have no lane any more.
                WITH RECURSIVE jobs AS (
                  SELECT (SELECT min(job_config_id) FROM job_live WHERE status = 'PENDING' AND gated) AS id
                  UNION ALL
                  SELECT (SELECT min(job_config_id) FROM job_live WHERE status = 'PENDING' AND gated AND job_config_id > jobs.id) FROM jobs
                  WHERE jobs.id IS NOT NULL
                )
                SELECT coalesce(deleted, '{}') || array_agg(id) INTO deleted FROM jobs
                WHERE id IS NOT NULL AND NOT EXISTS (SELECT FROM job_configurations AS j WHERE j.id = jobs.id);
              END IF;
              IF cardinality(deleted) > 0 THEN
                -- No row is locked before cancel_executions locks all of them in order; those below are not waited for.
                found := cancel_executions(ARRAY(
                  (SELECT id FROM job_live WHERE status = 'PENDING' AND NOT gated AND job_config_id = ANY (deleted) LIMIT batch)
                  UNION ALL (SELECT id FROM job_live WHERE status = 'PENDING' AND gated AND job_config_id = ANY (deleted) LIMIT batch)
                  UNION ALL SELECT id FROM job_live WHERE status = 'RUNNING' AND worker IS NULL AND job_config_id = ANY (deleted)
                  LIMIT batch));
              END IF;
              IF closed IS NOT NULL THEN
                WITH stragglers AS MATERIALIZED (
                  SELECT id FROM job_live WHERE status = 'PENDING' AND NOT gated AND job_config_id = ANY (closed) LIMIT batch FOR UPDATE SKIP LOCKED
                ),
                u AS (UPDATE job_live AS l SET gated = true FROM stragglers WHERE l.id = stragglers.id RETURNING l.id)
                SELECT greatest(found, count(*)) INTO found FROM u;
              END IF;
              IF found > 0 THEN
                PERFORM wake_workers();
              END IF;
              RETURN found;
            END $$;

            -- Whether anything is there that housekeeping looks after: rows that wait for others, parents, jobs that changed lately.
            CREATE FUNCTION is_housework_due() RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
              SELECT EXISTS (SELECT FROM job_live WHERE status = 'PENDING' AND gated) OR EXISTS (SELECT FROM job_live WHERE status = 'RUNNING' AND worker IS NULL)
                OR EXISTS (SELECT FROM job_configurations WHERE (is_gated OR deleted_at IS NOT NULL) AND updated_at > clock_timestamp() - interval '1 hour')
            $$;

            CREATE FUNCTION guard_job_delete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              IF EXISTS (SELECT FROM job_live WHERE job_config_id = OLD.id) THEN
                PERFORM refuse('id', format('job "%s" has live executions; set deleted_at instead of DELETE', OLD.name));
              END IF;
              RETURN OLD;
            END $$;
            CREATE TRIGGER guard_delete BEFORE DELETE ON job_configurations FOR EACH ROW EXECUTE FUNCTION guard_job_delete();

            -- Also reached from `integrations` by CASCADE. Executions of a job that is gone would never be claimed, nor end.
            CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON job_configurations FOR EACH STATEMENT
              EXECUTE FUNCTION guard_truncate('id', 'set deleted_at of their jobs, which cancels those that wait, and let the others end');
            """#,
        down: #"""
            DROP TRIGGER guard_truncate ON job_configurations;
            DROP TRIGGER guard_delete ON job_configurations;
            DROP TRIGGER follow_configurations ON job_configurations;
            DROP FUNCTION guard_job_delete, is_housework_due, gate_stragglers, follow_job_configurations, retry_execution, cancel_execution, cancel_executions, lock_live, refuse_unknown_execution,
              resume_job, pause_job, enqueue_job, job_id;
            """#)
}
