<?php
/**
 * Makes the installed site the main one of a network, as Tools → Network Setup does; that page
 * refuses addresses with a port. The only argument is the site's address.
 */

declare( strict_types=1 );

$host = substr( $argv[1], strlen( 'http://' ) );

// A visit would have the server remember the configuration as it was before.
define( 'DISABLE_WP_CRON', true );
$_SERVER['HTTP_HOST']       = $host;
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

require '/var/www/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

foreach ( $wpdb->tables( 'ms_global' ) as $table => $name ) {
	$wpdb->$table = $name;
}
install_network();
$refused = populate_network( 1, $host, get_option( 'admin_email' ), 'Harbour Network', '/', false );
if ( is_wp_error( $refused ) ) {
	throw new RuntimeException( $refused->get_error_message() );
}

$settings = "
define( 'MULTISITE', true );
define( 'SUBDOMAIN_INSTALL', false );
define( 'DOMAIN_CURRENT_SITE', '$host' );
define( 'PATH_CURRENT_SITE', '/' );
define( 'SITE_ID_CURRENT_SITE', 1 );
define( 'BLOG_ID_CURRENT_SITE', 1 );
";
$file     = ABSPATH . 'wp-config.php';
$before   = "if ( ! defined( 'ABSPATH' ) )";
file_put_contents( $file, str_replace( $before, $settings . $before, file_get_contents( $file ), $found ) );
if ( 1 !== $found ) {
	throw new RuntimeException( 'wp-config.php is not the one that was expected' );
}

// The rules that WordPress tells its administrator to paste.
file_put_contents(
	ABSPATH . '.htaccess',
	'RewriteEngine On
RewriteBase /
RewriteRule ^index\.php$ - [L]
RewriteRule ^([_0-9a-zA-Z-]+/)?wp-admin$ $1wp-admin/ [R=301,L]
RewriteCond %{REQUEST_FILENAME} -f [OR]
RewriteCond %{REQUEST_FILENAME} -d
RewriteRule ^ - [L]
RewriteRule ^([_0-9a-zA-Z-]+/)?(wp-(content|admin|includes).*) $2 [L]
RewriteRule ^([_0-9a-zA-Z-]+/)?(.*\.php)$ $2 [L]
RewriteRule . index.php [L]
'
);
