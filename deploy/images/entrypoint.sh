#!/bin/sh
# The image's roles. `config-api COMMAND` reaches every other command of that service.
set -eu

case "${1:-}" in
config-api)
    shift
    exec python -m config_api "${@:-api}"
    ;;
relay | scheduler | migrate)
    exec python -m config_api "$@"
    ;;
sync-worker)
    exec python -m sync_worker run
    ;;
ready)
    # For engines whose health checks are commands: ends with 0 when the role on this admin port is ready.
    exec python -c 'import sys, urllib.request as u; u.urlopen(f"http://127.0.0.1:{sys.argv[1]}/readyz", timeout=5)' "$2"
    ;;
*)
    echo "usage: config-api [COMMAND] | relay | scheduler | migrate | sync-worker | ready PORT" >&2
    exit 64 # EX_USAGE, sysexits.h
    ;;
esac
