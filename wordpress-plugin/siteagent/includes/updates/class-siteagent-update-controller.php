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
	const PATIENCE_S = 600;

	/** An order that was on its way for longer is believed lost, and must not be carried out any more. */
	const STALE_S = Siteagent_HTTP_Signature::MAX_SKEW_S + 60;

	/** When a version that could not be judged is looked at again. */
	const LOOK_S = 30;

	/** Refusals that say nothing about the plan: it may be sent again. */
	const PASSING = array( 'busy' );

	/** What the watchdog's notes are called in the protocol. */
	const TAKEN_BACK = array(
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
		$step      = new Siteagent_Update_Item( $document->step );
		$component = self::component_of( $step );
		self::demand_own_name( $component );
		Siteagent_Report::load_admin_includes();
		$this->reconcile( $now );
		$holds     = new Siteagent_Update_Requirements( $component, $step );
		$component->look_for_offers();
		$reasons = array_merge(
			$component->is_siteagent() && 'siteagent' !== $step->kind() ? array( 'is_siteagent' ) : array(),
			$this->permissions->allows( $step->scope() ) ? array() : array( 'scope_off' ),
			iterator_to_array( $holds->of_the_place(), false ),
			iterator_to_array( $holds->of_the_component( null ), false ),
			iterator_to_array( $holds->of_the_offer( null ), false )
		);
		$offer = $component->offer();
		return array(
			'may'     => array() === $reasons,
			'reasons' => $reasons,
			'facts'   => array(
				'home'          => $this->connection_store->home(),
				'wp'            => get_bloginfo( 'version' ),
				'php'           => PHP_VERSION,
				'version'       => $component->version(),
				'active'        => $component->is_active(),
				'offered'       => null === $offer ? null : $offer['version'],
				'package_host'  => null === $offer || '' === $offer['package'] ? null : Siteagent_Update_Requirements::host_of( $offer['package'] ),
				'scope'         => $step->scope(),
				'approval_here' => $this->permissions->asks_here(),
				'rollback'      => ! $component->is_single_file() && Siteagent_Rollback::is_possible( $step->kind() ),
				'busy'          => null !== $this->rollback->marked() || Siteagent_Update_Lock::is_core_updating( $now ),
				// Nobody approves what may not be done, so nobody reads what it would bring.
				'changelog'     => array() === $reasons ? ( new Siteagent_Changelog() )->of( $component, $step ) : null,
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
		$plan  = Siteagent_Signed_Plan::open( $document->plan, $document->sig, $name, $document->op_id, $connection, $this->connection_store->uuid() );
		$update_plan = new Siteagent_Update_Plan( $plan );
		if ( Siteagent_Update_Plan::UPDATE === $name ) {
			self::demand( 'siteagent' === $update_plan->step()->kind() );
			self::demand_own_name( self::component_of( $update_plan->step() ) );
		}
		Siteagent_Report::load_admin_includes();
		$this->reconcile( $now );
		$answer = $this->operation_store->once(
			$update_plan->op_id(),
			$name,
			$update_plan->digest(),
			$now,
			function () use ( $update_plan, $created, $now ): array {
				// From now on the ledger knows it. Before, whoever asked was told that nothing was and would be done.
				if ( time() > $created + self::STALE_S ) {
					throw new Siteagent_Exception( 'expired', 'the order was signed ' . ( time() - $created ) . ' s ago' );
				}
				return $this->answer( $update_plan, $now );
			},
			static function ( array $answer ): bool {
				return 'waiting' !== $answer['outcome'] && ! in_array( $answer['reason'], self::PASSING, true );
			}
		);
		$marked = $this->rollback->marked();
		if ( null !== $marked && $update_plan->op_id() === $marked['op_id'] && 'decided' === $marked['stage'] ) {
			$this->rollback->end( $marked, self::component_of( $update_plan->step() ), $answer );
		}
		return $answer;
	}

	/**
	 * What became of a change.
	 */
	public function status( stdClass $document, int $now ): array {
		Siteagent_Report::load_admin_includes();
		$this->reconcile( $now );
		$this->hear( $document->op_id );
		$entry = $this->operation_store->entry( $document->op_id, Siteagent_Update_Plan::NAMES );
		if ( null === $entry ) {
			$marked = $this->rollback->marked();
			if ( null !== $marked && $document->op_id === $marked['op_id'] ) {
				return array( 'state' => 'running' );
			}
			return array( 'state' => $this->approvals->is_waiting( $document->op_id, $now ) ? 'waiting' : 'never' );
		}
		if ( null === $entry['answer'] && $entry['at'] < $now - Siteagent_Rollback::RUN_S ) {
			// It died before it had marked anything, and so before it touched anything.
			$entry['answer'] = ( new Siteagent_Update_Result() )->told( 'failed', 'interrupted' );
			$this->operation_store->settle( $document->op_id, $entry['name'], $entry['digest'], $now, $entry['answer'] );
		}
		return null === $entry['answer'] ? array( 'state' => 'running' ) : array( 'state' => 'done' ) + $entry['answer'];
	}

	/**
	 * The dashboard asks for the update that is watched, and this is the new version answering: there is no better word of it.
	 */
	private function hear( string $op_id ): void {
		$marked = $this->rollback->marked();
		if ( null === $marked || $op_id !== $marked['op_id'] || 'watched' !== $marked['stage'] || 'siteagent' !== $marked['step']['kind'] || SITEAGENT_VERSION !== $marked['step']['to'] ) {
			return;
		}
		$marked['answer']['evidence']['watched_until'] = null;
		$this->conclude( $marked, self::component_marked( $marked ), $marked['answer'] );
	}

	/**
	 * Settle a run whose process died, and one that was watched; and remove what no run needs.
	 */
	public function reconcile( int $now ): void {
		$marked = $this->rollback->marked();
		if ( null !== $marked ) {
			$component = self::component_marked( $marked );
			$note      = $this->rollback->restored( $marked );
			if ( 'watched' === $marked['stage'] ) {
				$this->watch_on( $marked, $component, $note, $now );
			} elseif ( ! $this->rollback->lives( $marked, $now ) ) {
				$this->conclude( $marked, $component, $this->of_the_dead( $marked, $component, null !== $note ) );
			}
		}
		$this->rollback->sweep( $now );
	}

	/**
	 * Look again at a version that could not be judged; until the watch is over, or something is known.
	 */
	private function watch_on( array $marked, Siteagent_Component $component, ?array $note, int $now ): void {
		if ( null !== $note ) {
			$this->conclude( $marked, $component, $this->taken_back( $marked, $component ) );
			return;
		}
		$answer = $marked['answer'];
		if ( isset( $marked['look_at'], $marked['before']['seen'] ) && $now >= $marked['look_at'] ) {
			$probe = $this->probe_for( $component );
			$seen  = $probe->look_again( $marked['before']['seen'], $component->folder() );
			if ( Siteagent_Loopback_Check::FATAL === $seen ) {
				$this->rollback->restore( $marked, $component, 'fatal' );
				$this->conclude( $marked, $component, $this->taken_back( $marked, $component, $probe->error() ) );
				return;
			}
			if ( Siteagent_Loopback_Check::OK === $seen && ( $probe->is_fresh() || ( isset( $marked['fresh_at'] ) && $now >= $marked['fresh_at'] ) ) ) {
				$answer['evidence']['after']['probe'] = $seen;
				$answer['evidence']['watched_until']  = null;
				$answer['evidence']['stale_code']     = false;
				$this->conclude( $marked, $component, $answer );
				return;
			}
			$this->rollback->reach( $marked['op_id'], 'watched', array( 'look_at' => $now + self::LOOK_S ) );
		}
		if ( $now > $marked['deadline'] ) {
			$this->conclude( $marked, $component, $answer );
		}
	}

	/**
	 * What is true of a run whose process was killed; what it left half done is taken back first.
	 */
	private function of_the_dead( array $marked, Siteagent_Component $component, bool $is_back ): array {
		if ( ! $is_back && 'decided' === $marked['stage'] ) {
			return $marked['answer'];
		}
		if ( $is_back || in_array( $marked['stage'], array( 'installing', 'installed' ), true ) ) {
			Siteagent_Update_Runner::put_back( $this->rollback, $marked, $component, 'interrupted' );
			return $this->taken_back( $marked, $component );
		}
		$result = new Siteagent_Update_Result( $marked['before'] );
		$result->close( $component, null );
		return $result->told( 'failed', 'interrupted' );
	}

	/**
	 * What is true of a version whose copy of before was put back.
	 *
	 * @param string $error The error that was seen, where the watchdog's note holds none.
	 */
	private function taken_back( array $marked, Siteagent_Component $component, string $error = '' ): array {
		$note     = $this->rollback->restored( $marked );
		$reason   = null !== $note && isset( self::TAKEN_BACK[ $note['reason'] ] ) ? self::TAKEN_BACK[ $note['reason'] ] : 'interrupted';
		$result = new Siteagent_Update_Result( $marked['before'] );
		$result->set( 'kept_copy', null !== $note );
		if ( null !== $note && '' !== $note['message'] ) {
			$error = Siteagent_Error_Summary::of( $note );
		}
		if ( '' !== $error ) {
			$result->set( 'messages', array( $error ) );
		}
		if ( 'interrupted' !== $reason ) {
			$result->add_during( $marked['step']['to'], null, 'fatal_after' === $reason ? Siteagent_Loopback_Check::FATAL : null, $error );
		}
		list( $outcome, $reason ) = Siteagent_Update_Runner::looked_over( $result, $marked, $component, $this->probe_for( $component ), $reason );
		return $result->told( $outcome, $reason );
	}

	private function conclude( array $marked, Siteagent_Component $component, array $answer ): void {
		$name = 'siteagent' === $marked['step']['kind'] ? Siteagent_Update_Plan::UPDATE : Siteagent_Update_Plan::CHANGE;
		$this->operation_store->settle( $marked['op_id'], $name, (string) hex2bin( $marked['plan'] ), $marked['started'], $answer );
		if ( ! isset( $marked['answer'] ) || $marked['answer'] !== $answer ) {
			$this->log->append( 'change_settled', $marked['step'] + array( 'op_id' => $marked['op_id'], 'outcome' => $answer['outcome'], 'reason' => $answer['reason'] ), 'site' );
		}
		$this->rollback->end( $marked, $component, $answer );
	}

	/**
	 * The checks, in the protocol's order, up to the first that does not hold; then the change itself.
	 */
	private function answer( Siteagent_Update_Plan $update_plan, int $now ): array {
		$step      = $update_plan->step();
		$component = self::component_of( $step );
		$reason    = $this->unmet_by_the_plan( $update_plan, $component, $now );
		if ( null === $reason && $this->permissions->asks_here() ) {
			$verdict = $this->approvals->ask( $update_plan, $now );
			if ( Siteagent_Pending_Approvals::WAITING === $verdict ) {
				return $this->note( $step, ( new Siteagent_Update_Result() )->told( 'waiting', 'approval_here' ), $update_plan );
			}
			$reason = Siteagent_Pending_Approvals::REFUSED === $verdict ? 'approval_here' : null;
		}
		if ( null !== $reason ) {
			return $this->note( $step, ( new Siteagent_Update_Result() )->told( 'refused', $reason ), $update_plan );
		}
		// From here on the run must end by itself, whoever hung up. Hosts switch either function off.
		if ( function_exists( 'ignore_user_abort' ) ) {
			ignore_user_abort( true );
		}
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( self::PATIENCE_S );
		}
		$facts = array(
			'plan'   => bin2hex( $update_plan->digest() ),
			'step'   => $step->told(),
			'before' => array(
				'version' => $component->version(),
				'active'  => $component->is_active(),
				'network' => $component->is_network_active(),
				'sites'   => $component->is_plugin() ? $component->active_on() : array(),
				'probe'   => null,
			),
		);
		if ( ! $this->rollback->begin( $update_plan->op_id(), $facts, $now ) ) {
			return $this->note( $step, ( new Siteagent_Update_Result() )->told( 'refused', 'busy' ), $update_plan );
		}
		return $this->note( $step, ( new Siteagent_Update_Runner( $update_plan, $component, $this->rollback, $this->probe_for( $component ) ) )->answer(), $update_plan );
	}

	private function unmet_by_the_plan( Siteagent_Update_Plan $update_plan, Siteagent_Component $component, int $now ): ?string {
		if ( ! Siteagent_Site_Address::same_home( $update_plan->home(), $this->connection_store->home() ) ) {
			return 'wrong_site';
		}
		if ( ! $update_plan->is_open( $now ) ) {
			return 'outside_window';
		}
		if ( Siteagent_Update_Plan::UPDATE !== $update_plan->name() && ( $component->is_siteagent() || 'siteagent' === $component->kind() ) ) {
			return 'is_siteagent';
		}
		if ( ! $this->permissions->allows( $update_plan->step()->scope() ) ) {
			return 'scope_off';
		}
		// Without these not even the marker of a run could be kept true.
		return array() === Siteagent_Rollback::missing_functions() ? null : 'filesystem';
	}

	/**
	 * Of SiteAgent itself it also counts whether it answers.
	 */
	private function probe_for( Siteagent_Component $component ): Siteagent_Loopback_Check {
		return new Siteagent_Loopback_Check( 'siteagent' === $component->kind() ? new Siteagent_Self_Ping( $this->connection_store, $component ) : null );
	}

	private static function component_marked( array $marked ): Siteagent_Component {
		return new Siteagent_Component( $marked['step']['kind'], $marked['step']['id'] );
	}

	private static function component_of( Siteagent_Update_Item $step ): Siteagent_Component {
		return new Siteagent_Component( $step->kind(), $step->id(), $step->to() );
	}

	/**
	 * Nothing goes under SiteAgent's name but SiteAgent.
	 */
	private static function demand_own_name( Siteagent_Component $component ): void {
		self::demand( 'siteagent' !== $component->kind() || $component->is_siteagent() );
	}

	private static function demand( bool $holds ): void {
		if ( ! $holds ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the step', array( 'argument' => 'step' ) );
		}
	}

	private function note( Siteagent_Update_Item $step, array $answer, Siteagent_Update_Plan $update_plan ): array {
		$facts = $step->told() + array(
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
