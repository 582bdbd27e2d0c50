<?php
/**
 * Plugin Name: Opening Hours
 * Description: Tells visitors whether the shop is open.
 * Version: 3.2.0
 * Author: Lisa Thorne
 * Requires at least: 5.9
 * Requires PHP: 7.4
 * Tested up to: 7.1
 * License: GPL-2.0-or-later
 * Text Domain: opening-hours
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_shortcode(
	'opening_hours',
	static function (): string {
		$open = wp_date( 'G' ) >= 7 && wp_date( 'G' ) < 18;
		return esc_html( $open ? __( 'We are open.', 'opening-hours' ) : __( 'We are closed.', 'opening-hours' ) );
	}
);
