extension Migration {
    /// Wakes the workers unless somebody did in the last 10 ms: writers that notify wait for each other's commit, and 16,000 inserts/s fall to
    /// 3,500; workers look again shortly after they went idle. Without a query, which costs a job that comes alone a tenth of a millisecond.
    /// Needs a variable `moment bigint`; the last one is a sequence's value.
    private static let wake = """
        moment := (date_part('epoch', clock_timestamp()) * 1000)::bigint;
        IF moment - coalesce(pg_sequence_last_value('last_wake'), 0) NOT BETWEEN 0 AND 10 THEN
          moment := setval('last_wake', moment);
          NOTIFY chimera_jobs;
        END IF;
        """

    /// Whether a row that was made CANCELLED by hand is on its way to the finished ones.
    private static let isMoving = "(coalesce(current_setting('chimera.moving', true), '') = 'on')"

    /// What may be written to `job_executions` by hand, and the wake-up that follows an INSERT.
    package static let m05ExecutionGuards = Migration(
        number: 5, name: "execution guards",
        up: #"""
            -- Everybody but the queue's own functions meets the guards below.
            CREATE FUNCTION is_internal() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT \#(isInternal) $$;

            CREATE FUNCTION check_params(job_type text, params jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE unknown text;
            BEGIN
              IF jsonb_typeof(params) <> 'object' THEN
                PERFORM refuse('params', format('it must be an object such as {"store_ids": [7]}, not %s', left(params::text, 60)));
              ELSIF params = '{}' THEN
                RETURN;
              END IF;
              PERFORM check_document('params', params);
              IF job_type = 'NOOP' THEN
                RETURN;
              ELSIF job_type = 'CUSTOM' THEN
                PERFORM check_custom_options(params, 'params');
                RETURN;
              END IF;
              SELECT key INTO unknown FROM jsonb_object_keys(params) AS key WHERE key NOT IN ('store_ids', 'confirm_drop', 'dry_run') LIMIT 1;
              IF FOUND THEN
                PERFORM refuse('params', format('"%s" is not known; allowed are store_ids, confirm_drop and dry_run', left(unknown, 60)));
              END IF;
              PERFORM check_run_options(params, 'params');
            END $$;

            -- What the usual row need not be asked: refuses what an execution cannot begin with, and marks what is claimed under limits only.
            CREATE FUNCTION check_execution(execution job_live, has_job boolean) RETURNS job_live LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              IF NOT has_job THEN
                PERFORM refuse('job_config_id', CASE WHEN EXISTS (SELECT FROM job_configurations WHERE id = execution.job_config_id)
                  THEN format('job %s was deleted', execution.job_config_id)
                  ELSE format('there is no job with id %s', coalesce(execution.job_config_id::text, 'null')) END);
              ELSIF NOT is_internal() THEN
                IF execution.status <> 'PENDING' THEN
                  PERFORM refuse('status', 'an execution begins PENDING; leave the column out');
                ELSIF execution.attempt <> 0 OR execution.rescues <> 0 OR execution.rescued_from IS NOT NULL OR execution.failures <> 0
                      OR execution.token <> 0 OR execution.worker IS NOT NULL OR execution.started_at IS NOT NULL
                      OR execution.finished_at IS NOT NULL OR execution.attempt_outcome IS NOT NULL OR execution.metrics IS NOT NULL
                      OR execution.progress IS NOT NULL OR execution.error_details IS NOT NULL THEN
                  PERFORM refuse('attempt', 'attempt, rescues, failures, worker, started_at, finished_at, metrics, progress and error_details are written by the queue; leave them out');
                ELSIF execution.store_id IS NOT NULL OR execution.registration IS NOT NULL OR execution.target_id <> 0
                      OR execution.source_id <> coalesce((SELECT c.source_id FROM job_configurations AS c WHERE c.id = execution.job_config_id), 0) THEN
                  -- Their limits and the store's lock go by what the parent plans.
                  PERFORM refuse('store_id', 'store_id, registration, source_id and target_id are written by the queue; choose stores by params {"store_ids": [7]}');
                ELSIF execution.created_at NOT BETWEEN now() - interval '1 day' AND now() + interval '1 day' THEN
                  PERFORM refuse('created_at', 'it is written by the database; leave it out');
                ELSIF execution.parent_id IS NOT NULL OR execution.trigger = 'PARENT' THEN
                  PERFORM refuse('parent_id', 'children are made by their parent; leave the column out');
                ELSIF execution.trigger IS NULL OR execution.trigger NOT IN ('MANUAL', 'SCHEDULE', 'RETRY') THEN
                  PERFORM refuse('trigger', 'it is SCHEDULE, MANUAL or RETRY; leave the column out');
                ELSIF length(execution.dedupe_key) NOT BETWEEN 1 AND 500 THEN
                  PERFORM refuse('dedupe_key', 'it has 1 to 500 characters, or is null');
                ELSIF execution.max_attempts < 1 THEN
                  PERFORM refuse('max_attempts', 'it is at least 1; left out, it is the job''s');
                ELSIF get_byte(uuid_send(execution.id), 6) >> 4 <> 7 OR abs(extract(epoch FROM uuid_v7_time(execution.id) - now())) > 86400 THEN
                  PERFORM refuse('id', 'it is made by the database; leave it out');
                ELSIF abs(extract(epoch FROM uuid_v7_time(execution.id) - clock_timestamp())) > 0.25
                      AND EXISTS (SELECT FROM job_finished WHERE id = execution.id) THEN
                  PERFORM refuse('id', format('execution %s has ended already; leave the column out', execution.id));
                END IF;
              END IF;
              IF execution.params <> '{}' THEN
                PERFORM check_params((SELECT c.job_type FROM job_configurations AS c WHERE c.id = execution.job_config_id), execution.params);
              END IF;
              execution.gated := execution.gated OR execution.store_id IS NOT NULL OR execution.source_id <> 0 OR execution.target_id <> 0;
              RETURN execution;
            END $$;

            -- Fills what the job's configuration says. The usual row meets one statement without conditions, which is prepared anew for every row, and
            -- one expression, which is for every transaction (as one by one they were 25 µs a row and 0.3 ms of a single INSERT; a WHEN of the trigger
            -- is read from its text by every statement). With its owner's rights, as the wake-up is: who may insert needs no others. A search path of
            -- its own would be a third of a row's time; so every type, function, operator and table in it says its schema. @schema is ours.
            DO $do$ BEGIN EXECUTE replace($create$
            CREATE FUNCTION begin_execution() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            DECLARE wakes pg_catalog.text;
            BEGIN
              SELECT coalesce(NEW.priority, c.priority), coalesce(NEW.max_attempts, c.max_attempts), coalesce(c.source_id, NEW.source_id),
                c.is_gated OR NEW.trigger OPERATOR(pg_catalog.=) 'SCHEDULE' AND c.is_serial,
                CASE WHEN NEW.run_at OPERATOR(pg_catalog.<=) pg_catalog.now() THEN pg_catalog.set_config('chimera.wakes', 'on', true) END
              INTO NEW.priority, NEW.max_attempts, NEW.source_id, NEW.gated, wakes
              FROM @schema.job_configurations AS c WHERE c.id OPERATOR(pg_catalog.=) NEW.job_config_id AND c.deleted_at IS NULL;
              -- Its id was made in this quarter of a second, as its first 40 bits say: nobody gave it.
              IF FOUND
                  AND (NEW.status, NEW.params, NEW.source_id, NEW.target_id, NEW.attempt, NEW.rescues, NEW.failures, NEW.token, NEW.created_at)
                    OPERATOR(pg_catalog.=) ('PENDING', '{}', 0, 0, 0, 0, 0, 0, pg_catalog.now())
                  AND NEW.trigger OPERATOR(pg_catalog.=) ANY ('{MANUAL,SCHEDULE,RETRY}') AND NEW.max_attempts OPERATOR(pg_catalog.>) 0
                  AND NEW.store_id IS NULL AND NEW.registration IS NULL AND NEW.parent_id IS NULL AND NEW.dedupe_key IS NULL
                  AND NEW.rescued_from IS NULL AND NEW.worker IS NULL AND NEW.started_at IS NULL AND NEW.finished_at IS NULL
                  AND NEW.attempt_outcome IS NULL AND NEW.metrics IS NULL AND NEW.progress IS NULL AND NEW.error_details IS NULL
                  AND pg_catalog.get_byte(pg_catalog.uuid_send(NEW.id), 6) OPERATOR(pg_catalog.>>) 4 OPERATOR(pg_catalog.=) 7
                  AND pg_catalog.substring(pg_catalog.uuid_send(NEW.id), 1, 5) OPERATOR(pg_catalog.=) pg_catalog.substring(pg_catalog.int8send(
                    (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000)::bigint), 3, 5) THEN
                RETURN NEW;
              END IF;
              NEW := @schema.check_execution(NEW, FOUND);
              RETURN NEW;
            END $$
            $create$, '@schema', quote_ident(current_schema())); END $do$;
            -- Or somebody would hang them on a table of his own, whose types run his code with the owner's rights.
            REVOKE EXECUTE ON FUNCTION begin_execution() FROM PUBLIC;
            CREATE TRIGGER begin_execution BEFORE INSERT ON job_live FOR EACH ROW EXECUTE FUNCTION begin_execution();

            CREATE FUNCTION refuse_finished_insert() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              PERFORM refuse('status', 'an execution begins PENDING; leave the column out');
              RETURN NULL;
            END $$;
            CREATE TRIGGER refuse_insert BEFORE INSERT ON job_finished FOR EACH ROW
              WHEN (NOT (\#(isInternal) OR \#(isMoving))) EXECUTE FUNCTION refuse_finished_insert();

            -- One NOTIFY a statement at most, and none when nothing was due: begin_execution says so in chimera.wakes, also of a row that then met its
            -- dedupe_key.
            CREATE SEQUENCE last_wake;
            CREATE FUNCTION wake_workers() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE moment bigint;
            BEGIN
              \#(wake)
            END $$;
            CREATE FUNCTION wake_after_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
            DECLARE wakes text; moment bigint;
            BEGIN
              IF current_setting('chimera.wakes', true) = 'on' THEN
                wakes := set_config('chimera.wakes', 'off', true);
                \#(wake)
              END IF;
              RETURN NULL;
            END $$;
            REVOKE EXECUTE ON FUNCTION wake_after_insert() FROM PUBLIC;
            CREATE TRIGGER wake_workers AFTER INSERT ON job_executions FOR EACH STATEMENT EXECUTE FUNCTION wake_after_insert();

            -- By hand: CANCELLED on a live row; priority, run_at and params of a PENDING one. Nothing else.
            CREATE FUNCTION guard_live_update() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE field text; job record;
            BEGIN
              IF NEW.status IS DISTINCT FROM OLD.status AND NEW.status IS DISTINCT FROM 'CANCELLED' THEN
                PERFORM refuse('status', format('%s cannot be made %s by hand; CANCELLED is the only change', OLD.status, coalesce(NEW.status, 'null')));
              END IF;
              SELECT o.key INTO field FROM jsonb_each(to_jsonb(OLD)) AS o JOIN jsonb_each(to_jsonb(NEW)) AS n USING (key)
                WHERE o.value <> n.value AND NOT (o.key = 'status' OR OLD.status = 'PENDING' AND o.key IN ('priority', 'run_at', 'params')) LIMIT 1;
              IF FOUND THEN
                PERFORM refuse(field, format('of a %s execution it cannot be changed', OLD.status));
              END IF;
              IF NEW.priority IS NULL OR NEW.run_at IS NULL OR NEW.params IS NULL THEN
                PERFORM refuse(CASE WHEN NEW.priority IS NULL THEN 'priority' WHEN NEW.run_at IS NULL THEN 'run_at' ELSE 'params' END, 'it cannot be null');
              END IF;
              SELECT c.job_type INTO job FROM job_configurations AS c WHERE c.id = NEW.job_config_id;
              PERFORM check_params(job.job_type, NEW.params);
              IF NEW.status = 'CANCELLED' THEN
                IF NOT is_partition('job_finished', to_char(uuid_v7_time(NEW.id) AT TIME ZONE 'UTC', 'YYYYMMDD')) THEN
                  PERFORM create_partitions();
                END IF;
                PERFORM set_config('chimera.moving', 'on', true);
                NEW.finished_at := clock_timestamp();
                NEW.attempt_outcome := CASE WHEN OLD.status = 'RUNNING' THEN 'CANCELLED' END;
                NEW.error_details := NULL;
                NEW.token := nextval('lease_token');
                PERFORM pg_notify('chimera_cancel', '');
              ELSIF NEW.run_at <= now() THEN
                PERFORM wake_workers();
              END IF;
              RETURN NEW;
            END $$;
            CREATE TRIGGER guard_update BEFORE UPDATE ON job_live FOR EACH ROW
              WHEN (NOT \#(isInternal)) EXECUTE FUNCTION guard_live_update();

            -- Ends come by INSERT, so that what is asked here costs none of them.
            CREATE FUNCTION guard_finished_update() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              IF NEW.status IS NOT DISTINCT FROM OLD.status THEN
                PERFORM refuse(CASE WHEN jsonb_typeof(NEW.params) IS DISTINCT FROM 'object' THEN 'params' WHEN NEW.max_attempts IS DISTINCT FROM OLD.max_attempts
                  THEN 'max_attempts' WHEN NEW.trigger IS DISTINCT FROM OLD.trigger THEN 'trigger' ELSE 'dedupe_key' END,
                  format('execution %s has ended; params stay an object, and trigger, max_attempts and dedupe_key what they are', OLD.id));
              END IF;
              PERFORM refuse('status', format('execution %s ended %s and cannot be made %s; retry_execution makes a new one', OLD.id, OLD.status, coalesce(NEW.status, 'null')));
              RETURN NULL;
            END $$;
            CREATE TRIGGER guard_update BEFORE UPDATE ON job_finished FOR EACH ROW
              WHEN ((NEW.status, NEW.trigger, NEW.max_attempts, NEW.dedupe_key) IS DISTINCT FROM (OLD.status, OLD.trigger, OLD.max_attempts, OLD.dedupe_key)
                OR jsonb_typeof(NEW.params) IS DISTINCT FROM 'object')
              EXECUTE FUNCTION guard_finished_update();

            CREATE FUNCTION guard_live_delete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              PERFORM refuse('status', format('execution %s is %s and cannot be deleted; cancel_execution ends it', OLD.id, OLD.status));
              RETURN NULL;
            END $$;
            CREATE TRIGGER guard_delete BEFORE DELETE ON job_live FOR EACH ROW
              WHEN (NOT (\#(isInternal) OR \#(isMoving))) EXECUTE FUNCTION guard_live_delete();

            -- Takes the field and what to do first.
            CREATE FUNCTION guard_truncate() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              IF EXISTS (SELECT FROM job_live) THEN
                PERFORM refuse(TG_ARGV[0], format('there are live executions; %s before TRUNCATE', TG_ARGV[1]));
              END IF;
              RETURN NULL;
            END $$;
            CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON job_live FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate('status', 'cancel them');

            -- What was cancelled by hand takes its live children along and may have been its parent's last child; the queue's own functions
            -- see to both themselves. At the statement's end: the same statement may cancel parent and children.
            CREATE FUNCTION end_family_of_cancelled() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              PERFORM set_config('chimera.moving', 'off', true);
              PERFORM cancel_descendants(NEW.id);
              IF NEW.parent_id IS NOT NULL THEN
                PERFORM end_parents(ARRAY[NEW.parent_id]);
              END IF;
              RETURN NULL;
            END $$;
            CREATE TRIGGER moved_by_hand AFTER INSERT ON job_finished FOR EACH ROW
              WHEN (\#(isMoving) AND NOT \#(isInternal)) EXECUTE FUNCTION end_family_of_cancelled();
            """#,
        down: #"""
            DROP TRIGGER wake_workers ON job_executions;
            DROP TRIGGER moved_by_hand ON job_finished;
            DROP TRIGGER guard_update ON job_finished;
            DROP TRIGGER refuse_insert ON job_finished;
            DROP TRIGGER begin_execution ON job_live;
            DROP TRIGGER guard_update ON job_live;
            DROP TRIGGER guard_delete ON job_live;
            DROP TRIGGER guard_truncate ON job_live;
            DROP FUNCTION end_family_of_cancelled, guard_truncate, guard_live_delete, guard_finished_update, guard_live_update,
              wake_after_insert, wake_workers, refuse_finished_insert, begin_execution, check_execution, check_params, is_internal;
            DROP SEQUENCE last_wake;
            """#)
}
