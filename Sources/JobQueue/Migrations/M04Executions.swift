extension Migration {
    /// Executions (live rows in one partition, finished ones by day of creation), their attempts and logs, and the workers.
    package static let m04Executions = Migration(
        number: 4, name: "executions",
        up: #"""
            CREATE SEQUENCE lease_token;   -- only grows; a run's writes hold while its row carries the token of its claim

            -- What may stand here is checked where rows begin, and where they are changed by hand (migration 5): a CHECK is read from its text by every statement.
            CREATE TABLE job_executions (
              id uuid NOT NULL DEFAULT uuid_v7(),
              job_config_id int NOT NULL,
              parent_id uuid,
              retry_of uuid,
              status text NOT NULL DEFAULT 'PENDING',
              trigger text NOT NULL DEFAULT 'MANUAL',
              priority smallint,
              params jsonb NOT NULL DEFAULT '{}',
              dedupe_key text,
              run_at timestamptz NOT NULL DEFAULT now(),
              scheduled_for timestamptz,
              attempt int NOT NULL DEFAULT 0,
              max_attempts int,
              rescues int NOT NULL DEFAULT 0,
              rescued_from uuid[],                  -- workers that seemed lost, one for each time that it came back; who is there again is struck off
              failures int NOT NULL DEFAULT 0,      -- attempts that failed and were tried again: they lengthen the next wait
              created_at timestamptz NOT NULL DEFAULT now(),
              created_by text NOT NULL DEFAULT current_actor(),
              started_at timestamptz,
              finished_at timestamptz,
              worker uuid,                          -- null while RUNNING: a parent that waits for its children
              progress jsonb,
              metrics jsonb,
              error_details jsonb,
              token bigint NOT NULL DEFAULT 0,      -- fences the run
              gated boolean NOT NULL DEFAULT false, -- claimed only after limits, pauses and store locks were looked at
              store_id int,                         -- the one store that this row runs for
              registration text,
              source_id int NOT NULL DEFAULT 0,     -- integrations whose limits it counts for; 0: none
              target_id int NOT NULL DEFAULT 0,
              attempt_outcome text                  -- how the last attempt ended, once finished; null when no attempt was under way
            ) PARTITION BY LIST (status);

            CREATE TABLE job_live PARTITION OF job_executions (PRIMARY KEY (id)) FOR VALUES IN ('PENDING', 'RUNNING')
              WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
                    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
            CREATE INDEX job_ready ON job_live (priority, run_at, id) WHERE status = 'PENDING' AND NOT gated;
            CREATE INDEX job_gated ON job_live (job_config_id, source_id, target_id, priority, run_at, id) WHERE status = 'PENDING' AND gated;
            CREATE INDEX job_running ON job_live (worker) WHERE status = 'RUNNING';
            CREATE INDEX job_rescued ON job_live (id) WHERE rescues > 0;
            CREATE INDEX job_children ON job_live (parent_id) WHERE parent_id IS NOT NULL;
            CREATE UNIQUE INDEX job_dedupe ON job_live (job_config_id, dedupe_key) WHERE dedupe_key IS NOT NULL;

            CREATE TABLE job_finished PARTITION OF job_executions (PRIMARY KEY (id)) FOR VALUES IN ('SUCCESS', 'FAILED', 'CANCELLED')
              PARTITION BY RANGE (id);
            CREATE INDEX ON job_finished (parent_id) WHERE parent_id IS NOT NULL;
            -- A job's executions, the newest first: without it a look at a rare job reads everything that ever ended.
            CREATE INDEX job_finished_job ON job_finished (job_config_id, id) WHERE parent_id IS NULL;

            -- Attempts that were not the last one; the last stands in the execution's own row.
            CREATE TABLE job_attempts_past (
              execution_id uuid NOT NULL,
              attempt int NOT NULL,
              worker uuid,
              started_at timestamptz,
              finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
              outcome text NOT NULL CHECK (outcome IN ('RETRY', 'TIMED_OUT', 'INTERRUPTED', 'RESCUED')),
              error_details jsonb,
              PRIMARY KEY (execution_id, attempt)
            ) PARTITION BY RANGE (execution_id);

            CREATE VIEW job_attempts AS
              SELECT execution_id, attempt, worker, started_at, finished_at, outcome, error_details FROM job_attempts_past
              UNION ALL
              SELECT id, attempt, worker, started_at, finished_at, attempt_outcome, error_details FROM job_finished WHERE attempt_outcome IS NOT NULL
              UNION ALL
              SELECT id, attempt, worker, started_at, NULL, NULL, NULL FROM job_live WHERE status = 'RUNNING';

            CREATE TABLE execution_logs (
              id bigint GENERATED ALWAYS AS IDENTITY,
              execution_id uuid NOT NULL,
              attempt int NOT NULL,
              logged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
              level text NOT NULL DEFAULT 'info',
              message text NOT NULL,
              fields jsonb
            ) PARTITION BY RANGE (logged_at);
            CREATE INDEX ON execution_logs (execution_id, id);

            CREATE TABLE workers (
              id uuid PRIMARY KEY,
              host text NOT NULL,
              pid int NOT NULL,
              version text NOT NULL,
              started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
              heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
              lease interval NOT NULL DEFAULT '30 seconds',
              lease_until timestamptz NOT NULL DEFAULT '-infinity', -- of all its runs: one row to renew, however many run
              slots int NOT NULL,
              running int NOT NULL DEFAULT 0
            ) WITH (fillfactor = 50);

            -- A table of that name may stand there without being one.
            CREATE FUNCTION is_partition(parent text, suffix text) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
              SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(parent || '_' || suffix) AND inhparent = to_regclass(parent))
            $$;

            -- Partitions of one day (UTC) for finished executions, their earlier attempts, and logs.
            CREATE FUNCTION create_day_partitions(day date) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
            SET client_min_messages = 'warning' SET lock_timeout = '5s' AS $$
            DECLARE
              low timestamptz := day::timestamp AT TIME ZONE 'UTC';
              high timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
              suffix text := to_char(day, 'YYYYMMDD');
            BEGIN
              -- ATTACH waits for no reader; CREATE … PARTITION OF would, and everybody else behind it.
              IF NOT is_partition('job_finished', suffix) THEN
                EXECUTE format('CREATE TABLE %1$I (LIKE job_finished INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
                    WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000);
                  ALTER TABLE job_finished ATTACH PARTITION %1$I FOR VALUES FROM (%2$L) TO (%3$L)',
                  'job_finished_' || suffix, uuid_v7_floor(low), uuid_v7_floor(high));
              END IF;
              IF NOT is_partition('job_attempts_past', suffix) THEN
                EXECUTE format('CREATE TABLE %1$I (LIKE job_attempts_past INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
                  ALTER TABLE job_attempts_past ATTACH PARTITION %1$I FOR VALUES FROM (%2$L) TO (%3$L)',
                  'job_attempts_past_' || suffix, uuid_v7_floor(low), uuid_v7_floor(high));
              END IF;
              IF NOT is_partition('execution_logs', suffix) THEN
                -- Only ever inserted and dropped as a whole: a vacuum for inserts would be work for nothing, and stand in the way of the drop.
                EXECUTE format('CREATE TABLE %1$I (LIKE execution_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
                    WITH (autovacuum_vacuum_insert_threshold = -1);
                  ALTER TABLE execution_logs ATTACH PARTITION %1$I FOR VALUES FROM (%2$L) TO (%3$L)',
                  'execution_logs_' || suffix, low, high);
              END IF;
            END $$;

            -- Days that need partitions and lack one: yesterday to next week, and, for their ends, those on which live executions were made.
            CREATE VIEW missing_partition_days AS
              -- From day to day, by the oldest row of each: however many there are.
              WITH RECURSIVE live AS (
                SELECT (SELECT (uuid_v7_time(id) AT TIME ZONE 'UTC')::date FROM job_live ORDER BY id LIMIT 1) AS day
                UNION ALL
                SELECT (SELECT (uuid_v7_time(id) AT TIME ZONE 'UTC')::date FROM job_live
                  WHERE id >= uuid_v7_floor((live.day + 1)::timestamp AT TIME ZONE 'UTC') ORDER BY id LIMIT 1)
                FROM live WHERE live.day < (now() AT TIME ZONE 'UTC')::date - 1
              )
              SELECT day FROM (
                SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 7, interval '1 day')::date AS day
                UNION
                SELECT day FROM live WHERE day < (now() AT TIME ZONE 'UTC')::date - 1
              ) AS days
              WHERE NOT (is_partition('job_finished', to_char(day, 'YYYYMMDD')) AND is_partition('job_attempts_past', to_char(day, 'YYYYMMDD'))
                AND (day < (now() AT TIME ZONE 'UTC')::date - 1 OR is_partition('execution_logs', to_char(day, 'YYYYMMDD'))));

            -- A day that cannot have its partitions now (a table is in the way, or locked) stops neither the others nor whoever calls:
            -- it stays in the view above, and `queue_defects` tells.
            CREATE FUNCTION create_partitions() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE missing date;
            BEGIN
              IF NOT EXISTS (SELECT FROM missing_partition_days) THEN
                RETURN;
              END IF;
              PERFORM pg_advisory_xact_lock(hashtext('chimera.partitions'));
              FOR missing IN SELECT day FROM missing_partition_days LOOP
                BEGIN
                  PERFORM create_day_partitions(missing);
                EXCEPTION WHEN duplicate_table OR lock_not_available OR deadlock_detected OR wrong_object_type OR invalid_object_definition THEN
                  RAISE WARNING 'the partitions of % cannot be made: %', missing, SQLERRM;
                END;
              END LOOP;
            END $$;
            SELECT create_partitions();

            -- What `error_details` holds of a run that the queue itself ends; of a store's run it names the store, as a worker would.
            CREATE FUNCTION run_error(code text, message text, retryable boolean, store int, registration text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
              SELECT jsonb_build_object('code', code, 'message', message, 'retryable', retryable) || CASE WHEN store IS NULL THEN '{}'
                ELSE jsonb_build_object('more', 0, 'stores',
                  jsonb_build_array(jsonb_build_object('store_id', store, 'registration', registration, 'message', message))) END
            $$;

            -- What operators have to mend, a sentence each.
            CREATE VIEW queue_defects AS
              SELECT format('the partitions of %s are missing, so nothing that was begun on that day can end: a worker or scheduler makes them within seconds; if this stays, see which table named …_%s is in the way or locked',
                day, to_char(day, 'YYYYMMDD')) AS defect FROM missing_partition_days
              UNION ALL
              SELECT format('index %I is invalid: REINDEX INDEX CONCURRENTLY %I', i.indexrelid::regclass, i.indexrelid::regclass)
              FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
              WHERE NOT i.indisvalid AND c.relnamespace = quote_ident(current_schema())::regnamespace
                AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid);
            """#,
        down: #"""
            DROP VIEW queue_defects;
            DROP FUNCTION run_error, create_partitions, create_day_partitions;
            DROP VIEW missing_partition_days;
            DROP FUNCTION is_partition;
            DROP TABLE workers, execution_logs;
            DROP VIEW job_attempts;
            DROP TABLE job_attempts_past, job_executions;
            DROP SEQUENCE lease_token;
            """#)
}
