extension Migration {
    /// What the scheduler remembers: every due time's fate, and each job's next due time.
    package static let m09Schedules = Migration(
        number: 9, name: "schedules",
        up: #"""
            CREATE TABLE schedule_ticks (
              job_config_id int NOT NULL,
              due_at timestamptz NOT NULL,
              outcome text NOT NULL CONSTRAINT schedule_ticks_outcome_check
                CHECK (outcome IN ('ENQUEUED', 'COALESCED', 'SKIPPED_OVERLAP', 'SKIPPED_MISFIRE', 'SKIPPED_PAUSED')),
              execution_id uuid,
              count bigint NOT NULL DEFAULT 1,
              recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
              PRIMARY KEY (job_config_id, due_at)
            );

            -- One row for each job that has or had a pattern, made by the schedulers from the configuration of that updated_at.
            CREATE TABLE job_schedules (
              job_config_id int PRIMARY KEY REFERENCES job_configurations ON DELETE CASCADE,
              planned_for timestamptz NOT NULL,     -- the configuration's updated_at; another one there: to be planned anew
              cron_pattern text,
              time_zone text NOT NULL,
              looked_until timestamptz NOT NULL,    -- due times up to here have their tick
              next_due_at timestamptz,              -- null: never, or not while it stays as it is
              -- An infinite one would fail the look at all of them.
              CONSTRAINT job_schedules_finite CHECK (isfinite(looked_until) AND isfinite(next_due_at))
            ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
            CREATE INDEX job_schedules_due ON job_schedules (next_due_at) WHERE next_due_at IS NOT NULL;

            -- Up to which due time nobody outside the queue has to look at the ticks of a job any more; a migration above the queue may replace it.
            CREATE FUNCTION ticks_seen_through(job int) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT 'infinity'::timestamptz $$;
            """#,
        down: #"""
            DROP FUNCTION ticks_seen_through;
            DROP TABLE job_schedules, schedule_ticks;
            """#)
}
