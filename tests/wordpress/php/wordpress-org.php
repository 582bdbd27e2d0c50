<?php
/**
 * Plugin Name: Stand-in for WordPress.org
 * Description: Sends every request for wordpress.org to the repository on this test site.
 * Version: 1.0
 * Author: Aura test bed
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_filter(
	'pre_http_request',
	static function ( $answer, $arguments, $url ) {
		$host = (string) wp_parse_url( $url, PHP_URL_HOST );
		// A test's own answer comes first, so that it can play a host without a way out.
		// An agency's dashboard is a host whose files lie beside those of WordPress.org.
		if ( false !== $answer || ( 'aura.example' !== $host && ! preg_match( '/(^|\.)wordpress\.org$/', $host ) ) ) {
			return $answer;
		}
		// Nothing but the API is a program; whatever else is asked for is a file or missing.
		$program = 'api.wordpress.org' === $host ? '/api.php' : "/$host";
		$there   = wp_parse_url( $url, PHP_URL_PATH ) . '?' . wp_parse_url( $url, PHP_URL_QUERY );
		// The real hosts are public ones; only this stand-in has a private address.
		$arguments['reject_unsafe_urls'] = false;
		return wp_remote_request( 'http://127.0.0.1:' . getenv( 'PORT' ) . "/wordpress.org$program$there", $arguments );
	},
	PHP_INT_MAX,
	3
);

// Tests sign in hundreds of times, and a hash that is hard to guess takes a quarter of a second.
add_filter(
	'wp_hash_password_options',
	static function (): array {
		return array( 'cost' => 4 );
	}
);
