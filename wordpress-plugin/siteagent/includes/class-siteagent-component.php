<?php
/**
 * One component as it is on this site now, and what is offered for it.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads files and the database, never what this process remembers: before and after a change the
 * same question must get a true answer. wp-admin's includes must be loaded.
 */
final class Siteagent_Component {

	const LISTS = array(
		'plugin'    => array( 'update_plugins', 'wp_update_plugins' ),
		'siteagent' => array( 'update_plugins', 'wp_update_plugins' ),
		'theme'     => array( 'update_themes', 'wp_update_themes' ),
	);

	/** @var string */
	private $kind;

	/** @var string */
	private $id;

	public function __construct( string $kind, string $id ) {
		$this->kind = $kind;
		$this->id   = $id;
	}

	public function kind(): string {
		return $this->kind;
	}

	public function id(): string {
		return $this->id;
	}

	/**
	 * Whether this is SiteAgent. Its own kind is the one file; as a plugin it is whatever lies in its folder.
	 */
	public function is_siteagent(): bool {
		$own = plugin_basename( SITEAGENT_FILE );
		return 'siteagent' === $this->kind ? $own === $this->id : 'plugin' === $this->kind && dirname( $own ) === dirname( $this->id );
	}

	/**
	 * Whether WordPress knows it as a plugin.
	 */
	public function is_plugin(): bool {
		return in_array( $this->kind, array( 'plugin', 'siteagent' ), true );
	}

	/**
	 * The version on disk; empty when the component is not there.
	 */
	public function version(): string {
		clearstatcache();
		switch ( $this->kind ) {
			case 'plugin':
			case 'siteagent':
				return $this->header( WP_PLUGIN_DIR . '/' . $this->id );
			case 'theme':
				return $this->header( $this->folder() . '/style.css' );
			case 'translation':
				return ( new Siteagent_Language( $this->id ) )->stamp();
		}
		// get_bloginfo() would tell what this process was started with.
		return is_readable( ABSPATH . WPINC . '/version.php' ) ? self::core_version( (string) file_get_contents( ABSPATH . WPINC . '/version.php' ) ) : '';
	}

	/**
	 * The version that a text of wp-includes/version.php names; empty when it names none.
	 */
	public static function core_version( string $source ): string {
		return 1 === preg_match( '/^\$wp_version\s*=\s*\'([^\']+)\'/m', $source, $found ) ? $found[1] : '';
	}

	/**
	 * Whether visitors meet it. What has no switch is always on.
	 */
	public function is_active(): bool {
		wp_cache_delete( 'alloptions', 'options' );
		switch ( $this->kind ) {
			case 'plugin':
			case 'siteagent':
				wp_cache_delete( 'active_plugins', 'options' );
				wp_cache_delete( get_current_network_id() . ':active_sitewide_plugins', 'site-options' );
				return is_plugin_active( $this->id );
			case 'theme':
				return in_array( $this->id, array( get_option( 'stylesheet' ), get_option( 'template' ) ), true );
		}
		return true;
	}

	public function is_network_active(): bool {
		return $this->is_plugin() && is_plugin_active_for_network( $this->id );
	}

	/**
	 * Switch a plugin on again as it was, without its activation routine: for its data nothing has happened.
	 */
	public function activate( bool $for_network ): void {
		if ( $for_network ) {
			$active              = (array) get_site_option( 'active_sitewide_plugins', array() );
			$active[ $this->id ] = time();
			update_site_option( 'active_sitewide_plugins', $active );
			return;
		}
		$active = (array) get_option( 'active_plugins', array() );
		sort( $active );
		update_option( 'active_plugins', array_values( array_unique( array_merge( $active, array( $this->id ) ) ) ) );
	}

	/**
	 * The folder that is replaced as a whole; for a translation and WordPress itself the one that receives files.
	 */
	public function folder(): string {
		switch ( $this->kind ) {
			case 'plugin':
			case 'siteagent':
				return $this->is_single_file() ? WP_PLUGIN_DIR : WP_PLUGIN_DIR . '/' . dirname( $this->id );
			case 'theme':
				return get_theme_root( $this->id ) . '/' . $this->id;
			case 'translation':
				return ( new Siteagent_Language( $this->id ) )->folder();
		}
		return untrailingslashit( ABSPATH );
	}

	/**
	 * Whether the whole folder belongs to this component, so that it can be kept and put back.
	 */
	public function owns_folder(): bool {
		return 'theme' === $this->kind || ( $this->is_plugin() && ! $this->is_single_file() );
	}

	public function is_single_file(): bool {
		return $this->is_plugin() && '.' === dirname( $this->id );
	}

	/**
	 * Have WordPress ask for offers now, whenever it asked last.
	 */
	public function look_for_offers(): void {
		if ( 'core' === $this->kind ) {
			wp_version_check( array(), true );
			return;
		}
		$kind = 'translation' === $this->kind ? ( new Siteagent_Language( $this->id ) )->type() : $this->kind;
		if ( 'core' === $kind ) {
			wp_version_check( array(), true );
			return;
		}
		list( $transient, $look ) = self::LISTS[ $kind ];
		$known                    = get_site_transient( $transient );
		if ( is_object( $known ) ) {
			// A list that was never checked is too old, also for WordPress's own throttle.
			$known->last_checked = 0;
			set_site_transient( $transient, $known );
		}
		$look();
	}

	/**
	 * Let WordPress ask for offers at the next occasion: it asked last while another version was on disk.
	 */
	public function forget_offers(): void {
		if ( isset( self::LISTS[ $this->kind ] ) ) {
			delete_site_transient( self::LISTS[ $this->kind ][0] );
		}
	}

	/**
	 * What WordPress offers for this component; null when it offers nothing.
	 *
	 * @return array{version:string,package:string,requires_wp:string,requires_php:string}|null
	 */
	public function offer(): ?array {
		$offer = (array) $this->raw_offer();
		if ( array() === $offer ) {
			return null;
		}
		$names = array(
			'version'      => array(
				'plugin'      => 'new_version',
				'siteagent'   => 'new_version',
				'theme'       => 'new_version',
				'translation' => 'updated',
				'core'        => 'version',
			)[ $this->kind ],
			'package'      => 'package',
			'requires_wp'  => 'requires',
			'requires_php' => 'core' === $this->kind ? 'php_version' : 'requires_php',
		);
		$told  = array();
		foreach ( $names as $name => $key ) {
			$told[ $name ] = isset( $offer[ $key ] ) && is_string( $offer[ $key ] ) ? $offer[ $key ] : '';
		}
		return $told;
	}

	/**
	 * The offer as WordPress keeps it, for its own upgraders; null when there is none.
	 */
	public function raw_offer(): ?object {
		if ( 'core' === $this->kind ) {
			return ( new Siteagent_Offers() )->newest_core();
		}
		if ( 'translation' === $this->kind ) {
			return ( new Siteagent_Language( $this->id ) )->offer();
		}
		$known = get_site_transient( self::LISTS[ $this->kind ][0] );
		$all   = is_object( $known ) && isset( $known->response ) ? (array) $known->response : array();
		return isset( $all[ $this->id ] ) ? (object) $all[ $this->id ] : null;
	}

	private function header( string $file ): string {
		return is_readable( $file ) ? trim( get_file_data( $file, array( 'Version' => 'Version' ) )['Version'] ) : '';
	}
}
