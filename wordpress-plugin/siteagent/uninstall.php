<?php
/**
 * Leave the site as it was: say goodbye, then remove every table, option, event and temporary value.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/siteagent.php';
require_once __DIR__ . '/includes/class-siteagent-uninstaller.php';

// A dashboard that cannot be told must not keep the plugin from going.
try {
	if ( 'paired' === siteagent()->keyring()->state() ) {
		siteagent()->pairing()->disconnect( 'site' );
	}
} catch ( Throwable $siteagent_broken ) {
	error_log( 'SiteAgent: no goodbye was said: ' . $siteagent_broken->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
}

( new Siteagent_Uninstaller( $GLOBALS['wpdb'] ) )->remove();
