<?php
/**
 * What WordPress offers to update: plugins, themes, translations and itself.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads WordPress's own lists of updates, with whatever other plugins added to them.
 */
final class Siteagent_Offers {

	const MAX_OFFERS = 2000;

	/** WordPress looks for updates twice a day; it is reminded when its answer is older than this. */
	const STALE_AFTER = HOUR_IN_SECONDS;

	const LISTS = array(
		'core'    => array( 'update_core', 'wp_version_check' ),
		'plugins' => array( 'update_plugins', 'wp_update_plugins' ),
		'themes'  => array( 'update_themes', 'wp_update_themes' ),
	);

	/**
	 * Let WordPress look for updates where its list is old. Its own throttling stands, and no
	 * look starts after the deadline: a host without a way out would cost seconds for each.
	 */
	public function refresh( int $now, float $deadline ): void {
		foreach ( self::LISTS as list( $transient, $look ) ) {
			$checked_at = $this->checked_at( $transient );
			if ( $now - (int) $checked_at > self::STALE_AFTER && microtime( true ) < $deadline ) {
				$look();
			}
		}
	}

	/**
	 * The report's "updates"; wp-admin's includes must be loaded.
	 */
	public function all(): array {
		$checked_at = array();
		foreach ( self::LISTS as $name => list( $transient ) ) {
			$checked_at[ $name ] = $this->checked_at( $transient );
		}
		return array(
			'plugins'      => $this->extensions( 'update_plugins' ),
			'themes'       => $this->extensions( 'update_themes' ),
			'translations' => $this->translations(),
			'core'         => $this->core( get_bloginfo( 'version' ) ),
			'checked_at'   => $checked_at,
		);
	}

	/**
	 * WordPress's own newest offer of itself, as its upgrader takes it, with the one package that would
	 * be used; null when it offers none.
	 */
	public function newest_core(): ?object {
		$updates = get_core_updates( array( 'dismissed' => true ) );
		foreach ( is_array( $updates ) ? $updates : array() as $update ) {
			if ( ! isset( $update->response, $update->version ) || 'upgrade' !== $update->response ) {
				continue;
			}
			// A copy: WordPress keeps the object.
			$offer           = clone $update;
			$packages        = isset( $update->packages ) ? (array) $update->packages : array();
			$bare            = self::text( $packages, 'no_content' );
			$offer->package  = '' === $bare ? self::text( $packages, 'full' ) : $bare;
			$offer->packages = (object) array(
				'partial'     => '',
				'rollback'    => '',
				'new_bundled' => '',
				'no_content'  => $bare,
				'full'        => self::text( $packages, 'full' ),
			);
			return $offer;
		}
		return null;
	}

	private function checked_at( string $transient ): ?int {
		$known = get_site_transient( $transient );
		return is_object( $known ) && ! empty( $known->last_checked ) ? (int) $known->last_checked : null;
	}

	/**
	 * Offers of one of the two lists. WordPress keeps plugins as objects and themes as arrays,
	 * and sellers of premium ones add either.
	 */
	private function extensions( string $transient ): array {
		$known  = get_site_transient( $transient );
		$offers = array();
		foreach ( is_object( $known ) && isset( $known->response ) ? (array) $known->response : array() as $id => $offer ) {
			$offer   = (array) $offer;
			$version = self::text( $offer, 'new_version' );
			if ( ! is_string( $id ) || '' === $version || count( $offers ) >= self::MAX_OFFERS ) {
				continue;
			}
			$offers[] = array(
				'id'           => $id,
				'version'      => $version,
				'requires_wp'  => self::text( $offer, 'requires' ),
				'requires_php' => self::text( $offer, 'requires_php' ),
				'package'      => '' !== self::text( $offer, 'package' ),
			);
		}
		return $offers;
	}

	private function translations(): array {
		$offers  = array();
		$there   = array();
		$updater = new Siteagent_Auto_Updates();
		foreach ( array_slice( wp_get_translation_updates(), 0, self::MAX_OFFERS ) as $offer ) {
			$as_kept = (object) $offer;
			$offer   = (array) $offer;
			if ( in_array( self::text( $offer, 'type' ), array( 'core', 'plugin', 'theme' ), true ) ) {
				$type           = 'core' === $offer['type'] ? 'core' : $offer['type'] . 's';
				$there[ $type ] = isset( $there[ $type ] ) ? $there[ $type ] : wp_get_installed_translations( $type );
				$offers[]       = array(
					'type'        => $offer['type'],
					'slug'        => self::text( $offer, 'slug' ),
					'language'    => self::text( $offer, 'language' ),
					'version'     => self::text( $offer, 'version' ),
					'updated'     => self::text( $offer, 'updated' ),
					'auto_update' => $updater->takes_translation( $as_kept ),
					'installed'   => Siteagent_Language::stamp_in( $there[ $type ], self::text( $offer, 'slug' ), self::text( $offer, 'language' ) ),
				);
			}
		}
		return $offers;
	}

	/**
	 * Newer WordPress versions, each once: core lists one per language. A dismissed one is still newer.
	 */
	private function core( string $installed ): array {
		$updates = get_core_updates( array( 'dismissed' => true ) );
		$offers  = array();
		foreach ( is_array( $updates ) ? $updates : array() as $update ) {
			$update  = (array) $update;
			$version = self::text( $update, 'version' );
			if ( 'upgrade' !== self::text( $update, 'response' ) || '' === $version || isset( $offers[ $version ] ) ) {
				continue;
			}
			$packages           = isset( $update['packages'] ) ? (array) $update['packages'] : array();
			$offers[ $version ] = array(
				'version'        => $version,
				'kind'           => self::branch( $version ) === self::branch( $installed ) ? 'minor' : 'major',
				'requires_php'   => self::text( $update, 'php_version' ),
				'requires_mysql' => self::text( $update, 'mysql_version' ),
				'package'        => '' !== self::text( $packages, 'full' ),
			);
		}
		return array_values( $offers );
	}

	/**
	 * "6.8.1" and "6.8" are of the branch 6.8.
	 */
	public static function branch( string $version ): string {
		return implode( '.', array_slice( explode( '.', $version ), 0, 2 ) );
	}

	/**
	 * WordPress.org writes false where it has nothing, sellers write whatever they like.
	 */
	private static function text( array $offer, string $key ): string {
		return isset( $offer[ $key ] ) && is_string( $offer[ $key ] ) ? $offer[ $key ] : '';
	}
}
