#!/usr/bin/env bash
# Sourced by bench: figures of several rounds, medians and ratios, a program's CPU and memory, and curl as the yardstick of a sync.
[[ -n ${root-} ]] || source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

# Every figure of every round: figures[NAME]="1.2 1.3 1.1".
declare -A figures=()
add() {
    [[ ${2-} =~ ^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$ ]] || fail "there is no figure for $1, but \"${2-}\"."
    figures[$1]="${figures[$1]-}${figures[$1]:+ }$2"
}

sorted() { tr ' ' '\n' <<<"${figures[$1]}" | sort -g; }
median() { sorted "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
spread() { sorted "$1" | awk -v f="${2:-%.2f}" 'NR == 1 { a = $1 } { b = $1 } END { printf f " to " f, a, b }'; }
calculate() { awk "BEGIN { printf \"${2:-%.2f}\", ($1) }"; }
# Median of the ratios of the rounds, each within one round.
ratio() { paste <(tr ' ' '\n' <<<"${figures[$1]}") <(tr ' ' '\n' <<<"${figures[$2]}") | awk '{ print $1 / $2 }' | sort -g |
    awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# User and system CPU seconds of a program so far.
cpu_seconds() {
    local fields
    fields=$(sed 's/.*) //' "/proc/$1/stat")
    awk -v hertz="$(getconf CLK_TCK)" '{ printf "%.2f", ($12 + $13) / hertz }' <<<"$fields"
}

peak_megabytes() { awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

# Logs in at RP's stand-in and prints the token.
rp_token() {
    curl -sS --noproxy '*' -H 'Content-Type: application/json' \
        -d "$(sed -E 's/.*"rp":\{"username":"([^"]*)","password":"([^"]*)".*/{"usuario": "\1", "senha": "\2"}/' "$folder/sandbox.json")" \
        "http://127.0.0.1:$sandbox_port/rp/v1.1/auth" | sed -E 's/.*"token": ?"([^"]*)".*/\1/'
}

# Walks every store once and writes a curl configuration with its pages in order, as the workers will ask for them.
collect_pages() {
    local base=http://127.0.0.1:$sandbox_port/rp token unit
    command -v curl >/dev/null || fail "curl is not installed: apt-get install curl."
    token=$(rp_token)
    mkdir -p "$folder/pages"
    # One process for each core, each with its share of the stores.
    grep -oE '"document":"[^"]*"' "$folder/sandbox.json" | cut -d'"' -f4 |
        xargs -P "$(nproc)" -I '{}' bash -c '
            set -euo pipefail
            base=$1 token=$2 file=$3/{} code=0
            printf "header = \"token: %s\"\nnoproxy = \"*\"\nsilent\nshow-error\nfail\nwrite-out = \"%%{size_download}\\\\n\"\n" "$token" >"$file"
            while :; do
                url=$base/v2.8/produtounidade/listaprodutos/$code/unidade/{}/detalhado?somentePreco2=true
                printf "url = \"%s\"\noutput = /dev/null\n" "$url" >>"$file"
                code=$(curl -sS --fail --noproxy "*" -H "token: $token" "$url" | grep -oE "\"Codigo\": ?[0-9]+" | tail -n 1 | grep -oE "[0-9]+$" || true)
                [[ -n $code ]] || break
            done' collect "$base" "$token" "$folder/pages"
    for unit in "$folder/pages"/*; do [[ -s $unit ]] || fail "the pages of ${unit##*/} are not known."; done
}

# The pages collected from an earlier sandbox of the same catalogue are asked of the one that runs now.
retarget_pages() {
    local token
    token=$(rp_token)
    sed -i -E "s#^url = \"http://127.0.0.1:[0-9]+/#url = \"http://127.0.0.1:$sandbox_port/#; s#^header = \"token: .*#header = \"token: $token\"#" \
        "$folder/pages"/*
}

# As many curl processes as stores are read at a time, each with one store's pages on one connection; sets seconds, megabytes.
run_curl() {
    local began=$EPOCHREALTIME ended
    printf '%s\0' "$folder/pages"/* | xargs -0 -P "$1" -n 1 curl -K >"$folder/curl.log" 2>&1 || fail "curl failed." curl
    ended=$EPOCHREALTIME
    seconds=$(calculate "$ended - $began" %.3f)
    megabytes=$(awk '{ bytes += $1 } END { printf "%.0f", bytes / 1e6 }' "$folder/curl.log")
}

# Everything, as JSON: `write_json FILE ROUNDS`.
write_json() {
    local name separator=
    {
        printf '{"commit": "%s", "at": "%s", "cores": %d, "rounds": %d, "figures": {' \
            "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$(date -u +%FT%TZ)" "$(nproc)" "$2"
        while read -r name; do
            printf '%s\n  "%s": [%s]' "$separator" "$name" "${figures[$name]// /, }"
            separator=,
        done < <(printf '%s\n' "${!figures[@]}" | sort)
        printf '\n}}\n'
    } >"$1"
}
