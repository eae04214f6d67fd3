#!/usr/bin/env bash
# Sourced by bench: rate, latency and cost of a job as the tables grow.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

bench_history() {
    local round count counts=("$((history / 10))" "$history")
    for ((round = 1; round <= rounds; round++)); do
        # The empty tables in every round: the others are compared with them.
        for count in 0 "${counts[@]}"; do
            say "history: round $round of $rounds, $(grouped "$count") finished"
            add_drain history "$count" --jobs "$jobs" --finished "$count"
        done
        for count in 100 10000; do
            say "history: round $round of $rounds, $(grouped $count) configurations"
            add_drain configurations $count --jobs "$jobs" --configurations $count
        done
    done
    for count in 0 "$history"; do
        say "history: latency with $(grouped "$count") finished"
        chimera_bench latency --samples 200 --finished "$count"
        add "history_p50_$count" "$(figure p50_ms)"
        add "history_bare_p50_$count" "$(figure bare_p50_ms)"
        add "history_p99_$count" "$(figure p99_ms)"
    done
    say "history: latency with 10,000 configurations"
    chimera_bench latency --samples 200 --configurations 10000
    add configurations_p50_10000 "$(figure p50_ms)"
    add configurations_p99_10000 "$(figure p99_ms)"
    say "history: $(grouped "$due") due"
    add_drain due "$due" --jobs "$due"
    say ""
    cat <<TABLE

### history: $(grouped "$jobs") NOOP executions and one worker, as the tables grow

| | median, jobs a second | spread | of that with empty tables | CPU a job, workers + PostgreSQL | start of a job, p50 / p99 |
|---|---|---|---|---|---|
$(growth_row "empty tables" history 0)
$(for count in "${counts[@]}"; do growth_row "$(grouped "$count") finished executions" history "$count"; done)
$(growth_row "100 job configurations" configurations 100)
$(growth_row "10,000 job configurations" configurations 10000)
$(growth_row "$(grouped "$due") due, one run" due "$due")
TABLE
}

# growth_row WHAT PREFIX ENDING
growth_row() {
    local rate=$2_rate_$3 share latency=
    if [[ $2 == due ]]; then
        share=$(calculate "$(median "$rate") / $(median history_rate_0)")
    else
        share=$(ratio "$rate" history_rate_0)
    fi
    [[ -z ${figures[$2_p50_$3]-} ]] || latency="$(calculate "$(median "$2_p50_$3")") / $(calculate "$(median "$2_p99_$3")") ms"
    printf '| %s | %s | %s | **%s** | %s + %s µs | %s |\n' "$1" "$(grouped "$(whole "$rate")")" "$(spread "$rate" %.0f)" "$share" \
        "$(median "$2_worker_cpu_us_$3")" "$(median "$2_postgres_cpu_us_$3")" "$latency"
}
