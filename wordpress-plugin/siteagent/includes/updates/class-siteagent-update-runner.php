<?php
/**
 * One change while it runs, from the last checks to its outcome.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Fetch, keep, watch, install, look: in that order, so that whatever happens can be taken back and told.
 */
final class Siteagent_Update_Runner {

	/** @var Siteagent_Update_Plan */
	private $update_plan;

	/** @var Siteagent_Component */
	private $component;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Upgrader */
	private $upgrader;

	/** @var Siteagent_Loopback_Check */
	private $probe;

	/** @var Siteagent_Update_Result */
	private $result;

	/** @var Siteagent_Update_Requirements */
	private $holds;

	/** @var bool Whether what the site saw of itself may have come from code that is not on disk any more. */
	private $is_stale = false;

	/** @var int|null For how long PHP may go on running what it compiled before; null when nobody can say. */
	private $stale = 0;

	/** @var array The marker of this run. */
	private $marked;

	public function __construct( Siteagent_Update_Plan $update_plan, Siteagent_Component $component, Siteagent_Rollback $rollback, Siteagent_Loopback_Check $probe ) {
		$this->update_plan     = $update_plan;
		$this->component = $component;
		$this->rollback = $rollback;
		$this->holds     = new Siteagent_Update_Requirements( $component, $update_plan->item() );
		$this->upgrader  = new Siteagent_Upgrader();
		$this->probe     = $probe;
		$this->marked    = (array) $rollback->current_run();
		$this->result  = new Siteagent_Update_Result( $this->marked['before'] );
	}

	/**
	 * Do it. The outcome is decided, and the watchdog called off or left on guard, when this returns.
	 */
	public function run(): array {
		$began = microtime( true );
		list( $outcome, $reason ) = $this->perform();
		$this->result->set( 'took_ms', (int) round( ( microtime( true ) - $began ) * 1000 ) );
		$this->result->set( 'messages', $this->upgrader->messages() );
		if ( 'succeeded' === $outcome && $this->needs_watching() ) {
			$until = time() + ( $this->is_stale ? DAY_IN_SECONDS : Siteagent_Rollback::WATCH_S );
			$this->result->set( 'watched_until', $until );
			$this->result->set( 'stale_code', $this->is_stale );
			$answer = $this->result->to_array( $outcome, $reason );
			$moments = array(
				'look_at'  => $this->probe->is_reachable() ? time() + max( Siteagent_Update_Controller::LOOK_S, (int) $this->stale ) : null,
				'fresh_at' => null === $this->stale ? null : time() + $this->stale,
			);
			$this->rollback->keep_watching( $this->marked, $answer, $until, $moments );
			return $answer;
		}
		$answer = $this->result->to_array( $outcome, $reason );
		$this->rollback->save_decision( $this->marked, $answer );
		return $answer;
	}

	/**
	 * @return array{0:string,1:?string} Outcome and reason.
	 */
	private function perform(): array {
		$reason = $this->unmet_requirement();
		if ( null !== $reason ) {
			return array( 'refused', $reason );
		}
		$offer = (array) $this->component->available_update();
		$file  = $this->upgrader->download( $this->component, $offer['package'], is_dir( $this->marked['folder'] ) ? $this->marked['folder'] : '', $this->update_plan->op_id() );
		if ( null === $file ) {
			return '' === $this->upgrader->refusal_reason() ? array( 'failed', 'download_failed' ) : array( 'refused', $this->upgrader->refusal_reason() );
		}
		$this->rollback->heartbeat( $this->marked );
		try {
			$reason = $this->package_refusal_reason( $file );
			if ( null !== $reason ) {
				return array( 'refused', $reason );
			}
			return $this->install( $file );
		} finally {
			if ( is_file( $file ) ) {
				wp_delete_file( $file );
			}
		}
	}

	/**
	 * The first thing on this site that does not hold.
	 */
	private function unmet_requirement(): ?string {
		foreach ( $this->holds->site_problems() as $reason ) {
			return $reason;
		}
		foreach ( $this->holds->component_problems( $this->update_plan->environment() ) as $reason ) {
			return $reason;
		}
		$this->component->check_for_updates();
		foreach ( $this->holds->update_problems( $this->update_plan->package_host() ) as $reason ) {
			return $reason;
		}
		return null;
	}

	/**
	 * The package as it arrived, and room to keep what it replaces.
	 */
	private function package_refusal_reason( string $file ): ?string {
		$sha256 = (string) hash_file( 'sha256', $file );
		$this->result->set( 'package_sha256', $sha256 );
		$this->result->set( 'package_host', $this->upgrader->package_host() );
		$wanted = $this->update_plan->package_sha256();
		if ( null !== $wanted && ! hash_equals( $wanted, $sha256 ) ) {
			return 'package_changed';
		}
		if ( ! Siteagent_Premium_Package::is_archive( $file ) ) {
			return 'not_a_package';
		}
		$is_kept = $this->rollback->create_backup( $this->marked, $this->component );
		$this->result->set( 'kept_copy', $is_kept );
		if ( ! Siteagent_Rollback::is_available( $this->component->kind() ) ) {
			return null;
		}
		// It was said that this can be taken back; where that is no longer so, it is not what was approved.
		if ( $is_kept && ( ! $this->component->owns_folder() || $this->rollback->install_watchdog( $this->marked, $this->component ) ) ) {
			return null;
		}
		foreach ( $this->holds->site_problems() as $reason ) {
			return $reason;
		}
		return 'filesystem';
	}

	private function install( string $file ): array {
		$op_id  = $this->update_plan->op_id();
		$step   = $this->update_plan->item();
		$before = array( 'probe' => $this->probe->check(), 'seen' => $this->probe->results() ) + $this->marked['before'];
		$this->result->set( 'before', array_diff_key( $before, array( 'network' => true, 'sites' => true, 'seen' => true ) ) );
		$this->rollback->set_stage( $op_id, 'installing', array( 'before' => $before ) );
		$this->marked = array( 'stage' => 'installing', 'before' => $before ) + $this->marked;
		if ( $this->component->is_siteagent() ) {
			self::load_all_classes();
		}
		$may_go = function (): bool {
			$this->rollback->heartbeat( $this->marked );
			return $this->rollback->is_current_run( $this->marked );
		};
		$this->upgrader->install( $this->component, $step, $file, $op_id, $may_go );
		$there = $this->component->version();
		if ( ! $may_go() ) {
			return $this->handle_interruption();
		}
		$stale = Siteagent_Opcode_Cache::stale_seconds( $this->component->owns_folder() || 'translation' === $step->kind() ? $this->component->folder() : ABSPATH . WPINC );
		if ( $step->to() !== $there ) {
			return $this->handle_wrong_version( $there );
		}
		if ( 0 !== $stale && is_dir( $this->marked['folder'] ) ) {
			touch( $this->marked['folder'] . '/' . Siteagent_Rollback_Watchdog::STALE ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- read without WordPress.
		}
		$this->rollback->set_stage( $op_id, 'installed' );
		$this->marked = array( 'stage' => 'installed' ) + $this->marked;
		$probe        = $this->check_new_version( $stale );
		$this->result->set_after( $this->component, $probe );
		$reason = $this->regression_reason( $probe );
		return null === $reason ? array( 'succeeded', null ) : $this->roll_back( $reason );
	}

	/**
	 * Look at the site as it is with the new version, once its code is the code that runs.
	 *
	 * @param int|null $stale For how long PHP may still run what it compiled before; null when nobody can say.
	 */
	private function check_new_version( ?int $stale ): string {
		$seen = $this->probe->check_after_update( $this->marked['before']['seen'], $this->component->folder() );
		if ( Siteagent_Loopback_Check::OK !== $seen || 0 === $stale || $this->probe->is_fresh() || true !== $this->marked['before']['active'] ) {
			return $seen;
		}
		$is_over = Siteagent_Opcode_Cache::wait(
			$stale,
			function (): void {
				$this->rollback->heartbeat( $this->marked );
			}
		);
		if ( $is_over ) {
			return $this->probe->check_after_update( $this->marked['before']['seen'], $this->component->folder() );
		}
		$this->is_stale = true;
		$this->stale    = $stale;
		$this->upgrader->add_message( 'PHP on this server may go on running the previous version, so nothing shows whether the new one works.' );
		return Siteagent_Loopback_Check::COULD_NOT_TELL;
	}

	/**
	 * Another process took this run for dead and put the copy back. What was exchanged since is put back once more.
	 */
	private function handle_interruption(): array {
		$this->result->set_after( $this->component, null );
		return $this->roll_back( 'interrupted' );
	}

	/**
	 * Another version than approved is on disk after the upgrader ran.
	 */
	private function handle_wrong_version( string $there ): array {
		if ( $this->update_plan->item()->from() === $there && $this->rollback->matches_backup( $this->marked, $this->component ) ) {
			$this->result->set_after( $this->component, null );
			$reason = $this->upgrader->refusal_reason();
			return '' === $reason ? array( 'failed', 'install_failed' ) : array( 'refused', $reason );
		}
		$reason = '' === $there || $this->update_plan->item()->from() === $there ? 'install_failed' : 'version_wrong_after';
		$this->result->set_after( $this->component, null );
		return $this->roll_back( $reason );
	}

	/**
	 * What is wrong with the new version; null when nothing is.
	 */
	private function regression_reason( string $probe ): ?string {
		$note = $this->rollback->restore_record( $this->marked );
		if ( null !== $note ) {
			return $note['installed'] ? 'fatal_after' : 'interrupted';
		}
		$before = $this->result->before();
		if ( true === $before['active'] && true !== $this->result->after()['active'] ) {
			return 'inactive_after';
		}
		if ( ! $this->is_stale && Siteagent_Loopback_Check::is_worse( $probe, (string) $before['probe'] ) ) {
			if ( $this->probe->is_unanswered() ) {
				return 'no_answer_after';
			}
			return Siteagent_Loopback_Check::FATAL === $probe ? 'fatal_after' : 'probe_worse';
		}
		return null;
	}

	/**
	 * The files of SiteAgent are about to be others: what this process still needs of them is in memory before,
	 * as half of one version and half of another is neither.
	 */
	private static function load_all_classes(): void {
		foreach ( siteagent_classes() as $file ) {
			require_once $file;
		}
	}

	/**
	 * Put the kept copy back and look whether all is as it was.
	 */
	private function roll_back( string $reason ): array {
		$note  = $this->rollback->restore_record( $this->marked );
		$error = null === $note || '' === $note['message'] ? $this->probe->error() : Siteagent_Error_Summary::summarize( $note );
		$after = $this->result->after();
		$this->upgrader->add_message( $error );
		$this->result->set_during( $after['version'], $after['active'], null === $note ? $after['probe'] : Siteagent_Loopback_Check::FATAL, $error );
		self::restore_backup( $this->rollback, $this->marked, $this->component, $reason );
		return self::verify_restored( $this->result, $this->marked, $this->component, $this->probe, $reason );
	}

	/**
	 * Put the kept copy back, unless it is back: a note is believed only if the disk bears it out.
	 */
	public static function restore_backup( Siteagent_Rollback $rollback, array $marked, Siteagent_Component $component, string $reason ): void {
		if ( null !== $rollback->restore_record( $marked ) && $rollback->matches_backup( $marked, $component ) ) {
			return;
		}
		$rollback->delete_restore_record( $marked );
		$rollback->restore_backup( $marked, $component, $reason );
	}

	/**
	 * Whether a component that was put back is as it was before.
	 *
	 * @return array{0:string,1:string} Outcome and reason.
	 */
	public static function verify_restored( Siteagent_Update_Result $result, array $marked, Siteagent_Component $component, Siteagent_Loopback_Check $probe, string $reason ): array {
		$before = $marked['before'];
		if ( true === $before['active'] && ! $component->is_active() && $before['version'] === $component->version() ) {
			$component->reactivate( true === $before['network'], isset( $before['sites'] ) ? $before['sites'] : array( get_current_blog_id() ) );
		}
		$component->mark_updates_stale();
		Siteagent_Opcode_Cache::wait( $component->owns_folder() ? Siteagent_Opcode_Cache::stale_seconds( $component->folder() ) : 0, static function (): void {} );
		$result->set_after( $component, $probe->check_after_update( isset( $before['seen'] ) ? $before['seen'] : array(), $component->folder() ) );
		$after   = $result->after();
		$is_same = $before['version'] === $after['version'] && $before['active'] === $after['active'] && ( null === $before['probe'] || Siteagent_Loopback_Check::FATAL !== $after['probe'] )
			&& ( ! $component->is_siteagent() || null === $before['probe'] || ! Siteagent_Loopback_Check::is_worse( (string) $after['probe'], (string) $before['probe'] ) );
		return array( $is_same ? 'rolled_back' : 'failed', $reason );
	}

	/**
	 * Whether nobody has seen the new version at work, and the watchdog may stay.
	 */
	private function needs_watching(): bool {
		return $this->component->owns_folder() && true === $this->result->after()['active'] && Siteagent_Loopback_Check::COULD_NOT_TELL === $this->result->after()['probe']
			&& is_dir( $this->marked['folder'] . '/' . Siteagent_Rollback_Watchdog::KEPT );
	}
}
