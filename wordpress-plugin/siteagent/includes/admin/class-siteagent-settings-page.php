<?php
/**
 * The page Settings → SiteAgent.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Renders the view for the state of the connection. Changes nothing but what the account has seen of the log.
 */
final class Siteagent_Settings_Page {

	const PAGE = 'siteagent';

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Pending_Pairing */
	private $pending_pairing;

	/** @var Siteagent_Disconnection */
	private $disconnection;

	/** @var Siteagent_Pairing */
	private $pairing;

	/** @var Siteagent_Report */
	private $report;

	/** @var Siteagent_Activity_Log_Tab */
	private $log_tab;

	/** @var Siteagent_Update_History_Tab */
	private $history_tab;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	/** @var Siteagent_Notification_Queue */
	private $notifications;

	/** @var Siteagent_Unseen_Activity */
	private $unseen_activity;

	/** @var Siteagent_Limits_Tab */
	private $limits_tab;

	/** @var Siteagent_Flash_Store */
	private $flash_store;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Pending_Pairing $pending_pairing,
		Siteagent_Disconnection $disconnection,
		Siteagent_Pairing $pairing,
		Siteagent_Report $report,
		Siteagent_Activity_Log_Tab $log_tab,
		Siteagent_Update_History_Tab $history_tab,
		Siteagent_Permissions $permissions,
		Siteagent_Pending_Approvals $approvals,
		Siteagent_Checkpoint_Store $checkpoint_store,
		Siteagent_Notification_Queue $notifications,
		Siteagent_Unseen_Activity $unseen_activity,
		Siteagent_Limits_Tab $limits_tab
	) {
		$this->connection_store = $connection_store;
		$this->pending_pairing  = $pending_pairing;
		$this->disconnection    = $disconnection;
		$this->pairing          = $pairing;
		$this->report           = $report;
		$this->log_tab          = $log_tab;
		$this->history_tab      = $history_tab;
		$this->permissions      = $permissions;
		$this->approvals        = $approvals;
		$this->checkpoint_store = $checkpoint_store;
		$this->notifications    = $notifications;
		$this->unseen_activity  = $unseen_activity;
		$this->limits_tab       = $limits_tab;
		$this->flash_store      = new Siteagent_Flash_Store();
	}

	/**
	 * Returns the URL of this page.
	 */
	public static function url( array $query = array() ): string {
		$base = self::is_network() ? network_admin_url( 'settings.php' ) : admin_url( 'options-general.php' );
		return add_query_arg( array( 'page' => self::PAGE ) + $query, $base );
	}

	/**
	 * Opens this page after an administrator has activated SiteAgent alone, and tells them what to do next. A connected
	 * site, several plugins at once, WP-CLI and errors keep WordPress's own page.
	 */
	public function open_after_activation(): void {
		add_filter(
			'wp_redirect',
			function ( $location ) {
				if ( false === strpos( (string) $location, 'plugins.php?activate=true' ) || ! current_user_can( Siteagent_Capabilities::MANAGE ) ) {
					return $location;
				}
				// The container of this request was created before WordPress knew whether the network shares SiteAgent.
				if ( 'unpaired' !== ( new Siteagent_Container() )->connection_store()->state() ) {
					return $location;
				}
				$this->flash_store->set_notice( 'activated' );
				return self::url();
			}
		);
	}

	/**
	 * Sends headers and adds styles and help. While the dashboard is expected to call, the page refreshes automatically, unless
	 * the administrator has stopped that.
	 */
	public function prepare(): void {
		nocache_headers();
		wp_enqueue_style( 'siteagent', plugins_url( 'assets/admin.css', SITEAGENT_FILE ), array(), SITEAGENT_VERSION );
		Siteagent_Help_Tabs::add( get_current_screen() );
		if ( 'connection' === $this->current_tab() && 'waiting' === $this->connection_store->state() && ! $this->is_refresh_stopped() ) {
			header( 'Refresh: 5; url=' . self::url() );
		}
	}

	private function is_refresh_stopped(): bool {
		// phpcs:ignore WordPress.Security.NonceVerification -- a choice of the page, compared with a fixed text.
		return isset( $_GET['refresh'] ) && 'off' === $_GET['refresh'];
	}

	public function render(): void {
		if ( ! current_user_can( Siteagent_Capabilities::MANAGE ) ) {
			wp_die( esc_html__( 'Sorry, you are not allowed to access this page.', 'siteagent' ), '', array( 'response' => 403 ) );
		}
		$tab  = $this->current_tab();
		$head = array(
			'tab'    => $tab,
			'notice' => Siteagent_Messages::notice( $this->flash_store->take_notice() ),
			'paused' => Siteagent_Limits_Tab::NAME === $tab ? null : $this->limits_tab->pause_text( time() ),
		);
		$this->render_view( 'head', $head );
		if ( 'data' === $tab ) {
			$this->render_data();
		} elseif ( 'permissions' === $tab ) {
			$this->render_view( 'permissions', $this->permissions_data() );
		} elseif ( Siteagent_Limits_Tab::NAME === $tab ) {
			$this->render_view( 'limits', $this->limits_tab->data( time() ) );
		} elseif ( 'history' === $tab ) {
			$this->render_history();
		} elseif ( 'log' === $tab ) {
			$this->unseen_activity->mark_seen( get_current_user_id() );
			$this->render_view( 'log', $this->log_tab->data( $_GET ) ); // phpcs:ignore WordPress.Security.NonceVerification -- looked for and counted, nothing else.
		} else {
			$this->render_connection();
		}
		echo '</div>';
	}

	private function current_tab(): string {
		// phpcs:ignore WordPress.Security.NonceVerification -- a choice of page, compared with a fixed list.
		$wanted = isset( $_GET['tab'] ) && is_string( $_GET['tab'] ) ? $_GET['tab'] : '';
		return in_array( $wanted, array( 'permissions', Siteagent_Limits_Tab::NAME, 'data', 'history', 'log' ), true ) ? $wanted : 'connection';
	}

	/**
	 * Whether a page inside the tab "Connection" was requested.
	 */
	private function is_step( string $step ): bool {
		// phpcs:ignore WordPress.Security.NonceVerification -- a choice of page, compared with a fixed text.
		return isset( $_GET['step'] ) && $step === $_GET['step'];
	}

	private function render_connection(): void {
		$state = $this->connection_store->state();
		if ( $this->is_step( 'disconnect' ) && in_array( $state, array( 'paired', 'unreadable' ), true ) ) {
			$this->render_view( 'disconnect', $this->connection_data() );
		} elseif ( 'waiting' === $state ) {
			$this->render_waiting( (array) $this->pending_pairing->get() );
		} elseif ( 'newer' !== $state && $this->is_step( 'consent' ) && $this->render_consent() ) {
			return;
		} elseif ( 'unreadable' === $state || 'newer' === $state ) {
			$this->render_view( $state, array() );
		} elseif ( 'paired' === $state && ! $this->is_step( 'token' ) && ! $this->is_step( 'consent' ) ) {
			$this->render_view( 'paired', $this->connection_data() );
		} else {
			$this->render_paste();
		}
	}

	/**
	 * Returns the data of the connection for the views.
	 */
	private function connection_data(): array {
		return array(
			'connection'  => $this->connection_store->connection(),
			'moved'       => $this->connection_store->address_change(),
			'dispute'     => $this->checkpoint_store->conflict(),
			'permissions' => $this->permissions->all(),
			'waiting'     => $this->approvals->waiting( time() ),
			'ended'       => $this->disconnection->last(),
			'now'         => time(),
		);
	}

	/**
	 * Returns the data of the tab "Permissions".
	 */
	private function permissions_data(): array {
		return $this->connection_data() + array(
			'can_allow_any'     => current_user_can( Siteagent_Capabilities::ALLOW ),
			'requires_approval' => $this->permissions->requires_approval(),
			'emails'            => $this->notifications->is_enabled(),
			'recipient'         => Siteagent_Email_Notifications::recipient(),
			'can_allow'         => array_combine(
				Siteagent_Permissions::ALL,
				array_map(
					static function ( string $permission ): bool {
						return current_user_can( Siteagent_Capabilities::ALLOW, $permission );
					},
					Siteagent_Permissions::ALL
				)
			),
		);
	}

	private function render_paste(): void {
		$draft = $this->flash_store->draft();
		$error = null === $draft ? '' : $draft['error_code'];
		if ( '' !== $error ) {
			$this->flash_store->delete_draft(); // Show each error once.
		}
		$data = array(
			// A token that may still be usable is never shown again.
			'text'  => in_array( $error, Siteagent_Settings_Actions::REDISPLAYED_ERRORS, true ) ? $draft['text'] : '',
			'error' => 'wrong_site' === $error ? $this->wrong_site_error( $draft['text'] ) : Siteagent_Messages::token_error( $error ),
		);
		$this->render_view( 'paste', $data + $this->connection_data() );
	}

	/**
	 * Returns what to say about a token that was created for another address.
	 */
	private function wrong_site_error( string $text ): ?array {
		try {
			return Siteagent_Messages::wrong_site_error( Siteagent_Pairing_Token::parse( $text )->site_url(), $this->connection_store->home() );
		} catch ( Siteagent_Exception $exception ) {
			// A very long token was cut when it was stored.
			return Siteagent_Messages::token_error( 'wrong_site' );
		}
	}

	/**
	 * Renders the consent page for the pasted token; false without a usable token.
	 */
	private function render_consent(): bool {
		$draft = $this->flash_store->draft();
		if ( null === $draft || ! in_array( $draft['error_code'], array( '', 'must_replace' ), true ) ) {
			return false;
		}
		try {
			$token = $this->pairing->read_token( $draft['text'] );
		} catch ( Siteagent_Exception $exception ) {
			$this->flash_store->save_draft( $draft['text'], Siteagent_Settings_Actions::error_code( $exception ) );
			return false;
		}
		$data = array(
			'pid'        => $token->pid(),
			'origin'     => $token->origin(),
			'expires_at' => $token->expires_at(),
			'error'      => Siteagent_Messages::token_error( $draft['error_code'] ),
		);
		$this->render_view( 'consent', $data + $this->connection_data() );
		return true;
	}

	private function render_waiting( array $pending ): void {
		$data = array(
			'pending' => $pending,
			'answer'  => Siteagent_Messages::pairing_status( (string) $pending['notice'] ),
			'stopped' => $this->is_refresh_stopped(),
			'now'     => time(),
		);
		$this->render_view( 'waiting', $data );
	}

	/**
	 * Renders the history of updates, or the page that confirms the restoring of a copy.
	 */
	private function render_history(): void {
		// phpcs:disable WordPress.Security -- a choice of page: a number, and an id that is compared with those in the log.
		$update_id = isset( $_GET['update'] ) && is_string( $_GET['update'] ) ? $_GET['update'] : '';
		$page      = isset( $_GET['paged'] ) && is_string( $_GET['paged'] ) ? (int) $_GET['paged'] : 1;
		// phpcs:enable
		$copy = '' === $update_id ? null : $this->history_tab->copy_data( $update_id, time() );
		if ( null !== $copy ) {
			$this->render_view( 'restore', $copy );
			return;
		}
		$this->render_view( 'history', $this->history_tab->data( $page, time() ) );
	}

	private function render_data(): void {
		$connection = $this->connection_store->connection();
		try {
			$json   = $this->report->preview_json();
			$fields = $this->report->fields();
			$more   = array(
				__( 'Activity log', 'siteagent' )                 => $this->report->log_fields(),
				__( 'Result of an update', 'siteagent' ) => $this->report->evidence_fields(),
			);
		} catch ( Throwable $error ) {
			error_log( 'SiteAgent: the report could not be taken: ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
			$json   = null;
			$fields = array();
			$more   = array();
		}
		$groups = array();
		foreach ( $fields as $field ) {
			$groups[ Siteagent_Messages::field_group( $field['path'] ) ][] = $field;
		}
		$data = array(
			'json'   => $json,
			'groups' => $groups + $more,
			'count'  => count( $fields ),
			'origin' => null === $connection ? '' : $connection['origin'],
		);
		$this->render_view( 'data', $data );
	}

	/**
	 * Whether the sites of a network share one connection.
	 */
	public static function is_network(): bool {
		return Siteagent_Container::is_network();
	}

	/**
	 * @param string $name Name of a file in views/, always a literal in this class.
	 * @param array  $data The data that its header lists.
	 */
	private function render_view( string $name, array $data ): void { // phpcs:ignore Generic.CodeAnalysis.UnusedFunctionParameter -- the view reads it.
		require __DIR__ . '/views/' . $name . '.php';
	}
}
