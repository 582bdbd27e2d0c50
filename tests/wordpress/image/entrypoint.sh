#!/bin/bash
# Runs MariaDB, then Apache on PORT of loopback; ends when either of them ends.
set -euo pipefail
: "${PORT:?the port to listen on}"

install -d -o mysql -g mysql /run/mysqld
mariadbd --defaults-file=/etc/test-site/mariadb.cnf &
database=$!
until [ -S /run/mysqld/mysqld.sock ]; do
	kill -0 "$database" || { echo "MariaDB did not start." >&2; exit 1; }
	sleep 0.05
done

set +u # Debian's file asks for variables that may be unset
# shellcheck source=/dev/null
source /etc/apache2/envvars
set -u
install -d "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR"
apache2 -DFOREGROUND &
wait -n
