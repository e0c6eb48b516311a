#!/bin/sh
# Makes .venv hold exactly requirements/<set>.txt and this workspace; does nothing when it already does.
# Usage: tools/setup.sh run|dev. PYTHON names the interpreter to use. Writes to .venv/ and .cache/ alone.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
set_name=${1:?usage: tools/setup.sh run|dev}

fail() {
    echo "set-up: $*" >&2
    exit 1
}

stamp_of() { # what an up-to-date environment was made from
    echo "$root"
    cat tools/setup.sh requirements/bootstrap.txt "requirements/$1.txt" shared/pyproject.toml services/*/pyproject.toml | cksum
}

is_done() {
    [ -x .venv/bin/python ] && [ -f ".venv/.set-up-$1" ] && [ "$(stamp_of "$1")" = "$(cat ".venv/.set-up-$1")" ]
}

is_new_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed and none was found (PYTHON=/path/to/python names one)"
}

# The larger set holds the smaller one.
if is_done dev || is_done "$set_name"; then
    exit 0
fi
if command -v flock >/dev/null 2>&1; then # two commands typed at once set up one after the other
    mkdir -p .cache
    exec 9>.cache/set-up.lock
    flock 9
    if is_done dev || is_done "$set_name"; then
        exit 0
    fi
fi

export UV_CACHE_DIR="${UV_CACHE_DIR:-$root/.cache/uv}" PIP_CACHE_DIR="${PIP_CACHE_DIR:-$root/.cache/pip}"
# pip asks rustc for its version, and a rustup that has no home yet would make one.
[ -e "${HOME:-/nonexistent}/.rustup" ] || export RUSTUP_HOME="${RUSTUP_HOME:-$root/.cache/rustup}"
export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE="${UV_LINK_MODE:-hardlink}" PIP_DISABLE_PIP_VERSION_CHECK=1
if [ -z "${UV_SYSTEM_CERTS:-}" ] && [ -s /etc/ssl/certs/ca-certificates.crt ]; then
    export UV_SYSTEM_CERTS=true # as pip does: whoever inspects this machine's traffic has told its system so
fi
rm -f .venv/.set-up-*

if ! is_new_enough .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        fail "$python has no venv module (Debian and Ubuntu: apt-get install python3-venv)"
    echo "set-up: environment in .venv ($("$python" --version))"
    "$python" -m venv --clear .venv || fail "no environment could be made in .venv"
fi

echo "set-up: packages of requirements/$set_name.txt"
.venv/bin/python -m pip install -qq --no-deps --require-hashes --only-binary :all: \
    -r requirements/bootstrap.txt || fail "uv could not be installed from the default package index"
if [ -z "${UV_DEFAULT_INDEX:-}" ]; then # uv does not read pip's configuration
    index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
fi
.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes --only-binary :all: \
    "requirements/$set_name.txt" || fail "the packages of requirements/$set_name.txt could not be installed"
.venv/bin/uv pip install --quiet --python .venv/bin/python --offline --no-deps --no-build-isolation \
    --editable shared --editable services/config-api --editable services/sync-worker \
    --editable services/standalone --editable services/simulators || fail "the workspace could not be installed"
stamp_of "$set_name" >".venv/.set-up-$set_name"
