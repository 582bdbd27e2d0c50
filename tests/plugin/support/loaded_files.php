<?php
/**
 * Counts SiteAgent's loaded files in an update check: after all plugins are loaded, and at the end.
 */

declare( strict_types=1 );

if ( isset( $_POST['action'] ) && 'siteagent_check_updates' === $_POST['action'] ) {
	$count = static function (): int {
		return count( preg_grep( '#/plugins/siteagent/#', get_included_files() ) );
	};
	add_action(
		'plugins_loaded',
		static function () use ( $count ): void {
			$GLOBALS['loaded_with_plugins'] = $count();
		},
		PHP_INT_MIN
	);
	register_shutdown_function(
		static function () use ( $count ): void {
			file_put_contents( '/tmp/loaded', $GLOBALS['loaded_with_plugins'] . ' ' . $count() );
		}
	);
}
