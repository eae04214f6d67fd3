#!/usr/bin/env bash
# Sourced by the other scripts: answers --help, finds Swift, a home it may write to and a folder to build in.
#
# Sets: root (the repository), scratch (SwiftPM's scratch path). Works from any folder and as any user, with a HOME that is
# missing or read-only and a checkout that belongs to someone else.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# One line, by convention the second of every script: `scripts/help` lists them and `SCRIPT --help` prints its own.
if [[ ${1-} == --help || ${1-} == -h ]]; then
    sed -n '2s/^# //p' -- "$0"
    # An indented comment block that begins with "Usage:" follows where there is more to say.
    sed -n '/^# Usage:/,/^[^#]/{/^#/s/^# \{0,1\}//p}' -- "$0"
    exit 0
fi

# A folder under TMPDIR that is ours alone: another user may have made one of that name first.
private_folder() {
    local folder="${TMPDIR:-/tmp}/chimera-$(id -u)"
    mkdir -p -m 700 -- "$folder" 2>/dev/null || true
    if [[ -L $folder || ! -d $folder || ! -O $folder ]]; then
        echo "$folder cannot be made or is not ours: remove it, or set TMPDIR to a folder of your own." >&2
        return 73
    fi
    chmod 700 -- "$folder"
    printf '%s\n' "$folder"
}

# Swift's installer and a bare `su` both leave PATH without it.
if ! command -v swift >/dev/null; then
    for folder in /opt/swift/usr/bin "${HOME:-/nonexistent}/.local/share/swiftly/bin" /usr/local/swift/usr/bin; do
        if [[ -x $folder/swift ]]; then
            PATH=$PATH:$folder
            break
        fi
    done
fi

# SwiftPM and clang keep caches in HOME and fail where it is missing or read-only.
if [[ -z ${HOME-} || ! -d $HOME || ! -w $HOME ]]; then
    HOME=$(private_folder)/home
    mkdir -p -- "$HOME"
fi
export HOME PATH

# The checkout's own .build, unless it belongs to someone else (a checkout of root's, run by an ordinary user).
scratch=${CHIMERA_SCRATCH:-$root/.build}
if ! { mkdir -p -- "$scratch" && [[ -w $scratch && (-O $scratch || -n ${CHIMERA_SCRATCH-}) ]]; } 2>/dev/null; then
    scratch=$(private_folder)/build-$(printf '%s' "$root" | cksum | cut -d' ' -f1)
    mkdir -p -- "$scratch"
fi
# shellcheck disable=SC2034 # read by the scripts that source this one
readonly root scratch
