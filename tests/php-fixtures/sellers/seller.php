<?php
/**
 * Plugin Name: Seller %slug%
 * Description: A paid plugin that announces its updates the way %pattern% does.
 * Version: %version%
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * Update URI: %update_uri%
 */

declare( strict_types=1 );

namespace Seller\%slug%;

defined( 'ABSPATH' ) || exit;

/** What the seller's server answers: 2.0 is the newest version. */
function offer(): object {
	return (object) array(
		'id'           => 'shop.example/%slug%',
		'slug'         => '%slug%',
		'plugin'       => '%slug%/%slug%.php',
		'version'      => '2.0',
		'new_version'  => '2.0',
		'url'          => 'https://shop.example/%slug%',
		'package'      => %package%,
		'requires'     => '6.0',
		'requires_php' => '7.4',
	);
}

/**
 * Add the offer to WordPress's list, as it is stored or as it is read.
 *
 * @param mixed $list As WordPress passes it.
 * @return mixed
 */
function announce( $list ) {
	if ( '2.0' !== '%version%' ) {
		$list           = is_object( $list ) ? $list : new \stdClass();
		$list->response = array( '%slug%/%slug%.php' => offer() ) + ( isset( $list->response ) ? (array) $list->response : array() );
	}
	return $list;
}

function when_stored(): void {
	add_filter( 'pre_set_site_transient_update_plugins', __NAMESPACE__ . '\announce' );
}

function when_read(): void {
	add_filter( 'site_transient_update_plugins', __NAMESPACE__ . '\announce' );
}

function is_cron(): bool {
	return defined( 'DOING_CRON' ) && DOING_CRON;
}

%register%
