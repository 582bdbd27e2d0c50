<?php
/**
 * Plugin Name: Probe
 * Description: Measures a page, with SiteAgent active or not.
 * Version: 1.0
 * Author: Aura test bed
 *
 * A request with the header X-Probe gets the page and its queries, files and options as JSON.
 * With X-Without-SiteAgent the plugin is not active in that request.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// Otherwise WP-Cron's work would be counted as the page's.
defined( 'DISABLE_WP_CRON' ) || define( 'DISABLE_WP_CRON', true );

if ( isset( $_SERVER['HTTP_X_WITHOUT_SITEAGENT'] ) ) {
	add_filter(
		'option_active_plugins',
		static function ( array $plugins ): array {
			return array_values( array_diff( $plugins, array( 'siteagent/siteagent.php' ) ) );
		}
	);
}

if ( isset( $_SERVER['HTTP_X_PROBE'] ) ) {
	define( 'SAVEQUERIES', true );
	ob_start(
		static function ( string $page ): string {
			global $wpdb;
			$files = preg_grep( '~/plugins/siteagent/~', get_included_files() );
			$found = array(
				'page'     => $page,
				'headers'  => headers_list(),
				'counted'  => $wpdb->num_queries,
				'queries'  => array_column( $wpdb->queries, 0 ),
				'files'    => array_values( str_replace( WP_PLUGIN_DIR . '/siteagent/', '', $files ) ),
				'autoload' => array_map( 'strlen', wp_load_alloptions() ),
				'cron'     => array_keys( array_merge( ...array_values( array_filter( _get_cron_array(), 'is_array' ) ) ) ),
			);
			return json_encode( $found, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE );
		}
	);
}
