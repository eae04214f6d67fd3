import JobQueue

/// What is remembered of jobs that are expected to succeed in time.
extension Migration {
    static let m11Lateness = #"""
        CREATE INDEX job_configurations_watched ON job_configurations (id) WHERE expect_success_within IS NOT NULL;

        -- One row for each job with expect_success_within, made and judged by whichever worker or scheduler looks first; its lock makes each due
        -- time judged once.
        CREATE TABLE job_watches (
          job_config_id int PRIMARY KEY REFERENCES job_configurations ON DELETE CASCADE,
          seen timestamptz NOT NULL,             -- the configuration's updated_at
          expected_within interval NOT NULL,     -- and its expect_success_within
          watched_through timestamptz NOT NULL,  -- due times up to here are judged; of a job without a pattern: what is measured from
          late_for timestamptz,                  -- of a job without a pattern: the newest due time that was told
          next_look_at timestamptz NOT NULL
        ) WITH (fillfactor = 70);

        -- A job that is watched from now on has no row yet: it is judged from where LateWatch will begin.
        CREATE OR REPLACE FUNCTION ticks_seen_through(job int) RETURNS timestamptz LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
          SELECT coalesce((SELECT coalesce(w.watched_through, j.updated_at - j.expect_success_within)
            FROM job_configurations AS j LEFT JOIN job_watches AS w ON w.job_config_id = j.id
            WHERE j.id = job AND j.expect_success_within IS NOT NULL AND j.active AND j.deleted_at IS NULL), 'infinity')
        $$;
        """#

    static let m11LatenessDown = #"""
        CREATE OR REPLACE FUNCTION ticks_seen_through(job int) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT 'infinity'::timestamptz $$;
        DROP TABLE job_watches;
        DROP INDEX job_configurations_watched;
        """#
}
