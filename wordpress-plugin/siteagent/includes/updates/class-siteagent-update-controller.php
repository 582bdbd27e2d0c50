<?php
/**
 * One approved change to one component (docs/PROTOCOL.md section 3.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Does exactly what the plan says, or refuses, and tells the outcome as the disk shows it.
 */
final class Siteagent_Update_Controller {

	/** A process that works longer is given up by servers anyway. */
	const TIME_LIMIT_S = 600;

	/** An order that was on its way for longer is believed lost, and must not be carried out any more. */
	const MAX_REQUEST_AGE_S = Siteagent_HTTP_Signature::MAX_SKEW_S + 60;

	/** When a version that could not be judged is looked at again. */
	const RECHECK_S = 30;

	/** Refusals that say nothing about the plan: it may be sent again. */
	const RETRYABLE_REASONS = array( 'busy' );

	/** What the watchdog's notes are called in the protocol. */
	const RESTORE_REASONS = array(
		'fatal'   => 'fatal_after',
		'no_word' => 'no_answer_after',
	);

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Operation_Store */
	private $operation_store;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Operation_Store $operation_store, Siteagent_Permissions $permissions, Siteagent_Pending_Approvals $approvals, Siteagent_Rollback $rollback, Siteagent_Audit_Log $log ) {
		$this->connection_store   = $connection_store;
		$this->operation_store    = $operation_store;
		$this->permissions    = $permissions;
		$this->approvals = $approvals;
		$this->rollback = $rollback;
		$this->log       = $log;
	}

	/**
	 * Whether a step could be done now, and what a plan for it has to name.
	 *
	 * @throws Siteagent_Exception invalid_arguments.
	 */
	public function check( stdClass $document, int $now ): array {
		$item      = new Siteagent_Update_Item( $document->step );
		$component = self::component_for( $item );
		self::require_siteagent( $component );
		Siteagent_Report::load_admin_includes();
		$this->reconcile( $now );
		$requirements     = new Siteagent_Update_Requirements( $component, $item );
		$component->check_for_updates();
		$reasons = array_merge(
			$component->is_siteagent() && 'siteagent' !== $item->kind() ? array( 'is_siteagent' ) : array(),
			$this->permissions->allows( $item->scope() ) ? array() : array( 'scope_off' ),
			iterator_to_array( $requirements->site_problems(), false ),
			iterator_to_array( $requirements->component_problems( null ), false ),
			iterator_to_array( $requirements->update_problems( null ), false )
		);
		$update = $component->available_update();
		return array(
			'may'     => array() === $reasons,
			'reasons' => $reasons,
			'facts'   => array(
				'home'          => $this->connection_store->home(),
				'wp'            => get_bloginfo( 'version' ),
				'php'           => PHP_VERSION,
				'version'       => $component->version(),
				'active'        => $component->is_active(),
				'offered'       => null === $update ? null : $update['version'],
				'package_host'  => null === $update || '' === $update['package'] ? null : Siteagent_Update_Requirements::host_with_port( $update['package'] ),
				'scope'         => $item->scope(),
				'approval_here' => $this->permissions->requires_approval(),
				'rollback'      => ! $component->is_single_file() && Siteagent_Rollback::is_available( $item->kind() ),
				'busy'          => null !== $this->rollback->current_run() || Siteagent_Update_Lock::is_core_updating( $now ),
				// Nobody approves what may not be done, so nobody reads what it would bring.
				'changelog'     => array() === $reasons ? ( new Siteagent_Changelog() )->for_update( $component, $item ) : null,
			),
		);
	}

	/**
	 * Do what the signed plan says, once.
	 *
	 * @param string $name    change.run, or agent.update for SiteAgent itself.
	 * @param int    $created When the dashboard signed the request.
	 * @throws Siteagent_Exception invalid_arguments for what is no plan of this connection.
	 */
	public function run( string $name, stdClass $document, int $created, int $now ): array {
		$connection = $this->connection_store->connection();
		if ( null === $connection ) {
			throw new Siteagent_Exception( 'unauthorized', $name );
		}
		$plan  = Siteagent_Signed_Plan::verify( $document->plan, $document->sig, $name, $document->op_id, $connection, $this->connection_store->site_uuid() );
		$update_plan = new Siteagent_Update_Plan( $plan );
		if ( Siteagent_Update_Plan::UPDATE === $name ) {
			self::require_valid_step( 'siteagent' === $update_plan->item()->kind() );
			self::require_siteagent( self::component_for( $update_plan->item() ) );
		}
		Siteagent_Report::load_admin_includes();
		$this->reconcile( $now );
		$answer = $this->operation_store->run_once(
			$update_plan->op_id(),
			$name,
			$update_plan->digest(),
			$now,
			function () use ( $update_plan, $created, $now ): array {
				// From now on the ledger knows it. Before, whoever asked was told that nothing was and would be done.
				if ( time() > $created + self::MAX_REQUEST_AGE_S ) {
					throw new Siteagent_Exception( 'expired', 'the order was signed ' . ( time() - $created ) . ' s ago' );
				}
				return $this->execute( $update_plan, $now );
			},
			static function ( array $answer ): bool {
				return 'waiting' !== $answer['outcome'] && ! in_array( $answer['reason'], self::RETRYABLE_REASONS, true );
			}
		);
		$run = $this->rollback->current_run();
		if ( null !== $run && $update_plan->op_id() === $run['op_id'] && 'decided' === $run['stage'] ) {
			$this->rollback->end_run( $run, self::component_for( $update_plan->item() ), $answer );
		}
		return $answer;
	}

	/**
	 * What became of a change.
	 */
	public function status( stdClass $document, int $now ): array {
		Siteagent_Report::load_admin_includes();
		$this->reconcile( $now );
		$this->confirm_by_dashboard( $document->op_id );
		$entry = $this->operation_store->find( $document->op_id, Siteagent_Update_Plan::NAMES );
		if ( null === $entry ) {
			$run = $this->rollback->current_run();
			if ( null !== $run && $document->op_id === $run['op_id'] ) {
				return array( 'state' => 'running' );
			}
			return array( 'state' => $this->approvals->is_waiting( $document->op_id, $now ) ? 'waiting' : 'never' );
		}
		if ( null === $entry['answer'] && $entry['at'] < $now - Siteagent_Rollback::RUN_TIMEOUT_S ) {
			// It died before it had marked anything, and so before it touched anything.
			$entry['answer'] = ( new Siteagent_Update_Result() )->to_array( 'failed', 'interrupted' );
			$this->operation_store->save_result( $document->op_id, $entry['name'], $entry['digest'], $now, $entry['answer'] );
		}
		return null === $entry['answer'] ? array( 'state' => 'running' ) : array( 'state' => 'done' ) + $entry['answer'];
	}

	/**
	 * The dashboard asks for the update that is watched, and this is the new version answering: there is no better word of it.
	 */
	private function confirm_by_dashboard( string $op_id ): void {
		$run = $this->rollback->current_run();
		if ( null === $run || $op_id !== $run['op_id'] || 'watched' !== $run['stage'] || 'siteagent' !== $run['step']['kind'] || SITEAGENT_VERSION !== $run['step']['to'] ) {
			return;
		}
		$run['answer']['evidence']['watched_until'] = null;
		$this->finish_run( $run, self::component_of_run( $run ), $run['answer'] );
	}

	/**
	 * Settle a run whose process died, and one that was watched; and remove what no run needs.
	 */
	public function reconcile( int $now ): void {
		$run = $this->rollback->current_run();
		if ( null !== $run ) {
			$component = self::component_of_run( $run );
			$record      = $this->rollback->restore_record( $run );
			if ( 'watched' === $run['stage'] ) {
				$this->recheck_watched( $run, $component, $record, $now );
			} elseif ( ! $this->rollback->is_running( $run, $now ) ) {
				$this->finish_run( $run, $component, $this->recover_interrupted( $run, $component, null !== $record ) );
			}
		}
		$this->rollback->remove_orphaned_folders( $now );
	}

	/**
	 * Look again at a version that could not be judged; until the watch is over, or something is known.
	 */
	private function recheck_watched( array $run, Siteagent_Component $component, ?array $record, int $now ): void {
		if ( null !== $record ) {
			$this->finish_run( $run, $component, $this->rolled_back_result( $run, $component ) );
			return;
		}
		$answer = $run['answer'];
		if ( isset( $run['look_at'], $run['before']['seen'] ) && $now >= $run['look_at'] ) {
			$loopback = $this->loopback_check( $component );
			$page_state  = $loopback->check_after_update( $run['before']['seen'], $component->folder() );
			if ( Siteagent_Loopback_Check::FATAL === $page_state ) {
				$this->rollback->restore_backup( $run, $component, 'fatal' );
				$this->finish_run( $run, $component, $this->rolled_back_result( $run, $component, $loopback->error() ) );
				return;
			}
			if ( Siteagent_Loopback_Check::OK === $page_state && ( $loopback->is_fresh() || ( isset( $run['fresh_at'] ) && $now >= $run['fresh_at'] ) ) ) {
				$answer['evidence']['after']['probe'] = $page_state;
				$answer['evidence']['watched_until']  = null;
				$answer['evidence']['stale_code']     = false;
				$this->finish_run( $run, $component, $answer );
				return;
			}
			$this->rollback->set_stage( $run['op_id'], 'watched', array( 'look_at' => $now + self::RECHECK_S ) );
		}
		if ( $now > $run['deadline'] ) {
			$this->finish_run( $run, $component, $answer );
		}
	}

	/**
	 * What is true of a run whose process was killed; what it left half done is taken back first.
	 */
	private function recover_interrupted( array $run, Siteagent_Component $component, bool $is_back ): array {
		if ( ! $is_back && 'decided' === $run['stage'] ) {
			return $run['answer'];
		}
		if ( $is_back || in_array( $run['stage'], array( 'installing', 'installed' ), true ) ) {
			Siteagent_Update_Runner::restore_backup( $this->rollback, $run, $component, 'interrupted' );
			return $this->rolled_back_result( $run, $component );
		}
		$result = new Siteagent_Update_Result( $run['before'] );
		$result->set_after( $component, null );
		return $result->to_array( 'failed', 'interrupted' );
	}

	/**
	 * What is true of a version whose copy of before was put back.
	 *
	 * @param string $error The error that was seen, where the watchdog's note holds none.
	 */
	private function rolled_back_result( array $run, Siteagent_Component $component, string $error = '' ): array {
		$record     = $this->rollback->restore_record( $run );
		$reason   = null !== $record && isset( self::RESTORE_REASONS[ $record['reason'] ] ) ? self::RESTORE_REASONS[ $record['reason'] ] : 'interrupted';
		$result = new Siteagent_Update_Result( $run['before'] );
		$result->set( 'kept_copy', null !== $record );
		if ( null !== $record && '' !== $record['message'] ) {
			$error = Siteagent_Error_Summary::summarize( $record );
		}
		if ( '' !== $error ) {
			$result->set( 'messages', array( $error ) );
		}
		if ( 'interrupted' !== $reason ) {
			$result->set_during( $run['step']['to'], null, 'fatal_after' === $reason ? Siteagent_Loopback_Check::FATAL : null, $error );
		}
		list( $outcome, $reason ) = Siteagent_Update_Runner::verify_restored( $result, $run, $component, $this->loopback_check( $component ), $reason );
		return $result->to_array( $outcome, $reason );
	}

	private function finish_run( array $run, Siteagent_Component $component, array $answer ): void {
		$name = 'siteagent' === $run['step']['kind'] ? Siteagent_Update_Plan::UPDATE : Siteagent_Update_Plan::CHANGE;
		$this->operation_store->save_result( $run['op_id'], $name, (string) hex2bin( $run['plan'] ), $run['started'], $answer );
		if ( ! isset( $run['answer'] ) || $run['answer'] !== $answer ) {
			$this->log->append( 'change_settled', $run['step'] + array( 'op_id' => $run['op_id'], 'outcome' => $answer['outcome'], 'reason' => $answer['reason'] ), 'site' );
		}
		$this->rollback->end_run( $run, $component, $answer );
	}

	/**
	 * The checks, in the protocol's order, up to the first that does not hold; then the change itself.
	 */
	private function execute( Siteagent_Update_Plan $update_plan, int $now ): array {
		$item      = $update_plan->item();
		$component = self::component_for( $item );
		$reason    = $this->plan_refusal_reason( $update_plan, $component, $now );
		if ( null === $reason && $this->permissions->requires_approval() ) {
			$decision = $this->approvals->request_decision( $update_plan, $now );
			if ( Siteagent_Pending_Approvals::WAITING === $decision ) {
				return $this->log_result( $item, ( new Siteagent_Update_Result() )->to_array( 'waiting', 'approval_here' ), $update_plan );
			}
			$reason = Siteagent_Pending_Approvals::REFUSED === $decision ? 'approval_here' : null;
		}
		if ( null !== $reason ) {
			return $this->log_result( $item, ( new Siteagent_Update_Result() )->to_array( 'refused', $reason ), $update_plan );
		}
		// From here on the run must end by itself, whoever hung up. Hosts switch either function off.
		if ( function_exists( 'ignore_user_abort' ) ) {
			ignore_user_abort( true );
		}
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( self::TIME_LIMIT_S );
		}
		$facts = array(
			'plan'   => bin2hex( $update_plan->digest() ),
			'step'   => $item->to_array(),
			'before' => array(
				'version' => $component->version(),
				'active'  => $component->is_active(),
				'network' => $component->is_network_active(),
				'sites'   => $component->is_plugin() ? $component->active_sites() : array(),
				'probe'   => null,
			),
		);
		if ( ! $this->rollback->begin_run( $update_plan->op_id(), $facts, $now ) ) {
			return $this->log_result( $item, ( new Siteagent_Update_Result() )->to_array( 'refused', 'busy' ), $update_plan );
		}
		return $this->log_result( $item, ( new Siteagent_Update_Runner( $update_plan, $component, $this->rollback, $this->loopback_check( $component ) ) )->run(), $update_plan );
	}

	private function plan_refusal_reason( Siteagent_Update_Plan $update_plan, Siteagent_Component $component, int $now ): ?string {
		if ( ! Siteagent_Site_Address::is_same_site( $update_plan->home(), $this->connection_store->home() ) ) {
			return 'wrong_site';
		}
		if ( ! $update_plan->is_open( $now ) ) {
			return 'outside_window';
		}
		if ( Siteagent_Update_Plan::UPDATE !== $update_plan->name() && ( $component->is_siteagent() || 'siteagent' === $component->kind() ) ) {
			return 'is_siteagent';
		}
		if ( ! $this->permissions->allows( $update_plan->item()->scope() ) ) {
			return 'scope_off';
		}
		// Without these not even the marker of a run could be kept true.
		return array() === Siteagent_Rollback::missing_functions() ? null : 'filesystem';
	}

	/**
	 * Of SiteAgent itself it also counts whether it answers.
	 */
	private function loopback_check( Siteagent_Component $component ): Siteagent_Loopback_Check {
		return new Siteagent_Loopback_Check( 'siteagent' === $component->kind() ? new Siteagent_Self_Ping( $this->connection_store, $component ) : null );
	}

	private static function component_of_run( array $run ): Siteagent_Component {
		return new Siteagent_Component( $run['step']['kind'], $run['step']['id'] );
	}

	private static function component_for( Siteagent_Update_Item $item ): Siteagent_Component {
		return new Siteagent_Component( $item->kind(), $item->id(), $item->to() );
	}

	/**
	 * Nothing goes under SiteAgent's name but SiteAgent.
	 */
	private static function require_siteagent( Siteagent_Component $component ): void {
		self::require_valid_step( 'siteagent' !== $component->kind() || $component->is_siteagent() );
	}

	private static function require_valid_step( bool $requirements ): void {
		if ( ! $requirements ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the step', array( 'argument' => 'step' ) );
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
		$this->log->append( 'change_answered', $facts, 'dashboard' );
		return $answer;
	}
}
