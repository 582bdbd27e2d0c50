<?php
/**
 * Plugin Name: Stand-in for sellers
 * Description: Answers for every host below shop.example from the folder of that name on this test site.
 * Version: 1.0
 * Author: Aura test bed
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_filter(
	'pre_http_request',
	static function ( $answer, $arguments, $url ) {
		if ( false !== $answer || 'shop.example' !== wp_parse_url( $url, PHP_URL_HOST ) ) {
			return $answer;
		}
		$arguments['reject_unsafe_urls'] = false;
		return wp_remote_request( 'http://127.0.0.1:' . getenv( 'PORT' ) . '/wordpress.org/shop.example' . wp_parse_url( $url, PHP_URL_PATH ), $arguments );
	},
	PHP_INT_MAX,
	3
);
