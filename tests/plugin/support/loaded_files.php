<?php
/**
 * Counts SiteAgent's loaded files when the site's own request for updates begins to wait for an answer, and at its end.
 */

declare( strict_types=1 );

if ( isset( $_POST['action'] ) && 'siteagent_check_updates' === $_POST['action'] ) {
	$count = static function (): int {
		return count( preg_grep( '#/plugins/siteagent/#', get_included_files() ) );
	};
	add_filter(
		'pre_http_request',
		static function ( $answer ) use ( $count ) {
			$GLOBALS['loaded_while_waiting'] = $GLOBALS['loaded_while_waiting'] ?? $count();
			return $answer;
		}
	);
	register_shutdown_function(
		static function () use ( $count ): void {
			file_put_contents( '/tmp/loaded', $GLOBALS['loaded_while_waiting'] . ' ' . $count() );
		}
	);
}
