#!/bin/sh
# Installs the adherence kit of LLM Bus into the repository you are in. Needs git and Python 3.9 or later.
#
#   curl -fsS @SERVER@/kit/install.sh | sh
#   curl -fsS @SERVER@/kit/install.sh | sh -s -- --with-wiki
#   curl -fsS @SERVER@/kit/install.sh | sh -s -- --uninstall
set -eu

# A function, so that a script that arrives in part does nothing.
install_kit() {
    server=${LLM_BUS_SERVER:-@SERVER@}
    server=${server%/}
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    curl -fsS --fail-early --create-dirs -o "$place/kit/#1" "$server/kit/{@FILES@}"
    # The path is set here, so that a "kit" of the repository's own is not taken for this one.
    PYTHONPATH=$place PYTHONDONTWRITEBYTECODE=1 python3 "$place/kit/install.py" --server "$server" "$@" </dev/null
}

install_kit "$@"
