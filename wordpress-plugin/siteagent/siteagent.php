<?php
/**
 * Plugin Name:       SiteAgent
 * Description:       Lets your agency see what is out of date and install the updates you allow from its dashboard. You choose the dashboard and the permissions, you see all shared data, and you can disconnect at any time.
 * Version:           0.1.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * Author:            Aura
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Update URI:        https://siteagent.invalid/
 * Text Domain:       siteagent
 * Domain Path:       /languages
 * Data format:       1
 *
 * On ordinary pages of the site only this file and hooks.php are loaded. They run no query and print nothing.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

const SITEAGENT_VERSION = '0.1.0';
const SITEAGENT_FILE    = __FILE__;

spl_autoload_register(
	static function ( string $name ): void {
		$files = 0 === strpos( $name, 'Siteagent_' ) ? siteagent_classes() : array();
		if ( isset( $files[ $name ] ) ) {
			require_once $files[ $name ];
		}
	}
);

/**
 * Returns the file of each class of SiteAgent.
 *
 * @return array<string,string> Full path by class name.
 */
function siteagent_classes(): array {
	static $files = array();
	if ( array() === $files ) {
		foreach ( require __DIR__ . '/includes/class-map.php' as $name => $file ) {
			$files[ $name ] = __DIR__ . '/includes/' . $file;
		}
	}
	return $files;
}

/**
 * Loads all classes, so that this process does not mix two versions if SiteAgent's files are replaced meanwhile.
 */
function siteagent_load_classes(): void {
	foreach ( siteagent_classes() as $file ) {
		require_once $file;
	}
}

/**
 * Returns the container, from which every part of SiteAgent is taken.
 */
function siteagent(): Siteagent_Container {
	static $plugin = null;
	if ( null === $plugin ) {
		$plugin = new Siteagent_Container();
	}
	return $plugin;
}

/**
 * Finishes an update whose process died or whose watch is over, and removes what it left.
 */
function siteagent_tidy_up(): void {
	try {
		Siteagent_Report::load_admin_includes();
		siteagent()->run_recovery()->reconcile( time() );
	} catch ( Throwable $broken ) {
		error_log( 'SiteAgent: ' . $broken->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
	}
}

/**
 * Whether this request is addressed to SiteAgent. Only checks the address; nothing is verified yet.
 */
function siteagent_is_called(): bool {
	// phpcs:disable WordPress.Security.ValidatedSanitizedInput, WordPress.Security.NonceVerification -- compared with a fixed text.
	if ( ! isset( $_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'] ) || 'POST' !== $_SERVER['REQUEST_METHOD'] ) {
		return false;
	}
	$route = '/siteagent/v1/rpc';
	$path  = (string) strtok( (string) $_SERVER['REQUEST_URI'], '?' );
	return substr( $path, -strlen( $route ) ) === $route
		|| ( isset( $_GET['rest_route'] ) && $route === $_GET['rest_route'] )
		|| ( isset( $_GET['action'] ) && 'siteagent_rpc' === $_GET['action'] && substr( $path, -15 ) === '/admin-ajax.php' );
	// phpcs:enable
}

require __DIR__ . '/hooks.php';
