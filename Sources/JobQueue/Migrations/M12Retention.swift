extension Migration {
    /// What a clean-up needs: which partitions lie before the retention, why one has to stay, and how one goes without holding others up.
    package static let m12Retention = Migration(
        number: 12, name: "retention",
        up: #"""
            -- Ended executions that a live one repeats; and ended ones that lived longer than the hour which a partition is kept beyond its
            -- retention: both keep a partition, and both are found without reading it.
            CREATE INDEX job_retried ON job_live (retry_of) WHERE retry_of IS NOT NULL;
            CREATE INDEX job_finished_late ON job_finished (finished_at) WHERE finished_at - created_at > interval '1 hour';

            -- What is older goes. Yesterday always stays: rows of its last seconds may be on their way.
            CREATE FUNCTION retention_cutoff(days int) RETURNS timestamptz LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
              SELECT least(now() - make_interval(days => days), ((now() AT TIME ZONE 'UTC')::date - 1)::timestamp AT TIME ZONE 'UTC')
            $$;

            -- The bounds of a range partition as text; null where it has none.
            CREATE FUNCTION partition_bounds(partition regclass, OUT low text, OUT high text) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
              SELECT substring(b.bounds FROM $re$FROM \('([^']+)'\)$re$), substring(b.bounds FROM $re$ TO \('([^']+)'\)$re$)
              FROM (SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class WHERE oid = partition) AS b
            $$;

            -- Why the executions of a range of ids have to stay though they were made before the cutoff; null: nothing needs them.
            CREATE FUNCTION executions_in_use(low uuid, high uuid, cutoff timestamptz) RETURNS text LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
            SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
            BEGIN
              IF EXISTS (SELECT FROM job_live WHERE id >= low AND id < high) THEN
                RETURN 'an execution of its time is live';
              ELSIF EXISTS (SELECT FROM job_live WHERE retry_of >= low AND retry_of < high)
                 OR EXISTS (SELECT FROM job_live WHERE parent_id >= low AND parent_id < high) THEN
                RETURN 'a live execution refers to it';
              ELSIF EXISTS (SELECT FROM job_live AS p JOIN job_finished AS c ON c.parent_id = p.id
                  WHERE p.status = 'RUNNING' AND p.worker IS NULL AND c.id >= low AND c.id < high) THEN
                RETURN 'a parent that waits has children in it';
              ELSIF EXISTS (SELECT FROM job_finished WHERE id >= low AND id < high AND finished_at - created_at > interval '1 hour' AND finished_at >= cutoff) THEN
                RETURN 'an execution in it ended within the retention';
              ELSIF executions_to_tell(low, high) THEN
                RETURN 'a message about an execution of it is still to be sent';
              END IF;
              RETURN NULL;
            END $$;

            -- Whether an execution stays in spite of the cutoff, and with it what others keep of it: asked where partitions are not dropped yet, too.
            CREATE FUNCTION execution_stays(execution uuid, cutoff timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
            SET plan_cache_mode = force_generic_plan AS $$
            DECLARE day timestamp := date_trunc('day', uuid_v7_time(execution) AT TIME ZONE 'UTC'); over timestamptz := (day + interval '1 day') AT TIME ZONE 'UTC';
            BEGIN
              RETURN EXISTS (SELECT FROM job_live WHERE id = execution)
                OR EXISTS (SELECT FROM job_finished WHERE id = execution) AND (over + interval '1 hour' > cutoff
                  OR executions_in_use(uuid_v7_floor(day AT TIME ZONE 'UTC'), uuid_v7_floor(over), cutoff) IS NOT NULL);
            END $$;

            -- When a partition was over: its upper bound, an id counting as the moment it was made; an hour more where ids do, for what ends
            -- within an hour. Null: it has no end, or holds no range of days.
            CREATE FUNCTION partition_over_at(partition regclass) RETURNS timestamptz LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
              SELECT CASE WHEN b.high ~ '^[0-9a-f]{8}-' THEN uuid_v7_time(b.high::uuid) + interval '1 hour'
                          WHEN b.high ~ '^[0-9]' THEN b.high::timestamptz END
              FROM partition_bounds(partition) AS b
            $$;

            -- Partitions of a table that lie before the cutoff, oldest first, with their rows: counted while that takes no time, else as the
            -- statistics know them.
            CREATE FUNCTION expired_partitions(parent text, cutoff timestamptz)
            RETURNS TABLE (partition text, row_count bigint, is_exact boolean, in_use text) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE leaf regclass; bounds record; size bigint; counted bigint := 0;
            BEGIN
              FOR leaf IN SELECT c.oid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                  WHERE i.inhparent = parent::regclass AND c.relkind = 'r' ORDER BY partition_over_at(c.oid) LOOP
                CONTINUE WHEN partition_over_at(leaf) IS NULL OR partition_over_at(leaf) > cutoff;
                partition := leaf::text;
                size := pg_relation_size(leaf);
                is_exact := size <= 16 * 1024 * 1024 AND counted <= 64 * 1024 * 1024;
                IF is_exact THEN
                  counted := counted + size;
                  BEGIN
                    EXECUTE format('SELECT count(*) FROM %s', leaf) INTO row_count;
                  EXCEPTION WHEN undefined_table OR syntax_error THEN
                    CONTINUE;   -- dropped meanwhile: a number stands in the place of its name
                  END;
                ELSE
                  SELECT greatest(pg_stat_get_live_tuples(oid), reltuples, 0) INTO row_count FROM pg_class WHERE oid = leaf;
                  CONTINUE WHEN NOT FOUND OR size IS NULL;
                END IF;
                in_use := NULL;
                IF parent <> 'execution_logs' THEN
                  SELECT * INTO bounds FROM partition_bounds(leaf);
                  in_use := executions_in_use(bounds.low::uuid, bounds.high::uuid, cutoff);
                END IF;
                RETURN NEXT;
              END LOOP;
            END $$;

            -- Drops such a partition. DROPPED, GONE (somebody else did), LOCKED (somebody reads it, or it comes after one that is read: try
            -- again), or why it has to stay. The parent's lock is waited for 50 ms only: whoever comes meanwhile stands behind us.
            CREATE FUNCTION drop_expired_partition(partition text, cutoff timestamptz) RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT
            SET client_min_messages = 'warning' SET lock_timeout = '50ms' AS $$
            DECLARE leaf regclass; parent regclass; bounds record; reason text;
            BEGIN
              IF NOT pg_try_advisory_xact_lock(hashtext('chimera.retention')) THEN
                RETURN 'LOCKED';
              END IF;
              leaf := to_regclass(partition);
              SELECT inhparent INTO parent FROM pg_inherits WHERE inhrelid = leaf;
              IF parent IS NULL OR partition_over_at(leaf) IS NULL OR partition_over_at(leaf) > cutoff THEN
                RETURN 'GONE';
              END IF;
              -- Who sees an execution sees all its attempts.
              IF parent = 'job_attempts_past'::regclass AND is_partition('job_finished', right(partition, 8)) THEN
                RETURN 'LOCKED';
              END IF;
              -- An autovacuum leaves when it sees somebody wait for deadlock_timeout. This lock makes it, and holds up neither who reads nor who
              -- writes.
              PERFORM set_config('lock_timeout', (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000 + 500)::int || 'ms', true);
              EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', leaf);
              PERFORM set_config('lock_timeout', '50ms', true);
              -- All ends wait for what is locked now: who is stopped before the commit loses it.
              PERFORM set_config('idle_in_transaction_session_timeout', '2s', true);
              -- Parent first, as everybody who reads does.
              EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
              EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', leaf);
              IF parent <> 'execution_logs'::regclass THEN
                SELECT * INTO bounds FROM partition_bounds(leaf);
                reason := executions_in_use(bounds.low::uuid, bounds.high::uuid, cutoff);
                IF reason IS NOT NULL THEN
                  RETURN reason;
                END IF;
              END IF;
              EXECUTE format('DROP TABLE %s', leaf);
              RETURN 'DROPPED';
            EXCEPTION WHEN lock_not_available THEN
              RETURN 'LOCKED';
            END $$;
            """#,
        down: #"""
            DROP FUNCTION drop_expired_partition, expired_partitions, partition_over_at, execution_stays, executions_in_use, partition_bounds, retention_cutoff;
            DROP INDEX job_finished_late, job_retried;
            """#)
}
