#!/bin/sh
# Puts the settings where this base image's Apache and PHP look for them.
set -eu
for folder in /etc/php/*/*/conf.d /usr/local/etc/php/conf.d; do
	if [ -d "$folder" ]; then
		ln -s /etc/test-site/php.ini "$folder/99-test-site.ini"
	fi
done
rm -f /etc/apache2/sites-enabled/* /etc/apache2/conf-enabled/other-vhosts-access-log.conf
: > /etc/apache2/ports.conf
ln -s /etc/test-site/apache.conf /etc/apache2/sites-enabled/test-site.conf
a2enmod -q rewrite
