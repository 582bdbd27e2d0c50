<?php
/**
 * Available updates of plugins, themes, translations and WordPress.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads WordPress's lists of updates, with what other plugins added to them.
 */
final class Siteagent_Available_Updates {

	const MAX_UPDATES = 2000;

	/** WordPress checks for updates twice a day. Older lists are refreshed. */
	const STALE_AFTER_S = 12 * HOUR_IN_SECONDS;

	/** How long a report waits for the site's request to itself. */
	const TIMEOUT_S = 4;

	const LISTS = array(
		'core'    => 'update_core',
		'plugins' => 'update_plugins',
		'themes'  => 'update_themes',
	);

	/** @var Siteagent_Release_Sights */
	private $sights;

	public function __construct( Siteagent_Release_Sights $sights ) {
		$this->sights = $sights;
	}

	/**
	 * Refreshes old lists, and finds out what wp-admin shows. No check starts after the deadline, because each may
	 * take seconds on a host that blocks outgoing requests.
	 */
	public function refresh( int $now, float $deadline ): void {
		$stale = array();
		foreach ( Siteagent_Update_Transient::all() as $name => $list ) {
			if ( $now - $list->checked_at() > self::STALE_AFTER_S ) {
				$stale[] = $name;
			}
		}
		if ( array() !== $stale || ! Siteagent_Admin_Update_Check::is_fresh( $now ) ) {
			self::check_lists( $stale, self::TIMEOUT_S, $deadline );
		}
		Siteagent_Admin_Update_Check::include_last_result();
		if ( $now - (int) $this->checked_at( 'update_core' ) > self::STALE_AFTER_S && microtime( true ) < $deadline ) {
			wp_version_check();
		}
	}

	/**
	 * Checks lists in wp-admin, or in this request where the site cannot reach itself.
	 *
	 * @param string[] $names    Names of Siteagent_Update_Transient.
	 * @param int      $timeout  Timeout in seconds.
	 * @param float    $deadline No check starts after this time.
	 */
	public static function check_lists( array $names, int $timeout, float $deadline ): void {
		if ( Siteagent_Admin_Update_Check::request_check( $names, $timeout ) ) {
			return;
		}
		$both = Siteagent_Update_Transient::all();
		foreach ( $names as $name ) {
			if ( microtime( true ) < $deadline ) {
				$both[ $name ]->check();
			}
		}
	}

	/**
	 * Returns "updates" of the report. Requires wp-admin's includes.
	 */
	public function all(): array {
		// With what the filters of this request add to the lists.
		$this->sights->record_all( time() );
		$checked_at = array();
		foreach ( self::LISTS as $name => $transient ) {
			$checked_at[ $name ] = $this->checked_at( $transient );
		}
		return array(
			'plugins'      => $this->plugin_or_theme_updates( 'plugin', Siteagent_Update_Transient::PLUGINS ),
			'themes'       => $this->plugin_or_theme_updates( 'theme', Siteagent_Update_Transient::THEMES ),
			'translations' => $this->translations(),
			'core'         => $this->core( get_bloginfo( 'version' ) ),
			'as_in_admin'  => ! Siteagent_Admin_Update_Check::has_failed(),
			'checked_at'   => $checked_at,
		);
	}

	/**
	 * Returns the update of WordPress to a version, in the form its upgrader takes, with only the package that would
	 * be used. Returns the newest one when the version is empty or not available, and null when there is none.
	 */
	public static function core_update( string $version = '' ): ?object {
		$updates = self::core_updates();
		if ( array() === $updates ) {
			return null;
		}
		// A copy, because WordPress keeps the object.
		$update           = clone ( isset( $updates[ $version ] ) ? $updates[ $version ] : end( $updates ) );
		$packages         = isset( $update->packages ) ? (array) $update->packages : array();
		$bare             = self::text( $packages, 'no_content' );
		$update->package  = '' === $bare ? self::text( $packages, 'full' ) : $bare;
		$update->packages = (object) array(
			'partial'     => '',
			'rollback'    => '',
			'new_bundled' => '',
			'no_content'  => $bare,
			'full'        => self::text( $packages, 'full' ),
		);
		return $update;
	}

	private function checked_at( string $transient ): ?int {
		$known = get_site_transient( $transient );
		return is_object( $known ) && ! empty( $known->last_checked ) ? (int) $known->last_checked : null;
	}

	/**
	 * Returns the available updates of plugins or themes, without those that are already installed.
	 */
	private function plugin_or_theme_updates( string $kind, string $list ): array {
		$updates = array();
		foreach ( ( new Siteagent_Update_Transient( $list ) )->updates() as $id => $update ) {
			$version = Siteagent_Update_Transient::version_of( $update );
			$update  = (array) $update;
			if ( '' === $version || count( $updates ) >= self::MAX_UPDATES || ! Siteagent_Update_Item::is_newer( $kind, ( new Siteagent_Component( $kind, $id ) )->version(), $version ) ) {
				continue;
			}
			$updates[] = array(
				'id'                 => $id,
				'version'            => $version,
				'requires_wp'        => self::text( $update, 'requires' ),
				'requires_php'       => self::text( $update, 'requires_php' ),
				'package'            => '' !== Siteagent_Component::package_url( $update ),
				'disable_autoupdate' => ! empty( $update['disable_autoupdate'] ),
				'first_seen'         => $this->sights->first_seen( $kind, $id, $version ),
			);
		}
		return $updates;
	}

	private function translations(): array {
		$updates   = array();
		$installed = array();
		$updater   = new Siteagent_Auto_Update_Status();
		foreach ( array_slice( wp_get_translation_updates(), 0, self::MAX_UPDATES ) as $update ) {
			$as_kept = (object) $update;
			$update  = (array) $update;
			if ( in_array( self::text( $update, 'type' ), array( 'core', 'plugin', 'theme' ), true ) ) {
				$type               = 'core' === $update['type'] ? 'core' : $update['type'] . 's';
				$installed[ $type ] = isset( $installed[ $type ] ) ? $installed[ $type ] : wp_get_installed_translations( $type );
				$updates[]          = array(
					'type'        => $update['type'],
					'slug'        => self::text( $update, 'slug' ),
					'language'    => self::text( $update, 'language' ),
					'version'     => self::text( $update, 'version' ),
					'updated'     => self::text( $update, 'updated' ),
					'auto_update' => $updater->installs_translation( $as_kept ),
					'installed'   => Siteagent_Translation::find_revision_date( $installed[ $type ], self::text( $update, 'slug' ), self::text( $update, 'language' ) ),
				);
			}
		}
		return $updates;
	}

	/**
	 * Returns the newest release of the installed branch, which usually closes security holes, and the newest of all.
	 */
	private function core( string $installed ): array {
		$reported = array();
		foreach ( self::core_updates() as $version => $update ) {
			$update            = (array) $update;
			$version           = (string) $version;
			$kind              = self::branch( $version ) === self::branch( $installed ) ? 'minor' : 'major';
			$packages          = isset( $update['packages'] ) ? (array) $update['packages'] : array();
			$reported[ $kind ] = array(
				'version'        => $version,
				'kind'           => $kind,
				'requires_php'   => self::text( $update, 'php_version' ),
				'requires_mysql' => self::text( $update, 'mysql_version' ),
				'package'        => '' !== self::text( $packages, 'full' ),
				'first_seen'     => $this->sights->first_seen( 'core', 'core', $version ),
			);
		}
		return array_values( $reported );
	}

	/**
	 * Returns all newer versions of WordPress, oldest first. Core's get_core_updates() leaves out those of the type
	 * "autoupdate", and that is the only type of a branch's own releases once there is a newer branch.
	 *
	 * @return array<string,object> Update by version. Core lists one per language; the first one is its choice.
	 */
	private static function core_updates(): array {
		$known     = get_site_transient( 'update_core' );
		$installed = ( new Siteagent_Component( 'core', 'core' ) )->version();
		$updates   = array();
		foreach ( is_object( $known ) && isset( $known->updates ) ? (array) $known->updates : array() as $update ) {
			$version = is_object( $update ) ? self::text( (array) $update, 'version' ) : '';
			if ( '' === $version || isset( $updates[ $version ] ) || ! in_array( self::text( (array) $update, 'response' ), array( 'upgrade', 'autoupdate' ), true )
				|| ! Siteagent_Update_Item::is_newer( 'core', $installed, $version ) ) {
				continue;
			}
			$updates[ $version ] = $update;
		}
		uksort( $updates, 'version_compare' );
		return $updates;
	}

	/**
	 * Returns the branch of a version: 6.8 for "6.8.1" and "6.8".
	 */
	public static function branch( string $version ): string {
		return implode( '.', array_slice( explode( '.', $version ), 0, 2 ) );
	}

	/**
	 * Returns a text of an update. WordPress.org sends false for missing values, and sellers send anything.
	 */
	private static function text( array $update, string $key ): string {
		return isset( $update[ $key ] ) && is_string( $update[ $key ] ) ? $update[ $key ] : '';
	}
}
