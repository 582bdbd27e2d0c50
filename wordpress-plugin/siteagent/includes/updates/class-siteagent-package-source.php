<?php
/**
 * Where the package of a run comes from.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * What a run has to know to install a package: a signed plan with a download, or a kept copy on this site.
 */
interface Siteagent_Package_Source {

	/**
	 * Returns the id of the operation.
	 */
	public function op_id(): string;

	/**
	 * Returns the component with its present and its new version.
	 */
	public function item(): Siteagent_Update_Item;

	/**
	 * Returns the first requirement that is not met; null when all are.
	 */
	public function unmet_requirement( Siteagent_Component $component, Siteagent_Update_Requirements $requirements ): ?string;

	/**
	 * Puts the package into a folder.
	 *
	 * @param Siteagent_Component $component The component.
	 * @param Siteagent_Upgrader  $upgrader  Receives messages and the reason of a refusal.
	 * @param string              $folder    The folder; empty for the system's folder for temporary files.
	 * @return string|null Full path of the package; null when there is none.
	 */
	public function fetch( Siteagent_Component $component, Siteagent_Upgrader $upgrader, string $folder ): ?string;

	/**
	 * Returns the SHA-256 that the package must have, in hex; null when any will do.
	 */
	public function package_sha256(): ?string;

	/**
	 * Returns the digest that the files must have after the installation, in hex; null when any will do.
	 */
	public function tree_sha256(): ?string;

	/**
	 * Returns why the owner of the site forbids this by now; null when nothing does.
	 */
	public function owner_refusal_reason(): ?string;

	/**
	 * Runs an installation, during which WordPress's list of updates names this version.
	 *
	 * @param callable $install fn(): void.
	 */
	public function run_offered( callable $install ): void;
}
