#!/bin/sh
# Installs the adherence kit of LLM Bus into the repository you are in. Needs git and Python 3.9 or later.
#
#   curl -fsS @SERVER@/kit/install.sh | sh
#   curl -fsS @SERVER@/kit/install.sh | sh -s -- --with-wiki
#   curl -fsS @SERVER@/kit/install.sh | sh -s -- --uninstall
#
# @SERVER@/kit/install.sh.sha256 has the checksum of this script, and this script that of the program it fetches.
set -eu

# A function, so that a script that arrives in part does nothing.
install_kit() {
    for program in curl git python3; do
        command -v "$program" >/dev/null || {
            echo "install.sh: $program is not on your PATH, and this needs it; nothing was done" >&2
            exit 1
        }
    done
    server=${LLM_BUS_SERVER:-@SERVER@}
    server=${server%/}
    server=${server%/mcp}
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    curl -fsS -o "$place/kit.pyz" "$server/kit/kit.pyz"
    sum=$(python3 -I -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())' <"$place/kit.pyz")
    if [ "$sum" != "@SHA256@" ]; then
        echo "install.sh: the program from $server is not the one that this script belongs to; nothing was done" >&2
        exit 1
    fi
    # -I: no module of the repository's own is taken for one of Python's.
    python3 -I "$place/kit.pyz" install --server "$server" "$@" </dev/null
}

install_kit "$@"
