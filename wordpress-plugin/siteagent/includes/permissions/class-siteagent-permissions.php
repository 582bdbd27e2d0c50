<?php
/**
 * What the owner of this site allows the dashboard to update.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stored with the connection: a new pairing starts without permissions, key rotation keeps them, and disconnecting
 * deletes them. Only the form in wp-admin calls grant().
 */
final class Siteagent_Permissions {

	/** In order of increasing risk. */
	const ALL = array( 'translations', 'plugins', 'themes', 'core_minor', 'core_major', 'database', 'siteagent' );

	/** @var Siteagent_Option_Store */
	private $store;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Returns whether each permission is granted. None is while no dashboard is connected.
	 *
	 * @return array<string,bool>
	 */
	public function all(): array {
		$granted = $this->read_granted( $this->store->read() );
		$all     = array();
		foreach ( self::ALL as $permission ) {
			$all[ $permission ] = in_array( $permission, $granted, true );
		}
		return $all;
	}

	public function allows( string $permission ): bool {
		return in_array( $permission, self::ALL, true ) && in_array( $permission, $this->read_granted( $this->store->read() ), true );
	}

	/**
	 * Whether a permission is still granted. Reads the database again, because the owner may have withdrawn it or ended
	 * the connection a moment ago.
	 */
	public function still_allows( string $permission ): bool {
		return in_array( $permission, $this->read_granted( $this->store->read_now() ), true );
	}

	/**
	 * Whether every update also requires approval by an administrator of this site.
	 */
	public function requires_approval(): bool {
		return $this->read_requires_approval( $this->store->read() );
	}

	/**
	 * Replaces the permissions.
	 *
	 * @param string[] $granted           Names of permissions; others are ignored.
	 * @param bool     $requires_approval Whether every update requires approval on this site.
	 * @return array{before:array,after:array}|null What is logged; null when nothing changed or no dashboard is
	 *         connected.
	 */
	public function grant( array $granted, bool $requires_approval ): ?array {
		$granted = array_values( array_intersect( self::ALL, $granted ) );
		$change  = null;
		$this->store->change(
			function ( array $data ) use ( $granted, $requires_approval, &$change ): ?array {
				$change = null;
				$before = $this->to_log_facts( $this->read_granted( $data ), $this->read_requires_approval( $data ) );
				$after  = $this->to_log_facts( $granted, $requires_approval );
				if ( ! isset( $data['connection'] ) || $before === $after ) {
					return null;
				}
				$change                            = array(
					'before' => $before,
					'after'  => $after,
				);
				$data['connection']['permissions'] = array(
					'granted'          => $granted,
					'approval_on_site' => $requires_approval,
				);
				return $data;
			}
		);
		return $change;
	}

	private function read_granted( array $data ): array {
		return isset( $data['connection']['permissions']['granted'] ) ? $data['connection']['permissions']['granted'] : array();
	}

	private function read_requires_approval( array $data ): bool {
		return ! empty( $data['connection']['permissions']['approval_on_site'] );
	}

	private function to_log_facts( array $granted, bool $requires_approval ): array {
		return array(
			'granted'          => implode( ', ', $granted ),
			'approval_on_site' => $requires_approval,
		);
	}
}
