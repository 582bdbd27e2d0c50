<?php
/**
 * Settings → SiteAgent: what the administrator sees.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Chooses the page for the state the connection is in, and changes nothing.
 */
final class Siteagent_Screen {

	const PAGE     = 'siteagent';
	const PER_PAGE = 50;

	/** Longer words than these stand in no entry. */
	const MAX_WORDS = 200;

	/** @var Siteagent_Keyring */
	private $keyring;

	/** @var Siteagent_Pairing */
	private $pairing;

	/** @var Siteagent_Inventory */
	private $inventory;

	/** @var Siteagent_Log */
	private $log;

	/** @var Siteagent_Scopes */
	private $scopes;

	/** @var Siteagent_Approvals */
	private $approvals;

	/** @var Siteagent_Witness */
	private $witness;

	/** @var Siteagent_Desk */
	private $desk;

	public function __construct( Siteagent_Keyring $keyring, Siteagent_Pairing $pairing, Siteagent_Inventory $inventory, Siteagent_Log $log, Siteagent_Scopes $scopes, Siteagent_Approvals $approvals, Siteagent_Witness $witness ) {
		$this->keyring   = $keyring;
		$this->pairing   = $pairing;
		$this->inventory = $inventory;
		$this->log       = $log;
		$this->scopes    = $scopes;
		$this->approvals = $approvals;
		$this->witness   = $witness;
		$this->desk      = new Siteagent_Desk();
	}

	/**
	 * The address of a page of this screen.
	 */
	public static function address( array $query = array() ): string {
		$base = self::is_network() ? network_admin_url( 'settings.php' ) : admin_url( 'options-general.php' );
		return add_query_arg( array( 'page' => self::PAGE ) + $query, $base );
	}

	public function add_menu(): void {
		if ( ! self::is_network() ) {
			add_options_page( 'SiteAgent', $this->menu_title(), Siteagent_Capabilities::MANAGE, self::PAGE, array( $this, 'render' ) );
		}
	}

	public function add_network_menu(): void {
		if ( self::is_network() ) {
			add_submenu_page( 'settings.php', 'SiteAgent', $this->menu_title(), Siteagent_Capabilities::MANAGE, self::PAGE, array( $this, 'render' ) );
		}
	}

	/**
	 * Before anything is printed: while the dashboard's call is awaited the page looks again by itself.
	 */
	public function prepare(): void {
		nocache_headers();
		if ( 'connection' === $this->tab() && 'waiting' === $this->keyring->state() ) {
			header( 'Refresh: 5; url=' . self::address() );
		}
	}

	public function enqueue( string $hook ): void {
		if ( 'settings_page_siteagent' === $hook ) {
			wp_enqueue_style( 'siteagent', plugins_url( 'admin.css', __FILE__ ), array(), SITEAGENT_VERSION );
		}
	}

	public function add_link( array $links ): array {
		if ( current_user_can( Siteagent_Capabilities::MANAGE ) ) {
			$link = sprintf( '<a href="%s">%s</a>', esc_url( self::address() ), esc_html__( 'Settings', 'siteagent' ) );
			array_unshift( $links, $link );
		}
		return $links;
	}

	/**
	 * The name in the menu, with the number of updates that wait for approval as WordPress marks such numbers.
	 */
	private function menu_title(): string {
		$waiting = current_user_can( Siteagent_Capabilities::ALLOW ) ? count( $this->approvals->waiting( time() ) ) : 0;
		if ( 0 === $waiting ) {
			return 'SiteAgent';
		}
		/* translators: %s: number of updates */
		$text = sprintf( _n( '%s update is waiting for your approval', '%s updates are waiting for your approval', $waiting, 'siteagent' ), number_format_i18n( $waiting ) );
		return sprintf(
			'SiteAgent <span class="awaiting-mod count-%1$d"><span class="pending-count" aria-hidden="true">%2$s</span><span class="screen-reader-text">%3$s</span></span>',
			$waiting,
			esc_html( number_format_i18n( $waiting ) ),
			esc_html( $text )
		);
	}

	public function render(): void {
		if ( ! current_user_can( Siteagent_Capabilities::MANAGE ) ) {
			wp_die( esc_html__( 'Only an administrator may see this page.', 'siteagent' ), '', array( 'response' => 403 ) );
		}
		$tab = $this->tab();
		$this->show( 'head', array( 'tab' => $tab, 'news' => Siteagent_Words::news( $this->desk->news() ) ) );
		if ( 'data' === $tab ) {
			$this->show_data();
		} elseif ( 'may' === $tab ) {
			$this->show( 'may', $this->allowed() );
		} elseif ( 'log' === $tab ) {
			$this->show_log();
		} else {
			$this->show_connection();
		}
		echo '</div>';
	}

	private function tab(): string {
		// phpcs:ignore WordPress.Security.NonceVerification -- a choice of page, compared with a fixed list.
		$wanted = isset( $_GET['tab'] ) && is_string( $_GET['tab'] ) ? $_GET['tab'] : '';
		return in_array( $wanted, array( 'may', 'data', 'log' ), true ) ? $wanted : 'connection';
	}

	/**
	 * Which page inside "Connection" was asked for.
	 */
	private function asks_for( string $step ): bool {
		// phpcs:ignore WordPress.Security.NonceVerification -- a choice of page, compared with a fixed text.
		return isset( $_GET['step'] ) && $step === $_GET['step'];
	}

	private function show_connection(): void {
		$state = $this->keyring->state();
		if ( $this->asks_for( 'disconnect' ) && in_array( $state, array( 'paired', 'unreadable' ), true ) ) {
			$this->show( 'disconnect', $this->connection() );
		} elseif ( 'waiting' === $state ) {
			$this->show_waiting( (array) $this->keyring->pending() );
		} elseif ( 'newer' !== $state && $this->asks_for( 'consent' ) && $this->show_consent() ) {
			return;
		} elseif ( 'unreadable' === $state || 'newer' === $state ) {
			$this->show( $state, array() );
		} elseif ( 'paired' === $state && ! $this->asks_for( 'token' ) && ! $this->asks_for( 'consent' ) ) {
			$this->show( 'paired', $this->connection() );
		} else {
			$this->show_paste();
		}
	}

	/**
	 * The present connection, and how the site's address has changed since it was made.
	 */
	private function connection(): array {
		return array(
			'connection' => $this->keyring->connection(),
			'moved'      => $this->keyring->moved(),
			'dispute'    => $this->witness->dispute(),
			'scopes'     => $this->scopes->all(),
			'waiting'    => $this->approvals->waiting( time() ),
			'ended'      => $this->keyring->last_end(),
			'now'        => time(),
		);
	}

	/**
	 * What the owner allows, and which changes wait for a decision.
	 */
	private function allowed(): array {
		return $this->connection() + array(
			'is_theirs' => current_user_can( Siteagent_Capabilities::ALLOW ),
			'asks_here' => $this->scopes->asks_here(),
			'may_allow' => array_combine(
				Siteagent_Scopes::ALL,
				array_map(
					static function ( string $scope ): bool {
						return current_user_can( Siteagent_Capabilities::ALLOW, $scope );
					},
					Siteagent_Scopes::ALL
				)
			),
		);
	}

	private function show_paste(): void {
		$draft = $this->desk->draft();
		$fault = null === $draft ? '' : $draft['fault'];
		if ( '' !== $fault ) {
			$this->desk->clear(); // What was wrong with it is said once.
		}
		$data  = array(
			// A token that could still be used somewhere is never printed again.
			'text'  => in_array( $fault, Siteagent_Forms::MAY_BE_SHOWN, true ) ? $draft['text'] : '',
			'fault' => Siteagent_Words::fault( $fault ),
		);
		$this->show( 'paste', $data + $this->connection() );
	}

	/**
	 * The consent page for the token that was just read; false when there is none to agree to.
	 */
	private function show_consent(): bool {
		$draft = $this->desk->draft();
		if ( null === $draft || ! in_array( $draft['fault'], array( '', 'must_replace' ), true ) ) {
			return false;
		}
		try {
			$token = $this->pairing->read_token( $draft['text'] );
		} catch ( Siteagent_Refusal $refusal ) {
			$this->desk->keep( $draft['text'], Siteagent_Forms::fault_of( $refusal ) );
			return false;
		}
		$data = array(
			'pid'        => $token->pid(),
			'origin'     => $token->origin(),
			'expires_at' => $token->expires_at(),
			'fault'      => Siteagent_Words::fault( $draft['fault'] ),
		);
		$this->show( 'consent', $data + $this->connection() );
		return true;
	}

	private function show_waiting( array $pending ): void {
		$data = array(
			'pending' => $pending,
			'answer'  => Siteagent_Words::answer( (string) $pending['notice'] ),
			'now'     => time(),
		);
		$this->show( 'waiting', $data );
	}

	private function show_data(): void {
		$connection = $this->keyring->connection();
		try {
			$json   = $this->inventory->preview_json();
			$fields = $this->inventory->fields();
			$more   = array(
				__( 'The log', 'siteagent' )                 => $this->inventory->log_fields(),
				__( 'The result of an update', 'siteagent' ) => $this->inventory->evidence_fields(),
			);
		} catch ( Throwable $broken ) {
			error_log( 'SiteAgent: the report could not be taken: ' . $broken->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
			$json   = null;
			$fields = array();
			$more   = array();
		}
		$groups = array();
		foreach ( $fields as $field ) {
			$groups[ Siteagent_Words::group( $field['path'] ) ][] = $field;
		}
		$data = array(
			'json'   => $json,
			'groups' => $groups + $more,
			'count'  => count( $fields ),
			'origin' => null === $connection ? '' : $connection['origin'],
		);
		$this->show( 'data', $data );
	}

	private function show_log(): void {
		// phpcs:disable WordPress.Security.NonceVerification -- looked for and counted, nothing else.
		$words = isset( $_GET['words'] ) && is_string( $_GET['words'] ) ? substr( trim( sanitize_text_field( wp_unslash( $_GET['words'] ) ) ), 0, self::MAX_WORDS ) : '';
		$asked = isset( $_GET['paged'] ) && is_string( $_GET['paged'] ) ? (int) $_GET['paged'] : 1;
		// phpcs:enable
		$pages = max( 1, (int) ceil( $this->log->count( $words ) / self::PER_PAGE ) );
		$page  = min( $pages, max( 1, $asked ) );
		$data  = array(
			'entries'  => array_map( array( 'Siteagent_Sentences', 'tell' ), $this->log->recent( self::PER_PAGE, ( $page - 1 ) * self::PER_PAGE, $words ) ),
			'words'    => $words,
			'verified' => $this->log->verify(),
			'pages'    => $pages,
			'page'     => $page,
		);
		$this->show( 'log', $data );
	}

	/**
	 * One SiteAgent for the whole network when it was activated for the network.
	 */
	public static function is_network(): bool {
		return Siteagent_Plugin::is_network();
	}

	/**
	 * @param string $name A file in views/, named in this class and nowhere else.
	 * @param array  $data What that file says it needs.
	 */
	private function show( string $name, array $data ): void {
		require __DIR__ . '/views/' . $name . '.php';
	}
}
