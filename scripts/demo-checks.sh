#!/usr/bin/env bash
# Sourced by demo, after which sandbox.sh is too: the demo's configuration, and views that hold the sandbox's word against our tables.
source "$(dirname -- "${BASH_SOURCE[0]}")/sandbox.sh"

# Checks a boolean expression in the database; `holds SENTENCE EXPRESSION`.
holds() {
    local answer
    answer=$(sql -c "SELECT coalesce(($2), false)") || answer=error
    if [[ $answer == t ]]; then held "$1"; else broken "$1"; fi
}

# Keeps what the sandbox says it received and holds, for the checks that follow: `record MOMENT`.
record() {
    sandbox_request GET '/_sandbox/state?lines=1' >"$folder/state.json"
    sql -v moment="$1" -v file="$folder/state.json" <<'SQL'
\set state `cat :'file'`
INSERT INTO demo.record (moment, state) VALUES (:'moment', :'state'::jsonb);
SQL
}

# The rows that an operator would write, and a place for what the sandbox says of itself.
configure() {
    configure_partners 4 6000 >"$folder/configure.log" 2>&1 || give_up "the configuration is refused" configure
    sql -v zone="$zone" <<'SQL' >"$folder/configure.log" 2>&1 || give_up "the configuration is refused" configure
BEGIN;
INSERT INTO job_configurations (name, job_type, time_zone, max_attempts, retry_delay_seconds)
VALUES ('sync-products', 'SYNC_PRODUCTS', :'zone', 2, 1);

CREATE SCHEMA demo;
COMMENT ON SCHEMA demo IS 'What the sandbox says it received and holds, for the checks of scripts/demo; not part of Chimera';
CREATE TABLE demo.record (moment text PRIMARY KEY, state jsonb NOT NULL);
CREATE VIEW demo.read AS
  SELECT moment, registration, (entry ->> 'products')::int AS products
  FROM demo.record, jsonb_each(state #> '{rp,stores}') AS s(registration, entry);
CREATE VIEW demo.uploads AS
  SELECT moment, registration, (upload ->> 'line_count')::int AS line_count
  FROM demo.record, jsonb_array_elements(state #> '{crescevendas,uploads}') AS upload,
    jsonb_array_elements_text(upload -> 'registrations') AS registration;
CREATE VIEW demo.lines AS
  SELECT moment, registration, campaign ->> 'name' AS campaign, (line ->> 'code')::bigint AS code,
    (line ->> 'price')::numeric(12,2) AS price, (line ->> 'final_price')::numeric(12,2) AS final_price, (line ->> 'limit')::int AS quantity_limit
  FROM demo.record, jsonb_each(state #> '{crescevendas,campaigns}') AS c(registration, campaigns),
    jsonb_array_elements(campaigns) AS campaign, jsonb_array_elements(campaign -> 'lines') AS line;
-- One row a store of a sync: what it did and how it ended.
CREATE VIEW demo.runs AS
  SELECT e.parent_id, s.id AS store_id, s.name, s.registration, e.status, e.attempt, e.worker, e.error_details,
    coalesce((m ->> 'fetched')::int, 0) AS read, coalesce((m ->> 'accepted')::int, 0) AS accepted,
    coalesce((m ->> 'uploaded')::int, 0) AS uploaded, coalesce((m ->> 'verified')::int, 0) AS verified,
    coalesce((SELECT sum(value::int) FROM jsonb_each_text(m -> 'rejected')), 0) AS rejected,
    (SELECT string_agg(key || ' ' || value, ', ' ORDER BY value::int DESC, key) FROM jsonb_each_text(m -> 'rejected')) AS reasons
  FROM job_executions AS e JOIN stores AS s ON s.id = e.store_id CROSS JOIN LATERAL (SELECT e.metrics -> 'products') AS p(m);
COMMIT;
SQL
}

# The partner's campaigns, line by line, against the table of products; both ways.
listing_equals_products() {
    holds "what CresceVendas lists equals the products table, line by line, both ways" "
        WITH theirs AS (SELECT registration, code, price, final_price, quantity_limit FROM demo.lines WHERE moment = '$1'),
          ours AS (SELECT s.registration, p.code, p.price, p.final_price, p.quantity_limit FROM products AS p JOIN stores AS s ON s.id = p.store_id)
        SELECT (SELECT count(DISTINCT registration) FROM ours) = $stores AND (SELECT count(*) FROM theirs) = (SELECT count(*) FROM ours)
          AND NOT EXISTS (TABLE ours EXCEPT TABLE theirs)"
}

keep_products() {
    sql -c "CREATE TABLE demo.$1 AS SELECT store_id, code, name, barcode, price, final_price, quantity_limit, starts_at, expires_at FROM products"
}

# A line for each store of the sync `execution`.
print_stores() {
    local format='     %-18s %6s %9s %9s %9s %9s  %s\n' name read accepted rejected uploaded verified status why
    # shellcheck disable=SC2059 # one format for head and rows
    printf "$format" store read accepted rejected uploaded verified 'ended, and why products were rejected'
    # An empty column would vanish between two tabs.
    while IFS=$'\t' read -r name read accepted rejected uploaded verified status why; do
        # shellcheck disable=SC2059
        printf "$format" "$name" "$read" "$accepted" "$rejected" "$uploaded" "$verified" "$status  $why"
    done < <(sql -v execution="$execution" <<'SQL'
SELECT rpad(name, 18), to_char(read, 'FM999,990'), to_char(accepted, 'FM999,990'), to_char(rejected, 'FM999,990'), to_char(uploaded, 'FM999,990'),
  to_char(verified, 'FM999,990'), status,
  coalesce(nullif(concat_ws('; ', reasons, error_details ->> 'message'), ''), '-')
FROM demo.runs
WHERE parent_id = :'execution' ORDER BY store_id;
SQL
    )
}
