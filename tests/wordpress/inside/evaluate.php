<?php
/**
 * Runs a test's code inside WordPress, in a request that is for none of WordPress's addresses.
 *
 * Takes JSON with host, path and code. Prints whatever the code prints, then a line that begins
 * with "=====" and holds the value it returns as JSON, or one with "!!!!!" and an error.
 */

// Not strict about types: the code of tests never was.
$inside = require __DIR__ . '/guard.php';

set_time_limit( 0 );
// A test changes files and looks at once; Apache's other requests see them as on any server.
ini_set( 'opcache.revalidate_freq', '0' );

// What a visitor's first request holds, and nothing of this one.
$_SERVER = array(
	'DOCUMENT_ROOT'      => $_SERVER['DOCUMENT_ROOT'],
	'HTTP_HOST'          => $inside['host'],
	'PHP_SELF'           => '/index.php',
	'QUERY_STRING'       => '',
	'REQUEST_METHOD'     => 'GET',
	'REQUEST_TIME'       => $_SERVER['REQUEST_TIME'],
	'REQUEST_TIME_FLOAT' => $_SERVER['REQUEST_TIME_FLOAT'],
	'REQUEST_URI'        => $inside['path'],
	'SCRIPT_FILENAME'    => '/var/www/wordpress/index.php',
	'SCRIPT_NAME'        => '/index.php',
	'SERVER_PROTOCOL'    => 'HTTP/1.1',
	'SERVER_SOFTWARE'    => 'Apache',
);

require '/var/www/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';

try {
	$inside['value'] = eval( "return (function () {\n{$inside['code']}\n})();" );
	echo "\n=====", json_encode( $inside['value'], JSON_THROW_ON_ERROR );
} catch ( Throwable $inside_error ) {
	echo "\n!!!!!$inside_error";
}
