<?php
/**
 * Lets only the process that started this site go on, and returns what it asks for.
 */

$secret = file_get_contents( __DIR__ . '/secret' );
if ( ! $secret || ! hash_equals( $secret, $_SERVER['HTTP_X_INSIDE_SECRET'] ?? '' ) ) {
	http_response_code( 404 );
	exit;
}
return json_decode( file_get_contents( 'php://input' ), true, 8, JSON_THROW_ON_ERROR );
