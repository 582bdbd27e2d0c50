<?php
/**
 * Who may do what on SiteAgent's screen, as meta capabilities of WordPress.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * `siteagent_manage`: see the screen, connect, disconnect. `siteagent_allow` with a scope: let the dashboard update
 * that kind. Nobody can give away a power that WordPress withholds from them: allowing updates of plugins takes
 * `update_plugins`. Filter `map_meta_cap` to give these to other people.
 */
final class Siteagent_Capabilities {

	const MANAGE = 'siteagent_manage';
	const ALLOW  = 'siteagent_allow';

	/** What WordPress asks for to install an update of each kind. */
	const BY_SCOPE = array(
		'translations' => 'update_languages',
		'plugins'      => 'update_plugins',
		'themes'       => 'update_themes',
		'core_minor'   => 'update_core',
		'core_major'   => 'update_core',
		'siteagent'    => 'update_plugins',
	);

	/**
	 * @param string[] $caps    What WordPress would ask for.
	 * @param string   $cap     What was asked for.
	 * @param int      $user_id Whom it is about.
	 * @param array    $args    The scope, for siteagent_allow.
	 * @return string[]
	 */
	public static function map_meta_cap( $caps, $cap, $user_id, $args ): array {
		if ( self::MANAGE === $cap ) {
			return array( Siteagent_Container::is_network() ? 'manage_network_options' : 'manage_options' );
		}
		if ( self::ALLOW !== $cap ) {
			return (array) $caps;
		}
		// On a network every site shares the files, whoever SiteAgent was activated by.
		$needed = array( is_multisite() ? 'manage_network_options' : 'manage_options' );
		if ( ! isset( $args[0] ) ) {
			return $needed;
		}
		$of_scope = is_string( $args[0] ) && isset( self::BY_SCOPE[ $args[0] ] ) ? self::BY_SCOPE[ $args[0] ] : 'do_not_allow';
		return array_merge( $needed, map_meta_cap( $of_scope, (int) $user_id ) );
	}

	/**
	 * The scope that a change needs, for the question who may approve it.
	 *
	 * @param string $kind As a step names it.
	 */
	public static function scope_for_kind( string $kind ): string {
		$permissions = array(
			'translation' => 'translations',
			'plugin'      => 'plugins',
			'theme'       => 'themes',
			'core'        => 'core_minor',
			'siteagent'   => 'siteagent',
		);
		return isset( $permissions[ $kind ] ) ? $permissions[ $kind ] : '';
	}
}
