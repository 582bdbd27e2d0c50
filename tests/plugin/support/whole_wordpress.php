<?php
/**
 * Counts the requests to SiteAgent for which WordPress loads completely.
 */

declare( strict_types=1 );

add_action(
	'wp_loaded',
	static function (): void {
		if ( function_exists( 'siteagent_is_called' ) && siteagent_is_called() ) {
			update_option( 'tests_whole', 1 + (int) get_option( 'tests_whole' ), false );
		}
	},
	PHP_INT_MIN
);
