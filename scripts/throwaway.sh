#!/usr/bin/env bash
# Sourced, after which environment.sh is too: a throw-away folder, a PostgreSQL of its own, programs that run there, and the end of all of it.
#
# begin_throwaway NAME      makes $folder; from now on the script's end, whatever ends it, stops what was started and removes it
# start_postgres NAME=VALUE … sets PGHOST, PGUSER, PGDATABASE and DATABASE_URL; the server is new, empty and nobody else's
# restart_postgres [NAME=VALUE …]  with these settings until the next restart
# start NAME COMMAND …      starts a program in a session of its own, its output in $folder/NAME.log, its pid in ${pid_of[NAME]}
# stop NAME                 SIGTERM, and the program's exit code
# sql …                     psql, unaligned, columns separated by tabs, the first error ends it
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

# What the caller's environment says about other databases and other installations has no say here.
for variable in "${!PG@}" "${!CHIMERA_@}" DATABASE_URL CREDENTIALS_DIRECTORY; do
    [[ $variable == CHIMERA_SCRATCH ]] || unset "$variable"
done
export LC_ALL=C.UTF-8

declare -A pid_of=()
folder=
# Whether the end leaves everything running, with a script in the folder that stops it.
keeps=

# shellcheck disable=SC2012 # names of our own choosing in a folder that is PostgreSQL's
postgres_programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
PATH=${postgres_programs:+$postgres_programs:}$PATH

# PostgreSQL refuses to run as root: then it runs as the first of these users that there is.
as_server_user=()
if [[ $(id -u) -eq 0 ]]; then
    for server_user in postgres nobody; do
        if id "$server_user" >/dev/null 2>&1; then
            as_server_user=(setpriv "--reuid=$server_user" "--regid=$(id -g "$server_user")" --clear-groups --)
            break
        fi
    done
fi

begin_throwaway() {
    trap end_throwaway EXIT
    trap 'keeps=; exit 130' INT
    trap 'keeps=; exit 143' TERM
    trap 'keeps=; exit 129' HUP
    local base
    for base in "${TMPDIR:-/tmp}" /tmp; do
        folder=$(mktemp -d "$base/chimera-$1.XXXXXX")
        chmod 711 "$folder"
        # The other user must get there, and a socket's path holds 107 bytes.
        if [[ ${#folder} -le 80 ]] && "${as_server_user[@]}" test -x "$folder" 2>/dev/null; then
            break
        fi
        rm -rf -- "$folder"
        folder=
    done
    if [[ -z $folder ]]; then
        echo "Neither TMPDIR nor /tmp has a place for PostgreSQL's files: its user must be able to enter it, in 80 characters." >&2
        return 73
    fi
}

start() {
    local name=$1
    shift
    : >"$folder/$name.log" # an earlier one's words are not this one's
    setsid "$@" </dev/null >"$folder/$name.log" 2>&1 &
    pid_of[$name]=$!
}

is_alive() { [[ -n ${pid_of[$1]-} ]] && kill -0 "${pid_of[$1]}" 2>/dev/null; }

stop() {
    local code=0
    kill -TERM "${pid_of[$1]}" 2>/dev/null || true
    wait "${pid_of[$1]}" || code=$?
    unset "pid_of[$1]"
    return $code
}

# Runs a condition until it holds: `eventually SECONDS COMMAND …`.
eventually() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [[ $SECONDS -lt $deadline ]] || return 1
        sleep 0.05
    done
}

start_postgres() {
    if [[ -z $postgres_programs ]]; then
        echo "There is no PostgreSQL server below /usr/lib/postgresql: run scripts/setup." >&2
        return 69
    fi
    local cluster=$folder/postgres setting
    mkdir -m 700 "$cluster"
    if [[ ${#as_server_user[@]} -gt 0 ]]; then
        chown "$server_user:" "$cluster"
    fi
    # The server user may not enter the folder that the script was called from.
    (cd / && "${as_server_user[@]}" initdb -D "$cluster/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions) \
        >"$folder/postgres.log" 2>&1
    # Only its own user and root can enter the socket's folder, so `trust` trusts nobody else.
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$cluster'"
        echo "dynamic_shared_memory_type = mmap"
        echo "lc_messages = C"
        for setting in "$@"; do
            echo "${setting%%=*} = '${setting#*=}'"
        done
    } >>"$cluster/data/postgresql.conf"
    export PGHOST=$cluster PGUSER=postgres PGDATABASE=postgres
    run_postgres || return
    # As deploy/README.md says: the product has a role that may do nothing but own its database.
    sql -c 'CREATE ROLE chimera LOGIN' -c 'CREATE DATABASE chimera OWNER chimera'
    PGDATABASE=chimera
    export DATABASE_URL="host=$PGHOST user=chimera dbname=$PGDATABASE"
}

run_postgres() {
    # shellcheck disable=SC2016 # the inner shell's own words
    start postgres sh -c 'cd / && exec "$@"' sh "${as_server_user[@]}" postgres -D "$PGHOST/data"
    if ! eventually 60 postgres_answers || ! is_alive postgres; then
        echo "The private PostgreSQL does not start; its last words:" >&2
        tail -n 10 "$folder/postgres.log" >&2
        return 69
    fi
}

# Ends every session, stops the server and starts it again, with settings NAME=VALUE … that hold until the next restart.
restart_postgres() {
    kill -INT "${pid_of[postgres]}"
    wait "${pid_of[postgres]}" || true
    unset "pid_of[postgres]"
    printf '%s\n' "$@" >"$PGHOST/data/restart.conf"
    grep -q restart.conf "$PGHOST/data/postgresql.conf" || echo "include_if_exists = 'restart.conf'" >>"$PGHOST/data/postgresql.conf"
    chmod 644 "$PGHOST/data/restart.conf"
    run_postgres
}

postgres_answers() {
    is_alive postgres || return 0
    pg_isready -q -t 1
}

sql() { PGOPTIONS='-c client_min_messages=warning' psql -X -q -A -t -F $'\t' -v ON_ERROR_STOP=1 "$@"; }

# Programs first, the database last; each gets five seconds to leave by itself.
end_throwaway() {
    local status=$? name
    trap '' INT TERM HUP
    set +e
    [[ ! -t 1 ]] || printf '\r\033[K'
    if [[ -n $folder && -n $keeps ]]; then
        write_stop_script
        [[ $status -eq 0 ]] || printf '\nEverything is still there; to stop it and remove the folder: %s\n' "$folder/stop" >&2
    elif [[ -n $folder ]]; then
        for name in "${!pid_of[@]}"; do
            [[ $name == postgres ]] || kill -TERM -- "-${pid_of[$name]}" 2>/dev/null
        done
        for name in "${!pid_of[@]}"; do
            [[ $name == postgres ]] || end_program "$name" 5
        done
        if [[ -n ${pid_of[postgres]-} ]]; then
            kill -INT "${pid_of[postgres]}" 2>/dev/null
            end_program postgres 15
        fi
        rm -rf -- "$folder"
    fi
    exit "$status"
}

end_program() {
    local pid=${pid_of[$1]}
    eventually "$2" eval "! kill -0 $pid 2>/dev/null" || kill -KILL -- "-$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

# A script for --keep: what runs here goes on without us.
write_stop_script() {
    local name programs=()
    for name in "${!pid_of[@]}"; do
        [[ $name == postgres ]] || programs+=("-${pid_of[$name]}")
    done
    cat >"$folder/stop" <<STOP
#!/bin/sh
# Stops what runs here and removes the folder.
end() { # SIGNAL TARGET …
    signal=\$1
    shift
    kill "-\$signal" "\$@" 2>/dev/null
    for target; do
        tries=0
        while kill -0 "\$target" 2>/dev/null && [ "\$tries" -lt 100 ]; do
            sleep 0.1
            tries=\$((tries + 1))
        done
        kill -KILL "\$target" 2>/dev/null
    done
}
end TERM ${programs[*]}
end INT ${pid_of[postgres]}
rm -rf -- '$folder'
STOP
    chmod 700 "$folder/stop"
}

# 20897 → 20,897
grouped() { printf '%s' "$1" | sed ':again; s/\B[0-9]\{3\}\>/,&/; t again'; }
