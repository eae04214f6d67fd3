#!/usr/bin/env bash
# Sourced by bench: syncs of many stores against curl reading the same pages, and of one large store.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

# Runs one sync of all stores by $1 workers; sets seconds (from the first store's start, a login before its first request, to the last one's
# verification), whole_seconds (from the INSERT to the parent's end), cpu, peak. Everything must have been published.
run_sync() {
    local workers=$1 stores=$2 products=$3 concurrency=$4 execution status
    fresh_database
    sandbox_request POST /_sandbox/reset >/dev/null
    configure_partners "$concurrency" 1000000 >/dev/null
    sql -c "INSERT INTO job_configurations (name, job_type, time_zone) VALUES ('sync-products', 'SYNC_PRODUCTS', '$zone')"
    start_workers "$workers"
    run_to_end 'SELECT id FROM job_configurations' || fail "the sync did not end within ten minutes." worker-1
    IFS=$'\t' read -r seconds whole_seconds < <(sql -c "
        SELECT round(extract(epoch FROM (SELECT max(verified_at) FROM campaigns)
            - (SELECT min(started_at) FROM job_executions WHERE parent_id = '$execution')), 3), round(extract(epoch FROM finished_at - created_at), 3)
        FROM job_executions WHERE id = '$execution'")
    end_workers "$workers"
    status=$(sql -c "
        SELECT e.status = 'SUCCESS' AND (e.metrics #>> '{products,fetched}')::int = $stores * $products
          AND (SELECT count(*) FROM campaigns WHERE status = 'VERIFIED') = $stores
          AND (SELECT sum(line_count) FROM campaigns) = (e.metrics #>> '{products,verified}')::int
          AND (SELECT count(*) FROM products) = (e.metrics #>> '{products,accepted}')::int
        FROM job_executions AS e WHERE id = '$execution'")
    [[ $status == t ]] || fail "the sync is not complete: $(sql -c "SELECT status, metrics, error_details FROM job_executions WHERE id = '$execution'")" worker-1
}

# Runs the job whose id the query $1 gives and waits until nothing is live, ten minutes at most, in one session: a client started for every look would
# cost as much as three stores. Sets execution.
run_to_end() {
    execution=$(sql -c "INSERT INTO job_executions (job_config_id) $1 RETURNING id" -c "
        DO \$\$ BEGIN
          FOR look IN 1..6000 LOOP
            IF NOT EXISTS (SELECT FROM job_live) THEN RETURN; END IF;
            COMMIT;
            PERFORM pg_sleep(0.1);
          END LOOP;
          RAISE 'it goes on';
        END \$\$")
}

bench_sync() {
    local stores=50 products=2000 parallel=8 round places latency
    start_sandbox --stores $stores --products $products --latency-ms 5 || fail "the sandbox does not start." sandbox
    say "sync: collects the pages' addresses"
    collect_pages
    run_curl $parallel
    for ((round = 1; round <= rounds; round++)); do
        say "sync: round $round of $rounds, two workers"
        run_sync 2 $stores $products $parallel
        add sync_seconds "$seconds"
        add sync_whole_seconds "$whole_seconds"
        add sync_peak_megabytes "$peak"
        add sync_cpu_per_10000 "$(calculate "$cpu / ($stores * $products / 10000)" %.3f)"
        say "sync: round $round of $rounds, curl"
        run_curl $parallel
        add sync_curl_seconds "$seconds"
    done
    say "sync: parses a page again and again"
    parse_page
    for places in 1 2 4; do
        for ((round = 1; round <= rounds; round++)); do
            say "sync: $places at a time, round $round of $rounds, two workers"
            run_sync 2 $stores $products $places
            add "sync_seconds_by_$places" "$seconds"
            say "sync: $places at a time, round $round of $rounds, curl"
            run_curl $places
            add "sync_curl_seconds_by_$places" "$seconds"
        done
    done
    stop sandbox || true
    # One round each tells what the partner's distance does.
    for latency in 0 50; do
        start_sandbox --stores $stores --products $products --latency-ms $latency || fail "the sandbox does not start." sandbox
        retarget_pages
        say "sync: latency $latency ms, two workers"
        run_sync 2 $stores $products $parallel
        add "sync_seconds_at_${latency}_ms" "$seconds"
        say "sync: latency $latency ms, curl"
        run_curl $parallel
        add "sync_curl_seconds_at_${latency}_ms" "$seconds"
        stop sandbox || true
    done
    say ""
    cat <<TABLE

### sync: $stores stores × $(grouped $products) products, $megabytes MB of pages, latency 5 ms, $parallel stores at a time

| | median | spread |
|---|---|---|
| two workers, from the first store's start to the last one's verification | $(calculate "$(median sync_seconds)") s | $(spread sync_seconds) |
| curl, the same pages | $(calculate "$(median sync_curl_seconds)") s | $(spread sync_curl_seconds) |
| ratio | **$(ratio sync_seconds sync_curl_seconds)** | |
| the same from the INSERT to the parent's end | $(calculate "$(median sync_whole_seconds)") s | $(spread sync_whole_seconds) |
| 1 store at a time: two workers, curl, ratio | $(ratio_row by_1) | $(spread sync_seconds_by_1) |
| 2 at a time | $(ratio_row by_2) | $(spread sync_seconds_by_2) |
| 4 at a time, as by default | $(ratio_row by_4) | $(spread sync_seconds_by_4) |
| latency 0 ms, 8 at a time, one round | $(ratio_row at_0_ms) | |
| latency 50 ms, 8 at a time, one round | $(ratio_row at_50_ms) | |
| peak RSS of the larger worker | $(median sync_peak_megabytes) MB | $(spread sync_peak_megabytes %.1f) |
| CPU of both workers, 10,000 products | $(calculate "$(median sync_cpu_per_10000)" %.3f) s | $(spread sync_cpu_per_10000 %.3f) |
| pages parsed into typed products on one core | $(calculate "$(median sync_parsed_megabytes_per_second)" %.0f) MB/s | |
TABLE
}

# Both figures' medians, and their ratio.
ratio_row() {
    printf '%s s, %s s, %s' "$(calculate "$(median "sync_seconds_$1")")" "$(calculate "$(median "sync_curl_seconds_$1")")" \
        "$(ratio "sync_seconds_$1" "sync_curl_seconds_$1")"
}

# The first page of the first store, as often as it goes within two seconds, the network left out.
parse_page() {
    local pages url
    pages=("$folder/pages"/*)
    url=$(sed -n -E '/^url/{s/^url = "(.*)"$/\1/p;q}' "${pages[0]}")
    curl -sS --fail --noproxy '*' -H "token: $(rp_token)" -o "$folder/page.json" "$url" || fail "the first page cannot be read."
    chimera bench pages --page "$folder/page.json" --json >"$folder/bench.json" 2>"$folder/bench.log" || fail "chimera bench pages failed." bench
    add sync_parsed_megabytes_per_second "$(figure megabytes_per_second)"
}

bench_store() {
    local products=20897 round
    start_sandbox --stores 1 --products $products || fail "the sandbox does not start." sandbox
    for ((round = 1; round <= rounds; round++)); do
        say "store: round $round of $rounds"
        run_sync 1 1 $products 4
        add store_seconds "$whole_seconds"
        add store_peak_megabytes "$peak"
        add store_cpu_seconds "$cpu"
    done
    stop sandbox || true
    say ""
    cat <<TABLE

### store: one store of $(grouped $products) products, one worker

| | median | spread |
|---|---|---|
| peak RSS | $(median store_peak_megabytes) MB | $(spread store_peak_megabytes %.1f) |
| CPU of the worker | $(median store_cpu_seconds) s | $(spread store_cpu_seconds) |
| INSERT to the parent's end | $(calculate "$(median store_seconds)") s | $(spread store_seconds) |
TABLE
}
