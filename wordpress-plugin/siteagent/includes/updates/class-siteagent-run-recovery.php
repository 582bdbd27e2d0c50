<?php
/**
 * Runs that ended without their own process, or are still watched.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Finishes a run from its marker, its files and the watchdog's record: an update, or the restoring of a kept copy.
 */
final class Siteagent_Run_Recovery {

	/** When a version that could not be judged is checked again. */
	const RECHECK_S = 30;

	/** Reasons in the record of the watchdog, and what the protocol calls them. */
	const RESTORE_REASONS = array(
		'fatal'         => 'fatal_after',
		'not_confirmed' => 'no_answer_after',
	);

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Operation_Store */
	private $operation_store;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Operation_Store $operation_store, Siteagent_Rollback $rollback, Siteagent_Audit_Log $log ) {
		$this->connection_store = $connection_store;
		$this->operation_store  = $operation_store;
		$this->rollback         = $rollback;
		$this->log              = $log;
	}

	/**
	 * Finishes runs whose process died and runs that were watched, and removes orphaned folders.
	 */
	public function reconcile( int $now ): void {
		$run = $this->rollback->current_run();
		if ( null !== $run ) {
			$component = self::component_of_run( $run );
			$record    = $this->rollback->restore_record( $run );
			if ( 'watched' === $run['stage'] ) {
				$this->recheck_watched( $run, $component, $record, $now );
			} elseif ( ! $this->rollback->is_running( $run, $now ) ) {
				$this->finish_run( $run, $component, $this->recover_interrupted( $run, $component, null !== $record ) );
			}
		}
		$this->rollback->remove_orphaned_folders( $now );
	}

	/**
	 * Confirms a watched update of SiteAgent: the dashboard asks for its result, and the new version answers.
	 */
	public function confirm_by_dashboard( string $op_id ): void {
		$run = $this->rollback->current_run();
		if ( null === $run || $op_id !== $run['op_id'] || 'watched' !== $run['stage'] || 'siteagent' !== $run['item']['kind'] || SITEAGENT_VERSION !== $run['item']['to'] ) {
			return;
		}
		$run['answer']['evidence']['watched_until'] = null;
		$this->finish_run( $run, self::component_of_run( $run ), $run['answer'] );
	}

	/**
	 * Changes the result of an update that the dashboard has reverted, before its run ends. So no process that dies in
	 * between leaves a result that the disk contradicts.
	 *
	 * @param array $run    The marker of the run that restored the former version.
	 * @param array $answer The result of that run. A refused one, and one that was rolled back, left the update in place.
	 */
	private function save_reverted( array $run, array $answer ): void {
		$entry = $this->operation_store->find( $run['reverts'], array( Siteagent_Update_Plan::CHANGE ) );
		if ( null === $entry || null === $entry['answer'] || ! in_array( $answer['outcome'], array( 'succeeded', 'failed' ), true ) ) {
			return;
		}
		$evidence           = (array) $entry['answer']['evidence'];
		$evidence['during'] = (array) $evidence['after'] + array( 'error' => null );
		$evidence['after']  = $answer['evidence']['after'];
		$result             = array(
			'outcome'  => 'succeeded' === $answer['outcome'] ? 'rolled_back' : 'failed',
			'reason'   => 'succeeded' === $answer['outcome'] ? 'page_broken' : 'revert_failed',
			'evidence' => $evidence,
		);
		$this->operation_store->save_result( $run['reverts'], Siteagent_Update_Plan::CHANGE, $entry['digest'], $entry['at'], $result );
		$facts = array(
			'kind'    => $run['item']['kind'],
			'id'      => $run['item']['id'],
			'from'    => $run['item']['to'],
			'to'      => $run['item']['from'],
			'op_id'   => $run['reverts'],
			'outcome' => $result['outcome'],
			'reason'  => $result['reason'],
		);
		$this->log->append( 'update_settled', $facts, $run['restored_by'] );
	}

	/**
	 * Logs the result of restoring a kept copy, or that it reverted an update.
	 *
	 * @param array $run    The marker of the run: op_id, item, copy and restored_by.
	 * @param array $answer Outcome, reason and evidence.
	 */
	public function log_restore( array $run, array $answer ): void {
		if ( isset( $run['reverts'] ) ) {
			$this->save_reverted( $run, $answer );
			return;
		}
		$facts = $run['item'] + array(
			'op_id'   => $run['op_id'],
			'outcome' => $answer['outcome'],
			'reason'  => $answer['reason'],
			'copy'    => $run['copy'],
			'version' => $answer['evidence']['after']['version'],
			'active'  => $answer['evidence']['after']['active'],
			'probe'   => $answer['evidence']['after']['probe'],
		);
		$this->log->append( 'restore_ended', $facts, $run['restored_by'] );
	}

	/**
	 * Returns the check of the site's pages. For SiteAgent itself, it also has to answer a signed request.
	 */
	public function loopback_check( Siteagent_Component $component ): Siteagent_Loopback_Check {
		return new Siteagent_Loopback_Check( 'siteagent' === $component->kind() ? new Siteagent_Self_Ping( $this->connection_store, $component ) : null );
	}

	/**
	 * Checks a watched version again, until a result is known or the watch is over.
	 */
	private function recheck_watched( array $run, Siteagent_Component $component, ?array $record, int $now ): void {
		if ( null !== $record ) {
			$this->finish_run( $run, $component, $this->rolled_back_result( $run, $component ) );
			return;
		}
		$answer = $run['answer'];
		if ( isset( $run['look_at'], $run['before']['seen'] ) && $now >= $run['look_at'] ) {
			$loopback   = $this->loopback_check( $component );
			$page_state = $loopback->check_after_update( $run['before']['seen'], $component->folder() );
			if ( Siteagent_Loopback_Check::FATAL === $page_state ) {
				Siteagent_Backup::restore( $run, $component, 'fatal' );
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
	 * Returns the result of a run whose process was killed, after rolling back unfinished work.
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
	 * Returns the result of a run whose backup was restored.
	 *
	 * @param array               $run       The run.
	 * @param Siteagent_Component $component The component.
	 * @param string              $error     The error that was seen, if the watchdog's record has none.
	 */
	private function rolled_back_result( array $run, Siteagent_Component $component, string $error = '' ): array {
		$record = $this->rollback->restore_record( $run );
		$reason = null !== $record && isset( self::RESTORE_REASONS[ $record['reason'] ] ) ? self::RESTORE_REASONS[ $record['reason'] ] : 'interrupted';
		$result = new Siteagent_Update_Result( $run['before'] );
		$result->set( 'kept_copy', null !== $record );
		if ( null !== $record && '' !== $record['message'] ) {
			$error = Siteagent_Error_Summary::summarize( $record );
		}
		if ( '' !== $error ) {
			$result->set( 'messages', array( $error ) );
		}
		if ( 'interrupted' !== $reason ) {
			$result->set_during( $run['item']['to'], null, 'fatal_after' === $reason ? Siteagent_Loopback_Check::FATAL : null, $error );
		}
		list( $outcome, $reason ) = Siteagent_Update_Runner::verify_restored( $result, $run, $component, $this->loopback_check( $component ), $reason );
		return $result->to_array( $outcome, $reason );
	}

	private function finish_run( array $run, Siteagent_Component $component, array $answer ): void {
		$is_news = ! isset( $run['answer'] ) || $run['answer'] !== $answer;
		if ( ! isset( $run['restored_by'] ) ) {
			$name = 'siteagent' === $run['item']['kind'] ? Siteagent_Update_Plan::UPDATE : Siteagent_Update_Plan::CHANGE;
			$this->operation_store->save_result( $run['op_id'], $name, (string) hex2bin( $run['plan'] ), $run['started'], $answer );
			if ( $is_news ) {
				$facts = array( 'op_id' => $run['op_id'], 'outcome' => $answer['outcome'], 'reason' => $answer['reason'] );
				// A run of an older version of SiteAgent does not know who approved it.
				$this->log->append( 'update_settled', $run['item'] + $facts + array_intersect_key( $run, array( 'by' => true ) ), 'site' );
			}
		} elseif ( $is_news ) {
			$this->log_restore( $run, $answer );
		}
		$this->rollback->end_run( $run, $component, $answer );
	}

	private static function component_of_run( array $run ): Siteagent_Component {
		return new Siteagent_Component( $run['item']['kind'], $run['item']['id'] );
	}
}
