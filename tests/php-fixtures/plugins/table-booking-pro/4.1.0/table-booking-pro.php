<?php
/**
 * Plugin Name: Table Booking Pro
 * Description: Guests book a table. Updates need a licence.
 * Version: 4.1.0
 * Author: Bookwell
 * Update URI: https://updates.bookwell.example/table-booking-pro
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 * Text Domain: table-booking-pro
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// As premium plugins do: the new version is known, its package is not, because no licence is entered.
add_filter(
	'update_plugins_updates.bookwell.example',
	static function ( $update, array $headers ) {
		return array(
			'slug'         => 'table-booking-pro',
			'version'      => '4.2.0',
			'url'          => $headers['UpdateURI'],
			'package'      => '',
			'requires_php' => '7.4',
			'tested'       => '7.1',
		);
	},
	10,
	2
);
