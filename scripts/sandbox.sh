#!/usr/bin/env bash
# Sourced, after which throwaway.sh is too: the stand-ins for RP and CresceVendas, and the rows that point at them.
#
# start_sandbox OPTION …            starts chimera-sandbox; sets sandbox_port, zone, zone_reason; $folder/sandbox.json says the rest
# sandbox_request METHOD PATH BODY  one request, the answer's body on standard output; needs no HTTP client
# configure_partners CONCURRENCY REQUESTS_PER_MINUTE   integrations RP and CRESCEVENDAS, and the sandbox's stores
source "$(dirname -- "${BASH_SOURCE[0]}")/throwaway.sh"

start_sandbox() {
    choose_zone
    start sandbox chimera-sandbox --utc-offset-minutes "$utc_offset_minutes" "$@"
    eventually 20 sandbox_has_spoken && is_alive sandbox || return 1
    # Its first line says where it listens, which credentials it takes and which stores it knows.
    head -n 1 "$folder/sandbox.log" >"$folder/sandbox.json"
    sandbox_port=$(sed -E 's#.*"rp":"http://127.0.0.1:([0-9]+)/.*#\1#' "$folder/sandbox.json")
}

sandbox_has_spoken() { [[ -s $folder/sandbox.log ]] || ! is_alive sandbox; }

# A sync is refused when the store's day is nearly over: a zone where it is not, and the sandbox's clock to match.
choose_zone() {
    local east offset
    if [[ $((10#$(TZ=America/Sao_Paulo date +%H))) -lt 22 ]]; then
        zone=America/Sao_Paulo
        zone_reason="as in production"
    else
        # 10:00 or so now; Etc/GMT-9 lies nine hours east of Greenwich.
        offset=$((10 - 10#$(date -u +%H)))
        [[ $offset -ge -12 ]] || offset=-12
        zone=Etc/GMT$(printf '%+d' "$((-offset))")
        [[ $offset -ne 0 ]] || zone=Etc/GMT
        # shellcheck disable=SC2034 # printed by the demo
        zone_reason="because it is too late for a campaign of today in São Paulo"
    fi
    east=$(TZ=$zone date +%z)
    utc_offset_minutes=$((10#${east:1:2} * 60 + 10#${east:3:2}))
    [[ ${east:0:1} == + ]] || utc_offset_minutes=-$utc_offset_minutes
}

sandbox_request() {
    local method=$1 path=$2 body=${3-} connection line
    exec {connection}<>"/dev/tcp/127.0.0.1/$sandbox_port"
    printf '%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
        "$method" "$path" "${#body}" "$body" >&"$connection"
    while read -r -u "$connection" line && [[ $line != $'\r' ]]; do :; done
    cat <&"$connection"
    exec {connection}>&-
}

configure_partners() {
    sql -v file="$folder/sandbox.json" -v concurrency="$1" -v per_minute="$2" <<'SQL'
\set sandbox `cat :'file'`
BEGIN;
INSERT INTO integrations (name, type, base_url, config)
SELECT 'RP', 'RP', s ->> 'rp', jsonb_build_object(
  'auth_method', 'LOGIN', 'login_endpoint', '/v1.1/auth',
  'username', s #>> '{credentials,rp,username}', 'password', s #>> '{credentials,rp,password}',
  'token_response_field', 'response.token', 'token_header', 'token',
  'products_endpoint', '/v2.8/produtounidade/listaprodutos/{lastId}/unidade/{storeReg}/detalhado',
  'pagination', '{"method": "CURSOR", "additional_params": {"somentePreco2": "true"}}'::jsonb,
  'max_concurrency', :concurrency)
FROM (SELECT :'sandbox'::jsonb) AS announcement(s);
INSERT INTO integrations (name, type, base_url, config)
SELECT 'CRESCEVENDAS', 'CRESCEVENDAS', s ->> 'crescevendas', jsonb_build_object(
  'auth_headers', jsonb_build_object('X-AdminUser-Email', s #>> '{credentials,crescevendas,email}',
                                     'X-AdminUser-Token', s #>> '{credentials,crescevendas,token}'),
  'send_products_endpoint', '/admin/integrations/discount_stores/batch_upload',
  'get_products_endpoint', '/admin/integrations/discount_stores',
  'campaign_config', '{"name_template": "{branch} Descontos - {date} {time}", "start_time": "06:00", "end_time": "23:59"}'::jsonb,
  'max_requests_per_minute', :per_minute)
FROM (SELECT :'sandbox'::jsonb) AS announcement(s);
INSERT INTO stores (name, registration, document)
SELECT t ->> 'name', t ->> 'registration', t ->> 'document'
FROM jsonb_array_elements(:'sandbox'::jsonb -> 'stores') WITH ORDINALITY AS t(t, place) ORDER BY place;
COMMIT;
SQL
}
