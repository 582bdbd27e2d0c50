<?php
/**
 * Plugin Name: Tide Gallery
 * Description: Galleries that fill the width of the page.
 * Version: 1.1.0
 * Author: Studio Ebb
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * Tested up to: 7.1
 * License: GPL-2.0-or-later
 * Text Domain: tide-gallery
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

add_filter(
	'post_gallery',
	static function ( string $output, array $attributes ): string {
		return '' === $output ? '' : '<div class="tide-gallery">' . $output . '</div>';
	},
	10,
	2
);
