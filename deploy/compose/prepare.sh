#!/bin/sh
# Makes what compose.yaml reads and is a machine's own: settings.env, and one file for each secret. Keeps what is there.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

random() { # random BYTES: hexadecimal, so that it needs no quoting in an address
    od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

keep() { # keep NAME: writes standard input to the secret unless it exists
    if [ -e "secrets/$1" ]; then
        cat >/dev/null
    else
        cat >"secrets/$1"
        # The folder is closed to other users; the containers' users read the file by its mount.
        chmod 0444 "secrets/$1"
    fi
}

random 24 | keep postgres_password
random 24 | keep app_password
random 24 | keep owner_password
random 24 | keep rabbitmq_password
echo "postgresql://contactsync_app:$(cat secrets/app_password)@postgresql:5432/contactsync" | keep database_url
echo "postgresql://contactsync_owner:$(cat secrets/owner_password)@postgresql:5432/contactsync" | keep database_admin_url
echo "amqp://contactsync:$(cat secrets/rabbitmq_password)@rabbitmq:5672/%2F" | keep amqp_url
printf 'default_user = contactsync\ndefault_pass = %s\n' "$(cat secrets/rabbitmq_password)" | keep rabbitmq_account
echo "v1:$(head -c 32 /dev/urandom | base64)" | keep keys
# Given by the providers, the issuer and the mail server; an empty file counts as not set.
for name in zoho_client_secret google_client_secret oidc_client_secret smtp_url; do
    keep "$name" </dev/null
done

if [ ! -e settings.env ]; then
    cp settings.env.example settings.env
    echo "compose: fill in deploy/compose/settings.env and the OAuth secrets in deploy/compose/secrets/, then repeat" >&2
    exit 1
fi
