#!/usr/bin/env bash
# Sourced by demo, after which demo-checks.sh is too: the later steps (compare, messages, clean-up), and the stand-ins' word for each message.
source "$(dirname -- "${BASH_SOURCE[0]}")/demo-checks.sh"

# Rows that an operator would write: three channels, which all jobs use, and two further jobs.
configure_channels() {
    sql -v file="$folder/sandbox.json" -v zone="$zone" <<'SQL' >"$folder/configure.log" 2>&1 || give_up "the configuration is refused" configure
\set sandbox `cat :'file'`
BEGIN;
INSERT INTO notification_channels (name, type, config)
SELECT 'group', 'TELEGRAM', jsonb_build_object('bot_token', s #>> '{credentials,telegram,bot_token}',
  'chat_id', s #>> '{credentials,telegram,chat_id}', 'api_base_url', s ->> 'telegram')
FROM (SELECT :'sandbox'::jsonb) AS announcement(s);
INSERT INTO notification_channels (name, type, config)
SELECT 'mail', 'EMAIL', jsonb_build_object('smtp_url', s ->> 'smtp', 'username', s #>> '{credentials,smtp,username}',
  'password', s #>> '{credentials,smtp,password}', 'from', 'chimera@example.com', 'to', '["operator@example.com"]'::jsonb, 'ca_file', s ->> 'ca_file')
FROM (SELECT :'sandbox'::jsonb) AS announcement(s);
INSERT INTO notification_channels (name, type, config)
SELECT 'hook', 'WEBHOOK', jsonb_build_object('url', (s ->> 'webhook') || '/demo', 'secret', s #>> '{credentials,webhook,secret}',
  'allow_private_network', true)
FROM (SELECT :'sandbox'::jsonb) AS announcement(s);
INSERT INTO job_configurations (name, job_type, time_zone, config)
VALUES ('compare-data', 'COMPARE_DATA', :'zone', '{"notification_threshold": {"min_differences": 3}}'), ('cleanup-logs', 'CLEANUP_LOGS', :'zone', '{}');
COMMIT;
SQL
}

# Triggers a job, waits for its end; sets `execution`: `run_job NAME [PARAMS]`.
run_job() {
    local params=${2-'{}'}
    note "SELECT enqueue_job('$1'$([[ $params == '{}' ]] || echo ", params => '$params'"));"
    execution=$(sql -v job="$1" -v params="$params" <<<"SELECT enqueue_job(:'job', params => :'params');")
    chimera execution wait "$execution" --timeout 120 >"$folder/wait.log" 2>&1 || true
    note "$(sql -c "SELECT status FROM job_executions WHERE id = '$execution'") after $(seconds_so_far)"
}

# MARK: what the stand-ins received

# The decoded subject and text of the mail on standard input.
read_mail() {
    local word mail
    mail=$(tr -d '\r')
    printf 'Subject: '
    while IFS= read -r word; do
        if [[ $word == '=?UTF-8?B?'*'?=' ]]; then
            word=${word#'=?UTF-8?B?'}
            base64 -d <<<"${word%'?='}"
        else
            printf '%s' "$word"
        fi
    done < <(awk '/^$/ { exit } /^Subject: / { on = 1; print substr($0, 10); next } on && /^ / { print substr($0, 2); next } { on = 0 }' <<<"$mail")
    printf '\n\n'
    # The first part, quoted-printable.
    printf '%b\n' "$(awk '/^Content-Type: text\/plain/ { part = 1 } body && /^--/ { exit } body { print } part && /^$/ { body = 1 }' <<<"$mail" |
        sed -e ':join' -e '/=$/{N;s/=\n//;b join' -e '}' | sed -e 's/\\/\\\\/g' -e 's/=\([0-9A-F][0-9A-F]\)/\\x\1/g')"
}

messages_are_sent() {
    [[ $(sql -c "SELECT count(*) FROM notification_deliveries WHERE execution_id = '$execution' AND event = '$1' AND status = 'SENT'") -eq 3 ]]
}

# Waits until the execution's event is told, and takes what the stand-ins received last: `receive MOMENT EVENT TYPE WORDS`.
receive() {
    local moment=$1 event=$2 type=$3 words=$4
    eventually 60 messages_are_sent "$event" || give_up "not every channel was told $event" worker-1 worker-2
    record "$moment"
    sql -c "SELECT state #>> '{telegram,messages,-1,text}' FROM demo.record WHERE moment = '$moment'" >"$folder/telegram.txt"
    sql -c "SELECT state #>> '{smtp,mails,-1,data}' FROM demo.record WHERE moment = '$moment'" | read_mail >"$folder/mail.txt"
    sql -c "SELECT state #>> '{webhook,received,-1,body}' FROM demo.record WHERE moment = '$moment'" >"$folder/hook.txt"
    holds "Telegram took $event: \"$words\", as HTML that it can parse" "
        SELECT m ->> 'parse_mode' = 'HTML' AND (m ->> 'sent')::boolean AND strpos(m ->> 'shown', '$words') > 0
          AND strpos(m ->> 'shown', '$execution') > 0
        FROM (SELECT state #> '{telegram,messages,-1}' FROM demo.record WHERE moment = '$moment') AS last(m)"
    holds "the webhook received $type, with a signature that it verified" "
        SELECT jsonb_array_length(m -> 'signed_with') = 1 AND b ->> 'type' = '$type' AND b #>> '{data,execution_id}' = '$execution'
        FROM (SELECT state #> '{webhook,received,-1}' FROM demo.record WHERE moment = '$moment') AS last(m),
          LATERAL (SELECT (m ->> 'body')::jsonb) AS body(b)"
    if grep -qF "$words" "$folder/mail.txt" && grep -qF "$execution" "$folder/mail.txt" &&
        [[ $(sql -c "SELECT (state #>> '{smtp,mails,-1,tls}')::boolean FROM demo.record WHERE moment = '$moment'") == t ]]; then
        held "the mail arrived, by STARTTLS, and says the same"
    else
        broken "no mail says \"$words\", or it came without TLS"
    fi
    holds "none of them received anything twice" "
        SELECT jsonb_array_length(r.state #> '{telegram,messages}') = told.count AND jsonb_array_length(r.state #> '{smtp,mails}') = told.count
          AND jsonb_array_length(r.state #> '{webhook,received}') = told.count
        FROM demo.record AS r, (SELECT count(DISTINCT (execution_id, event)) FROM notification_deliveries) AS told WHERE r.moment = '$moment'"
}

print_message() {
    note "$1:"
    fold -s -w 130 "$2" | sed 's/^/     │ /; s/ *$//'
}

# MARK: the steps

compare_after_planting() {
    step "Compare: three differences are planted in the club, and the channels are told"
    local first third
    IFS=$'\t' read -r first third < <(sql -c "SELECT min(registration), max(registration) FROM stores")
    sql -v first="$first" -v third="$third" <<'SQL'
CREATE TABLE demo.planted AS
  SELECT s.id AS store_id, s.registration, p.code, p.price, p.final_price, k.kind
  FROM stores AS s CROSS JOIN LATERAL (SELECT *, row_number() OVER (ORDER BY code) AS place FROM products WHERE store_id = s.id LIMIT 2) AS p
  JOIN (VALUES (1, 'MISSING_IN_TARGET'), (2, 'FINAL_PRICE')) AS k(place, kind) ON k.place = p.place
  WHERE s.registration = :'first'
  UNION ALL SELECT id, registration, 4000000001, 9.99, 8.88, 'EXTRA_IN_TARGET' FROM stores WHERE registration = :'third';
SQL
    local body
    while IFS= read -r body; do
        sandbox_request POST /_sandbox/campaigns "$body" >/dev/null
    done < <(sql -c "
        SELECT json_build_object('store', registration,
          'set', coalesce(json_agg(json_build_object('code', code, 'price', price, 'final_price', CASE kind WHEN 'FINAL_PRICE' THEN final_price - 0.01 ELSE final_price END))
            FILTER (WHERE kind <> 'MISSING_IN_TARGET'), '[]'),
          'remove', coalesce(json_agg(code) FILTER (WHERE kind = 'MISSING_IN_TARGET'), '[]')) FROM demo.planted GROUP BY registration")
    run_job compare-data
    note "\$ chimera execution show $execution"
    chimera execution show "$execution" >"$folder/show.log" 2>&1 || broken "chimera execution show leaves with $?"
    sed -n '/^STORE/,$p' "$folder/show.log" | sed 's/^/     /; s/ *$//'
    holds "it found exactly the three that were planted" "
        SELECT count(*) = 3 AND count(p.code) = 3 FROM comparison_differences AS d JOIN job_executions AS e ON e.id = d.execution_id
        LEFT JOIN demo.planted AS p ON p.store_id = d.store_id AND p.code = d.code AND p.kind = d.kind WHERE e.parent_id = '$execution'"
    holds "it succeeded with a warning, from three differences on as its notification_threshold says" "
        SELECT status = 'SUCCESS' AND metrics ->> 'severity' = 'warning' FROM job_executions WHERE id = '$execution'"
    receive compare WARNING execution.warning 'terminou com 3 diferenças'
    holds "CresceVendas received no upload because of it" "SELECT count(*) = $stores FROM demo.uploads WHERE moment = 'compare'"
    print_message "the message in Telegram" "$folder/telegram.txt"
}

failure_is_told() {
    step "The message that tells it"
    local name
    name=$(sql -c "SELECT name FROM stores ORDER BY id OFFSET 1 LIMIT 1")
    receive failure FAILURE execution.failed "$name: RP informou um erro"
    print_message "Telegram received" "$folder/telegram.txt"
    print_message "the mailbox received" "$folder/mail.txt"
    print_message "the webhook received" "$folder/hook.txt"
}

recovery_run() {
    step "Fourth sync: RP is well again"
    run_sync
    holds "the execution is SUCCESS, and store 2 has its new price at last" "
        SELECT e.status = 'SUCCESS' AND EXISTS (SELECT FROM products AS p JOIN demo.runs AS r ON r.store_id = p.store_id
          WHERE r.parent_id = e.id AND r.uploaded > 0 AND p.final_price = 17.77) FROM job_executions AS e WHERE e.id = '$execution'"
    receive recovery RECOVERY execution.recovered 'sync-products voltou a funcionar'
    listing_equals_products recovery
    print_message "the message in Telegram" "$folder/telegram.txt"
    run_job compare-data
    holds "a second compare finds no difference: the syncs mended what was planted" "
        SELECT e.status = 'SUCCESS' AND (e.metrics #>> '{stores,succeeded}')::int = $stores
          AND NOT EXISTS (SELECT FROM comparison_differences AS d JOIN job_executions AS c ON c.id = d.execution_id WHERE c.parent_id = e.id)
        FROM job_executions AS e WHERE e.id = '$execution'"
}

clean_up() {
    step "Clean-up: 20,000 log lines are three weeks old, and 500 due times four months"
    sql <<'SQL'
SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - 21) \g /dev/null
INSERT INTO execution_logs (execution_id, attempt, logged_at, message)
SELECT uuid_v7_floor(now() - interval '21 days'), 1, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '21 days' + n * interval '1 second',
  'an old line' FROM generate_series(1, 20000) AS n;
INSERT INTO schedule_ticks (job_config_id, due_at, outcome)
SELECT id, date_trunc('second', now()) - interval '120 days' - n * interval '1 second', 'SKIPPED_MISFIRE' FROM job_configurations, generate_series(1, 500) AS n WHERE name = 'tick';
CREATE TABLE demo.kept AS SELECT (SELECT count(*) FROM job_executions) AS executions, (SELECT count(*) FROM products) AS products,
  (SELECT count(*) FROM campaigns) AS campaigns, (SELECT count(*) FROM execution_logs) AS logs;
SQL
    run_job cleanup-logs '{"dry_run": true}'
    note "$(sql -c "SELECT metrics -> 'removed' FROM job_executions WHERE id = '$execution'")"
    holds "with dry_run it says what would go and removes nothing" "
        SELECT e.status = 'SUCCESS' AND (e.metrics #>> '{removed,execution_logs}')::int = 20000 AND (e.metrics #>> '{removed,schedule_ticks}')::int = 500
          AND (SELECT count(*) FROM execution_logs WHERE message = 'an old line') = 20000
          AND (SELECT count(*) FROM schedule_ticks WHERE due_at < now() - interval '90 days') = 500
        FROM job_executions AS e WHERE e.id = '$execution'"
    run_job cleanup-logs
    holds "then they are gone, the logs with their partition" "
        SELECT e.status = 'SUCCESS' AND NOT EXISTS (SELECT FROM execution_logs WHERE message = 'an old line')
          AND NOT EXISTS (SELECT FROM schedule_ticks WHERE due_at < now() - interval '90 days')
          AND NOT EXISTS (SELECT FROM pg_class WHERE relname LIKE 'execution_logs_' || to_char((now() AT TIME ZONE 'UTC')::date - 21, 'YYYYMMDD') || '%')
        FROM job_executions AS e WHERE e.id = '$execution'"
    holds "and nothing else: every execution, product, campaign and newer line is there" "
        SELECT (SELECT count(*) FROM job_executions) >= executions + 2 AND (SELECT count(*) FROM products) = products
          AND (SELECT count(*) FROM campaigns) = campaigns AND (SELECT count(*) FROM execution_logs) >= logs - 20000 FROM demo.kept"
}
