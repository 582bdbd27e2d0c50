<?php
/**
 * One run of an update, from the last checks to its result.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Downloads, backs up, installs the watchdog, installs the update and checks the site, in this order, so that each
 * failure can be rolled back and reported.
 */
final class Siteagent_Update_Runner {

	/** @var Siteagent_Package_Source */
	private $source;

	/** @var Siteagent_Component */
	private $component;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Upgrader */
	private $upgrader;

	/** @var Siteagent_Loopback_Check */
	private $loopback;

	/** @var Siteagent_Update_Result */
	private $result;

	/** @var Siteagent_Update_Requirements */
	private $requirements;

	/** @var bool Whether the pages may have been made by code that is no longer on disk. */
	private $is_stale = false;

	/** @var int|null How long PHP may still run old compiled code; null when unknown. */
	private $stale_seconds = 0;

	/** @var array The marker of this run. */
	private $run;

	public function __construct(
		Siteagent_Package_Source $source,
		Siteagent_Component $component,
		Siteagent_Rollback $rollback,
		Siteagent_Loopback_Check $loopback
	) {
		$this->source       = $source;
		$this->component    = $component;
		$this->rollback     = $rollback;
		$this->requirements = new Siteagent_Update_Requirements( $component, $source->item() );
		$this->upgrader     = new Siteagent_Upgrader();
		$this->loopback     = $loopback;
		$this->run          = (array) $rollback->current_run();
		$this->result       = new Siteagent_Update_Result( $this->run['before'] );
	}

	/**
	 * Runs the update. When this returns, the result is stored, and the watchdog was removed or keeps watching.
	 */
	public function run(): array {
		$started_at               = microtime( true );
		list( $outcome, $reason ) = $this->perform();
		if ( 'succeeded' === $outcome ) {
			$this->keep_file_list();
		}
		$this->result->set( 'took_ms', (int) round( ( microtime( true ) - $started_at ) * 1000 ) );
		$this->result->set( 'messages', $this->upgrader->messages() );
		if ( 'succeeded' === $outcome && $this->needs_watching() ) {
			$until = time() + ( $this->is_stale ? DAY_IN_SECONDS : Siteagent_Rollback::WATCH_DURATION_S );
			$this->result->set( 'watched_until', $until );
			$this->result->set( 'stale_code', $this->is_stale );
			$answer = $this->result->to_array( $outcome, $reason );
			$times  = array(
				'look_at'  => $this->loopback->is_reachable() ? time() + max( Siteagent_Run_Recovery::RECHECK_S, (int) $this->stale_seconds ) : null,
				'fresh_at' => null === $this->stale_seconds ? null : time() + $this->stale_seconds,
			);
			$this->rollback->keep_watching( $this->run, $answer, $until, $times );
			return $answer;
		}
		$answer = $this->result->to_array( $outcome, $reason );
		$this->rollback->save_decision( $this->run, $answer );
		return $answer;
	}

	/**
	 * Keeps which files the approved package has left, for the daily comparison, which follows soon.
	 */
	private function keep_file_list(): void {
		if ( null !== $this->source->tree_sha256() ) {
			Siteagent_Installed_Files::keep( $this->component, $this->upgrader->installed_files() );
		}
		Siteagent_File_Check::schedule_soon( time() );
	}

	/**
	 * @return array{0:string,1:?string} Outcome and reason.
	 */
	private function perform(): array {
		$reason = $this->source->unmet_requirement( $this->component, $this->requirements );
		if ( null !== $reason ) {
			return array( 'refused', $reason );
		}
		$file = $this->source->fetch( $this->component, $this->upgrader, is_dir( $this->run['folder'] ) ? $this->run['folder'] : '' );
		if ( null === $file ) {
			return '' === $this->upgrader->refusal_reason() ? array( 'failed', 'download_failed' ) : array( 'refused', $this->upgrader->refusal_reason() );
		}
		$this->rollback->heartbeat( $this->run );
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
	 * Checks the downloaded package, and backs up the component. Returns the reason of a refusal, or null.
	 */
	private function package_refusal_reason( string $file ): ?string {
		$sha256 = (string) hash_file( 'sha256', $file );
		$this->result->set( 'package_sha256', $sha256 );
		$this->result->set( 'package_host', $this->upgrader->package_host() );
		$wanted = $this->source->package_sha256();
		if ( null !== $wanted && ! hash_equals( $wanted, $sha256 ) ) {
			return 'package_changed';
		}
		$reason = $this->inspect_package( $file );
		if ( null !== $reason ) {
			return $reason;
		}
		$is_kept = Siteagent_Backup::create( $this->run['folder'], $this->component );
		$this->result->set( 'kept_copy', $is_kept );
		if ( ! Siteagent_Rollback::is_available( $this->component->kind() ) ) {
			return null;
		}
		// The dry run said that this update can be rolled back. If that is no longer so, it is not what was approved.
		if ( $is_kept && ( ! $this->component->owns_folder() || $this->rollback->install_watchdog( $this->run, $this->component ) ) ) {
			return null;
		}
		foreach ( $this->requirements->site_problems() as $reason ) {
			return $reason;
		}
		return 'filesystem';
	}

	/**
	 * Returns why the package must not be unpacked; null for one that may.
	 */
	private function inspect_package( string $file ): ?string {
		if ( ! Siteagent_Premium_Package::is_archive( $file ) ) {
			return 'not_a_package';
		}
		if ( ! Siteagent_Package_Pin::is_pinned( $this->component ) ) {
			return null;
		}
		try {
			Siteagent_Package_Archive::require_plain_package( $file, Siteagent_Package_Layout::of( $this->component ) );
		} catch ( Siteagent_Exception $refusal ) {
			return $refusal->code();
		}
		return null;
	}

	private function install( string $file ): array {
		$op_id  = $this->source->op_id();
		$item   = $this->source->item();
		$before = array( 'probe' => $this->loopback->check(), 'seen' => $this->loopback->results() ) + $this->run['before'];
		$this->result->set( 'before', array_diff_key( $before, array( 'network' => true, 'sites' => true, 'seen' => true ) ) );
		$this->rollback->set_stage( $op_id, 'installing', array( 'before' => $before ) );
		$this->run = array( 'stage' => 'installing', 'before' => $before ) + $this->run;
		if ( $this->component->is_siteagent() ) {
			siteagent_load_classes();
		}
		$may_continue = function (): bool {
			$this->rollback->heartbeat( $this->run );
			return $this->rollback->is_current_run( $this->run );
		};
		$this->source->run_offered(
			function () use ( $item, $file, $op_id, $may_continue ): void {
				$this->upgrader->install( $this->component, $item, $file, $op_id, $may_continue, array( $this->source, 'owner_refusal_reason' ) );
			}
		);
		$installed = $this->component->version();
		if ( ! $may_continue() ) {
			return $this->handle_interruption();
		}
		$stale_seconds = Siteagent_Opcode_Cache::stale_seconds( $this->component->owns_folder() || 'translation' === $item->kind() ? $this->component->folder() : ABSPATH . WPINC );
		if ( $item->to() !== $installed ) {
			return $this->handle_wrong_version( $installed );
		}
		$this->result->set( 'tree_sha256', $this->upgrader->installed_tree() );
		$wanted = $this->source->tree_sha256();
		if ( null !== $wanted && $wanted !== $this->upgrader->installed_tree() ) {
			$this->result->set_after( $this->component, null );
			return $this->roll_back( 'tree_mismatch' );
		}
		if ( 0 !== $stale_seconds && is_dir( $this->run['folder'] ) ) {
			touch( $this->run['folder'] . '/' . Siteagent_Rollback_Watchdog::STALE ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- read without WordPress.
		}
		$this->rollback->set_stage( $op_id, 'installed' );
		$this->run  = array( 'stage' => 'installed' ) + $this->run;
		$page_state = $this->check_new_version( $stale_seconds );
		$this->result->set_after( $this->component, $page_state );
		$reason = $this->regression_reason( $page_state );
		return null === $reason ? array( 'succeeded', null ) : $this->roll_back( $reason );
	}

	/**
	 * Checks the site with the new version, once PHP runs its code.
	 *
	 * @param int|null $stale_seconds How long PHP may still run old compiled code; null when unknown.
	 */
	private function check_new_version( ?int $stale_seconds ): string {
		$page_state = $this->loopback->check_after_update( $this->run['before']['seen'], $this->component->folder() );
		if ( Siteagent_Loopback_Check::OK !== $page_state || 0 === $stale_seconds || $this->loopback->is_fresh() || true !== $this->run['before']['active'] ) {
			return $page_state;
		}
		$is_over = Siteagent_Opcode_Cache::wait(
			$stale_seconds,
			function (): void {
				$this->rollback->heartbeat( $this->run );
			}
		);
		if ( $is_over ) {
			return $this->loopback->check_after_update( $this->run['before']['seen'], $this->component->folder() );
		}
		$this->is_stale      = true;
		$this->stale_seconds = $stale_seconds;
		$this->upgrader->add_message( 'PHP on this server may go on running the previous version, so nothing shows whether the new one works.' );
		return Siteagent_Loopback_Check::COULD_NOT_TELL;
	}

	/**
	 * Handles a run that another process took for dead and rolled back. Files replaced since are restored again.
	 */
	private function handle_interruption(): array {
		$this->result->set_after( $this->component, null );
		return $this->roll_back( 'interrupted' );
	}

	/**
	 * Handles a version on disk that is not the approved one after the upgrader ran.
	 */
	private function handle_wrong_version( string $installed ): array {
		if ( $this->source->item()->from() === $installed && Siteagent_Backup::matches( $this->run['folder'], $this->component ) ) {
			$this->result->set_after( $this->component, null );
			$reason = $this->upgrader->refusal_reason();
			return '' === $reason ? array( 'failed', 'install_failed' ) : array( 'refused', $reason );
		}
		$reason = '' === $installed || $this->source->item()->from() === $installed ? 'install_failed' : 'version_wrong_after';
		$this->result->set_after( $this->component, null );
		return $this->roll_back( $reason );
	}

	/**
	 * Returns what became worse with the new version; null when nothing did.
	 */
	private function regression_reason( string $page_state ): ?string {
		$record = $this->rollback->restore_record( $this->run );
		if ( null !== $record ) {
			return $record['installed'] ? 'fatal_after' : 'interrupted';
		}
		$before = $this->result->before();
		if ( true === $before['active'] && true !== $this->result->after()['active'] ) {
			return 'inactive_after';
		}
		if ( ! $this->is_stale && Siteagent_Loopback_Check::is_worse( $page_state, (string) $before['probe'] ) ) {
			if ( $this->loopback->is_unanswered() ) {
				return 'no_answer_after';
			}
			return Siteagent_Loopback_Check::FATAL === $page_state ? 'fatal_after' : 'probe_worse';
		}
		return null;
	}

	/**
	 * Restores the backup and verifies that everything is as before.
	 */
	private function roll_back( string $reason ): array {
		$record = $this->rollback->restore_record( $this->run );
		$error  = null === $record || '' === $record['message'] ? $this->loopback->error() : Siteagent_Error_Summary::summarize( $record );
		$after  = $this->result->after();
		$this->upgrader->add_message( $error );
		$this->result->set_during( $after['version'], $after['active'], null === $record ? $after['probe'] : Siteagent_Loopback_Check::FATAL, $error );
		self::restore_backup( $this->rollback, $this->run, $this->component, $reason );
		return self::verify_restored( $this->result, $this->run, $this->component, $this->loopback, $reason );
	}

	/**
	 * Restores the backup, unless it is restored already. A record of the watchdog counts only if it matches the disk.
	 */
	public static function restore_backup(
		Siteagent_Rollback $rollback,
		array $run,
		Siteagent_Component $component,
		string $reason
	): void {
		if ( null !== $rollback->restore_record( $run ) && Siteagent_Backup::matches( $run['folder'], $component ) ) {
			return;
		}
		$rollback->delete_restore_record( $run );
		Siteagent_Backup::restore( $run, $component, $reason );
	}

	/**
	 * Verifies that a restored component is as it was before.
	 *
	 * @return array{0:string,1:string} Outcome and reason.
	 */
	public static function verify_restored(
		Siteagent_Update_Result $result,
		array $run,
		Siteagent_Component $component,
		Siteagent_Loopback_Check $loopback,
		string $reason
	): array {
		$before = $run['before'];
		if ( true === $before['active'] && ! $component->is_active() && $before['version'] === $component->version() ) {
			$component->reactivate( true === $before['network'], isset( $before['sites'] ) ? $before['sites'] : array( get_current_blog_id() ) );
		}
		$component->mark_updates_stale();
		Siteagent_Opcode_Cache::wait( $component->owns_folder() ? Siteagent_Opcode_Cache::stale_seconds( $component->folder() ) : 0, static function (): void {} );
		$result->set_after( $component, $loopback->check_after_update( isset( $before['seen'] ) ? $before['seen'] : array(), $component->folder() ) );
		$after   = $result->after();
		$is_same = $before['version'] === $after['version'] && $before['active'] === $after['active'] && ( null === $before['probe'] || Siteagent_Loopback_Check::FATAL !== $after['probe'] )
			&& ( ! $component->is_siteagent() || null === $before['probe'] || ! Siteagent_Loopback_Check::is_worse( (string) $after['probe'], (string) $before['probe'] ) );
		return array( $is_same ? 'rolled_back' : 'failed', $reason );
	}

	/**
	 * Whether the new version was not seen working, and the watchdog can stay.
	 */
	private function needs_watching(): bool {
		return $this->component->owns_folder() && true === $this->result->after()['active'] && Siteagent_Loopback_Check::COULD_NOT_TELL === $this->result->after()['probe']
			&& is_dir( $this->run['folder'] . '/' . Siteagent_Rollback_Watchdog::BACKUP );
	}
}
