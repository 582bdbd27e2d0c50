<?php
/**
 * Adds a site to the network. Arguments: the address of the main site, a folder below it.
 */

declare( strict_types=1 );

[, $address, $folder] = $argv;

$host = substr( $address, strlen( 'http://' ) );

define( 'DISABLE_WP_CRON', true );
$_SERVER['HTTP_HOST']       = $host;
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

require '/var/www/wordpress/wp-load.php';

// Older versions take the colon before a port for a character that no domain has.
add_filter(
	'sanitize_user',
	static function ( string $cleaned, string $domain ): string {
		return $domain;
	},
	10,
	2
);

$added = wp_insert_site(
	array(
		'domain'     => $host,
		'path'       => "/$folder/",
		'network_id' => 1,
		'user_id'    => 1,
		'title'      => ucfirst( $folder ),
	)
);
if ( is_wp_error( $added ) ) {
	throw new RuntimeException( $added->get_error_message() );
}
// They were made while the main site's were in memory; the first visit makes this site's own.
delete_blog_option( $added, 'rewrite_rules' );
