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
	const ALL = array( 'translations', 'plugins', 'themes', 'core_minor', 'core_major', 'siteagent' );

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
		foreach ( self::ALL as $scope ) {
			$all[ $scope ] = in_array( $scope, $granted, true );
		}
		return $all;
	}

	public function allows( string $scope ): bool {
		return in_array( $scope, self::ALL, true ) && in_array( $scope, $this->read_granted( $this->store->read() ), true );
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
				$change                    = array(
					'before' => $before,
					'after'  => $after,
				);
				$data['connection']['may'] = array(
					'scopes'    => $granted,
					'asks_here' => $requires_approval,
				);
				return $data;
			}
		);
		return $change;
	}

	private function read_granted( array $data ): array {
		return isset( $data['connection']['may']['scopes'] ) ? $data['connection']['may']['scopes'] : array();
	}

	private function read_requires_approval( array $data ): bool {
		return ! empty( $data['connection']['may']['asks_here'] );
	}

	private function to_log_facts( array $granted, bool $requires_approval ): array {
		return array(
			'granted'       => implode( ', ', $granted ),
			'approval_here' => $requires_approval,
		);
	}
}
