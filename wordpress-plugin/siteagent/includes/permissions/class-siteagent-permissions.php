<?php
/**
 * What the owner of this site lets the connected dashboard change.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Kept inside the connection: a new pairing starts with nothing, a rotation of keys keeps the owner's word,
 * and parting takes it away. Only the form in wp-admin calls grant().
 */
final class Siteagent_Permissions {

	/** In the order of what can go wrong. */
	const ALL = array( 'translations', 'plugins', 'themes', 'core_minor', 'core_major', 'siteagent' );

	/** @var Siteagent_Option_Store */
	private $store;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Each scope with whether it is granted; none is while no dashboard is connected.
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
	 * Whether every change also waits for an administrator of this site.
	 */
	public function requires_approval(): bool {
		return $this->read_requires_approval( $this->store->read() );
	}

	/**
	 * Replace what is granted.
	 *
	 * @param string[] $granted Names of ALL; others are dropped.
	 * @return array{before:array,after:array}|null What the log keeps; null when nothing changed or nobody is connected.
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
				$change = array(
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
