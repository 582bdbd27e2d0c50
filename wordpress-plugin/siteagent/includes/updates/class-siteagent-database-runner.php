<?php
/**
 * One upgrade of WordPress's database.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Runs WordPress's own wp_upgrade(), which an administrator would run in wp-admin/upgrade.php, and checks the version
 * and the site's pages before and after. There is no backup of the database, so nothing is rolled back.
 */
final class Siteagent_Database_Runner {

	/** The stage of the run's marker. A run that dies in it has failed, and is not said to be rolled back. */
	const STAGE = 'upgrading';

	/** @var Siteagent_Package_Source */
	private $source;

	/** @var Siteagent_Component */
	private $component;

	/** @var Siteagent_Rollback */
	private $rollback;

	/** @var Siteagent_Loopback_Check */
	private $loopback;

	/** @var array The marker of this run. */
	private $run;

	/** @var Siteagent_Update_Result */
	private $result;

	/** @var string[] */
	private $messages = array();

	public function __construct( Siteagent_Package_Source $source, Siteagent_Component $component, Siteagent_Rollback $rollback, Siteagent_Loopback_Check $loopback ) {
		$this->source    = $source;
		$this->component = $component;
		$this->rollback  = $rollback;
		$this->loopback  = $loopback;
		$this->run       = (array) $rollback->current_run();
		$this->result    = new Siteagent_Update_Result( $this->run['before'] );
	}

	/**
	 * Runs the upgrade. When this returns, the result is stored.
	 */
	public function run(): array {
		$started_at               = microtime( true );
		list( $outcome, $reason ) = $this->perform();
		$this->result->set( 'took_ms', (int) round( ( microtime( true ) - $started_at ) * 1000 ) );
		$this->result->set( 'messages', $this->messages );
		$answer = $this->result->to_array( $outcome, $reason );
		$this->rollback->save_decision( $this->run, $answer );
		return $answer;
	}

	/**
	 * @return array{0:string,1:?string} Outcome and reason.
	 */
	private function perform(): array {
		$reason = $this->source->unmet_requirement( $this->component, new Siteagent_Update_Requirements( $this->component, $this->source->item() ) );
		if ( null !== $reason ) {
			return array( 'refused', $reason );
		}
		$before = array( 'probe' => $this->loopback->check(), 'seen' => $this->loopback->results() ) + $this->run['before'];
		$this->result->set( 'before', array_diff_key( $before, array( 'network' => true, 'sites' => true, 'seen' => true ) ) );
		$this->rollback->set_stage( $this->source->op_id(), self::STAGE, array( 'before' => $before ) );
		$this->run = array( 'stage' => self::STAGE, 'before' => $before ) + $this->run;
		$reason    = $this->source->owner_refusal_reason();
		if ( null !== $reason ) {
			return array( 'refused', $reason );
		}
		try {
			$this->upgrade();
		} catch ( Throwable $error ) {
			$this->add_message( get_class( $error ) . ': ' . $error->getMessage() );
		}
		$page_state = $this->loopback->check_after_update( $before['seen'], WP_CONTENT_DIR );
		$this->result->set_after( $this->component, $page_state );
		$this->add_message( $this->loopback->error() );
		if ( $this->source->item()->to() !== $this->result->after()['version'] ) {
			return array( 'failed', 'install_failed' );
		}
		if ( Siteagent_Loopback_Check::is_worse( $page_state, $before['probe'] ) ) {
			return array( 'failed', Siteagent_Loopback_Check::FATAL === $page_state ? 'fatal_after' : 'probe_worse' );
		}
		return array( 'succeeded', null );
	}

	/**
	 * Runs wp_upgrade(). It ends the process where the database server is too old, so that is checked before.
	 */
	private function upgrade(): void {
		global $wpdb;
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		$unfit = $wpdb->check_database_version();
		if ( is_wp_error( $unfit ) ) {
			$this->add_message( $unfit->get_error_message() );
			return;
		}
		wp_upgrade();
	}

	private function add_message( string $message ): void {
		$plain = Siteagent_Upgrader::redact( $message );
		if ( '' !== $plain ) {
			$this->messages[] = $plain;
		}
	}
}
