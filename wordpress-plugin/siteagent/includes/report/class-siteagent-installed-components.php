<?php
/**
 * Installed plugins, themes, must-use plugins and drop-ins.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads the installed components, and whether WordPress updates them automatically.
 */
final class Siteagent_Installed_Components {

	/** The dashboard accepts this many components in a report. */
	const MAX_COMPONENTS = 2000;

	/** @var Siteagent_Update_Limits */
	private $limits;

	public function __construct( Siteagent_Update_Limits $limits ) {
		$this->limits = $limits;
	}

	/**
	 * Returns the four lists of the report. Requires wp-admin's includes.
	 */
	public function all(): array {
		$lists = array(
			'plugins'    => $this->plugins(),
			'themes'     => $this->themes(),
			'mu_plugins' => $this->file_components( get_mu_plugins() ),
			'dropins'    => $this->file_components( get_dropins() ),
		);
		$room  = self::MAX_COMPONENTS;
		foreach ( $lists as $name => $list ) {
			$lists[ $name ] = array_slice( $list, 0, $room );
			$room          -= count( $lists[ $name ] );
		}
		return $lists;
	}

	/**
	 * Removes credentials, query and fragment from a URL, because they may be secrets.
	 */
	public static function strip_url( string $address ): string {
		$parts = wp_parse_url( $address );
		if ( ! is_array( $parts ) ) {
			return '';
		}
		$stripped  = isset( $parts['scheme'] ) ? $parts['scheme'] . '://' : '';
		$stripped .= isset( $parts['host'] ) ? $parts['host'] : '';
		$stripped .= isset( $parts['port'] ) ? ':' . $parts['port'] : '';
		return $stripped . ( isset( $parts['path'] ) ? $parts['path'] : '' );
	}

	private function plugins(): array {
		$list   = array();
		$active = self::active_ids( Siteagent_Update_Transient::PLUGINS );
		foreach ( get_plugins() as $file => $headers ) {
			$file   = (string) $file;
			$list[] = array(
				'id'             => $file,
				'name'           => self::header( $headers, 'Name' ),
				'version'        => self::header( $headers, 'Version' ),
				'active'         => in_array( $file, $active, true ) || is_plugin_active_for_network( $file ),
				'network_active' => is_plugin_active_for_network( $file ),
				'auto_update'    => $this->has_auto_update( 'plugin', $file ),
				'author'         => self::header( $headers, 'Author' ),
				'requires_wp'    => self::header( $headers, 'RequiresWP' ),
				'requires_php'   => self::header( $headers, 'RequiresPHP' ),
				'update_uri'     => self::strip_url( self::header( $headers, 'UpdateURI' ) ),
			) + $this->folder_state( new Siteagent_Component( 'plugin', $file ) );
		}
		return $list;
	}

	private function themes(): array {
		$list   = array();
		$active = self::active_ids( Siteagent_Update_Transient::THEMES );
		foreach ( wp_get_themes() as $stylesheet => $theme ) {
			$stylesheet = (string) $stylesheet;
			$template   = $theme->get_template();
			$list[]     = array(
				'id'           => $stylesheet,
				'name'         => self::theme_header( $theme, 'Name' ),
				'version'      => self::theme_header( $theme, 'Version' ),
				'active'       => in_array( $stylesheet, $active, true ),
				'parent'       => $template === $stylesheet ? null : $template,
				'auto_update'  => $this->has_auto_update( 'theme', $stylesheet ),
				'author'       => self::theme_header( $theme, 'Author' ),
				'requires_wp'  => self::theme_header( $theme, 'RequiresWP' ),
				'requires_php' => self::theme_header( $theme, 'RequiresPHP' ),
				'update_uri'   => self::strip_url( self::theme_header( $theme, 'UpdateURI' ) ),
			) + $this->folder_state( new Siteagent_Component( 'theme', $stylesheet ) );
		}
		return $list;
	}

	/**
	 * Returns what is active on this site or, on a network, on any of its sites.
	 *
	 * @return string[]
	 */
	private static function active_ids( string $list ): array {
		return array_merge( array(), ...array_values( array_column( Siteagent_Component::active_by_site(), $list ) ) );
	}

	/**
	 * Returns what prevents replacing a component's folder, and which releases the owner allows. change.check checks more
	 * closely.
	 */
	private function folder_state( Siteagent_Component $component ): array {
		$folder = $component->folder();
		return array(
			'releases' => $this->limits->release_rule( $component->kind(), $component->id() ),
			'vcs'      => Siteagent_Update_Requirements::is_version_controlled( $folder ),
			'writable' => ! is_link( $folder ) && wp_is_writable( $folder ) && wp_is_writable( dirname( $folder ) ),
		);
	}

	private function file_components( array $headers_by_file ): array {
		$list = array();
		foreach ( $headers_by_file as $file => $headers ) {
			$list[] = array(
				'id'      => (string) $file,
				'name'    => self::header( $headers, 'Name' ),
				'version' => self::header( $headers, 'Version' ),
				'author'  => self::header( $headers, 'Author' ),
			);
		}
		return $list;
	}

	/**
	 * Whether automatic updates are enabled, as the lists in wp-admin show it: filters take precedence over the
	 * administrator's choice.
	 */
	private function has_auto_update( string $type, string $id ): bool {
		$chosen = in_array( $id, (array) get_site_option( "auto_update_{$type}s", array() ), true );
		$forced = wp_is_auto_update_forced_for_item( $type, null, $this->update_item( $type, $id ) );
		if ( null !== $forced ) {
			return (bool) $forced;
		}
		return $chosen && wp_is_auto_update_enabled_for_type( $type );
	}

	/**
	 * Returns the item that filters expect: WordPress's own, or one with the same keys.
	 */
	private function update_item( string $type, string $id ): object {
		$known = get_site_transient( "update_{$type}s" );
		foreach ( array( 'response', 'no_update' ) as $list ) {
			if ( is_object( $known ) && isset( $known->$list ) && isset( ( (array) $known->$list )[ $id ] ) ) {
				return (object) ( (array) $known->$list )[ $id ];
			}
		}
		return (object) array(
			'id'   => $id,
			'slug' => 'plugin' === $type ? dirname( $id ) : $id,
			$type           => $id,
			'new_version'   => '',
			'url'           => '',
			'package'       => '',
			'icons'         => array(),
			'banners'       => array(),
			'banners_rtl'   => array(),
			'tested'        => '',
			'requires'      => '',
			'requires_php'  => '',
			'compatibility' => new stdClass(),
		);
	}

	private static function header( array $headers, string $key ): string {
		return isset( $headers[ $key ] ) && is_string( $headers[ $key ] ) ? Siteagent_Report::plain_text( $headers[ $key ] ) : '';
	}

	private static function theme_header( WP_Theme $theme, string $key ): string {
		$value = $theme->get( $key );
		return is_string( $value ) ? Siteagent_Report::plain_text( $value ) : '';
	}
}
