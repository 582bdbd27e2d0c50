<?php
/**
 * Plugin Name: Rigs
 * Description: Lets a site on a port of its own live behind a proxy that renames it.
 * Version: 1.0
 * Author: Aura test bed
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// On the usual ports WordPress lets another host name pass. On ours it sends visitors to the
// port in its address, the proxy renames them again, and they go in circles.
add_filter( 'redirect_canonical', '__return_false' );

// What PHP was told about a request, for tests of the rigs themselves.
add_action(
	'rest_api_init',
	static function (): void {
		register_rest_route(
			'rigs/v1',
			'/told',
			array(
				'methods'             => 'GET',
				'permission_callback' => '__return_true',
				'callback'            => static function (): array {
					return array(
						'host'          => $_SERVER['HTTP_HOST'],
						'interface'     => PHP_SAPI,
						'server'        => $_SERVER['SERVER_SOFTWARE'],
						'authorization' => isset( $_SERVER['HTTP_AUTHORIZATION'] ),
					);
				},
			)
		);
	}
);
