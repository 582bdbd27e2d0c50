<?php
/**
 * Gives the installed site of an image its own address and password, and prints its version.
 * The only argument is JSON: address, user, password, permalinks, plugins to activate.
 */

declare( strict_types=1 );

$wanted = json_decode( $argv[1], true, 8, JSON_THROW_ON_ERROR );

/** Both addresses have the same length, which serialized values depend on. */
function change_address( string $from, string $to ): void {
	if ( strlen( $from ) !== strlen( $to ) ) {
		throw new RuntimeException( "$from and $to differ in length" );
	}
	mysqli_report( MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT );
	$database = new mysqli( 'localhost', 'test_site', 'reachable-by-socket-only', 'test_site', 0, '/run/mysqld/mysqld.sock' );
	$columns  = $database->query( "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'test_site' AND data_type LIKE '%text' OR table_schema = 'test_site' AND data_type = 'varchar'" );
	foreach ( $columns->fetch_all() as [ $table, $column ] ) {
		$database->query( "UPDATE `$table` SET `$column` = REPLACE(`$column`, '$from', '$to') WHERE `$column` LIKE '%$from%'" );
	}
}

change_address( getenv( 'BAKED_ADDRESS' ), $wanted['address'] );

// Scheduled work begins with the first visit, when there is nothing left to overtake.
define( 'DISABLE_WP_CRON', true );
$_SERVER['HTTP_HOST']       = substr( $wanted['address'], strlen( 'http://' ) );
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

require '/var/www/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';

wp_set_password( $wanted['password'], get_user_by( 'login', $wanted['user'] )->ID );

foreach ( $wanted['plugins'] as $plugin ) {
	$refused = activate_plugin( $plugin );
	if ( is_wp_error( $refused ) ) {
		throw new RuntimeException( $plugin . ': ' . $refused->get_error_message() );
	}
}

if ( 'plain' === $wanted['permalinks'] ) {
	$GLOBALS['wp_rewrite']->set_permalink_structure( '' );
	flush_rewrite_rules( false );
	unlink( ABSPATH . '.htaccess' );
}

// The image may be days old: its scheduled work is as far away as when it was made, not late all at once.
$age    = time() - (int) get_site_transient( 'update_plugins' )->last_checked;
$events = array();
foreach ( _get_cron_array() as $moment => $hooks ) {
	$events[ $moment + $age ] = $hooks;
}
_set_cron_array( $events );

// And the plugins are others.
wp_version_check( array(), true );
wp_update_plugins();
wp_update_themes();

echo get_bloginfo( 'version' );
