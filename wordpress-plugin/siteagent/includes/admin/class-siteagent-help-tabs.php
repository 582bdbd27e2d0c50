<?php
/**
 * Help of the settings page.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Adds WordPress's help tabs, one for each tab of the page.
 */
final class Siteagent_Help_Tabs {

	/**
	 * Adds the help to a screen.
	 */
	public static function add( WP_Screen $screen ): void {
		foreach ( self::tabs() as $id => list( $title, $paragraphs ) ) {
			$screen->add_help_tab(
				array(
					'id'      => 'siteagent-' . $id,
					'title'   => $title,
					'content' => '<p>' . implode( '</p><p>', array_map( 'esc_html', $paragraphs ) ) . '</p>',
				)
			);
		}
		$links = array(
			array( Siteagent_Settings_Page::url( array( 'tab' => 'data' ) ), __( 'What this site shares', 'siteagent' ) ),
			array( Siteagent_Settings_Page::url( array( 'tab' => 'log' ) ), __( 'What the dashboard did', 'siteagent' ) ),
			array( admin_url( 'site-health.php' ), __( 'Site Health', 'siteagent' ) ),
		);
		$html  = '<p><strong>' . esc_html__( 'For more information:', 'siteagent' ) . '</strong></p>';
		foreach ( $links as list( $url, $text ) ) {
			$html .= sprintf( '<p><a href="%s">%s</a></p>', esc_url( $url ), esc_html( $text ) );
		}
		$screen->set_help_sidebar( $html );
	}

	/**
	 * Returns the title and the paragraphs of each help tab.
	 *
	 * @return array<string,array{0:string,1:string[]}>
	 */
	private static function tabs(): array {
		return array(
			'connection'  => array(
				__( 'Connection', 'siteagent' ),
				array(
					__( 'SiteAgent connects this site to one dashboard, usually the one of your agency. To connect, add this site in the dashboard, copy the pairing token and paste it here.', 'siteagent' ),
					__( 'Afterwards, both sides show the same fingerprint. If the fingerprints differ, someone may be intercepting the connection: disconnect, and contact your agency.', 'siteagent' ),
					__( 'You can disconnect at any time. The keys are then deleted, and the dashboard can no longer read or change anything on this site.', 'siteagent' ),
				),
			),
			'permissions' => array(
				__( 'Permissions', 'siteagent' ),
				array(
					__( 'Choose which kinds of updates the dashboard can install. At first it can install none. The dashboard cannot change these settings.', 'siteagent' ),
					__( 'If you require approval on this site, each update waits on this page until you approve or refuse it. SiteAgent sends you an e-mail when one is waiting.', 'siteagent' ),
					__( 'SiteAgent keeps a backup of each plugin and theme until the new version has been tested. If the new version breaks the site, the backup is restored.', 'siteagent' ),
				),
			),
			'limits'      => array(
				__( 'Pause and limits', 'siteagent' ),
				array(
					__( 'Pause updates while nothing may change on this site. The dashboard can then change nothing, not even what was approved there. The constant SITEAGENT_READ_ONLY in wp-config.php does the same, and then updates cannot be resumed here.', 'siteagent' ),
					__( 'You can also choose the days and hours in which updates may start, how old a release has to be, and exclude single plugins and themes. The dashboard cannot change these settings.', 'siteagent' ),
				),
			),
			'data'        => array(
				__( 'Shared data', 'siteagent' ),
				array(
					__( 'This tab lists every field of the report that the dashboard can read, with its purpose, and shows the report exactly as it leaves this site.', 'siteagent' ),
					__( 'Accounts, content, visitors’ data and passwords are never part of it.', 'siteagent' ),
				),
			),
			'history'     => array(
				__( 'Update history', 'siteagent' ),
				array(
					__( 'This tab lists the updates that the dashboard has installed or tried to install, with their results.', 'siteagent' ),
					__( 'The version that an update of a plugin or theme replaces is kept for two weeks. You can restore it. It is checked like an update, and replaced again if it breaks the site. The database is not restored.', 'siteagent' ),
				),
			),
			'log'         => array(
				__( 'Activity log', 'siteagent' ),
				array(
					__( 'The log records each request of the dashboard, each update and each decision made here. Each entry contains the hash of the one before, so a changed or missing entry is detected.', 'siteagent' ),
					__( 'Your agency’s dashboard offers the program verify_audit.py, with which anyone can verify an exported log without this site.', 'siteagent' ),
				),
			),
		);
	}
}
