<?php
/**
 * Meta capabilities for the settings page.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Maps `siteagent_manage` (open the settings page, connect, disconnect) and `siteagent_allow` with a kind of
 * update (let the dashboard install updates of that kind).
 *
 * An administrator cannot grant more than they have: allowing plugin updates requires `update_plugins`. Use the
 * filter `map_meta_cap` to give these capabilities to other people.
 */
final class Siteagent_Capabilities {

	const MANAGE = 'siteagent_manage';
	const ALLOW  = 'siteagent_allow';

	/** The capability WordPress requires to install each kind of update. */
	const BY_PERMISSION = array(
		'translations' => 'update_languages',
		'plugins'      => 'update_plugins',
		'themes'       => 'update_themes',
		'core_minor'   => 'update_core',
		'core_major'   => 'update_core',
		'database'     => 'update_core',
		'siteagent'    => 'update_plugins',
	);

	/**
	 * Maps a meta capability of SiteAgent (filter `map_meta_cap`).
	 *
	 * @param string[] $caps    Primitive capabilities so far.
	 * @param string   $cap     The meta capability.
	 * @param int      $user_id The user.
	 * @param array    $args    The kind of update, for siteagent_allow.
	 * @return string[]
	 */
	public static function map_meta_cap( $caps, $cap, $user_id, $args ): array {
		if ( self::MANAGE === $cap ) {
			return array( Siteagent_Container::is_network() ? 'manage_network_options' : 'manage_options' );
		}
		if ( self::ALLOW !== $cap ) {
			return (array) $caps;
		}
		// On a network all sites share their files, however SiteAgent was activated.
		$needed = array( is_multisite() ? 'manage_network_options' : 'manage_options' );
		if ( ! isset( $args[0] ) ) {
			return $needed;
		}
		$of_permission = is_string( $args[0] ) && isset( self::BY_PERMISSION[ $args[0] ] ) ? self::BY_PERMISSION[ $args[0] ] : 'do_not_allow';
		return array_merge( $needed, map_meta_cap( $of_permission, (int) $user_id ) );
	}

	/**
	 * Returns the permission that approving an update of this kind requires.
	 *
	 * @param string $kind Kind of the update item.
	 */
	public static function permission_for_kind( string $kind ): string {
		$permissions = array(
			'translation' => 'translations',
			'plugin'      => 'plugins',
			'theme'       => 'themes',
			'core'        => 'core_minor',
			'database'    => 'database',
			'siteagent'   => 'siteagent',
		);
		return isset( $permissions[ $kind ] ) ? $permissions[ $kind ] : '';
	}
}
