<?php
/**
 * Admin notices on WordPress's Dashboard and Plugins pages.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Shows what needs an administrator's attention: unreadable keys, a changed address, conflicting histories, updates
 * that wait for approval, and what happened since they last looked at the activity log.
 */
final class Siteagent_Admin_Notices {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	/** @var Siteagent_Unseen_Activity */
	private $unseen_activity;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Pending_Approvals $approvals,
		Siteagent_Checkpoint_Store $checkpoint_store,
		Siteagent_Unseen_Activity $unseen_activity
	) {
		$this->connection_store = $connection_store;
		$this->approvals        = $approvals;
		$this->checkpoint_store = $checkpoint_store;
		$this->unseen_activity  = $unseen_activity;
	}

	/**
	 * Shows the notices on the page that is loading.
	 */
	public function add(): void {
		add_action( 'admin_notices', array( $this, 'render' ) );
		add_action( 'network_admin_notices', array( $this, 'render' ) );
	}

	public function render(): void {
		$screen = get_current_screen();
		$wanted = Siteagent_Settings_Page::is_network() ? array( 'dashboard-network', 'plugins-network' ) : array( 'dashboard', 'plugins' );
		if ( null === $screen || ! in_array( $screen->base, $wanted, true ) || ! current_user_can( Siteagent_Capabilities::MANAGE ) ) {
			return;
		}
		$state = $this->connection_store->state();
		if ( 'unreadable' === $state ) {
			$this->notice( 'error', __( 'SiteAgent cannot read its saved keys because the secret keys in wp-config.php have changed. It cannot respond to your dashboard.', 'siteagent' ), __( 'Restore the connection', 'siteagent' ) );
		} elseif ( 'newer' === $state ) {
			$this->notice( 'error', __( 'An older version of SiteAgent was installed over a newer one, so it cannot respond to your dashboard.', 'siteagent' ), __( 'View details', 'siteagent' ) );
		}
		if ( $this->is_move_undecided() ) {
			$this->notice( 'warning', __( 'SiteAgent is paused because this site’s address has changed.', 'siteagent' ), __( 'Review', 'siteagent' ) );
		}
		if ( null !== $this->connection_store->connection() && null !== $this->checkpoint_store->conflict() ) {
			$this->notice( 'warning', __( 'SiteAgent has stopped installing updates: the dashboard’s history no longer matches what this site recorded.', 'siteagent' ), __( 'Review', 'siteagent' ) );
		}
		$waiting = current_user_can( Siteagent_Capabilities::ALLOW ) ? count( $this->approvals->waiting( time() ) ) : 0;
		if ( 0 < $waiting ) {
			/* translators: %s: number of updates */
			$message = sprintf( _n( 'SiteAgent: %s update is waiting for your approval.', 'SiteAgent: %s updates are waiting for your approval.', $waiting, 'siteagent' ), number_format_i18n( $waiting ) );
			$this->notice( 'info', $message, __( 'Review', 'siteagent' ), array( 'tab' => 'permissions' ) );
		}
		$this->render_unseen( $this->unseen_activity->counts( get_current_user_id(), time() ) );
	}

	/**
	 * Shows what happened since the account last opened the activity log, which is also how the notice is dismissed.
	 *
	 * @param array{succeeded:int,rolled_back:int,failed:int,permissions_changed:int} $counts How often each thing
	 *                                                                                       happened.
	 */
	private function render_unseen( array $counts ): void {
		$texts = array(
			/* translators: %s: number of updates */
			'succeeded'           => _n( '%s update installed', '%s updates installed', $counts['succeeded'], 'siteagent' ),
			/* translators: %s: number of updates */
			'rolled_back'         => _n( '%s update rolled back', '%s updates rolled back', $counts['rolled_back'], 'siteagent' ),
			/* translators: %s: number of updates */
			'failed'              => _n( '%s update failed', '%s updates failed', $counts['failed'], 'siteagent' ),
			'permissions_changed' => __( 'permissions changed', 'siteagent' ),
		);
		$parts = array();
		foreach ( array_filter( $counts ) as $name => $count ) {
			$parts[] = sprintf( $texts[ $name ], number_format_i18n( $count ) );
		}
		if ( array() === $parts ) {
			return;
		}
		$kind = 0 < $counts['rolled_back'] + $counts['failed'] ? 'warning' : 'info';
		/* translators: %s: list such as "2 updates installed, permissions changed" */
		$this->notice( $kind, sprintf( __( 'SiteAgent: %s since you last opened the activity log.', 'siteagent' ), implode( wp_get_list_item_separator(), $parts ) ), __( 'Open the activity log', 'siteagent' ), array( 'tab' => 'log' ) );
	}

	/**
	 * Whether the address has changed and no administrator has decided yet what that means.
	 */
	private function is_move_undecided(): bool {
		$connection = $this->connection_store->connection();
		$moved      = $this->connection_store->address_change();
		return null !== $connection && null !== $moved && ! ( isset( $connection['paused_at'] ) && Siteagent_Site_Address::is_same_site( $connection['paused_at'], $moved['is'] ) );
	}

	private function notice( string $kind, string $message, string $link, array $query = array() ): void {
		printf(
			'<div class="notice notice-%s"><p>%s <a href="%s">%s</a></p></div>',
			esc_attr( $kind ),
			esc_html( $message ),
			esc_url( Siteagent_Settings_Page::url( $query ) ),
			esc_html( $link )
		);
	}
}
