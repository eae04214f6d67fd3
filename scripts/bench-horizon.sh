#!/usr/bin/env bash
# Sourced by bench: bad neighbours. A snapshot that is held, readers, an overload, a restart; rates as shares of those without them.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

bench_horizon() {
    bench_held
    bench_readers
    bench_overload
}

# MARK: a transaction that stays open

bench_held() {
    local held_jobs=500000 way
    for way in free held; do
        say "horizon: $(grouped $held_jobs) jobs, snapshot $way"
        bench_database
        # An older snapshot than anything that the drain will do.
        [[ $way == free ]] || start holder psql -X -q -c 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class; SELECT pg_sleep(3600)'
        [[ $way == free ]] || eventually 10 holds_snapshot || fail "the transaction does not begin." holder
        chimera_bench drain --jobs $held_jobs
        add "horizon_${way}_rate" "$(figure jobs_per_second)"
        add "horizon_${way}_first" "$(figure first_tenth_per_second)"
        add "horizon_${way}_last" "$(figure last_tenth_per_second)"
        if [[ $way == held ]]; then
            holds_snapshot || fail "the transaction ended before the drain did." holder
            stop holder || true
        fi
    done
    say ""
    cat <<TABLE

### horizon: $(grouped $held_jobs) jobs and one worker, with and without a transaction held open from before the start, one run

| jobs a second | all | the first 50,000 | the last 50,000 | last / first |
|---|---|---|---|---|
$(for way in free held; do
        printf '| %s | %s | %s | %s | **%s** |\n' "$way" "$(grouped "$(whole horizon_${way}_rate)")" "$(grouped "$(whole horizon_${way}_first)")" \
            "$(grouped "$(whole horizon_${way}_last)")" "$(ratio horizon_${way}_last horizon_${way}_first)"
    done)
| held / free | $(ratio horizon_held_rate horizon_free_rate) | | | |
TABLE
}

holds_snapshot() { [[ $(sql -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()") -eq 1 ]]; }

# MARK: readers

bench_readers() {
    local round number reader_jobs=100000
    # Each holds a snapshot for two seconds, again and again; between drains there is nothing to read.
    cat >"$folder/reader.sql" <<'SQL'
SET client_min_messages = fatal;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT id, status FROM chimera_bench.job_executions ORDER BY id DESC LIMIT 50;
SELECT status, count(*) FROM chimera_bench.job_live GROUP BY status;
SELECT pg_sleep(2);
COMMIT;
SELECT pg_sleep(0.5);
SQL
    for ((round = 1; round <= rounds; round++)); do
        say "horizon: round $round of $rounds, no reader"
        chimera_bench drain --jobs $reader_jobs
        add horizon_alone_rate "$(figure jobs_per_second)"
        say "horizon: round $round of $rounds, four readers"
        for number in 1 2 3 4; do
            # shellcheck disable=SC2016 # the inner shell's own words
            start "reader-$number" bash -c 'while :; do psql -X -q -A -t -f "$1" >/dev/null 2>&1 || exit 1; done' read "$folder/reader.sql"
        done
        chimera_bench drain --jobs $reader_jobs
        add horizon_read_rate "$(figure jobs_per_second)"
        for number in 1 2 3 4; do
            is_alive "reader-$number" || fail "a reader ended." "reader-$number"
            kill -TERM -- "-${pid_of[reader-$number]}"
            stop "reader-$number" || true
        done
    done
    say ""
    cat <<TABLE

### horizon: four repeatable-read readers over the queue's tables, $(grouped $reader_jobs) jobs, one worker

| | median, jobs a second | spread | ratio |
|---|---|---|---|
| no reader | $(grouped "$(whole horizon_alone_rate)") | $(spread horizon_alone_rate %.0f) | |
| four readers | $(grouped "$(whole horizon_read_rate)") | $(spread horizon_read_rate %.0f) | **$(ratio horizon_read_rate horizon_alone_rate)** |
TABLE
}

# MARK: overload and restart

# Jobs of 10 ms in 16 slots: what one worker can do is set by its slots, so that 1.5 times as much can be asked for on any machine.
bench_overload() {
    local capacity asked began ended before during after recovered late outage resumed
    fresh_database
    sql -c "INSERT INTO job_configurations (name, job_type, config) VALUES ('drill', 'NOOP', '{\"sleep_ms\": 10}')"
    # Ten rows at a time: asking for so many is not to take the machine from those who do them.
    echo 'INSERT INTO job_executions (job_config_id) SELECT 1 FROM generate_series(1, 10);' >"$folder/ten.sql"
    start_workers 1
    say "horizon: what the worker can do"
    enqueue_drills 16000
    eventually 120 is_drained || fail "the worker does not drain." worker-1
    capacity=$(sql -c "SELECT round(count(*) / extract(epoch FROM max(finished_at) - min(started_at))) FROM job_executions")
    before=$(start_of_single_jobs)
    asked=$((capacity * 3 / 2))
    say "horizon: $asked a second for $overload s"
    began=$(moment)
    pgbench -n -M prepared -c 4 -j 2 -R $((asked / 10)) -T "$overload" -f "$folder/ten.sql" >"$folder/pgbench.log" 2>&1 || fail "pgbench failed." pgbench
    ended=$(moment)
    late=$(sql -c 'SELECT count(*) FROM job_live')
    during=$(finished_between "$began" "$ended" 0 0)
    say "horizon: $late left"
    eventually 1200 is_drained || fail "the worker does not drain." worker-1
    # While there is a backlog, at most five seconds.
    recovered=$(sql -c "SELECT round(count(*) / extract(epoch FROM least(max(finished_at), '$ended'::timestamptz + interval '5 seconds') - '$ended'::timestamptz))
        FROM job_executions WHERE finished_at BETWEEN '$ended' AND '$ended'::timestamptz + interval '5 seconds'")
    after=$(start_of_single_jobs)
    add horizon_capacity "$capacity"
    add horizon_asked "$(sql -c "SELECT round(count(*) / extract(epoch FROM '$ended'::timestamptz - '$began'::timestamptz)) FROM job_executions
        WHERE created_at BETWEEN '$began' AND '$ended'")"
    add horizon_backlog "$late"
    add horizon_during "$during"
    add horizon_recovered "$recovered"
    add horizon_start_before "$before"
    add horizon_start_after "$after"

    say "horizon: a restart of PostgreSQL"
    enqueue_drills $((capacity * 15))
    sleep 5
    began=$(moment)
    restart_postgres
    eventually 120 is_drained || fail "the worker does not drain after the restart." worker-1
    resumed=$(sql -c "SELECT min(finished_at) FROM job_executions WHERE started_at > '$began'")
    outage=$(sql -c "SELECT round(extract(epoch FROM '$resumed'::timestamptz - '$began'::timestamptz), 2)")
    add horizon_restart_before "$(finished_between "$began" "$began" -3 0)"
    add horizon_restart_after "$(finished_between "$resumed" "$resumed" 0 3)"
    add horizon_restart_outage "$outage"
    [[ $(sql -c "SELECT bool_and(status = 'SUCCESS') FROM job_executions") == t ]] || fail "not every execution succeeded." worker-1
    end_workers 1
    say ""
    cat <<TABLE

### horizon: jobs of 10 ms in 16 slots, 1.5 times as many as one worker can do for $overload s, then a restart of PostgreSQL

| | jobs a second | of what it can do |
|---|---|---|
| what it can do | $(whole horizon_capacity) | |
| overload: asked for | $(whole horizon_asked) | $(ratio horizon_asked horizon_capacity) |
| overload: done | $(whole horizon_during) | **$(ratio horizon_during horizon_capacity)** |
| in the first 5 s after it, $(grouped "$late") left | $(whole horizon_recovered) | **$(ratio horizon_recovered horizon_capacity)** |
| in the 3 s before the restart | $(whole horizon_restart_before) | $(ratio horizon_restart_before horizon_capacity) |
| in the 3 s after the first end after it, $(median horizon_restart_outage) s after it began | $(whole horizon_restart_after) | **$(ratio horizon_restart_after horizon_capacity)** |

From the INSERT's begin to the start of a single job, by PostgreSQL's clock: $before ms before the overload, $after ms after it (medians of 20).
TABLE
}

enqueue_drills() { sql -c "INSERT INTO job_executions (job_config_id) SELECT 1 FROM generate_series(1, $1)"; }
is_drained() { sleep 0.2; [[ $(sql -c 'SELECT count(*) FROM (SELECT FROM job_live LIMIT 1) AS l') -eq 0 ]]; }
moment() { sql -c 'SELECT clock_timestamp()'; }

# finished_between MOMENT MOMENT SECONDS SECONDS: ends a second from the first moment to the second, each moved by its seconds.
finished_between() {
    sql -c "SELECT round(count(*) / extract(epoch FROM b - a)) FROM job_executions,
        (SELECT '$1'::timestamptz + interval '$3 seconds' AS a, '$2'::timestamptz + interval '$4 seconds' AS b) AS span
        WHERE finished_at BETWEEN a AND b GROUP BY a, b"
}

# Single jobs on the idle worker: the median time from created_at to started_at in ms. One session inserts all of them, and the first
# five, which find it cold, do not count.
start_of_single_jobs() {
    local number
    for ((number = 1; number <= 25; number++)); do
        printf '%s;\n' 'INSERT INTO job_executions (job_config_id) VALUES (1)' 'SELECT pg_sleep(0.1)'
    done | sql >/dev/null
    eventually 20 is_drained || fail "the worker does not drain." worker-1
    sql -c "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) * 1000)::numeric, 2)
        FROM (SELECT started_at, created_at FROM job_executions ORDER BY id DESC LIMIT 20) AS e"
}
