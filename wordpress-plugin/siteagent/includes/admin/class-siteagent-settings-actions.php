<?php
/**
 * The forms of the settings page.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Each form checks capability and nonce, makes one call and redirects.
 */
final class Siteagent_Settings_Actions {

	use Siteagent_Form_Handling;

	/** Errors of texts that are not a usable token, so that they may be shown in the field again. */
	const REDISPLAYED_ERRORS = array( 'not_a_token', 'damaged' );

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Pending_Pairing */
	private $pending_pairing;

	/** @var Siteagent_Pairing */
	private $pairing;

	/** @var Siteagent_Address_Change */
	private $address_change;

	/** @var Siteagent_Permission_Decisions */
	private $permission_decisions;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	/** @var Siteagent_Audit_Log_Export */
	private $export;

	/** @var Siteagent_Flash_Store */
	private $flash_store;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Pending_Pairing $pending_pairing,
		Siteagent_Pairing $pairing,
		Siteagent_Address_Change $address_change,
		Siteagent_Permission_Decisions $permission_decisions,
		Siteagent_Checkpoint_Store $checkpoint_store,
		Siteagent_Audit_Log_Export $export
	) {
		$this->connection_store     = $connection_store;
		$this->pending_pairing      = $pending_pairing;
		$this->pairing              = $pairing;
		$this->address_change       = $address_change;
		$this->permission_decisions = $permission_decisions;
		$this->checkpoint_store     = $checkpoint_store;
		$this->export               = $export;
		$this->flash_store          = new Siteagent_Flash_Store();
	}

	/**
	 * Returns the error code of a token, as Siteagent_Messages::token_error() takes it.
	 */
	public static function error_code( Siteagent_Exception $exception ): string {
		return $exception->code();
	}

	/**
	 * Step 1: checks a pasted token. Accepts nothing yet.
	 */
	public function read_token(): void {
		$this->authorize( 'siteagent_read_token' );
		// phpcs:ignore WordPress.Security -- the nonce was checked above; the token is parsed strictly and never printed.
		$text = isset( $_POST['token'] ) && is_string( $_POST['token'] ) ? trim( wp_unslash( $_POST['token'] ) ) : '';
		if ( '' === $text ) {
			$this->flash_store->save_draft( '', 'empty' );
			$this->redirect( array( 'step' => 'token' ) );
		}
		try {
			$this->pairing->read_token( $text );
		} catch ( Siteagent_Exception $exception ) {
			$this->flash_store->save_draft( $text, self::error_code( $exception ) );
			$this->redirect( array( 'step' => 'token' ) );
		}
		$this->flash_store->save_draft( $text, '' );
		$this->redirect( array( 'step' => 'consent' ) );
	}

	/**
	 * Step 2: accepts the token, after the administrator has seen which dashboard it connects.
	 */
	public function accept(): void {
		$this->authorize( 'siteagent_accept' );
		$draft = $this->flash_store->draft();
		if ( null === $draft || '' === $draft['text'] ) {
			$this->flash_store->set_notice( 'draft_gone' );
			$this->redirect( array( 'step' => 'token' ) );
		}
		// The page named one dashboard. The token pasted last, for example in another tab, may belong to another.
		$shown_pid = isset( $_POST['pid'] ) && is_string( $_POST['pid'] ) ? $_POST['pid'] : ''; // phpcs:ignore WordPress.Security -- checked above; compared.
		$token     = $this->parse_token( $draft['text'] );
		if ( null !== $token && ! hash_equals( $token->pid(), $shown_pid ) ) {
			$this->flash_store->set_notice( 'other_token' );
			$this->redirect( array( 'step' => 'consent' ) );
		}
		$replace = isset( $_POST['replace'] ) && '1' === $_POST['replace']; // phpcs:ignore WordPress.Security.NonceVerification -- checked above.
		if ( 'paired' === $this->connection_store->state() && ! $replace ) {
			$this->flash_store->save_draft( $draft['text'], 'must_replace' );
			$this->redirect( array( 'step' => 'consent' ) );
		}
		try {
			$this->pairing->accept( $this->pairing->read_token( $draft['text'] ), $replace, $this->actor() );
		} catch ( Siteagent_Exception $exception ) {
			$this->flash_store->save_draft( $draft['text'], self::error_code( $exception ) );
			$this->redirect( array( 'step' => 'token' ) );
		} catch ( Throwable $error ) {
			$this->log_error( $error );
			if ( $this->is_pending( $token ) ) {
				$this->flash_store->delete_draft();
				$this->flash_store->set_notice( 'accepted_unlogged' );
				$this->redirect();
			}
			$this->flash_store->set_notice( 'not_accepted' );
			$this->redirect( array( 'step' => 'consent' ) );
		}
		$this->flash_store->delete_draft();
		$this->redirect();
	}

	/**
	 * Deletes the token, on the consent page or while waiting.
	 */
	public function cancel(): void {
		$this->authorize( 'siteagent_cancel' );
		$this->flash_store->delete_draft();
		$this->run_and_notify(
			function (): string {
				if ( 'waiting' !== $this->connection_store->state() ) {
					return '';
				}
				$this->pairing->cancel( $this->actor() );
				return 'cancelled';
			}
		);
		$this->redirect();
	}

	/**
	 * Ends the connection.
	 */
	public function disconnect(): void {
		$this->authorize( 'siteagent_disconnect' );
		$this->end_connection();
	}

	/**
	 * @return never
	 */
	private function end_connection(): void {
		if ( ! in_array( $this->connection_store->state(), array( 'paired', 'unreadable' ), true ) ) {
			$this->flash_store->set_notice( 'nothing_to_end' );
			$this->redirect();
		}
		$is_copy = null !== $this->connection_store->address_change();
		try {
			$outcome = $this->pairing->disconnect( $this->actor() );
			$this->flash_store->set_notice( $is_copy ? 'forgotten' : 'disconnected_' . $outcome['notice'] );
		} catch ( Throwable $error ) {
			$this->log_error( $error );
			$is_gone = in_array( $this->connection_store->state(), array( 'unpaired', 'waiting' ), true );
			$this->flash_store->set_notice( $is_gone ? 'ended_unlogged' : 'not_disconnected' );
		}
		$this->redirect();
	}

	/**
	 * Handles the decision about a changed address: a copy, a move, or later.
	 */
	public function resolve_address_change(): void {
		$this->authorize( 'siteagent_moved' );
		$choice = isset( $_POST['choice'] ) && is_string( $_POST['choice'] ) ? $_POST['choice'] : ''; // phpcs:ignore WordPress.Security -- checked above; compared with a fixed list.
		if ( 'copy' === $choice ) {
			$this->end_connection();
		} elseif ( 'moved' === $choice ) {
			$this->run_and_notify(
				function (): string {
					return 'follow_' . $this->address_change->announce_move( $this->actor() );
				}
			);
		} elseif ( 'later' === $choice ) {
			$this->run_and_notify(
				function (): string {
					$this->address_change->keep_paused( $this->actor() );
					return 'kept_paused';
				}
			);
		}
		$this->redirect();
	}

	/**
	 * Accepts the dashboard's present history.
	 */
	public function accept_history(): void {
		$this->authorize( 'siteagent_accept_audit_log' );
		$this->run_and_notify(
			function (): string {
				return $this->checkpoint_store->accept( $this->actor() ) ? 'audit_log_accepted' : 'audit_log_consistent';
			}
		);
		$this->redirect();
	}

	/**
	 * Saves the permissions.
	 */
	public function save_permissions(): void {
		$this->authorize( 'siteagent_permissions', Siteagent_Capabilities::ALLOW );
		// phpcs:disable WordPress.Security -- the nonce was checked above; only known names are taken.
		$granted           = isset( $_POST['permissions'] ) && is_array( $_POST['permissions'] ) ? array_filter( $_POST['permissions'], 'is_string' ) : array();
		$requires_approval = isset( $_POST['approval_on_site'] ) && '1' === $_POST['approval_on_site'];
		// phpcs:enable
		$this->run_and_notify(
			function () use ( $granted, $requires_approval ): string {
				if ( null === $this->connection_store->connection() ) {
					return 'no_dashboard';
				}
				// Without the capability to install such updates, a user may withdraw the permission but not grant it.
				foreach ( $this->permission_decisions->newly_granted( $granted, $requires_approval ) as $permission ) {
					if ( ! current_user_can( Siteagent_Capabilities::ALLOW, $permission ) ) {
						return 'not_allowed_to_approve';
					}
				}
				return $this->permission_decisions->save_permissions( $granted, $requires_approval, $this->actor() );
			}
		);
		$this->redirect( array( 'tab' => 'permissions' ) );
	}

	/**
	 * Turns e-mail notifications on or off.
	 */
	public function save_notifications(): void {
		$this->authorize( 'siteagent_notifications', Siteagent_Capabilities::ALLOW );
		$is_enabled = isset( $_POST['email'] ) && '1' === $_POST['email']; // phpcs:ignore WordPress.Security.NonceVerification -- checked above.
		$this->run_and_notify(
			function () use ( $is_enabled ): string {
				return $this->permission_decisions->save_notifications( $is_enabled, $this->actor() ) ? 'notifications_saved' : 'permissions_unchanged';
			}
		);
		$this->redirect( array( 'tab' => 'permissions' ) );
	}

	/**
	 * Approves or refuses a waiting update.
	 */
	public function decide_update(): void {
		$this->authorize( 'siteagent_decide', Siteagent_Capabilities::ALLOW );
		// phpcs:disable WordPress.Security -- the nonce was checked above; both are compared with what is known.
		$digest   = isset( $_POST['plan'] ) && is_string( $_POST['plan'] ) ? $_POST['plan'] : '';
		$decision = isset( $_POST['verdict'] ) && is_string( $_POST['verdict'] ) ? $_POST['verdict'] : '';
		// phpcs:enable
		if ( ! in_array( $decision, array( Siteagent_Pending_Approvals::APPROVED, Siteagent_Pending_Approvals::REFUSED ), true ) ) {
			$this->redirect( array( 'tab' => 'permissions' ) );
		}
		$this->run_and_notify(
			function () use ( $digest, $decision ): string {
				$kind = $this->permission_decisions->pending_kind( $digest );
				if ( Siteagent_Pending_Approvals::APPROVED === $decision && null !== $kind && ! current_user_can( Siteagent_Capabilities::ALLOW, Siteagent_Capabilities::permission_for_kind( $kind ) ) ) {
					return 'not_allowed_to_approve';
				}
				return $this->permission_decisions->decide_update( $digest, $decision, $this->actor() ) ? 'change_' . $decision : 'change_gone';
			}
		);
		$this->redirect( array( 'tab' => 'permissions' ) );
	}

	/**
	 * Sends the log as a file. Uses a form although it changes nothing, so that no link can start a download.
	 */
	public function export_log(): void {
		$this->authorize( 'siteagent_export_log' );
		$format = isset( $_POST['form'] ) && 'csv' === $_POST['form'] ? 'csv' : 'jsonl'; // phpcs:ignore WordPress.Security.NonceVerification -- checked above.
		nocache_headers();
		header( 'Content-Type: ' . ( 'csv' === $format ? 'text/csv; charset=utf-8' : 'application/jsonl' ) );
		header( 'Content-Disposition: attachment; filename="' . Siteagent_Audit_Log_Export::file_name( $format, time() ) . '"' );
		header( 'X-Content-Type-Options: nosniff' );
		// phpcs:disable WordPress.WP.AlternativeFunctions -- the answer itself.
		$stream = fopen( 'php://output', 'wb' );
		$this->export->write( $format, $stream );
		fclose( $stream );
		// phpcs:enable
		exit;
	}

	private function parse_token( string $text ): ?Siteagent_Pairing_Token {
		try {
			return Siteagent_Pairing_Token::parse( $text );
		} catch ( Siteagent_Exception $exception ) {
			return null;
		}
	}

	/**
	 * Whether this token is pending.
	 */
	private function is_pending( ?Siteagent_Pairing_Token $token ): bool {
		$pending = $this->pending_pairing->get();
		return null !== $token && null !== $pending && $token->pid() === $pending['pid'];
	}
}
