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

	/** In which of WordPress's lists of available updates it appears. */
	const LISTS = array(
		'plugin'    => Siteagent_Update_Transient::PLUGINS,
		'siteagent' => Siteagent_Update_Transient::PLUGINS,
		'theme'     => Siteagent_Update_Transient::THEMES,
	);

	/** An answer of WordPress.org and of the sellers that is younger counts for the next question too. */
	const RECENT_S = MINUTE_IN_SECONDS;

	/** How long the site's request to itself may take: it waits for every seller's server. */
	const TIMEOUT_S = 20;

	/** Of a network larger than this, not every site is asked which plugins it uses. */
	const MAX_SITES = 500;

	/** The package of an update that the plugin itself fetches when it is installed; no address. */
	const FETCHED_BY_PLUGIN = 'own-updater';

	/** @var string */
	private $kind;

	/** @var string */
	private $id;

	/** @var string The approved version, where there may be several to choose from; empty for the newest. */
	private $wanted_version;

	public function __construct( string $kind, string $id, string $wanted_version = '' ) {
		$this->kind   = $kind;
		$this->id     = $id;
		$this->wanted_version = $wanted_version;
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
				return $this->version_header( WP_PLUGIN_DIR . '/' . $this->id );
			case 'theme':
				return $this->version_header( $this->folder() . '/style.css' );
			case 'translation':
				return ( new Siteagent_Translation( $this->id ) )->revision_date();
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
		return ! isset( self::LISTS[ $this->kind ] ) || array() !== $this->active_sites() || ( $this->is_plugin() && $this->is_network_active() );
	}

	/**
	 * The sites of this network on which it is switched on; without a network this one or none.
	 *
	 * @return int[]
	 */
	public function active_sites(): array {
		$sites = array();
		foreach ( self::active_by_site() as $site => $used ) {
			if ( in_array( $this->id, $used[ self::LISTS[ $this->kind ] ], true ) ) {
				$sites[] = $site;
			}
		}
		return $sites;
	}

	/**
	 * By site, the plugins that are active on it and the theme its visitors see, with its parent. Read from the
	 * database: an object cache may remember what was.
	 *
	 * @return array<int,array{plugins:string[],themes:string[]}>
	 */
	public static function active_by_site(): array {
		global $wpdb;
		$found = array();
		$sites = is_multisite() ? get_sites( array( 'fields' => 'ids', 'number' => self::MAX_SITES ) ) : array();
		foreach ( array_unique( array_map( 'intval', array_merge( array( get_current_blog_id() ), $sites ) ) ) as $site ) {
			$used  = array(
				Siteagent_Update_Transient::PLUGINS => array(),
				Siteagent_Update_Transient::THEMES  => array(),
			);
			$table = $wpdb->get_blog_prefix( $site ) . 'options';
			$rows  = $wpdb->get_results( "SELECT option_name, option_value FROM {$table} WHERE option_name IN ('active_plugins','stylesheet','template')" ); // phpcs:ignore WordPress.DB -- see above; the table's name is WordPress's own.
			foreach ( (array) $rows as $row ) {
				$list          = 'active_plugins' === $row->option_name ? Siteagent_Update_Transient::PLUGINS : Siteagent_Update_Transient::THEMES;
				$used[ $list ] = array_merge( $used[ $list ], array_values( (array) maybe_unserialize( $row->option_value ) ) );
			}
			$found[ $site ] = $used;
		}
		return $found;
	}

	public function is_network_active(): bool {
		if ( ! $this->is_plugin() || ! is_multisite() ) {
			return false;
		}
		wp_cache_delete( get_current_network_id() . ':active_sitewide_plugins', 'site-options' );
		return is_plugin_active_for_network( $this->id );
	}

	/**
	 * Switch a plugin on again as it was, without its activation routine: for its data nothing has happened.
	 *
	 * @param int[] $sites Where it was active, if not for the whole network.
	 */
	public function reactivate( bool $for_network, array $sites ): void {
		if ( $for_network ) {
			$active              = (array) get_site_option( 'active_sitewide_plugins', array() );
			$active[ $this->id ] = time();
			update_site_option( 'active_sitewide_plugins', $active );
			return;
		}
		foreach ( $sites as $site ) {
			if ( is_multisite() ) {
				switch_to_blog( $site );
			}
			// An object cache may remember the plugins that were active before.
			wp_cache_delete( 'alloptions', 'options' );
			wp_cache_delete( 'active_plugins', 'options' );
			$active = (array) get_option( 'active_plugins', array() );
			sort( $active );
			update_option( 'active_plugins', array_values( array_unique( array_merge( $active, array( $this->id ) ) ) ) );
			if ( is_multisite() ) {
				restore_current_blog();
			}
		}
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
				return ( new Siteagent_Translation( $this->id ) )->folder();
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
	 * Have WordPress check for updates now, unless it found one for this component within the last minute.
	 */
	public function check_for_updates(): void {
		$kind = 'translation' === $this->kind ? ( new Siteagent_Translation( $this->id ) )->type() : $this->kind;
		if ( 'core' === $kind ) {
			$known = get_site_transient( 'update_core' );
			if ( null === $this->raw_update() || ! isset( $known->last_checked ) || time() - (int) $known->last_checked >= self::RECENT_S ) {
				wp_version_check( array(), true );
			}
			return;
		}
		$list = self::LISTS[ $kind ];
		Siteagent_Admin_Update_Check::include_last_result();
		if ( null === $this->raw_update() || time() - ( new Siteagent_Update_Transient( $list ) )->checked_at() >= self::RECENT_S ) {
			Siteagent_Available_Updates::check_lists( array( $list ), self::TIMEOUT_S, INF );
		}
	}

	/**
	 * Have WordPress check for updates at the next occasion: it did so last while another version was on disk.
	 */
	public function mark_updates_stale(): void {
		if ( isset( self::LISTS[ $this->kind ] ) ) {
			( new Siteagent_Update_Transient( self::LISTS[ $this->kind ] ) )->mark_stale();
		}
	}

	/**
	 * Take the available update off WordPress's list once it is installed, and leave everybody else's there.
	 */
	public function remove_installed_update(): void {
		$update = $this->available_update();
		if ( null === $update || Siteagent_Update_Item::is_newer( $this->kind, $this->version(), $update['version'] ) ) {
			return;
		}
		if ( isset( self::LISTS[ $this->kind ] ) ) {
			( new Siteagent_Update_Transient( self::LISTS[ $this->kind ] ) )->remove_update( $this->id );
		} elseif ( 'translation' === $this->kind ) {
			( new Siteagent_Translation( $this->id ) )->remove_update();
		} else {
			delete_site_transient( 'update_core' );
		}
	}

	/**
	 * What WordPress offers for this component; null when it offers nothing.
	 *
	 * @return array{version:string,package:string,requires_wp:string,requires_php:string}|null
	 */
	public function available_update(): ?array {
		$update = (array) $this->raw_update();
		if ( array() === $update ) {
			return null;
		}
		$keys = array(
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
		$result  = array();
		foreach ( $keys as $name => $key ) {
			$result[ $name ] = isset( $update[ $key ] ) && is_string( $update[ $key ] ) ? $update[ $key ] : '';
		}
		return array( 'package' => self::package_url( $update ) ) + $result;
	}

	/**
	 * Where WordPress would fetch an update; empty when it cannot. Sellers who fetch it themselves, as
	 * WPBakery does, put `true` in the place of an address.
	 */
	public static function package_url( array $update ): string {
		$package = isset( $update['package'] ) ? $update['package'] : '';
		return true === $package ? self::FETCHED_BY_PLUGIN : ( is_string( $package ) ? $package : '' );
	}

	/**
	 * The offer as WordPress keeps it, for its own upgraders; null when there is none.
	 */
	public function raw_update(): ?object {
		if ( 'core' === $this->kind ) {
			return Siteagent_Available_Updates::core_update( $this->wanted_version );
		}
		if ( 'translation' === $this->kind ) {
			return ( new Siteagent_Translation( $this->id ) )->available_update();
		}
		$all = ( new Siteagent_Update_Transient( self::LISTS[ $this->kind ] ) )->updates();
		return isset( $all[ $this->id ] ) ? $all[ $this->id ] : null;
	}

	private function version_header( string $file ): string {
		return is_readable( $file ) ? trim( get_file_data( $file, array( 'Version' => 'Version' ) )['Version'] ) : '';
	}
}
