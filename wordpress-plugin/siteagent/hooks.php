<?php
/**
 * Every hook of SiteAgent, on one screen.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

register_activation_hook(
	SITEAGENT_FILE,
	static function (): void {
		siteagent()->create_tables();
	}
);

// A site that is deleted from a network takes its tables along.
add_filter(
	'wpmu_drop_tables',
	static function ( array $tables, $site_id ): array {
		$prefix = $GLOBALS['wpdb']->get_blog_prefix( $site_id );
		foreach ( Siteagent_Uninstaller::TABLES as $name ) {
			$tables[ $name ] = $prefix . $name;
		}
		return $tables;
	},
	10,
	2
);

// A request from the dashboard is answered as early as can be (class-siteagent-door.php).
if ( siteagent_is_called() ) {
	// What others print from here on does not reach the answer.
	ob_start();
	add_action(
		'plugins_loaded',
		static function (): void {
			siteagent()->door()->open_early();
		},
		0
	);
}
add_action(
	'rest_api_init',
	static function (): void {
		siteagent()->door()->register_route();
	}
);

// Updates of SiteAgent itself: signed releases from the dashboard, whoever asks for them.
add_filter(
	'update_plugins_siteagent.invalid',
	static function ( $update, $plugin_data, $plugin_file ) {
		return siteagent()->self_updates()->offer( $update, $plugin_data, $plugin_file );
	},
	10,
	3
);
add_filter(
	'pre_set_site_transient_update_plugins',
	static function ( $updates ) {
		return siteagent()->self_updates()->drop_foreign( $updates );
	},
	PHP_INT_MAX
);
add_filter(
	'upgrader_pre_download',
	static function ( $reply, $package, $upgrader, $hook_extra = array() ) {
		return siteagent()->self_updates()->verify_package( $reply, $package, $upgrader, $hook_extra );
	},
	PHP_INT_MAX,
	4
);
add_filter(
	'http_request_args',
	static function ( $arguments, $url ) {
		return 1 === preg_match( '~/siteagent/[0-9a-f]{64}\.zip\z~', (string) $url ) ? siteagent()->self_updates()->allow_dashboard( $arguments, (string) $url ) : $arguments;
	},
	10,
	2
);
add_filter(
	'plugins_api',
	static function ( $result, $action, $arguments ) {
		return siteagent()->self_updates()->details( $result, $action, $arguments );
	},
	10,
	3
);

// The settings screen, its forms, and WordPress's privacy tools.
if ( is_admin() ) {
	add_action(
		'plugins_loaded',
		static function (): void {
			foreach ( array( siteagent()->screen(), siteagent()->forms(), siteagent()->privacy() ) as $part ) {
				foreach ( $part::HOOKS as list( $hook, $method, $arguments ) ) {
					add_filter( $hook, array( $part, $method ), 10, $arguments );
				}
			}
		}
	);
}

// The log at the terminal.
if ( defined( 'WP_CLI' ) && WP_CLI ) {
	WP_CLI::add_command( 'siteagent audit', siteagent()->cli() );
}
