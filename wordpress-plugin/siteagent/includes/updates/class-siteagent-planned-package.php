<?php
/**
 * The package of a signed plan.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * The update that WordPress's list names, if it is still the one that was approved.
 */
final class Siteagent_Planned_Package implements Siteagent_Package_Source {

	/** @var Siteagent_Update_Plan */
	private $update_plan;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Update_Limits */
	private $limits;

	public function __construct( Siteagent_Update_Plan $update_plan, Siteagent_Permissions $permissions, Siteagent_Update_Limits $limits ) {
		$this->update_plan = $update_plan;
		$this->permissions = $permissions;
		$this->limits      = $limits;
	}

	public function op_id(): string {
		return $this->update_plan->op_id();
	}

	public function item(): Siteagent_Update_Item {
		return $this->update_plan->item();
	}

	public function unmet_requirement( Siteagent_Component $component, Siteagent_Update_Requirements $requirements ): ?string {
		foreach ( $requirements->site_problems() as $reason ) {
			return $reason;
		}
		foreach ( $requirements->component_problems( $this->update_plan->environment() ) as $reason ) {
			return $reason;
		}
		$component->check_for_updates();
		foreach ( $requirements->update_problems( $this->update_plan->package_host() ) as $reason ) {
			return $reason;
		}
		return null;
	}

	public function fetch( Siteagent_Component $component, Siteagent_Upgrader $upgrader, string $folder ): ?string {
		$update = (array) $component->available_update();
		return $upgrader->download( $component, $update['package'], $folder, $this->update_plan->op_id() );
	}

	public function package_sha256(): ?string {
		return $this->update_plan->package_sha256();
	}

	public function tree_sha256(): ?string {
		return $this->update_plan->tree_sha256();
	}

	public function owner_refusal_reason(): ?string {
		return $this->permissions->still_allows( $this->item()->permission() ) ? $this->limits->refusal_reason( $this->item(), time() ) : 'permission_off';
	}

	public function run_offered( callable $install ): void {
		$install();
	}
}
