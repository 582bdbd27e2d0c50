<?php
/**
 * The operation change.revert (docs/PROTOCOL.md section 3.8).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Puts the version back that an update has just replaced, because the dashboard found a page of the site broken.
 *
 * The dashboard sends the plan of that update again, with its signature. So it can revert only what was approved, only
 * on this site, within the times of that plan, and only if nothing else was installed since.
 */
final class Siteagent_Update_Revert {

	/** How long after an update began it can be reverted. */
	const WITHIN_S = HOUR_IN_SECONDS;

	/** Kinds whose former version is kept. */
	const KINDS = array( 'plugin', 'theme' );

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Site_Identity */
	private $site_identity;

	/** @var Siteagent_Operation_Store */
	private $operation_store;

	/** @var Siteagent_Plan_Requirements */
	private $plan_requirements;

	/** @var Siteagent_Copy_Restorer */
	private $restorer;

	/** @var Siteagent_Run_Recovery */
	private $recovery;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Site_Identity $site_identity,
		Siteagent_Operation_Store $operation_store,
		Siteagent_Plan_Requirements $plan_requirements,
		Siteagent_Copy_Restorer $restorer,
		Siteagent_Run_Recovery $recovery,
		Siteagent_Audit_Log $log
	) {
		$this->connection_store  = $connection_store;
		$this->site_identity     = $site_identity;
		$this->operation_store   = $operation_store;
		$this->plan_requirements = $plan_requirements;
		$this->restorer          = $restorer;
		$this->recovery          = $recovery;
		$this->log               = $log;
	}

	/**
	 * Reverts an update. Its result changes to rolled_back; asked again, the same result is repeated.
	 *
	 * @param stdClass $document The request body.
	 * @param int      $created  When the dashboard signed the request.
	 * @param int      $now      Unix time in seconds.
	 * @return array{outcome:string,reason:?string,evidence:mixed}
	 * @throws Siteagent_Exception unauthorized, expired, and invalid_arguments for anything but the plan of an update
	 *         of this connection that has ended.
	 */
	public function revert( stdClass $document, int $created, int $now ): array {
		$connection = $this->connection_store->connection();
		if ( null === $connection ) {
			throw new Siteagent_Exception( 'unauthorized', 'change.revert' );
		}
		if ( $now > $created + Siteagent_Update_Controller::MAX_REQUEST_AGE_S ) {
			throw new Siteagent_Exception( 'expired', 'the request was signed ' . ( $now - $created ) . ' s ago' );
		}
		$signed = Siteagent_Signed_Plan::verify( $document->plan, $document->sig, Siteagent_Update_Plan::CHANGE, $document->op_id, $connection, $this->site_identity->uuid() );
		$plan   = new Siteagent_Update_Plan( $signed );
		Siteagent_Report::load_admin_includes();
		$this->recovery->reconcile( $now );
		$entry = $this->ended_update( $plan );
		if ( 'succeeded' !== $entry['answer']['outcome'] ) {
			return $entry['answer'];
		}
		$reason = $this->log->continues( $document ) ? $this->refusal_reason( $plan, $entry['at'], $now ) : 'site_log_forked';
		if ( null !== $reason ) {
			return ( new Siteagent_Update_Result() )->to_array( 'refused', $reason );
		}
		$restored = $this->restorer->restore( $plan->op_id(), 'dashboard', $now, array( 'reverts' => $plan->op_id() ) );
		$entry    = $this->ended_update( $plan );
		if ( 'succeeded' !== $entry['answer']['outcome'] ) {
			return $entry['answer'];
		}
		return ( new Siteagent_Update_Result() )->to_array( 'refused', 'refused' === $restored['outcome'] ? $restored['reason'] : 'revert_failed' );
	}

	/**
	 * Returns what is stored about the update of a plan.
	 *
	 * @throws Siteagent_Exception invalid_arguments when there was none, or when it is still running.
	 */
	private function ended_update( Siteagent_Update_Plan $plan ): array {
		$entry = $this->operation_store->find( $plan->op_id(), array( Siteagent_Update_Plan::CHANGE ) );
		if ( null === $entry || ! hash_equals( $entry['digest'], $plan->digest() ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'no update of this plan', array( 'argument' => 'op_id' ) );
		}
		if ( null === $entry['answer'] ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the update is under way', array( 'argument' => 'op_id', 'state' => 'running' ) );
		}
		return $entry;
	}

	/**
	 * Returns why an update is not reverted now; null if it may be.
	 *
	 * @param Siteagent_Update_Plan $plan     The plan of the update.
	 * @param int                   $begun_at When the update began.
	 * @param int                   $now      Unix time in seconds.
	 */
	private function refusal_reason( Siteagent_Update_Plan $plan, int $begun_at, int $now ): ?string {
		$item = $plan->item();
		if ( ! in_array( $item->kind(), self::KINDS, true ) ) {
			return 'not_revertible';
		}
		$component = new Siteagent_Component( $item->kind(), $item->id(), $item->to() );
		$reason    = $this->plan_requirements->refusal_reason( $plan, $component, $now );
		if ( null !== $reason ) {
			return $reason;
		}
		if ( $now > $begun_at + self::WITHIN_S ) {
			return 'too_late';
		}
		return $item->to() === $component->version() ? null : 'version_changed';
	}
}
