<?php
/**
 * Installs WordPress as its own wizard does. Arguments: address, title, login, password.
 */

declare( strict_types=1 );

[, $address, $title, $login, $password] = $argv;

define( 'WP_INSTALLING', true );
// The wizard guesses this from the address it was called at; here nothing was called.
define( 'WP_SITEURL', $address );
$_SERVER['HTTP_HOST']       = substr( $address, strlen( 'http://' ) );
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

require '/var/www/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

// The wizard tries pretty permalinks by visiting the site, and a visit starts scheduled work
// before the site is complete. They are decided afterwards.
add_filter(
	'pre_option_permalink_structure',
	static function (): string {
		return '/%postname%/';
	}
);

wp_install( $title, $login, 'webmaster@harbour-bakery.example', true, '', $password );
