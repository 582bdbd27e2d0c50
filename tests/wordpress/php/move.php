<?php
/**
 * Gives a copied site its own address, as migration tools do. The only argument is the address.
 */

declare( strict_types=1 );

define( 'DISABLE_WP_CRON', true );
$_SERVER['HTTP_HOST']       = substr( $argv[1], strlen( 'http://' ) );
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

require '/var/www/wordpress/wp-load.php';

update_option( 'siteurl', $argv[1] );
update_option( 'home', $argv[1] );
