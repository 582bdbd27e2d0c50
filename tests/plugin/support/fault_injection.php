<?php
/**
 * Plugin Name: Fault injection
 * Description: Disturbs a change as hosts, caches and other plugins do.
 * Version: 1.0
 * Author: Aura test bed
 *
 * The option "fault_injection" selects the faults; without it there are none.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$fault_injection = (array) get_option( 'fault_injection', array() );

// Constants as in wp-config.php, and filters as of another plugin.
foreach ( (array) ( $fault_injection['constants'] ?? array() ) as $name => $value ) {
	define( $name, $value );
}
foreach ( (array) ( $fault_injection['filters'] ?? array() ) as $name => $value ) {
	add_filter( $name, $value ? '__return_true' : '__return_false' );
}

// The response to a site's loopback requests.
if ( isset( $fault_injection['loopback'] ) ) {
	add_filter(
		'pre_http_request',
		static function ( $answer, $arguments, $url ) use ( $fault_injection ) {
			if ( false === strpos( $url, 'wp_scrape_key=' ) && false === strpos( $url, 'siteagent/v1/rpc' ) && false === strpos( $url, 'siteagent_rpc' ) && false === strpos( $url, 'admin-ajax.php' ) ) {
				return $answer;
			}
			return 'blocked' === $fault_injection['loopback'] ? new WP_Error( 'http_request_failed', 'Connection timed out' ) : array(
				'headers'  => array(),
				'body'     => '<html><body>A page from a cache.</body></html>',
				'response' => array( 'code' => 200, 'message' => 'OK' ),
				'cookies'  => array(),
			);
		},
		10,
		3
	);
}

// A slow download, a slow replacement of files, or a process that is killed meanwhile. The process
// sleeps until a test deletes the file with its id, or until the seconds have passed.
$sleep = static function ( int $seconds ): void {
	$file  = get_temp_dir() . 'fault_injection';
	$until = microtime( true ) + $seconds;
	file_put_contents( $file, getmypid() );
	do {
		usleep( 20000 );
		clearstatcache( true, $file );
	} while ( file_exists( $file ) && microtime( true ) < $until );
};
foreach ( array( 'upgrader_pre_install' => 'before', 'upgrader_clear_destination' => 'half_way', 'upgrader_post_install' => 'behind', 'upgrader_process_complete' => 'done' ) as $hook => $when ) {
	if ( isset( $fault_injection['sleep'][ $when ] ) ) {
		add_filter(
			$hook,
			static function ( $passed ) use ( $fault_injection, $sleep, $when ) {
				$sleep( $fault_injection['sleep'][ $when ] );
				return $passed;
			},
			99
		);
	}
}
if ( isset( $fault_injection['sleep']['download'] ) ) {
	add_filter(
		'pre_http_request',
		static function ( $answer, $arguments, $url ) use ( $fault_injection, $sleep ) {
			if ( '.zip' === substr( $url, -4 ) ) {
				$sleep( $fault_injection['sleep']['download'] );
			}
			return $answer;
		},
		1,
		3
	);
}
if ( isset( $fault_injection['begins'] ) ) {
	// A run begins by reading the lock of WordPress's own core updates.
	add_filter(
		'pre_option_core_updater.lock',
		static function ( $passed ) {
			file_put_contents( get_temp_dir() . 'fault_injection', getmypid() );
			return $passed;
		}
	);
}

// All results that an upgrader is known to return when nothing was installed.
if ( isset( $fault_injection['upgrader'] ) ) {
	$fetched = false;
	add_filter(
		'pre_http_request',
		static function ( $answer, $arguments, $url ) use ( &$fetched ) {
			$fetched = $fetched || '.zip' === substr( $url, -4 );
			return $answer;
		},
		1,
		3
	);
	if ( 'true' === $fault_injection['upgrader'] ) {
		add_filter(
			'site_transient_update_plugins',
			static function ( $known ) use ( &$fetched ) {
				if ( $fetched && is_object( $known ) ) {
					$known           = clone $known;
					$known->response = array();
				}
				return $known;
			}
		);
	} elseif ( 'false' === $fault_injection['upgrader'] ) {
		add_filter(
			'filesystem_method',
			static function ( $method ) use ( &$fetched ) {
				return $fetched ? 'ftpsockets' : $method;
			}
		);
	} else {
		add_filter(
			'upgrader_pre_install',
			static function () {
				return new WP_Error( 'meddled', 'Not today.' );
			}
		);
	}
	if ( 'null' === $fault_injection['upgrader'] ) {
		add_filter( 'upgrader_install_package_result', '__return_null' );
	}
}
if ( isset( $fault_injection['throws'] ) ) {
	add_filter(
		'upgrader_clear_destination',
		static function (): void {
			throw new LogicException( 'Another plugin broke during the update.' );
		},
		99
	);
}
// An update that was installed, but is reported as an error.
if ( isset( $fault_injection['complains'] ) ) {
	add_filter(
		'upgrader_post_install',
		static function () {
			return new WP_Error( 'meddled', 'Something was wrong at the end.' );
		}
	);
}

if ( isset( $fault_injection['filesystem'] ) ) {
	add_filter(
		'filesystem_method',
		static function () use ( $fault_injection ) {
			return $fault_injection['filesystem'];
		}
	);
}
if ( isset( $fault_injection['file_mods_off'] ) && ! defined( 'DISALLOW_FILE_MODS' ) ) {
	define( 'DISALLOW_FILE_MODS', true );
}
