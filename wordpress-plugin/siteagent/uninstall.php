<?php
/**
 * Ends the connection, notifies the dashboard, and removes all tables, options, events and temporary values.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/siteagent.php';

( new Siteagent_Uninstaller( $GLOBALS['wpdb'] ) )->remove();
