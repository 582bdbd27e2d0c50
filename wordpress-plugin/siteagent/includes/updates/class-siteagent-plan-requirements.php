<?php
/**
 * Requirements of a plan (docs/PROTOCOL.md section 3.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Compares a plan with this site and with what its owner allows. Looks at no file of the component.
 */
final class Siteagent_Plan_Requirements {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Update_Limits */
	private $limits;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Permissions $permissions, Siteagent_Update_Limits $limits ) {
		$this->connection_store = $connection_store;
		$this->permissions      = $permissions;
		$this->limits           = $limits;
	}

	/**
	 * Returns the first reason for which a plan may not run now; null without one. In the order of the protocol.
	 */
	public function refusal_reason( Siteagent_Update_Plan $update_plan, Siteagent_Component $component, int $now ): ?string {
		if ( ! Siteagent_Site_Address::is_same_site( $update_plan->home(), $this->connection_store->home() ) ) {
			return 'wrong_site';
		}
		if ( ! $update_plan->is_open( $now ) ) {
			return 'outside_window';
		}
		if ( Siteagent_Update_Plan::UPDATE !== $update_plan->name() && ( $component->is_siteagent() || 'siteagent' === $component->kind() ) ) {
			return 'is_siteagent';
		}
		if ( ! $this->permissions->allows( $update_plan->item()->permission() ) ) {
			return 'permission_off';
		}
		$reason = $this->limits->refusal_reason( $update_plan->item(), $now );
		if ( null !== $reason ) {
			return $reason;
		}
		// Without these functions not even the marker of a run could be kept.
		return array() === Siteagent_Rollback::missing_functions() ? null : 'filesystem';
	}

	/**
	 * Returns the reasons against any plan for this item, in whatever hours it starts.
	 *
	 * @return string[]
	 */
	public function item_problems( Siteagent_Update_Item $item, Siteagent_Component $component, int $now ): array {
		$reasons = array(
			$component->is_siteagent() && 'siteagent' !== $item->kind() ? 'is_siteagent' : null,
			$this->permissions->allows( $item->permission() ) ? null : 'permission_off',
			$this->limits->lasting_reason( $item, $now ),
		);
		return array_values( array_filter( $reasons ) );
	}
}
