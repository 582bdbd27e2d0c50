#!/bin/sh
# Makes the data folder with an empty database, so that a start need not.
set -eu
id -u mysql > /dev/null 2>&1 || useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin mysql
install -d -o mysql -g mysql /run/mysqld /var/lib/test-site
mariadb-install-db --defaults-file=/etc/test-site/mariadb.cnf --auth-root-authentication-method=socket --skip-test-db
mariadbd --defaults-file=/etc/test-site/mariadb.cnf --bootstrap < /etc/test-site/database.sql
