<?php
/**
 * Plans that wait for an administrator of this site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Remembers which plans were shown here and what was decided. A decision is bound to the plan's exact bytes.
 *
 * Kept inside the connection, so that parting forgets them too.
 */
final class Siteagent_Pending_Approvals {

	const WAITING  = 'waiting';
	const APPROVED = 'approved';
	const REFUSED  = 'refused';

	/** A dashboard that asks without end must not fill the database. */
	const MAX_PLANS = 50;

	/** @var Siteagent_Option_Store */
	private $store;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * What was decided about this plan; the first time it is put up for a decision.
	 */
	public function request_decision( Siteagent_Update_Plan $update_plan, int $now ): string {
		$digest = bin2hex( $update_plan->digest() );
		$entry  = $update_plan->item()->to_array() + array(
			'op_id'     => $update_plan->op_id(),
			'by'        => $update_plan->approved_by(),
			'asked_at'  => $now,
			'not_after' => $update_plan->not_after(),
			'state'     => self::WAITING,
		);
		$state  = self::WAITING;
		$this->store->change(
			static function ( array $data ) use ( $digest, $entry, $now, &$state ): ?array {
				$plans = self::unexpired( $data, $now );
				$state = isset( $plans[ $digest ] ) ? $plans[ $digest ]['state'] : self::WAITING;
				if ( isset( $plans[ $digest ] ) || ! isset( $data['connection'] ) ) {
					return null;
				}
				$data['connection']['plans'] = array_slice( array( $digest => $entry ) + $plans, 0, self::MAX_PLANS, true );
				return $data;
			}
		);
		return $state;
	}

	/**
	 * Whether a plan with this op_id waits here.
	 */
	public function is_waiting( string $op_id, int $now ): bool {
		return in_array( $op_id, array_column( $this->waiting( $now ), 'op_id' ), true );
	}

	/**
	 * Plans nobody has decided about and whose time has not passed, newest first.
	 *
	 * @return array<string,array> By digest.
	 */
	public function waiting( int $now ): array {
		return array_filter(
			self::unexpired( $this->store->read(), $now ),
			static function ( array $plan ): bool {
				return self::WAITING === $plan['state'];
			}
		);
	}

	/**
	 * An administrator decides.
	 *
	 * @param string $decision APPROVED or REFUSED.
	 * @return array|null The plan that was decided about; null when it does not wait (any more).
	 */
	public function decide( string $digest, string $decision, int $now ): ?array {
		$plan = null;
		$this->store->change(
			static function ( array $data ) use ( $digest, $decision, $now, &$plan ): ?array {
				$plans = self::unexpired( $data, $now );
				$plan  = isset( $plans[ $digest ] ) && self::WAITING === $plans[ $digest ]['state'] ? $plans[ $digest ] : null;
				if ( null === $plan ) {
					return null;
				}
				$plans[ $digest ]['state']   = $decision;
				$data['connection']['plans'] = $plans;
				return $data;
			}
		);
		return $plan;
	}

	private static function unexpired( array $data, int $now ): array {
		return array_filter(
			isset( $data['connection']['plans'] ) ? $data['connection']['plans'] : array(),
			static function ( array $plan ) use ( $now ): bool {
				return $now <= $plan['not_after'];
			}
		);
	}
}
