#!/bin/sh
# Installs what a site runs on. $1 is the default theme of Debian's WordPress.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Services are started by the entry point, never while packages are installed.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d

install() {
	apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
		ca-certificates mariadb-server-core mariadb-client-core "$@"
}

apt-get update
if [ -d /usr/src/wordpress ]; then
	# The official image: Apache, PHP and WordPress are there, a database is not.
	install
	cp -a /usr/src/wordpress/. /var/www/html/
else
	install apache2 libapache2-mod-php wordpress "wordpress-theme-$1" \
		php-cli php-curl php-gd php-intl php-mbstring php-mysql php-xml php-zip
	rm -rf /var/www/html
	# The package consists of links to other packages; an update must be able to replace files.
	cp -aL /usr/share/wordpress /var/www/html
	rm -f /var/www/html/wp-config.php /var/www/html/.htaccess
fi
chown -R www-data:www-data /var/www
update-ca-certificates
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
