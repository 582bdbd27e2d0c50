<?php
/**
 * Updates that wait for approval by an administrator of this site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores plans and the decisions about them. A decision is bound to the exact bytes of the plan.
 *
 * Stored with the connection, so that disconnecting deletes them.
 */
final class Siteagent_Pending_Approvals {

	const WAITING  = 'waiting';
	const APPROVED = 'approved';
	const REFUSED  = 'refused';

	/** Limits how much a dashboard can store here. */
	const MAX_PLANS = 50;

	/** @var Siteagent_Option_Store */
	private $store;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Returns the decision about a plan. A plan seen for the first time is stored as waiting.
	 */
	public function request_decision( Siteagent_Update_Plan $update_plan, int $now ): string {
		$digest = bin2hex( $update_plan->digest() );
		$entry  = $update_plan->item()->to_array() + array(
			'op_id'        => $update_plan->op_id(),
			'by'           => $update_plan->approved_by(),
			'requested_at' => $now,
			'not_after'    => $update_plan->not_after(),
			'state'        => self::WAITING,
		);
		$state  = self::WAITING;
		$is_new = $this->store->change(
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
		if ( $is_new ) {
			/**
			 * Fires when an update begins to wait for approval on this site.
			 *
			 * @param array $entry kind, id, from, to, by, requested_at, not_after.
			 */
			do_action( 'siteagent_approval_requested', $entry );
		}
		return $state;
	}

	/**
	 * Whether a plan with this op_id is waiting.
	 */
	public function is_waiting( string $op_id, int $now ): bool {
		return in_array( $op_id, array_column( $this->waiting( $now ), 'op_id' ), true );
	}

	/**
	 * Returns the plans that are waiting and have not expired, newest first.
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
	 * Stores an administrator's decision.
	 *
	 * @param string $digest   Digest of the plan, in hex.
	 * @param string $decision APPROVED or REFUSED.
	 * @param int    $now      Unix time in seconds.
	 * @return array|null The plan; null when it is no longer waiting.
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
