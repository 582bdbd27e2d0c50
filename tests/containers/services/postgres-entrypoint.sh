#!/bin/sh
# Does what the official image does with the variables that compose.yaml sets.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	umask 077
	printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
	initdb --username "$POSTGRES_USER" --pwfile /tmp/password --encoding UTF8 --locale C.UTF-8 \
		--auth-local trust --auth-host scram-sha-256
	rm /tmp/password
	echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
	echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -c listen_addresses='*'
