#!/usr/bin/env bash
# Sourced by bench: how fast workers drain the queue, how soon a job starts, and what it costs to enqueue one.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

readonly jobs=50000 batch=500

# The limit: the bare statements, no history, no fence, no client language; sets rate.
run_pgbench() {
    local left
    if [[ -z ${has_limit_database-} ]]; then
        sql -d postgres -c 'CREATE DATABASE limit_of_this_machine'
        has_limit_database=yes
    fi
    sql -d limit_of_this_machine <<SQL
DROP TABLE IF EXISTS jobs;
CREATE TABLE jobs (id bigint PRIMARY KEY, status text NOT NULL DEFAULT 'PENDING', priority smallint NOT NULL DEFAULT 0,
  run_at timestamptz NOT NULL DEFAULT now(), params jsonb NOT NULL DEFAULT '{}', started_at timestamptz, finished_at timestamptz);
CREATE INDEX jobs_ready ON jobs (priority, run_at, id) WHERE status = 'PENDING';
INSERT INTO jobs (id) SELECT generate_series(1, $jobs);
VACUUM ANALYZE jobs;
CHECKPOINT;
SQL
    cat >"$folder/limit.sql" <<SQL
WITH claimed AS (UPDATE jobs SET status = 'RUNNING', started_at = now() WHERE id IN (SELECT id FROM jobs WHERE status = 'PENDING' AND run_at <= now() ORDER BY priority, run_at, id LIMIT $batch FOR UPDATE SKIP LOCKED) RETURNING id) SELECT array_agg(id) AS ids FROM claimed \gset
UPDATE jobs SET status = 'SUCCESS', finished_at = now() WHERE id = ANY (:ids::bigint[]);
SQL
    pgbench -n -M prepared -c 2 -j 2 -t $((jobs / batch / 2)) -f "$folder/limit.sql" limit_of_this_machine >"$folder/pgbench.log" 2>&1 ||
        fail "pgbench failed." pgbench
    left=$(sql -d limit_of_this_machine -c "SELECT count(*) FROM jobs WHERE status <> 'SUCCESS'")
    [[ $left -eq 0 ]] || fail "pgbench left $left of $jobs jobs." pgbench
    rate=$(awk -v batch=$batch '/^tps/ { printf "%.0f", $3 * batch }' "$folder/pgbench.log")
}

# Drains with `chimera bench` and keeps what it says under names that end in $2: add_drain PREFIX ENDING OPTION …
add_drain() {
    local prefix=$1 ending=$2 name
    shift 2
    chimera_bench drain "$@"
    add "${prefix}_rate_$ending" "$(figure jobs_per_second)"
    for name in worker_cpu_us postgres_cpu_us insert_wal_bytes wal_bytes wal_syncs transactions idle_megabytes peak_megabytes; do
        add "${prefix}_${name}_$ending" "$(figure $name)"
    done
}

bench_queue() {
    local round workers
    for ((round = 1; round <= rounds; round++)); do
        say "queue: round $round of $rounds, pgbench"
        run_pgbench
        add queue_limit_rate "$rate"
        for workers in 1 2 4 8; do
            say "queue: round $round of $rounds, $workers worker(s)"
            add_drain queue $workers --jobs $jobs --workers $workers
        done
    done
    say "queue: statements"
    # Loaded for this run alone: counting slows every statement a little.
    restart_postgres "shared_preload_libraries = 'pg_stat_statements'"
    bench_database
    sql -c 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements'
    chimera_bench drain --jobs $jobs
    add queue_statements "$(figure statements)"
    sql -c 'DROP EXTENSION pg_stat_statements'
    restart_postgres
    say ""
    cat <<TABLE

### queue: $(grouped $jobs) NOOP executions, default settings; jobs a second from the first claim to the last end

| | median | spread | of the limit | CPU a job, workers + PostgreSQL | WAL a job | syncs a 1,000 jobs |
|---|---|---|---|---|---|---|
| limit: pgbench, bare claim and finish in batches of $batch, 2 clients | $(grouped "$(whole queue_limit_rate)") | $(spread queue_limit_rate %.0f) | | | | |
$(for workers in 1 2 4 8; do queue_row $workers; done)

| 1 worker | median | spread |
|---|---|---|
| WAL of the INSERT, a job | $(whole queue_insert_wal_bytes_1) B | $(spread queue_insert_wal_bytes_1 %.0f) |
| statements, a job (pg_stat_statements, one run of its own) | $(median queue_statements) | |
| RSS before the first claim | $(median queue_idle_megabytes_1) MB | $(spread queue_idle_megabytes_1 %.1f) |
| RSS at its peak | $(median queue_peak_megabytes_1) MB | $(spread queue_peak_megabytes_1 %.1f) |
TABLE
}

queue_row() {
    local syncs
    syncs=$(calculate "$(median "queue_wal_syncs_$1") * 1000" %.1f)
    printf '| %d worker(s) | %s | %s | **%s** | %s + %s µs | %s B | %s |\n' "$1" "$(grouped "$(whole "queue_rate_$1")")" \
        "$(spread "queue_rate_$1" %.0f)" "$(ratio "queue_rate_$1" queue_limit_rate)" "$(median "queue_worker_cpu_us_$1")" \
        "$(median "queue_postgres_cpu_us_$1")" "$(whole "queue_wal_bytes_$1")" "$syncs"
}

whole() { calculate "$(median "$1")" %.0f; }

bench_latency() {
    local round name
    for ((round = 1; round <= rounds; round++)); do
        say "latency: round $round of $rounds"
        chimera_bench latency --samples 300
        for name in p50 p95 p99; do
            add "latency_$name" "$(figure "${name}_ms")"
            add "latency_bare_$name" "$(figure "bare_${name}_ms")"
        done
    done
    say ""
    cat <<TABLE

### latency: from before the INSERT to the first instruction of the job, one at a time on an idle worker, 300 samples a round, ms

| | Chimera | spread | bare INSERT, NOTIFY, LISTEN, claim | spread | ratio |
|---|---|---|---|---|---|
$(for name in p50 p95 p99; do
        printf '| %s | %s | %s | %s | %s | **%s** |\n' $name "$(calculate "$(median latency_$name)")" "$(spread latency_$name)" \
            "$(calculate "$(median latency_bare_$name)")" "$(spread latency_bare_$name)" "$(ratio latency_$name latency_bare_$name)"
    done)
TABLE
}

# Single INSERTs by four clients for three seconds; sets rate.
run_singles() {
    pgbench -n -M prepared -c 4 -j 2 -T 3 -f "$folder/single.sql" >"$folder/pgbench.log" 2>&1 || fail "pgbench failed." pgbench
    rate=$(awk '/^tps/ { printf "%.0f", $3 }' "$folder/pgbench.log")
}

bench_enqueue() {
    local round
    for ((round = 1; round <= rounds; round++)); do
        say "enqueue: round $round of $rounds, in bulk"
        chimera_bench enqueue --jobs $jobs
        add enqueue_bulk_rate "$(figure bulk_per_second)"
        add enqueue_bare_bulk_rate "$(figure bare_bulk_per_second)"
        add enqueue_plain_bulk_rate "$(figure plain_per_second)"
        say "enqueue: round $round of $rounds, one by one"
        fresh_database
        sql -c "INSERT INTO job_configurations (name, job_type) VALUES ('noop', 'NOOP')"
        echo 'INSERT INTO job_executions (job_config_id) VALUES (1);' >"$folder/single.sql"
        # Somebody listens, as workers would.
        start listener psql -X -q -c 'LISTEN chimera_jobs' -c 'SELECT pg_sleep(600)'
        run_singles
        add enqueue_single_rate "$rate"
        sql -c 'ALTER TABLE job_executions DISABLE TRIGGER wake_workers'
        run_singles
        add enqueue_silent_rate "$rate"
        stop listener || true
    done
    say ""
    cat <<TABLE

### enqueue: rows a second, nobody working on them

| | median | spread | ratio |
|---|---|---|---|
| INSERT … SELECT of $(grouped $jobs) executions | $(grouped "$(whole enqueue_bulk_rate)") | $(spread enqueue_bulk_rate %.0f) | |
| the same into a bare table with the same key and index | $(grouped "$(whole enqueue_bare_bulk_rate)") | $(spread enqueue_bare_bulk_rate %.0f) | **$(ratio enqueue_bulk_rate enqueue_bare_bulk_rate)** |
| the same into a bare table with a bigint as its key | $(grouped "$(whole enqueue_plain_bulk_rate)") | $(spread enqueue_plain_bulk_rate %.0f) | $(ratio enqueue_bulk_rate enqueue_plain_bulk_rate) |
| single INSERTs, 4 pgbench clients | $(grouped "$(whole enqueue_single_rate)") | $(spread enqueue_single_rate %.0f) | |
| the same without the wake-up | $(grouped "$(whole enqueue_silent_rate)") | $(spread enqueue_silent_rate %.0f) | **$(ratio enqueue_single_rate enqueue_silent_rate)** |
TABLE
}
