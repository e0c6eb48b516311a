#!/bin/sh
# First start of the database: roles and database, with the passwords of the secrets.
set -eu
psql -v ON_ERROR_STOP=1 --username postgres --no-password \
    -v owner_password="$(cat /run/secrets/owner_password)" \
    -v app_password="$(cat /run/secrets/app_password)" \
    --file /opt/roles.sql
