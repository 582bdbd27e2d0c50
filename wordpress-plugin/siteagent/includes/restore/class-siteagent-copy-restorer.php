<?php
/**
 * Restoring a kept copy.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Installs a former version as an update is installed: with the lock, the maintenance page, a backup, the watchdog and
 * the check of the site's pages. An administrator of this site can start it, and for the update that it has just made,
 * the dashboard (Siteagent_Update_Revert).
 */
final class Siteagent_Copy_Restorer {

	/** @var Siteagent_Kept_Copies */
	private $copies;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Run_Recovery */
	private $recovery;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct( Siteagent_Kept_Copies $copies, Siteagent_Rollback $rollback, Siteagent_Run_Recovery $recovery, Siteagent_Audit_Log $log ) {
		$this->copies   = $copies;
		$this->rollback = $rollback;
		$this->recovery = $recovery;
		$this->log      = $log;
	}

	/**
	 * Restores the version that an update has replaced, and logs the result.
	 *
	 * @param string $update_id Id of that update.
	 * @param string $actor     The administrator, as stored in the log.
	 * @param int    $now       Unix time in seconds.
	 * @param array  $more      More facts for the marker of the run: `reverts` is the id of an update whose result changes.
	 * @return array{outcome:string,reason:?string} As for an update. Nothing is logged when there is no such copy.
	 */
	public function restore( string $update_id, string $actor, int $now, array $more = array() ): array {
		Siteagent_Report::load_admin_includes();
		$this->recovery->reconcile( $now );
		$copy = $this->copies->find( $update_id, $now );
		if ( null === $copy ) {
			return array( 'outcome' => 'refused', 'reason' => 'copy_gone' );
		}
		$component = new Siteagent_Component( $copy['kind'], $copy['id'] );
		$installed = $component->version();
		if ( '' === $installed || $copy['version'] === $installed ) {
			return array( 'outcome' => 'refused', 'reason' => '' === $installed ? 'not_installed' : 'same_version' );
		}
		$item  = new Siteagent_Update_Item(
			(object) array(
				'kind' => $copy['kind'],
				'id'   => $copy['id'],
				'from' => $installed,
				'to'   => $copy['version'],
			)
		);
		$op_id = wp_generate_uuid4();
		$facts = array(
			'restored_by' => $actor,
			'copy'        => $copy['copy'],
			'item'        => $item->to_array(),
			'before'      => $component->state_before_run(),
		) + $more;
		// A lock that two requests at once cannot both get.
		$answer = array() === Siteagent_Rollback::missing_functions() && $this->rollback->begin_run( $op_id, $facts, $now )
			? $this->run( new Siteagent_Kept_Package( $op_id, $item, $copy ), $component )
			: ( new Siteagent_Update_Result() )->to_array( 'refused', array() === Siteagent_Rollback::missing_functions() ? 'busy' : 'filesystem' );
		$this->recovery->log_restore( array( 'op_id' => $op_id ) + $facts, $answer );
		$run = $this->rollback->current_run();
		if ( null !== $run && $op_id === $run['op_id'] ) {
			if ( 'succeeded' === $answer['outcome'] ) {
				// The version that was replaced now, so that restoring can be undone.
				$this->copies->keep( $run, $component );
			}
			if ( 'decided' === $run['stage'] ) {
				$this->rollback->end_run( $run, $component, $answer );
			}
		}
		return $answer;
	}

	private function run( Siteagent_Kept_Package $package, Siteagent_Component $component ): array {
		// From here on the run has to finish even if the browser is closed. Some hosts disable these functions.
		if ( function_exists( 'ignore_user_abort' ) ) {
			ignore_user_abort( true );
		}
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( Siteagent_Update_Controller::TIME_LIMIT_S );
		}
		$answer = ( new Siteagent_Update_Runner( $package, $component, $this->rollback, $this->recovery->loopback_check( $component ) ) )->run();
		// The newer version is available again.
		$component->mark_updates_stale();
		return $answer;
	}
}
