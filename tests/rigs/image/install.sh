#!/bin/sh
# Installs nginx, and PHP as servers other than Apache's own module run it.
set -eu
export DEBIAN_FRONTEND=noninteractive

# The official WordPress image forbids Debian's PHP, lest it be mixed up with its own.
rm -f /etc/apt/preferences.d/no-debian-php
apt-get update
apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
	nginx php-fpm php-cgi php-mysql php-curl php-mbstring php-xml
a2enmod -q deflate
# What these programs are called ends in their version.
ln -s /usr/sbin/php-fpm[0-9]* /usr/local/bin/rig-php-fpm
ln -s /usr/lib/cgi-bin/php[0-9]* /usr/local/bin/rig-php-cgi
for folder in /etc/php/*/fpm/conf.d /etc/php/*/cgi/conf.d; do
	ln -sf /etc/test-site/php.ini "$folder/99-test-site.ini"
done
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
