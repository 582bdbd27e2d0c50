<?php
/**
 * Brings an installed site into the state that tests start from.
 * The only argument is JSON: address, plugins to activate.
 */

declare( strict_types=1 );

$wanted = json_decode( $argv[1], true, 8, JSON_THROW_ON_ERROR );

// Scheduled work begins with the first visit, when there is nothing left to overtake.
define( 'DISABLE_WP_CRON', true );
$_SERVER['HTTP_HOST']       = substr( $wanted['address'], strlen( 'http://' ) );
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

require '/var/www/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';

foreach ( $wanted['plugins'] as $plugin ) {
	$refused = activate_plugin( $plugin );
	if ( is_wp_error( $refused ) ) {
		throw new RuntimeException( $plugin . ': ' . $refused->get_error_message() );
	}
}

// Outside Apache, WordPress cannot see that mod_rewrite is there.
add_filter( 'got_rewrite', '__return_true' );
$GLOBALS['wp_rewrite']->set_permalink_structure( '/%year%/%monthnum%/%day%/%postname%/' );
flush_rewrite_rules();

// Portraits come from elsewhere on the internet; nothing here depends on it.
update_option( 'show_avatars', '0' );

wp_version_check( array(), true );
wp_update_plugins();
wp_update_themes();
