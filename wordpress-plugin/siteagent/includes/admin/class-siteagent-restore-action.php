<?php
/**
 * The form that restores a kept copy.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Checks capability and nonce, restores, and redirects to the history with the result.
 */
final class Siteagent_Restore_Action {

	use Siteagent_Form_Handling;

	/** @var Siteagent_Kept_Copies */
	private $copies;

	/** @var Siteagent_Copy_Restorer */
	private $restorer;

	/** @var Siteagent_Flash_Store */
	private $flash_store;

	public function __construct( Siteagent_Kept_Copies $copies, Siteagent_Copy_Restorer $restorer ) {
		$this->copies      = $copies;
		$this->restorer    = $restorer;
		$this->flash_store = new Siteagent_Flash_Store();
	}

	/**
	 * Restores the copy that the submitted form names by the id of the update that replaced it.
	 */
	public function restore(): void {
		$this->authorize( 'siteagent_restore', Siteagent_Capabilities::ALLOW );
		// phpcs:ignore WordPress.Security -- the nonce was checked above; compared with the ids in the log.
		$update_id = isset( $_POST['update'] ) && is_string( $_POST['update'] ) ? $_POST['update'] : '';
		$copy      = $this->copies->find( $update_id, time() );
		if ( null !== $copy && ! current_user_can( Siteagent_Capabilities::ALLOW, Siteagent_Capabilities::permission_for_kind( $copy['kind'] ) ) ) {
			$this->flash_store->set_notice( 'restore_not_allowed' );
			$this->redirect( array( 'tab' => 'history' ) );
		}
		try {
			$answer = $this->restorer->restore( $update_id, $this->actor(), time() );
			$this->flash_store->set_notice( self::notice_code( $answer ) );
		} catch ( Throwable $error ) {
			$this->log_error( $error );
			$this->flash_store->set_notice( 'not_saved' );
		}
		$this->redirect( array( 'tab' => 'history' ) );
	}

	/**
	 * Returns the notice for a result, which must not say more than its evidence.
	 */
	private static function notice_code( array $answer ): string {
		if ( 'succeeded' !== $answer['outcome'] ) {
			return 'restore_' . $answer['outcome'] . '.' . $answer['reason'];
		}
		if ( null !== $answer['evidence']['watched_until'] ) {
			return 'restore_watched';
		}
		return Siteagent_Loopback_Check::OK === $answer['evidence']['after']['probe'] ? 'restore_succeeded' : 'restore_unchecked';
	}
}
