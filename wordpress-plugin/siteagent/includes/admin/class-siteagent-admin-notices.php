<?php
/**
 * Admin notices on WordPress's Dashboard and Plugins pages.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Shows what needs an administrator's attention: unreadable keys, a changed address, conflicting histories, and
 * updates that wait for approval.
 */
final class Siteagent_Admin_Notices {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Pending_Approvals $approvals,
		Siteagent_Checkpoint_Store $checkpoint_store
	) {
		$this->connection_store = $connection_store;
		$this->approvals        = $approvals;
		$this->checkpoint_store = $checkpoint_store;
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
			$what = sprintf( _n( 'SiteAgent: %s update is waiting for your approval.', 'SiteAgent: %s updates are waiting for your approval.', $waiting, 'siteagent' ), number_format_i18n( $waiting ) );
			$this->notice( 'info', $what, __( 'Review', 'siteagent' ), array( 'tab' => 'permissions' ) );
		}
	}

	/**
	 * Whether the address has changed and no administrator has decided yet what that means.
	 */
	private function is_move_undecided(): bool {
		$connection = $this->connection_store->connection();
		$moved      = $this->connection_store->address_change();
		return null !== $connection && null !== $moved && ! ( isset( $connection['silent_for'] ) && Siteagent_Site_Address::is_same_site( $connection['silent_for'], $moved['is'] ) );
	}

	private function notice( string $kind, string $what, string $link, array $query = array() ): void {
		printf(
			'<div class="notice notice-%s"><p>%s <a href="%s">%s</a></p></div>',
			esc_attr( $kind ),
			esc_html( $what ),
			esc_url( Siteagent_Settings_Page::url( $query ) ),
			esc_html( $link )
		);
	}
}
