#!/usr/bin/env bash
# Sourced by bench: comparisons of stores that were published before, against curl reading both sides.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

# Adds each store's listing of today to the curl configuration of its pages.
collect_listings() {
    local base=http://127.0.0.1:$sandbox_port/crescevendas day email token document registration
    day=$(TZ=$zone date +%F)
    IFS=$'\t' read -r base email token < <(sql -c "
        SELECT base_url, config #>> '{auth_headers,X-AdminUser-Email}', config #>> '{auth_headers,X-AdminUser-Token}'
        FROM integrations WHERE type = 'CRESCEVENDAS'")
    while IFS=$'\t' read -r document registration; do
        printf '%s\n' next "header = \"X-AdminUser-Email: $email\"" "header = \"X-AdminUser-Token: $token\"" 'noproxy = "*"' silent show-error \
            fail 'write-out = "%{size_download}\n"' 'output = /dev/null' \
            "url = \"$base/admin/integrations/discount_stores?store_registration=$registration&start_date=${day}T00:01:00&end_date=${day}T23:59:00\"" \
            >>"$folder/pages/$document"
    done < <(sql -c 'SELECT document, registration FROM stores')
}

# Publishes once; the comparisons that follow find nothing. $1 workers, $2 stores, $3 products, $4 stores at a time.
publish_once() {
    run_sync "$1" "$2" "$3" "$4"
    sql -c "INSERT INTO job_configurations (name, job_type, time_zone) VALUES ('compare-data', 'COMPARE_DATA', '$zone')"
}

# Runs one comparison of all stores by $1 workers; sets seconds, cpu, peak. Nothing may differ, and nothing may be written.
run_compare() {
    local workers=$1 stores=$2 products=$3 execution status
    sql -c 'DELETE FROM workers' -c CHECKPOINT
    start_workers "$workers"
    run_to_end "SELECT id FROM job_configurations WHERE name = 'compare-data'" || fail "the comparison did not end within ten minutes." worker-1
    seconds=$(sql -c "SELECT round(extract(epoch FROM finished_at - created_at), 3) FROM job_executions WHERE id = '$execution'")
    end_workers "$workers"
    status=$(sql -c "
        SELECT e.status = 'SUCCESS' AND e.metrics ->> 'severity' = 'ok' AND e.metrics -> 'differences' = '{}'
          AND (e.metrics #>> '{products,fetched}')::int = $stores * $products
          AND (e.metrics #>> '{products,accepted}')::int = (SELECT count(*) FROM products)
          AND (e.metrics #>> '{products,listed}')::int = (SELECT count(*) FROM products)
          AND (SELECT count(*) FROM campaigns) = $stores
        FROM job_executions AS e WHERE id = '$execution'")
    [[ $status == t ]] || fail "the comparison is not complete: $(sql -c "SELECT status, metrics, error_details FROM job_executions WHERE id = '$execution'")" worker-1
}

bench_compare() {
    local stores=50 products=2000 parallel=8 large=20897 round
    start_sandbox --stores $stores --products $products --latency-ms 5 || fail "the sandbox does not start." sandbox
    say "compare: publishes and collects addresses"
    rm -rf "$folder/pages"
    collect_pages
    publish_once 2 $stores $products $parallel
    collect_listings
    run_curl $parallel
    for ((round = 1; round <= rounds; round++)); do
        say "compare: round $round of $rounds, two workers"
        run_compare 2 $stores $products
        add compare_seconds "$seconds"
        add compare_peak_megabytes "$peak"
        add compare_cpu_per_10000 "$(calculate "$cpu / ($stores * $products / 10000)" %.3f)"
        say "compare: round $round of $rounds, curl"
        run_curl $parallel
        add compare_curl_seconds "$seconds"
    done
    stop sandbox || true
    start_sandbox --stores 1 --products $large || fail "the sandbox does not start." sandbox
    say "compare: publishes the large store"
    publish_once 1 1 $large 4
    for ((round = 1; round <= rounds; round++)); do
        say "compare: round $round of $rounds, the large store"
        run_compare 1 1 $large
        add compare_large_seconds "$seconds"
        add compare_large_peak_megabytes "$peak"
        add compare_large_cpu_seconds "$cpu"
    done
    stop sandbox || true
    say ""
    cat <<TABLE

### compare: $stores stores × $(grouped $products) products, $megabytes MB of pages and listings, latency 5 ms, $parallel stores at a time

| | median | spread |
|---|---|---|
| two workers, INSERT to the parent's end | $(calculate "$(median compare_seconds)") s | $(spread compare_seconds) |
| curl, both sides | $(calculate "$(median compare_curl_seconds)") s | $(spread compare_curl_seconds) |
| ratio | **$(ratio compare_seconds compare_curl_seconds)** | |
| peak RSS of the larger worker | $(median compare_peak_megabytes) MB | $(spread compare_peak_megabytes %.1f) |
| CPU of both workers, 10,000 products | $(calculate "$(median compare_cpu_per_10000)" %.3f) s | $(spread compare_cpu_per_10000 %.3f) |
| one store of $(grouped $large) products, one worker: peak RSS | $(median compare_large_peak_megabytes) MB | $(spread compare_large_peak_megabytes %.1f) |
| the same: CPU of the worker | $(median compare_large_cpu_seconds) s | $(spread compare_large_cpu_seconds) |
| the same: INSERT to the parent's end | $(calculate "$(median compare_large_seconds)") s | $(spread compare_large_seconds) |
TABLE
}
