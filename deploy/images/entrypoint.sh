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
*)
    echo "usage: config-api [COMMAND] | relay | scheduler | migrate | sync-worker" >&2
    exit 64 # EX_USAGE, sysexits.h
    ;;
esac
