<?php
/**
 * A plugin, theme, translation or WordPress itself, as it is on this site now.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads files and the database, never cached values, because the same question is asked before and after an
 * update. Requires wp-admin's includes.
 */
final class Siteagent_Component {

	/** WordPress's list of available updates for each kind. */
	const LISTS = array(
		'plugin'    => Siteagent_Update_Transient::PLUGINS,
		'siteagent' => Siteagent_Update_Transient::PLUGINS,
		'theme'     => Siteagent_Update_Transient::THEMES,
	);

	/** A check for updates that is younger than this is not repeated. */
	const RECENT_S = MINUTE_IN_SECONDS;

	/** Timeout of the site's request to itself, which waits for the servers of all sellers. */
	const TIMEOUT_S = 20;

	/** On larger networks, only this many sites are asked which plugins they use. */
	const MAX_SITES = 500;

	/** Stands for the package of an upgrade of the database, which needs none. Not a URL. */
	const NO_PACKAGE = 'none';

	/** Marks the package of an update that the plugin downloads itself. Not a URL. */
	const FETCHED_BY_PLUGIN = 'own-updater';

	/** @var string */
	private $kind;

	/** @var string */
	private $id;

	/** @var string The approved version, where several are available; empty for the newest. */
	private $wanted_version;

	public function __construct( string $kind, string $id, string $wanted_version = '' ) {
		$this->kind           = $kind;
		$this->id             = $id;
		$this->wanted_version = $wanted_version;
	}

	public function kind(): string {
		return $this->kind;
	}

	public function id(): string {
		return $this->id;
	}

	/**
	 * Whether this is SiteAgent. The kind `siteagent` names its main file; as a `plugin` it is anything in its folder.
	 */
	public function is_siteagent(): bool {
		$own = plugin_basename( SITEAGENT_FILE );
		return 'siteagent' === $this->kind ? $own === $this->id : 'plugin' === $this->kind && dirname( $own ) === dirname( $this->id );
	}

	/**
	 * Whether WordPress treats it as a plugin.
	 */
	public function is_plugin(): bool {
		return in_array( $this->kind, array( 'plugin', 'siteagent' ), true );
	}

	/**
	 * Returns the version on disk; empty when the component is not installed.
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
			case 'database':
				return self::database_version();
		}
		// get_bloginfo() would return the version this process started with.
		return is_readable( ABSPATH . WPINC . '/version.php' ) ? self::core_version( (string) file_get_contents( ABSPATH . WPINC . '/version.php' ) ) : '';
	}

	/**
	 * Returns the version of WordPress's database. Read from the database, because an object cache may be stale.
	 */
	private static function database_version(): string {
		global $wpdb;
		return (string) $wpdb->get_var( "SELECT option_value FROM {$wpdb->options} WHERE option_name = 'db_version'" ); // phpcs:ignore WordPress.DB -- see above.
	}

	/**
	 * Returns the version in the source of wp-includes/version.php; empty without one.
	 */
	public static function core_version( string $source ): string {
		return 1 === preg_match( '/^\$wp_version\s*=\s*\'([^\']+)\'/m', $source, $found ) ? $found[1] : '';
	}

	/**
	 * Whether the component is active. Translations and WordPress itself always are.
	 */
	public function is_active(): bool {
		return ! isset( self::LISTS[ $this->kind ] ) || array() !== $this->active_sites() || ( $this->is_plugin() && $this->is_network_active() );
	}

	/**
	 * Returns the state that a run starts from, for its marker.
	 *
	 * @return array{version:string,active:bool,network:bool,sites:int[],probe:null}
	 */
	public function state_before_run(): array {
		return array(
			'version' => $this->version(),
			'active'  => $this->is_active(),
			'network' => $this->is_network_active(),
			'sites'   => $this->is_plugin() ? $this->active_sites() : array(),
			'probe'   => null,
		);
	}

	/**
	 * Returns the sites of this network on which it is active; without a network this site or none.
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
	 * Returns the active plugins of each site, and its active theme with the parent theme. Read from the database,
	 * because an object cache may be stale.
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
				$used[ $list ] = array_merge( $used[ $list ], array_values( (array) maybe_unserialize( $row->option_value ) ) ); // phpcs:ignore Generic.PHP.ForbiddenFunctions -- as get_option() reads it.
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
	 * Reactivates a plugin without running its activation hook, because nothing has happened to its data.
	 *
	 * @param bool  $for_network Whether it was active for the whole network.
	 * @param int[] $sites       Otherwise the sites on which it was active.
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
			// An object cache may hold an older list.
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
	 * Returns the folder that an update replaces; for translations and WordPress itself the one that receives files.
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
	 * Whether the whole folder belongs to this component, so that it can be backed up and restored.
	 */
	public function owns_folder(): bool {
		return 'theme' === $this->kind || ( $this->is_plugin() && ! $this->is_single_file() );
	}

	public function is_single_file(): bool {
		return $this->is_plugin() && '.' === dirname( $this->id );
	}

	/**
	 * Checks for updates, unless an update of this component was found within the last minute.
	 */
	public function check_for_updates(): void {
		$kind = 'translation' === $this->kind ? ( new Siteagent_Translation( $this->id ) )->type() : $this->kind;
		if ( 'database' === $kind ) {
			return; // The files on this site say which version it needs.
		}
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
	 * Makes WordPress check for updates again, because its last check was for another version.
	 */
	public function mark_updates_stale(): void {
		if ( isset( self::LISTS[ $this->kind ] ) ) {
			( new Siteagent_Update_Transient( self::LISTS[ $this->kind ] ) )->mark_stale();
		}
	}

	/**
	 * Removes the installed update from WordPress's list, and keeps all others.
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
	 * Returns the available update; null when there is none.
	 *
	 * @return array{version:string,package:string,requires_wp:string,requires_php:string}|null
	 */
	public function available_update(): ?array {
		$update = (array) $this->raw_update();
		if ( array() === $update ) {
			return null;
		}
		$keys   = array(
			'version'      => array(
				'plugin'      => 'new_version',
				'siteagent'   => 'new_version',
				'theme'       => 'new_version',
				'translation' => 'updated',
				'core'        => 'version',
				'database'    => 'version',
			)[ $this->kind ],
			'package'      => 'package',
			'requires_wp'  => 'requires',
			'requires_php' => 'core' === $this->kind ? 'php_version' : 'requires_php',
		);
		$result = array();
		foreach ( $keys as $name => $key ) {
			$result[ $name ] = isset( $update[ $key ] ) && is_string( $update[ $key ] ) ? $update[ $key ] : '';
		}
		return array( 'package' => self::package_url( $update ) ) + $result;
	}

	/**
	 * Returns the download URL of an update; empty when there is none. Sellers who download it themselves, such as
	 * WPBakery, use `true` instead of a URL.
	 */
	public static function package_url( array $update ): string {
		$package = isset( $update['package'] ) ? $update['package'] : '';
		return true === $package ? self::FETCHED_BY_PLUGIN : ( is_string( $package ) ? $package : '' );
	}

	/**
	 * Returns the update as WordPress stores it, for its upgraders; null when there is none.
	 */
	public function raw_update(): ?object {
		if ( 'database' === $this->kind ) {
			$needed = (string) $GLOBALS['wp_db_version'];
			return version_compare( $needed, $this->version(), '>' ) ? (object) array( 'version' => $needed, 'package' => self::NO_PACKAGE ) : null;
		}
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
