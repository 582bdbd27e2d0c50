<?php
/**
 * When this site first saw each release.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Records, by this site's own clock, when WordPress first listed a release of a plugin, a theme or WordPress itself.
 *
 * The minimum age that the owner demands counts from then. No operation writes here: what a dashboard says about the
 * age of a release is never used. Where a sight is lost, the release counts as new.
 */
final class Siteagent_Release_Sights {

	const OPTION = 'siteagent_release_sights';

	/** Kinds whose releases have an age, and WordPress's transient that lists them. */
	const TRANSIENTS = array(
		'plugin' => 'update_plugins',
		'theme'  => 'update_themes',
		'core'   => 'update_core',
	);

	/** The newest sights of a component that are kept. WordPress may list a release of each of its branches. */
	const MAX_VERSIONS = 50;

	/** How long a sight is kept after WordPress stopped listing the component. */
	const KEEP_S = 180 * DAY_IN_SECONDS;

	/**
	 * Records what WordPress lists now, with the filters of this request.
	 */
	public function record_all( int $now ): void {
		foreach ( self::TRANSIENTS as $kind => $transient ) {
			$this->record_list( $kind, get_site_transient( $transient ), $now );
		}
	}

	/**
	 * Records the releases in a list of WordPress, as it was stored or as this request sees it.
	 *
	 * @param string $kind Kind of the components.
	 * @param mixed  $list Value of the transient.
	 * @param int    $now  Unix time in seconds.
	 */
	public function record_list( string $kind, $list, int $now ): void {
		$releases = array();
		if ( 'core' === $kind ) {
			foreach ( is_object( $list ) && isset( $list->updates ) ? (array) $list->updates : array() as $update ) {
				$releases[] = array( 'core', isset( $update->version ) ? $update->version : '' );
			}
		} else {
			foreach ( is_object( $list ) && isset( $list->response ) ? (array) $list->response : array() as $id => $update ) {
				$releases[] = array( (string) $id, is_object( $update ) || is_array( $update ) ? Siteagent_Update_Transient::version_of( (object) $update ) : '' );
			}
		}
		$this->record( $kind, $releases, $now );
	}

	/**
	 * Returns when this site first saw a release; null if it never did.
	 *
	 * @return int|null Unix time in seconds.
	 */
	public function first_seen( string $kind, string $id, string $version ): ?int {
		$known = $this->read();
		return isset( $known[ $kind ][ $id ][ $version ] ) ? (int) $known[ $kind ][ $id ][ $version ] : null;
	}

	/**
	 * Records releases that were not seen before.
	 *
	 * @param string                             $kind     Kind of the components.
	 * @param array<int,array{0:string,1:mixed}> $releases Id and version of each.
	 * @param int                                $now      Unix time in seconds.
	 */
	public function record( string $kind, array $releases, int $now ): void {
		$known  = $this->read();
		$before = $known;
		foreach ( $releases as list( $id, $version ) ) {
			if ( is_string( $version ) && '' !== $version && strlen( $version ) <= Siteagent_Update_Item::MAX_VERSION && strlen( $id ) <= Siteagent_Update_Item::MAX_ID ) {
				$known[ $kind ][ $id ] = ( isset( $known[ $kind ][ $id ] ) ? $known[ $kind ][ $id ] : array() ) + array( $version => $now );
			}
		}
		if ( $known === $before ) {
			return;
		}
		$listed = array_flip( array_column( $releases, 0 ) );
		foreach ( $known[ $kind ] as $id => $sights ) {
			arsort( $sights );
			$sights                = array_slice( $sights, 0, self::MAX_VERSIONS, true );
			$known[ $kind ][ $id ] = $sights;
			if ( ! isset( $listed[ $id ] ) && $now - (int) max( $sights ) > self::KEEP_S ) {
				unset( $known[ $kind ][ $id ] );
			}
		}
		// A process that writes at the same time may win. Then the release was seen later, which is stricter.
		update_site_option( self::OPTION, $known );
	}

	/**
	 * @return array<string,array<string,array<string,int>>> Times by kind, id and version.
	 */
	private function read(): array {
		$known = get_site_option( self::OPTION, array() );
		return is_array( $known ) ? $known : array();
	}
}
