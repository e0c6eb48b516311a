#!/bin/sh
# Writes requirements/*.txt: exact versions and hashes, for every platform and Python from 3.11 on, no addresses.
# Arguments go to `uv pip compile`: `--upgrade`, or `--upgrade-package NAME`.
set -eu
cd "$(dirname "$0")/.."

product="shared/pyproject.toml services/config-api/pyproject.toml services/sync-worker/pyproject.toml"
trial="services/standalone/pyproject.toml services/simulators/pyproject.toml"

lock() { # lock NAME SOURCE... [OPTION...]
    name=$1
    shift
    echo "requirements/$name.txt"
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --no-emit-package contactsync --no-emit-package contactsync-config-api \
        --no-emit-package contactsync-sync-worker \
        --output-file "requirements/$name.txt" "$@" >/dev/null
}

lock bootstrap requirements/bootstrap.in "$@"
# The word splitting of $product and $trial is meant: none of these paths holds a space.
lock production $product --all-extras "$@"
lock run requirements/run.in $product $trial --all-extras "$@"
lock build requirements/build.in "$@"
lock dev requirements/dev.in $product $trial --all-extras "$@"
