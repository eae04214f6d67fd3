import JobQueue

/// When a job has failed, and which success ends that.
extension Migration {
    static let m11Recovery = #"""
        -- Top-level executions that failed, at least so far, since their job last succeeded: the next success is a recovery. Rows are only
        -- inserted and deleted, and only siblings, who hold their parent, insert the same one: the ends of executions cannot meet in a deadlock
        -- here.
        CREATE TABLE job_failures (
          execution_id uuid PRIMARY KEY,
          job_config_id int NOT NULL,
          is_whole boolean NOT NULL DEFAULT true  -- a run over all stores of its job: who fails so has failed as a whole
        );
        CREATE INDEX job_failures_job ON job_failures (job_config_id);

        -- Whether a run only showed what it would do. What the params of the other types mean their programs know.
        CREATE FUNCTION ran_dry(job_type text, params jsonb, config jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
          SELECT CASE WHEN job_type IN ('SYNC_PRODUCTS', 'COMPARE_DATA', 'CLEANUP_LOGS') THEN is_dry_run(params, config) ELSE false END
        $$;

        -- Whether a run was one over all stores of its job: not the retry of a single one, and its params choose none.
        CREATE FUNCTION ran_whole(job_type text, store int, params jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
          SELECT store IS NULL AND (job_type NOT IN ('SYNC_PRODUCTS', 'COMPARE_DATA') OR coalesce(params -> 'store_ids', 'null') IN ('[]', 'null'))
        $$;

        -- Remembers what failed, and what a child has failed of that still runs: that it is cancelled then mends nothing. Dry runs say nothing of
        -- their job.
        CREATE FUNCTION note_failures(remarkable uuid[]) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          INSERT INTO job_failures (execution_id, job_config_id, is_whole)
          SELECT e.id, e.job_config_id, ran_whole(j.job_type, e.store_id, e.params)
          FROM (
            SELECT f.id, f.job_config_id, f.store_id, f.params FROM job_finished AS f
            WHERE f.id = ANY (remarkable) AND f.parent_id IS NULL AND f.status = 'FAILED'
            UNION ALL
            SELECT p.id, p.job_config_id, p.store_id, p.params FROM job_live AS p WHERE p.id IN (
              SELECT k.parent_id FROM job_finished AS k WHERE k.id = ANY (remarkable) AND k.parent_id IS NOT NULL AND k.status = 'FAILED')
          ) AS e JOIN job_configurations AS j ON j.id = e.job_config_id
          WHERE NOT ran_dry(j.job_type, e.params, j.config)
          ORDER BY e.id ON CONFLICT DO NOTHING;
        END $$;

        -- Whether every store that an execution left without a success has had one since, in another run of its job.
        CREATE FUNCTION is_made_good(failure uuid, job int) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
        SET enable_seqscan = off SET jit = off AS $$
        BEGIN
          RETURN (WITH lost AS MATERIALIZED (
            SELECT k.store_id, k.id FROM job_finished AS k WHERE k.parent_id = failure AND k.status <> 'SUCCESS'
            UNION ALL
            -- It had no children: it was one store's own run, or failed before it came so far.
            SELECT coalesce(f.store_id, c.store_id), f.id FROM job_finished AS f LEFT JOIN LATERAL (
              SELECT CASE WHEN value ~ '^[0-9]{1,9}$' THEN value::int END AS store_id FROM jsonb_array_elements_text(
                CASE jsonb_typeof(f.params -> 'store_ids') WHEN 'array' THEN f.params -> 'store_ids' ELSE '[]' END) AS value) AS c ON true
            WHERE f.id = failure AND NOT EXISTS (SELECT FROM job_finished AS k WHERE k.parent_id = failure)
          )
          SELECT count(*) > 0 AND bool_and(EXISTS (
            SELECT FROM job_finished AS g JOIN job_configurations AS j ON j.id = job
            WHERE g.store_id = lost.store_id AND g.id > lost.id AND g.job_config_id = job AND g.status = 'SUCCESS'
              AND NOT ran_dry(j.job_type, g.params, j.config))) FROM lost);
        END $$;

        -- Takes a job's failures away that are over and gives the execution among `ended` that is its first success since; null: there is none.
        -- A whole run ends all that came before it; one of some stores those of which no store is left, and is a recovery when nothing is.
        -- Failures of the same statement came before or after a success as their ids say. One transaction at a time does this for a job;
        -- another one that meets it ends a plain success.
        CREATE FUNCTION take_recovery(job int, ended uuid[], remarkable uuid[]) RETURNS uuid LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE recovery uuid;
        BEGIN
          IF NOT pg_try_advisory_xact_lock(hashtext('chimera.recovery'), job) THEN
            RETURN NULL;
          END IF;
          WITH successes AS MATERIALIZED (
            SELECT s.id, ran_whole(j.job_type, s.store_id, s.params) AS is_whole FROM job_finished AS s JOIN job_configurations AS j ON j.id = job
            WHERE s.id = ANY (ended) AND s.job_config_id = job AND s.parent_id IS NULL AND s.status = 'SUCCESS'
              AND NOT ran_dry(j.job_type, s.params, j.config)
              AND s.metrics #> '{stores,total}' IS DISTINCT FROM '0'   -- where there is no store nothing works again
          ),
          pairs AS MATERIALIZED (
            SELECT s.id AS success, f.execution_id AS failure, s.is_whole OR is_made_good(f.execution_id, job) AS is_over
            FROM successes AS s JOIN job_failures AS f ON f.job_config_id = job
              AND (f.execution_id < s.id OR f.execution_id <> ALL (coalesce(remarkable, '{}')))
          ),
          over AS (DELETE FROM job_failures AS f USING pairs AS p WHERE f.execution_id = p.failure AND p.is_over RETURNING f.execution_id)
          SELECT p.success INTO recovery FROM pairs AS p WHERE EXISTS (SELECT FROM over)
          GROUP BY p.success HAVING bool_and(p.is_over) ORDER BY p.success LIMIT 1;
          RETURN recovery;
        END $$;
        """#

    static let m11RecoveryDown = #"""
        DROP FUNCTION take_recovery, is_made_good, note_failures, ran_whole, ran_dry;
        DROP TABLE job_failures;
        """#
}
