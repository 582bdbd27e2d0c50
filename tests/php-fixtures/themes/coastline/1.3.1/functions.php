<?php
/**
 * What the theme asks WordPress for; this version breaks pages, and only those of visitors.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_action(
	'after_setup_theme',
	static function (): void {
		add_theme_support( 'title-tag' );
	}
);

add_action(
	'wp_body_open',
	static function (): void {
		coastline_show_tide();
	}
);
