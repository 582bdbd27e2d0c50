<?php
/**
 * Plugin Name: Bench
 * Description: The floor that SiteAgent is measured against, and a clock inside WordPress.
 * Version: 1.0
 * Author: Aura bench
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// Scheduled work that a visit sets off would be counted as the visit's.
defined( 'DISABLE_WP_CRON' ) || define( 'DISABLE_WP_CRON', true );

add_action(
	'rest_api_init',
	static function (): void {
		register_rest_route(
			'bench/v1',
			'/nothing',
			array(
				'methods'             => 'POST',
				'permission_callback' => '__return_true',
				'callback'            => static function (): array {
					return array();
				},
			)
		);
	}
);

// How long WordPress spends on loading each plugin, told in a header.
if ( isset( $_SERVER['HTTP_X_BENCH'] ) ) {
	$began  = 0;
	$listen = static function ( string $file ) use ( &$began ): void {
		$now = hrtime( true );
		if ( $began > 0 ) {
			header( 'Server-Timing: ' . basename( $file, '.php' ) . ';dur=' . ( $now - $began ) / 1e6, false );
		}
		$began = hrtime( true );
	};
	add_action( 'plugin_loaded', $listen, PHP_INT_MAX );
	add_action( 'muplugins_loaded', static function () use ( $listen, &$began ): void {
		$began = hrtime( true );
	}, PHP_INT_MAX );
}
