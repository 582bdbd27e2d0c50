<?php
/**
 * Leave the site as it was: say goodbye, then remove every table, option, event and temporary value.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/siteagent.php';

( new Siteagent_Uninstaller( $GLOBALS['wpdb'] ) )->remove();
