<?php
/**
 * Plugin Name: Contact Desk
 * Description: A contact link that address collectors cannot read.
 * Version: 2.5.4
 * Author: Marram Software
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * Tested up to: 7.1
 * License: GPL-2.0-or-later
 * Text Domain: contact-desk
 *
 * Its error shows in a part of WordPress, called with what nobody accepts.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_shortcode(
	'contact_desk',
	static function (): string {
		$address = antispambot( get_bloginfo( 'admin_email' ) );
		return '<p class="contact-desk"><a href="mailto:' . $address . '">' . esc_html__( 'Write to us', 'contact-desk' ) . '</a></p>';
	}
);

add_action(
	'wp_head',
	static function (): void {
		echo esc_html( antispambot( array() ) );
	}
);
