#!/usr/bin/env bash
# Sourced by bench: what one more worker costs PostgreSQL, measured beside up to 400 workers that are simulated by the sessions they keep.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

readonly crowds=(0 50 200 400)

bench_scale() {
    local crowd seconds=5 cpu
    restart_postgres max_connections=1000
    fresh_database
    sql -c "INSERT INTO job_configurations (name, job_type) VALUES ('noop', 'NOOP')"
    say "scale: sessions of a worker"
    start_workers 1
    add_run 20000
    add scale_sessions_busy "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'chimera worker%'")"
    add scale_session_megabytes "$(session_megabytes)"
    say "scale: claims that find nothing"
    sql -c "INSERT INTO workers (id, host, pid, version, lease_until, slots) VALUES ('$simulated', 'simulated', 1, '', 'infinity', 16)"
    # Behind everything: nothing is due there. It looks at the lease, at what limits hold back, and into the queue's index.
    cat >"$folder/look.sql" <<SQL
SELECT FROM claim_executions('$simulated', 16, 32767::smallint, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
SQL
    printf '%s\n' "$(<"$folder/look.sql")" '\sleep 1 s' >"$folder/poll.sql"
    printf '%s\n' 'LISTEN chimera_jobs;' '\sleep 1000 s' >"$folder/listen.sql"
    echo 'INSERT INTO job_executions (job_config_id) VALUES (1);' >"$folder/single.sql"
    run_looks
    for crowd in "${crowds[@]}"; do
        say "scale: beside $crowd workers"
        if ((crowd > 0)); then
            start listeners pgbench -n -c "$crowd" -j 2 -T 3600 -f "$folder/listen.sql"
            start pollers pgbench -n -M prepared -c "$crowd" -j 2 -T 3600 -f "$folder/poll.sql"
            eventually 60 crowd_is_there "$crowd" || fail "the simulated workers do not connect." pollers
            # Until every session has made its plans.
            sleep 8
        fi
        cpu=$(postgres_cpu)
        sleep $seconds
        add "scale_idle_cpu_$crowd" "$(calculate "($(postgres_cpu) - $cpu) / $seconds" %.4f)"
        add_start "$crowd"
        add_run 30000
        add "scale_rate_$crowd" "$rate"
        run_singles
        add "scale_singles_$crowd" "$rate"
        eventually 120 is_drained || fail "the worker does not drain." worker-1
        if ((crowd > 0)); then
            stop listeners || true
            stop pollers || true
        fi
    done
    end_workers 1
    restart_postgres
    say ""
    cat <<TABLE

### scale: what a worker costs PostgreSQL, one run

| | |
|---|---|
| sessions of a busy worker with 16 slots | $(median scale_sessions_busy) |
| memory of one such session of PostgreSQL that nobody shares | $(calculate "$(median scale_session_megabytes)" %.1f) MB |
| claims that find nothing, 2 clients that fill $(nproc) cores | $(grouped "$(whole scale_looks)") a second |

| one worker beside simulated ones (a session that listens, another that looks every second) | PostgreSQL's CPU while nothing is due, share of a core | INSERT to start of a single job | drain of 30,000 | single INSERTs by 4 clients while it works |
|---|---|---|---|---|
$(for crowd in "${crowds[@]}"; do
        printf '| %d | %s %% | %s ms | %s a second | %s a second |\n' "$crowd" "$(calculate "$(median "scale_idle_cpu_$crowd") * 100" %.1f)" \
            "$(calculate "$(median "scale_start_$crowd")")" "$(grouped "$(whole "scale_rate_$crowd")")" "$(grouped "$(whole "scale_singles_$crowd")")"
    done)
TABLE
}

readonly simulated=00000000-0000-7000-8000-000000000001

crowd_is_there() { [[ $(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND state IS NOT NULL") -ge $(($1 * 2)) ]]; }

# The mean of what belongs to a session's process alone: what all share (the buffers, the program) is left out.
session_megabytes() {
    sql -c "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'chimera worker%'" | while read -r pid; do
        cat "/proc/$pid/smaps_rollup" 2>/dev/null || sudo cat "/proc/$pid/smaps_rollup"
    done | awk '/^Private/ { kilobytes += $2 } /^Rss/ { count++ } END { printf "%.2f", kilobytes / count / 1024 }'
}

# CPU seconds of all processes of the server, to the microsecond: ticks would miss what takes less than one.
postgres_cpu() {
    local server
    server=$(head -n 1 "$PGHOST/data/postmaster.pid")
    # shellcheck disable=SC2046 # a file for each process
    awk '{ nanoseconds += $1 } END { printf "%.4f", nanoseconds / 1e9 }' "/proc/$server/schedstat" \
        $(sed -E 's@([0-9]+) *@/proc/\1/schedstat @g' "/proc/$server/task/$server/children") 2>/dev/null
}

run_looks() {
    pgbench -n -M prepared -c 2 -j 2 -T 3 -f "$folder/look.sql" >"$folder/pgbench.log" 2>&1 || fail "pgbench failed." pgbench
    add scale_looks "$(awk '/^tps/ { printf "%.0f", $3 }' "$folder/pgbench.log")"
}

# Puts so many executions into the queue and waits for them: sets rate.
add_run() {
    local first
    first=$(sql -c "SELECT uuid_v7_floor(clock_timestamp())")
    sql -c "INSERT INTO job_executions (job_config_id) SELECT 1 FROM generate_series(1, $1)"
    eventually 120 is_drained || fail "the worker does not drain." worker-1
    rate=$(sql -c "SELECT round(count(*) / extract(epoch FROM max(finished_at) - min(started_at))) FROM job_executions WHERE id >= '$first'")
}

add_start() { add "scale_start_$1" "$(start_of_single_jobs)"; }
