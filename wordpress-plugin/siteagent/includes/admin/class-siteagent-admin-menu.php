<?php
/**
 * SiteAgent in wp-admin's menu and list of plugins.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Adds the settings page to the menu. The page itself is loaded when a person opens it.
 */
final class Siteagent_Admin_Menu {

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	/** @var callable fn(): Siteagent_Settings_Page */
	private $make_page;

	public function __construct( Siteagent_Pending_Approvals $approvals, callable $make_page ) {
		$this->approvals = $approvals;
		$this->make_page = $make_page;
	}

	public function add(): void {
		if ( ! Siteagent_Container::is_network() ) {
			$this->add_to( 'options-general.php' );
		}
	}

	public function add_to_network(): void {
		if ( Siteagent_Container::is_network() ) {
			$this->add_to( 'settings.php' );
		}
	}

	/**
	 * Adds a link in the list of plugins.
	 */
	public function add_settings_link( array $links ): array {
		if ( current_user_can( Siteagent_Capabilities::MANAGE ) ) {
			$link = sprintf( '<a href="%s">%s</a>', esc_url( Siteagent_Settings_Page::url() ), esc_html__( 'Settings', 'siteagent' ) );
			array_unshift( $links, $link );
		}
		return $links;
	}

	private function add_to( string $parent ): void {
		global $menu;
		$bubble = $this->bubble();
		$render = function (): void {
			( $this->make_page )()->render();
		};
		add_submenu_page( $parent, 'SiteAgent', 'SiteAgent' . $bubble, Siteagent_Capabilities::MANAGE, 'siteagent', $render );
		// The number is in the top menu too, because its entries are hidden on other screens.
		foreach ( (array) $menu as $position => $item ) {
			if ( $parent === $item[2] ) {
				$menu[ $position ][0] .= $bubble; // phpcs:ignore WordPress.WP.GlobalVariablesOverride -- WordPress has no function for it.
			}
		}
	}

	/**
	 * Returns the number of updates that wait for approval, as HTML to follow a menu title; empty without any.
	 */
	private function bubble(): string {
		$waiting = current_user_can( Siteagent_Capabilities::ALLOW ) ? count( $this->approvals->waiting( time() ) ) : 0;
		if ( 0 === $waiting ) {
			return '';
		}
		/* translators: %s: number of updates */
		$text = sprintf( _n( '%s update is waiting for your approval', '%s updates are waiting for your approval', $waiting, 'siteagent' ), number_format_i18n( $waiting ) );
		return sprintf(
			' <span class="awaiting-mod count-%1$d"><span class="pending-count" aria-hidden="true">%2$s</span><span class="screen-reader-text">%3$s</span></span>',
			$waiting,
			esc_html( number_format_i18n( $waiting ) ),
			esc_html( $text )
		);
	}
}
