<?php
/**
 * Plugin Name: Parcel Labels
 * Description: Prints address labels for orders.
 * Version: 1.8.2
 * Author: Quay & Sons
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * Tested up to: 7.0
 * License: GPL-2.0-or-later
 * Text Domain: parcel-labels
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_action(
	'init',
	static function (): void {
		register_post_type( 'parcel_label', array( 'label' => __( 'Parcel labels', 'parcel-labels' ) ) );
	}
);
