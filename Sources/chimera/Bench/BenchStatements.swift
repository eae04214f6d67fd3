import Postgres

/// The statements of `chimera bench`. The bare ones are the least that a queue in PostgreSQL has to do: no history, no fence, no attempts.
enum BenchStatements {
    static let createSchema: SQL = "CREATE SCHEMA chimera_bench"
    static let dropSchema: SQL = "DROP SCHEMA chimera_bench CASCADE"
    static let checkpoint: SQL = "CHECKPOINT"

    // MARK: What lies in the tables

    static func addJobs(_ count: Int) -> SQL {
        "INSERT INTO job_configurations (name, job_type) SELECT 'noop-' || n, 'NOOP' FROM generate_series(1, \(count)::int) AS n"
    }

    /// Executions of all jobs in turn, due at once.
    static func addExecutions(_ count: Int, jobs: Int) -> SQL {
        """
        INSERT INTO job_executions (job_config_id)
        SELECT j.first + n % \(jobs)::int FROM generate_series(0, \(count)::int - 1) AS n, (SELECT min(id) AS first FROM job_configurations) AS j
        """
    }

    /// One execution as users add it.
    static func addExecution(job: Int) -> SQL { "INSERT INTO job_executions (job_config_id) VALUES (\(job)::int)" }

    static let firstJob: SQL = "SELECT min(id) AS id FROM job_configurations"

    /// Executions that ended like those of a drain, in today's partition.
    static func addHistory(_ count: Int) -> SQL {
        """
        INSERT INTO job_finished (job_config_id, status, priority, max_attempts, attempt, token, started_at, finished_at, worker, attempt_outcome)
        SELECT j.id, 'SUCCESS', 0, 3, 1, n, now(), now(), w.id, 'SUCCESS'
        FROM generate_series(1, \(count)::int) AS n, (SELECT min(id) AS id FROM job_configurations) AS j, (SELECT gen_random_uuid() AS id) AS w
        """
    }

    static let vacuumHistory: SQL = "VACUUM (ANALYZE) job_finished"

    // MARK: Drain

    /// Holds claims back until the transaction ends: the start signal of all workers.
    static let holdClaims: SQL = "LOCK TABLE job_live IN ACCESS EXCLUSIVE MODE"

    /// Workers that have a lease, and sessions that wait for the start signal.
    static let starters: SQL = """
        SELECT (SELECT count(*) FROM workers WHERE lease_until > clock_timestamp()) AS registered,
          (SELECT count(*) FROM pg_locks WHERE relation = 'job_live'::regclass AND NOT granted) AS waiting
        """

    static let counters: SQL = """
        SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes, (SELECT wal_sync FROM pg_stat_wal) AS wal_syncs,
          (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()) AS transactions
        """

    /// Where `pg_stat_statements` is installed in this database, and for whom it counts.
    static let statementsSchema: SQL = """
        SELECT quote_ident(n.nspname) AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements'
        """

    /// Statements as clients sent them. `schema` comes from `statementsSchema`, which quotes it.
    static func statementCalls(schema: String) -> SQL {
        """
        SELECT coalesce(sum(calls), 0)::bigint AS calls FROM \(unsafe: schema).pg_stat_statements
        WHERE toplevel AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    }

    static let server: SQL = """
        SELECT pg_backend_pid() AS pid, current_database()::text AS database,
          inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1' AS is_local
        """

    /// What became of the executions that were added last, those with an id from `first` on.
    static func drained(since first: String) -> SQL {
        """
        SELECT count(*) AS jobs, coalesce(bool_and(status = 'SUCCESS' AND attempt = 1), false) AS is_clean,
          extract(epoch FROM max(finished_at) - min(started_at))::float8 AS seconds,
          extract(epoch FROM min(finished_at) FILTER (WHERE place = total / 10) - min(started_at))::float8 AS first_tenth,
          extract(epoch FROM max(finished_at) - min(finished_at) FILTER (WHERE place = total - total / 10))::float8 AS last_tenth
        FROM (SELECT status, attempt, started_at, finished_at, row_number() OVER (ORDER BY finished_at, id) AS place, count(*) OVER () AS total
              FROM job_executions WHERE id >= \(first)::uuid) AS e
        """
    }

    static let newID: SQL = "SELECT uuid_v7_floor(clock_timestamp())::text AS id"

    // MARK: Bare

    static let bareTable: [SQL] = [
        "DROP TABLE IF EXISTS bare_jobs",
        """
        CREATE TABLE bare_jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL DEFAULT 'PENDING',
          priority smallint NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(), params jsonb NOT NULL DEFAULT '{}',
          started_at timestamptz, finished_at timestamptz)
        """,
        "CREATE INDEX bare_ready ON bare_jobs (priority, run_at, id) WHERE status = 'PENDING'",
    ]

    static func addBare(_ count: Int) -> SQL {
        "INSERT INTO bare_jobs (params) SELECT '{}' FROM generate_series(1, \(count)::int)"
    }

    static let vacuumBare: SQL = "VACUUM (ANALYZE) bare_jobs"

    /// The number is our own; the planner is to see it as a constant.
    static func claimBare(_ batch: Int) -> SQL {
        """
        WITH claimed AS (
          UPDATE bare_jobs SET status = 'RUNNING', started_at = now() WHERE id IN (
            SELECT id FROM bare_jobs WHERE status = 'PENDING' AND run_at <= now() ORDER BY priority, run_at, id
            LIMIT \(unsafe: String(batch)) FOR UPDATE SKIP LOCKED)
          RETURNING id)
        SELECT array_agg(id)::text AS ids FROM claimed
        """
    }

    static func finishBare(_ ids: String) -> SQL {
        "UPDATE bare_jobs SET status = 'SUCCESS', finished_at = now() WHERE id = ANY (\(ids)::bigint[])"
    }

    static let announceBare: SQL = """
        WITH added AS (INSERT INTO bare_jobs (params) VALUES ('{}') RETURNING id) SELECT pg_notify('chimera_bench', '') FROM added
        """

    // MARK: Enqueue

    /// The same key and the same index as the live executions have.
    static let keyedTable: [SQL] = [
        """
        CREATE TABLE bare_keyed (id uuid PRIMARY KEY DEFAULT uuid_v7(), job_config_id int NOT NULL, status text NOT NULL DEFAULT 'PENDING',
          priority smallint NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(), params jsonb NOT NULL DEFAULT '{}')
        """,
        "CREATE INDEX bare_keyed_ready ON bare_keyed (priority, run_at, id) WHERE status = 'PENDING'",
    ]

    static func addKeyed(_ count: Int) -> SQL {
        "INSERT INTO bare_keyed (job_config_id) SELECT 1 FROM generate_series(1, \(count)::int)"
    }

    static func wakes(_ isOn: Bool) -> SQL {
        isOn ? "ALTER TABLE job_executions ENABLE TRIGGER wake_workers" : "ALTER TABLE job_executions DISABLE TRIGGER wake_workers"
    }
}
