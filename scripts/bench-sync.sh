#!/usr/bin/env bash
# Sourced by bench: syncs of many stores against curl reading the same pages, and of one large store.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

# Runs one sync of all stores by $1 workers; sets seconds, cpu, peak. Everything must have been published.
run_sync() {
    local workers=$1 stores=$2 products=$3 concurrency=$4 execution status
    fresh_database
    sandbox_request POST /_sandbox/reset >/dev/null
    configure_partners "$concurrency" 1000000 >/dev/null
    sql -c "INSERT INTO job_configurations (name, job_type, time_zone) VALUES ('sync-products', 'SYNC_PRODUCTS', '$zone')"
    start_workers "$workers"
    execution=$(sql -c 'INSERT INTO job_executions (job_config_id) SELECT id FROM job_configurations RETURNING id')
    await_end "$execution" || fail "the sync did not end within ten minutes." worker-1
    seconds=$(sql -c "SELECT round(extract(epoch FROM finished_at - created_at), 3) FROM job_executions WHERE id = '$execution'")
    end_workers "$workers"
    status=$(sql -c "
        SELECT e.status = 'SUCCESS' AND (e.metrics #>> '{products,fetched}')::int = $stores * $products
          AND (SELECT count(*) FROM campaigns WHERE status = 'VERIFIED') = $stores
          AND (SELECT sum(line_count) FROM campaigns) = (e.metrics #>> '{products,verified}')::int
          AND (SELECT count(*) FROM products) = (e.metrics #>> '{products,accepted}')::int
        FROM job_executions AS e WHERE id = '$execution'")
    [[ $status == t ]] || fail "the sync is not complete: $(sql -c "SELECT status, metrics, error_details FROM job_executions WHERE id = '$execution'")" worker-1
}

# Waits for an execution's end, ten minutes at most, in one session: a client started for every look would cost as much as three stores.
await_end() {
    sql -c "
        DO \$\$ BEGIN
          FOR look IN 1..6000 LOOP
            IF EXISTS (SELECT FROM job_executions WHERE id = '$1' AND status IN ('SUCCESS', 'FAILED', 'CANCELLED')) THEN RETURN; END IF;
            COMMIT;
            PERFORM pg_sleep(0.1);
          END LOOP;
          RAISE 'it goes on';
        END \$\$" 2>/dev/null
}

bench_sync() {
    local stores=50 products=2000 parallel=8 round latency
    start_sandbox --stores $stores --products $products --latency-ms 5 || fail "the sandbox does not start." sandbox
    say "sync: collects the pages' addresses"
    collect_pages
    run_curl $parallel
    for ((round = 1; round <= rounds; round++)); do
        say "sync: round $round of $rounds, two workers"
        run_sync 2 $stores $products $parallel
        add sync_seconds "$seconds"
        add sync_peak_megabytes "$peak"
        add sync_cpu_per_10000 "$(calculate "$cpu / ($stores * $products / 10000)" %.3f)"
        say "sync: round $round of $rounds, curl"
        run_curl $parallel
        add sync_curl_seconds "$seconds"
    done
    say "sync: parses a page again and again"
    parse_page
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
| two workers, INSERT to the parent's end | $(calculate "$(median sync_seconds)") s | $(spread sync_seconds) |
| curl, the same pages | $(calculate "$(median sync_curl_seconds)") s | $(spread sync_curl_seconds) |
| ratio | **$(ratio sync_seconds sync_curl_seconds)** | |
| latency 0 ms, one round: two workers, curl, ratio | $(latency_row 0) | |
| latency 50 ms, one round: the same | $(latency_row 50) | |
| peak RSS of the larger worker | $(median sync_peak_megabytes) MB | $(spread sync_peak_megabytes %.1f) |
| CPU of both workers, 10,000 products | $(calculate "$(median sync_cpu_per_10000)" %.3f) s | $(spread sync_cpu_per_10000 %.3f) |
| pages parsed into typed products on one core | $(calculate "$(median sync_parsed_megabytes_per_second)" %.0f) MB/s | |
TABLE
}

latency_row() {
    printf '%s s, %s s, %s' "$(calculate "$(median "sync_seconds_at_$1_ms")")" "$(calculate "$(median "sync_curl_seconds_at_$1_ms")")" \
        "$(ratio "sync_seconds_at_$1_ms" "sync_curl_seconds_at_$1_ms")"
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
        add store_seconds "$seconds"
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
