<?php
/**
 * Decisions of an administrator about permissions and single updates.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores and logs each decision. No operation of the dashboard calls this.
 */
final class Siteagent_Permission_Decisions {

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var Siteagent_Notification_Queue */
	private $notifications;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Permissions_Notice */
	private $notice;

	public function __construct(
		Siteagent_Permissions $permissions,
		Siteagent_Pending_Approvals $approvals,
		Siteagent_Permissions_Notice $notice,
		Siteagent_Notification_Queue $notifications,
		Siteagent_Audit_Log $log
	) {
		$this->permissions   = $permissions;
		$this->approvals     = $approvals;
		$this->notice        = $notice;
		$this->notifications = $notifications;
		$this->log           = $log;
	}

	/**
	 * Returns the permissions that would be granted in addition to the present ones.
	 *
	 * @param string[] $granted           Names of permissions; unknown ones are ignored.
	 * @param bool     $requires_approval Whether every update requires approval on this site.
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
	 * Returns the kind of a waiting update; null when it is no longer waiting.
	 *
	 * @param string $digest Digest of the plan, in hex.
	 */
	public function pending_kind( string $digest ): ?string {
		$waiting = $this->approvals->waiting( time() );
		return isset( $waiting[ $digest ] ) ? $waiting[ $digest ]['kind'] : null;
	}

	/**
	 * Replaces the permissions and notifies the dashboard.
	 *
	 * @param string[] $granted           Names of permissions; unknown ones are ignored.
	 * @param bool     $requires_approval Whether every update requires approval on this site.
	 * @param string   $actor             The administrator, as stored in the log.
	 * @return string 'permissions_unchanged'; or, when saved, 'permissions_saved_and_sent' if the dashboard was notified and 'permissions_saved' if
	 *         not.
	 */
	public function save_permissions( array $granted, bool $requires_approval, string $actor ): string {
		$change = $this->permissions->grant( $granted, $requires_approval );
		if ( null === $change ) {
			return 'permissions_unchanged';
		}
		$this->log->append( 'permissions_changed', $change, $actor );
		return $this->notice->send() ? 'permissions_saved_and_sent' : 'permissions_saved';
	}

	/**
	 * Turns e-mail notifications on or off. The last e-mail says that they were turned off.
	 *
	 * @param bool   $is_enabled Whether e-mails are sent.
	 * @param string $actor      The administrator, as stored in the log.
	 * @return bool False when nothing changed.
	 */
	public function save_notifications( bool $is_enabled, string $actor ): bool {
		if ( $this->notifications->is_enabled() === $is_enabled ) {
			return false;
		}
		$this->log->append( 'notifications_changed', array( 'email' => $is_enabled ), $actor );
		return $this->notifications->set_enabled( $is_enabled );
	}

	/**
	 * Approves or refuses one update.
	 *
	 * @param string $digest   Digest of the plan, in hex.
	 * @param string $decision Siteagent_Pending_Approvals::APPROVED or REFUSED.
	 * @param string $actor    The administrator, as stored in the log.
	 * @return bool False when it is no longer waiting.
	 */
	public function decide_update( string $digest, string $decision, string $actor ): bool {
		$plan = $this->approvals->decide( $digest, $decision, time() );
		if ( null === $plan ) {
			return false;
		}
		$facts = array_intersect_key( $plan, array_flip( array( 'kind', 'id', 'from', 'to', 'by' ) ) ) + array( 'plan' => $digest );
		if ( Siteagent_Pending_Approvals::APPROVED === $decision ) {
			$this->log->append( 'update_approved', $facts, $actor );
		} else {
			$this->log->append( 'update_refused', $facts, $actor );
		}
		return true;
	}
}
