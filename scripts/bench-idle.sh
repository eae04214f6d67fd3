#!/usr/bin/env bash
# Sourced by bench: a worker that has nothing to do, and many schedules that are due at once.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

bench_idle() {
    local seconds=30 pid calls cpu most
    # Loaded for this subject alone: counting slows every statement a little.
    restart_postgres "shared_preload_libraries = 'pg_stat_statements'"
    fresh_database
    sql -c 'CREATE EXTENSION pg_stat_statements'
    start_workers 1
    pid=${pid_of[worker-1]}
    say "idle: settles"
    sleep 5
    say "idle: $seconds s"
    cpu=$(cpu_seconds "$pid")
    sql -c 'SELECT pg_stat_statements_reset()' >/dev/null
    sleep $seconds
    calls=$(sql -c "SELECT coalesce(sum(calls), 0) FROM ($idle_statements) AS s")
    add idle_cpu_share "$(calculate "($(cpu_seconds "$pid") - $cpu) / $seconds" %.5f)"
    add idle_statements "$(calculate "$calls / $seconds")"
    add idle_megabytes "$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")"
    most=$(sql -c "SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 70), calls / $seconds.0 FROM ($idle_statements) AS s ORDER BY calls DESC LIMIT 6")
    end_workers 1
    restart_postgres
    say ""
    cat <<TABLE

### idle: one worker with nothing to do, $seconds s

| | |
|---|---|
| statements a second | **$(median idle_statements)** |
| CPU, share of a core | **$(calculate "$(median idle_cpu_share) * 100") %** |
| RSS | **$(median idle_megabytes) MB** |

| the most frequent statements | a second |
|---|---|
$(printf '%s' "$most" | awk -F '\t' '{ printf "| `%s` | %.2f |\n", $1, $2 }')
TABLE
}

# What clients of this database sent since the counters were reset, the questions about it left out.
readonly idle_statements="SELECT query, calls FROM pg_stat_statements JOIN pg_database AS d ON d.oid = dbid
    WHERE datname = current_database() AND toplevel AND query NOT LIKE '%pg_stat_statements%'"

bench_schedules() {
    local round count=10000 complete
    for ((round = 1; round <= rounds; round++)); do
        say "schedules: round $round of $rounds"
        # All of them have to be planned before they are due: a busy machine gets more time.
        plan_schedules $count 8 || plan_schedules $count 30 || plan_schedules $count 120 ||
            fail "$count schedules took longer to plan than two minutes." scheduler
        eventually 60 schedules_enqueued $count || fail "the scheduler does not enqueue." scheduler
        add schedules_seconds "$(sql -c "SELECT round(extract(epoch FROM clock_timestamp() - '$due'::timestamptz), 2)")"
        complete=$(sql -c "SELECT (SELECT count(*) = $count AND count(DISTINCT job_config_id) = $count AND bool_and(scheduled_for = '$due') FROM job_executions)
            AND (SELECT count(*) = $count AND bool_and(outcome = 'ENQUEUED' AND due_at = '$due') FROM schedule_ticks)")
        [[ $complete == t ]] || fail "not every schedule was enqueued once." scheduler
        stop scheduler || fail "the scheduler did not leave with 0." scheduler
    done
    say ""
    cat <<TABLE

### schedules: $(grouped $count) schedules due in the same second, one scheduler

| | median | spread |
|---|---|---|
| from the second to the last row (looked for every 0.05 s), each once | **$(calculate "$(median schedules_seconds)") s** | $(spread schedules_seconds) |
TABLE
}

# One database with COUNT schedules that are due in SECONDS, and a scheduler that has planned them before: sets due.
plan_schedules() {
    local pattern
    if is_alive scheduler; then stop scheduler || true; fi
    fresh_database
    IFS=$'\t' read -r due pattern < <(sql -c "SELECT d AT TIME ZONE 'UTC', to_char(d, 'SS MI HH24') || ' * * *'
        FROM (SELECT date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC') + interval '$2 seconds') AS t(d)")
    sql -c "INSERT INTO job_configurations (name, job_type, cron_pattern, time_zone)
        SELECT 'noop-' || n, 'NOOP', '$pattern', 'UTC' FROM generate_series(1, $1) AS n"
    start scheduler chimera scheduler
    eventually 200 schedules_planned "$1" || fail "the scheduler does not plan." scheduler
    [[ $(sql -c "SELECT clock_timestamp() < '$due'") == t ]]
}

schedules_planned() { [[ $(sql -c "SELECT count(*) FROM job_schedules WHERE next_due_at IS NOT NULL") -eq $1 ]]; }
schedules_enqueued() { [[ $(sql -c 'SELECT count(*) FROM job_executions') -ge $1 ]]; }
