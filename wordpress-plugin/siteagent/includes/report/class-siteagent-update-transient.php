<?php
/**
 * WordPress's list of available updates of plugins or of themes.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads and refreshes the list without losing what sellers' updaters added to it.
 *
 * WordPress rebuilds the list at each check and applies filters to it. Many sellers add their filter only in
 * wp-admin or for logged-in users, so a check in any other request would remove their updates.
 */
final class Siteagent_Update_Transient {

	const PLUGINS = 'plugins';
	const THEMES  = 'themes';

	/** How long an update is kept that its seller has not announced again. */
	const KEEP_S = 3 * DAY_IN_SECONDS;

	/** Set on an entry that a check removed and SiteAgent kept: when that happened first. */
	const KEPT_SINCE = 'siteagent_kept_since';

	/** @var string */
	private $name;

	public function __construct( string $name ) {
		$this->name = $name;
	}

	/**
	 * @return self[] By name.
	 */
	public static function all(): array {
		return array(
			self::PLUGINS => new self( self::PLUGINS ),
			self::THEMES  => new self( self::THEMES ),
		);
	}

	/**
	 * Returns the available updates, with the filters of this request.
	 *
	 * @return array<string,object> WordPress's entry by plugin file or theme folder.
	 */
	public function updates(): array {
		return self::entries( get_site_transient( $this->transient() ) );
	}

	/**
	 * Returns the available updates as stored.
	 *
	 * @return array<string,object>
	 */
	public function stored(): array {
		return self::entries( self::read_stored( $this->transient() ) );
	}

	public function checked_at(): int {
		$list = self::read_stored( $this->transient() );
		return null === $list || empty( $list->last_checked ) ? 0 : (int) $list->last_checked;
	}

	/**
	 * Makes WordPress check for updates now.
	 */
	public function check(): void {
		$outdated = static function ( $list ) {
			if ( is_object( $list ) ) {
				// A copy with an outdated time, so that WordPress does not skip the check.
				$list               = clone $list;
				$list->last_checked = 0;
			}
			return $list;
		};
		$keep     = $this->keep_seller_updates();
		add_filter( 'site_transient_' . $this->transient(), $outdated, PHP_INT_MAX );
		self::PLUGINS === $this->name ? wp_update_plugins() : wp_update_themes();
		remove_filter( 'site_transient_' . $this->transient(), $outdated, PHP_INT_MAX );
		remove_filter( 'pre_set_site_transient_' . $this->transient(), $keep, PHP_INT_MAX );
	}

	/**
	 * Removes an update that has been installed.
	 */
	public function remove_update( string $id ): void {
		$list = self::read_stored( $this->transient() );
		if ( null !== $list && isset( $list->response ) && isset( ( (array) $list->response )[ $id ] ) ) {
			$list->response = array_diff_key( (array) $list->response, array( $id => true ) );
			$this->store( $list );
		}
	}

	/**
	 * Makes WordPress check at the next occasion. Keeps the list until then.
	 */
	public function mark_stale(): void {
		$list = self::read_stored( $this->transient() );
		if ( null !== $list ) {
			$list->last_checked = 0;
			$this->store( $list );
		}
	}

	/**
	 * Reads the list from the database again, because another request has written it.
	 */
	public function clear_cache(): void {
		self::clear_transient_cache( $this->transient() );
	}

	/**
	 * Clears the cache of a site transient in this process.
	 */
	public static function clear_transient_cache( string $transient ): void {
		if ( wp_using_ext_object_cache() ) {
			wp_cache_get( $transient, 'site-transient', true );
			return;
		}
		$network = get_current_network_id();
		foreach ( array( "_site_transient_$transient", "_site_transient_timeout_$transient", 'notoptions' ) as $option ) {
			wp_cache_delete( $option, 'options' );
			wp_cache_delete( "$network:$option", 'site-options' );
		}
	}

	/**
	 * Whether an entry comes from WordPress.org, which always announces all of its updates.
	 */
	public static function is_from_wordpress_org( object $entry ): bool {
		$package = isset( $entry->package ) && is_string( $entry->package ) ? (string) wp_parse_url( $entry->package, PHP_URL_HOST ) : '';
		return ( isset( $entry->id ) && is_string( $entry->id ) && 0 === strpos( $entry->id, 'w.org/' ) )
			|| 1 === preg_match( '/(^|\.)(wordpress|w)\.org\z/Di', $package );
	}

	public static function version_of( object $entry ): string {
		return isset( $entry->new_version ) && is_string( $entry->new_version ) ? $entry->new_version : '';
	}

	/**
	 * Keeps the sellers' updates that are stored now in whatever is stored next.
	 *
	 * @return Closure The filter, which the caller removes.
	 */
	private function keep_seller_updates(): Closure {
		$before  = $this->stored();
		$version = $this->installed();
		$keep    = function ( $list ) use ( $before, $version ) {
			if ( ! is_object( $list ) ) {
				return $list;
			}
			$now = isset( $list->response ) ? (array) $list->response : array();
			// Updates of SiteAgent depend on their signature only.
			foreach ( array_diff_key( $before, $now, array( plugin_basename( SITEAGENT_FILE ) => true ) ) as $id => $entry ) {
				$since = isset( $entry->{self::KEPT_SINCE} ) ? (int) $entry->{self::KEPT_SINCE} : time();
				if ( isset( $version[ $id ] ) && version_compare( self::version_of( $entry ), $version[ $id ], '>' )
					&& ! self::is_from_wordpress_org( $entry ) && time() - $since < self::KEEP_S ) {
					$entry                     = clone $entry;
					$entry->{self::KEPT_SINCE} = $since;
					$now[ $id ]                = self::PLUGINS === $this->name ? $entry : (array) $entry;
				}
			}
			$list->response = $now;
			return $list;
		};
		add_filter( 'pre_set_site_transient_' . $this->transient(), $keep, PHP_INT_MAX );
		return $keep;
	}

	/**
	 * @return array<string,string> Installed version by plugin file or theme folder.
	 */
	private function installed(): array {
		$versions = array();
		if ( self::PLUGINS === $this->name ) {
			foreach ( get_plugins() as $file => $headers ) {
				$versions[ (string) $file ] = (string) $headers['Version'];
			}
			return $versions;
		}
		foreach ( wp_get_themes() as $folder => $theme ) {
			$versions[ (string) $folder ] = (string) $theme->get( 'Version' );
		}
		return $versions;
	}

	private function transient(): string {
		return 'update_' . $this->name;
	}

	/**
	 * Returns a list as stored, without the filters that apply when it is read.
	 *
	 * @param string $transient Name of WordPress's transient.
	 */
	public static function read_stored( string $transient ): ?object {
		$list = wp_using_ext_object_cache()
			? wp_cache_get( $transient, 'site-transient' )
			: get_site_option( '_site_transient_' . $transient );
		return is_object( $list ) ? clone $list : null;
	}

	/**
	 * Stores the list without the filters of sellers' updaters. This process still runs their previous version, which
	 * would announce the update that was just installed.
	 */
	private function store( object $list ): void {
		if ( wp_using_ext_object_cache() ) {
			wp_cache_set( $this->transient(), $list, 'site-transient' );
			return;
		}
		update_site_option( '_site_transient_' . $this->transient(), $list );
	}

	/**
	 * @param mixed $list As WordPress stores it: plugins as objects, themes as arrays. Sellers add either.
	 * @return array<string,object>
	 */
	private static function entries( $list ): array {
		$entries = array();
		foreach ( is_object( $list ) && isset( $list->response ) ? (array) $list->response : array() as $id => $entry ) {
			if ( is_string( $id ) && ( is_object( $entry ) || is_array( $entry ) ) ) {
				$entries[ $id ] = (object) $entry;
			}
		}
		return $entries;
	}
}
