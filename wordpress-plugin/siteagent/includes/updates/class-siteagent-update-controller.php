<?php
/**
 * The operations change.check, change.run, agent.update and change.status (docs/PROTOCOL.md section 3.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Runs exactly what a signed plan says or refuses it, and reports the result from the state on disk.
 */
final class Siteagent_Update_Controller {

	/** Web servers end longer processes anyway. */
	const TIME_LIMIT_S = 600;

	/** A request that is older counts as lost and must not run any more. */
	const MAX_REQUEST_AGE_S = Siteagent_HTTP_Signature::MAX_SKEW_S + 60;

	/** Refusals that pass, such as a busy site or a wrong clock. The same plan may be sent again. */
	const RETRYABLE_REASONS = array( 'busy', 'outside_window', Siteagent_Update_Limits::PAUSED, Siteagent_Update_Limits::OUTSIDE_HOURS );

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Site_Identity */
	private $site_identity;

	/** @var Siteagent_Operation_Store */
	private $operation_store;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Update_Limits */
	private $limits;

	/** @var Siteagent_Plan_Requirements */
	private $plan_requirements;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Run_Recovery */
	private $recovery;

	/** @var Siteagent_Kept_Copies */
	private $copies;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Site_Identity $site_identity,
		Siteagent_Operation_Store $operation_store,
		Siteagent_Permissions $permissions,
		Siteagent_Update_Limits $limits,
		Siteagent_Pending_Approvals $approvals,
		Siteagent_Rollback $rollback,
		Siteagent_Audit_Log $log,
		Siteagent_Run_Recovery $recovery,
		Siteagent_Kept_Copies $copies
	) {
		$this->connection_store  = $connection_store;
		$this->site_identity     = $site_identity;
		$this->operation_store   = $operation_store;
		$this->permissions       = $permissions;
		$this->limits            = $limits;
		$this->plan_requirements = new Siteagent_Plan_Requirements( $connection_store, $permissions, $limits );
		$this->approvals         = $approvals;
		$this->rollback          = $rollback;
		$this->log               = $log;
		$this->recovery          = $recovery;
		$this->copies            = $copies;
	}

	/**
	 * Checks whether an update could be installed now, and returns what a plan for it has to name.
	 *
	 * @throws Siteagent_Exception invalid_arguments.
	 */
	public function check( stdClass $document, int $now ): array {
		$item      = new Siteagent_Update_Item( $document->item );
		$component = self::component_for( $item );
		self::require_siteagent( $component );
		Siteagent_Report::load_admin_includes();
		$this->recovery->reconcile( $now );
		$requirements = new Siteagent_Update_Requirements( $component, $item );
		$component->check_for_updates();
		$this->limits->sights()->record_all( $now );
		$reasons = array_merge(
			$this->plan_requirements->item_problems( $item, $component, $now ),
			iterator_to_array( $requirements->site_problems(), false ),
			iterator_to_array( $requirements->component_problems( null ), false ),
			iterator_to_array( $requirements->update_problems( null ), false )
		);
		$update  = $component->available_update();

		list( $reasons, $package ) = Siteagent_Package_Pin::for_check( $component, $item, $document->item, $reasons );
		return array(
			'eligible' => array() === $reasons,
			'reasons'  => $reasons,
			'facts'    => $package + array(
				'home'             => $this->connection_store->home(),
				'wp'               => get_bloginfo( 'version' ),
				'php'              => PHP_VERSION,
				'version'          => $component->version(),
				'active'           => $component->is_active(),
				'available'        => null === $update ? null : $update['version'],
				'package_host'     => null === $update || '' === $update['package'] ? null : Siteagent_Update_Requirements::host_with_port( $update['package'] ),
				'permission'       => $item->permission(),
				'approval_on_site' => $this->permissions->requires_approval(),
				'rollback'         => ! $component->is_single_file() && Siteagent_Rollback::is_available( $item->kind() ),
				'busy'             => null !== $this->rollback->current_run() || Siteagent_Update_Lock::is_core_updating( $now ),
				// Only for an update that can be approved.
				'changelog'     => array() === $reasons ? ( new Siteagent_Changelog() )->for_update( $component, $item ) : null,
			),
		);
	}

	/**
	 * Runs a signed plan once.
	 *
	 * @param string   $name     change.run, or agent.update for SiteAgent itself.
	 * @param stdClass $document The request body.
	 * @param int      $created  When the dashboard signed the request.
	 * @param int      $now      Unix time in seconds.
	 * @throws Siteagent_Exception invalid_arguments for anything but a plan of this connection.
	 */
	public function run( string $name, stdClass $document, int $created, int $now ): array {
		$connection = $this->connection_store->connection();
		if ( null === $connection ) {
			throw new Siteagent_Exception( 'unauthorized', $name );
		}
		$plan        = Siteagent_Signed_Plan::verify( $document->plan, $document->sig, $name, $document->op_id, $connection, $this->site_identity->uuid() );
		$update_plan = new Siteagent_Update_Plan( $plan );
		if ( Siteagent_Update_Plan::UPDATE === $name ) {
			self::require_valid_item( 'siteagent' === $update_plan->item()->kind() );
			self::require_siteagent( self::component_for( $update_plan->item() ) );
		}
		Siteagent_Report::load_admin_includes();
		$this->recovery->reconcile( $now );
		$answer = $this->operation_store->run_once(
			$update_plan->op_id(),
			$name,
			$update_plan->digest(),
			$now,
			function () use ( $update_plan, $document, $created, $now ): array {
				// From here on the operation is stored. Until now, change.status answered that it was never started, so a late
				// request must not run.
				if ( time() > $created + self::MAX_REQUEST_AGE_S ) {
					throw new Siteagent_Exception( 'expired', 'the plan was signed ' . ( time() - $created ) . ' s ago' );
				}
				return $this->execute( $update_plan, $document, $now );
			},
			static function ( array $answer ): bool {
				return 'waiting' !== $answer['outcome'] && ! in_array( $answer['reason'], self::RETRYABLE_REASONS, true );
			}
		);
		$run    = $this->rollback->current_run();
		if ( null !== $run && $update_plan->op_id() === $run['op_id'] && 'decided' === $run['stage'] ) {
			$this->rollback->end_run( $run, self::component_for( $update_plan->item() ), $answer );
		}
		return $answer;
	}

	/**
	 * Returns the state of an update.
	 */
	public function status( stdClass $document, int $now ): array {
		Siteagent_Report::load_admin_includes();
		$this->recovery->reconcile( $now );
		$this->recovery->confirm_by_dashboard( $document->op_id );
		$entry = $this->operation_store->find( $document->op_id, Siteagent_Update_Plan::NAMES );
		$run   = $this->rollback->current_run();
		// A run that died has just been ended, so a marker means that its process is alive, however long it takes.
		if ( null !== $run && $document->op_id === $run['op_id'] && ( null === $entry || null === $entry['answer'] ) ) {
			return array( 'state' => 'running' );
		}
		if ( null === $entry ) {
			return array( 'state' => $this->approvals->is_waiting( $document->op_id, $now ) ? 'waiting' : 'never' );
		}
		if ( null === $entry['answer'] && $entry['at'] < $now - Siteagent_Rollback::RUN_TIMEOUT_S ) {
			// The process died before it stored a marker, so it has changed nothing.
			$entry['answer'] = ( new Siteagent_Update_Result() )->to_array( 'failed', 'interrupted' );
			$this->operation_store->save_result( $document->op_id, $entry['name'], $entry['digest'], $now, $entry['answer'] );
		}
		return null === $entry['answer'] ? array( 'state' => 'running' ) : array( 'state' => 'done' ) + $entry['answer'];
	}

	/**
	 * Checks the plan in the order of the protocol, and then runs the update.
	 */
	private function execute( Siteagent_Update_Plan $update_plan, stdClass $document, int $now ): array {
		$item      = $update_plan->item();
		$component = self::component_for( $item );
		$reason    = $this->log->continues( $document ) ? $this->plan_requirements->refusal_reason( $update_plan, $component, $now ) : 'site_log_forked';
		if ( null === $reason && $this->permissions->requires_approval() ) {
			$decision = $this->approvals->request_decision( $update_plan, $now );
			if ( Siteagent_Pending_Approvals::WAITING === $decision ) {
				return $this->log_result( $item, ( new Siteagent_Update_Result() )->to_array( 'waiting', 'approval_on_site' ), $update_plan );
			}
			$reason = Siteagent_Pending_Approvals::REFUSED === $decision ? 'approval_on_site' : null;
		}
		if ( null !== $reason ) {
			return $this->log_result( $item, ( new Siteagent_Update_Result() )->to_array( 'refused', $reason ), $update_plan );
		}
		// From here on the run has to finish even if the connection is closed. Some hosts disable these functions.
		if ( function_exists( 'ignore_user_abort' ) ) {
			ignore_user_abort( true );
		}
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( self::TIME_LIMIT_S );
		}
		$facts = array(
			'plan'   => bin2hex( $update_plan->digest() ),
			'by'     => $update_plan->approved_by(),
			'item'   => $item->to_array(),
			'before' => $component->state_before_run(),
		);
		if ( ! $this->rollback->begin_run( $update_plan->op_id(), $facts, $now ) ) {
			return $this->log_result( $item, ( new Siteagent_Update_Result() )->to_array( 'refused', 'busy' ), $update_plan );
		}
		$source = new Siteagent_Planned_Package( $update_plan, $this->permissions, $this->limits );
		$checks = $this->recovery->loopback_check( $component );
		$runner = 'database' === $item->kind()
			? new Siteagent_Database_Runner( $source, $component, $this->rollback, $checks )
			: new Siteagent_Update_Runner( $source, $component, $this->rollback, $checks );
		$answer = $this->log_result( $item, $runner->run(), $update_plan );
		$run    = $this->rollback->current_run();
		if ( 'succeeded' === $answer['outcome'] && null !== $run && $update_plan->op_id() === $run['op_id'] ) {
			$this->copies->keep( $run, $component );
		}
		return $answer;
	}

	private static function component_for( Siteagent_Update_Item $item ): Siteagent_Component {
		return new Siteagent_Component( $item->kind(), $item->id(), $item->to() );
	}

	/**
	 * Checks that an update of the kind `siteagent` is for SiteAgent.
	 */
	private static function require_siteagent( Siteagent_Component $component ): void {
		self::require_valid_item( 'siteagent' !== $component->kind() || $component->is_siteagent() );
	}

	private static function require_valid_item( bool $requirements ): void {
		if ( ! $requirements ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the item', array( 'argument' => 'item' ) );
		}
	}

	private function log_result( Siteagent_Update_Item $item, array $answer, Siteagent_Update_Plan $update_plan ): array {
		$facts = $item->to_array() + array(
			'op_id'   => $update_plan->op_id(),
			'outcome' => $answer['outcome'],
			'reason'  => $answer['reason'],
			'by'      => $update_plan->approved_by(),
			'plan'    => bin2hex( $update_plan->digest() ),
		);
		$this->log->append( 'update_answered', $facts, 'dashboard' );
		return $answer;
	}
}
