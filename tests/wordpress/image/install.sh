#!/bin/sh
# Installs what a site runs on. $1 is the default theme of Debian's WordPress.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Services are started by the entry point, never while packages are installed.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/rule-rc.d
chmod +x /usr/sbin/rule-rc.d

install() {
	apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
		ca-certificates mariadb-server-core mariadb-client-core "$@"
}

apt-get update
if [ -d /usr/src/wordpress ]; then
	# The official image: Apache, PHP and WordPress are there, a database is not. Its own
	# /var/www/html is a volume, in which a build can leave nothing.
	install
	cp -a /usr/src/wordpress /var/www/wordpress
else
	install apache2 libapache2-mod-php wordpress "wordpress-theme-$1" \
		php-cli php-curl php-gd php-intl php-mbstring php-mysql php-xml php-zip
	# The package consists of links to other packages; an update must be able to replace files.
	cp -aL /usr/share/wordpress /var/www/wordpress
	rm -f /var/www/wordpress/wp-config.php /var/www/wordpress/.htaccess
fi
chown -R www-data:www-data /var/www/wordpress
update-ca-certificates
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
