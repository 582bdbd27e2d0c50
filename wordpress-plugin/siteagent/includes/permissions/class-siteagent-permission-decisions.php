<?php
/**
 * What an administrator of this site allows: kinds of changes, and single ones.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Writes down who allowed what beside each decision. No operation of the dashboard leads here.
 */
final class Siteagent_Permission_Decisions {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Dashboard_Client */
	private $dashboard_client;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Permissions $permissions, Siteagent_Pending_Approvals $approvals, Siteagent_Dashboard_Client $dashboard_client, Siteagent_Audit_Log $log ) {
		$this->connection_store   = $connection_store;
		$this->dashboard_client   = $dashboard_client;
		$this->permissions    = $permissions;
		$this->approvals = $approvals;
		$this->log       = $log;
	}

	/**
	 * The scopes in which the dashboard could do more than now.
	 *
	 * @param string[] $granted Names of scopes; unknown ones are dropped.
	 * @return string[]
	 */
	public function newly_granted( array $granted, bool $requires_approval ): array {
		$granted = array_values( array_intersect( Siteagent_Permissions::ALL, $granted ) );
		if ( $this->permissions->requires_approval() && ! $requires_approval ) {
			return $granted;
		}
		return array_values( array_diff( $granted, array_keys( array_filter( $this->permissions->all() ) ) ) );
	}

	/**
	 * The kind of component that a waiting plan changes; null when it does not wait (any more).
	 *
	 * @param string $digest Of the plan, in hex.
	 */
	public function pending_kind( string $digest ): ?string {
		$waiting = $this->approvals->waiting( time() );
		return isset( $waiting[ $digest ] ) ? $waiting[ $digest ]['kind'] : null;
	}

	/**
	 * Allow these kinds of changes and no others, and hint to the dashboard that it ask for a report.
	 *
	 * @param string[] $granted Names of scopes; unknown ones are dropped.
	 * @param string   $actor     The administrator, as the log names them.
	 * @return string 'scopes_same'; or that it was saved: 'scopes_told' when the dashboard knows, else 'scopes_saved'.
	 */
	public function save_permissions( array $granted, bool $requires_approval, string $actor ): string {
		$change = $this->permissions->grant( $granted, $requires_approval );
		if ( null === $change ) {
			return 'scopes_same';
		}
		$this->log->append( 'scopes_changed', $change, $actor );
		$connection = $this->connection_store->connection();
		$secrets    = null === $connection || null !== $this->connection_store->address_change() ? null : $this->connection_store->session_keys( $connection['kid'] );
		$notice       = null === $secrets ? 'failed' : $this->dashboard_client->notify_permissions_changed( $connection['origin'], $connection['kid'], $secrets['s2d'] );
		return 'delivered' === $notice ? 'scopes_told' : 'scopes_saved';
	}

	/**
	 * Approve or refuse one plan.
	 *
	 * @param string $digest  Of the plan, in hex.
	 * @param string $decision Siteagent_Pending_Approvals::APPROVED or REFUSED.
	 * @return bool False when it does not wait (any more).
	 */
	public function decide_update( string $digest, string $decision, string $actor ): bool {
		$plan = $this->approvals->decide( $digest, $decision, time() );
		if ( null === $plan ) {
			return false;
		}
		$facts = array_intersect_key( $plan, array_flip( array( 'kind', 'id', 'from', 'to', 'by' ) ) ) + array( 'plan' => $digest );
		if ( Siteagent_Pending_Approvals::APPROVED === $decision ) {
			$this->log->append( 'change_allowed', $facts, $actor );
		} else {
			$this->log->append( 'change_denied', $facts, $actor );
		}
		return true;
	}
}
