<?php
/**
 * All hooks of SiteAgent.
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

// Finish an interrupted or watched update on deactivation, and when an administrator opens wp-admin.
register_deactivation_hook(
	SITEAGENT_FILE,
	static function (): void {
		siteagent_tidy_up();
	}
);
if ( is_admin() && ! wp_doing_ajax() ) {
	add_action(
		'admin_init',
		static function (): void {
			if ( is_dir( WP_CONTENT_DIR . '/siteagent-probation' ) && current_user_can( 'manage_options' ) ) {
				siteagent_tidy_up();
			}
		}
	);
}

// Load translations from languages/. WordPress before 6.8 does not find them by the plugin's headers. SiteAgent prints
// nothing on the pages of the site, so it loads none there.
if ( is_admin() || wp_doing_cron() || ( defined( 'WP_CLI' ) && WP_CLI ) ) {
	add_action(
		'init',
		static function (): void {
			load_plugin_textdomain( 'siteagent', false, dirname( plugin_basename( SITEAGENT_FILE ) ) . '/languages' );
		}
	);
}

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

// Answer a request from the dashboard as early as possible (class-siteagent-rest-controller.php).
if ( siteagent_is_called() ) {
	// Discard what other plugins print from here on.
	ob_start();
	add_action(
		'plugins_loaded',
		static function (): void {
			siteagent()->rest_controller()->handle_early();
		},
		0
	);
}

// Handle the site's own request to check for updates as in wp-admin (class-siteagent-admin-update-check.php).
if ( wp_doing_ajax() && isset( $_POST['action'], $_POST['secret'] ) && 'siteagent_check_updates' === $_POST['action'] && is_string( $_POST['secret'] ) ) { // phpcs:ignore WordPress.Security.NonceVerification -- a secret that works once takes its place.
	Siteagent_Admin_Update_Check::accept_request( wp_unslash( $_POST['secret'] ) ); // phpcs:ignore WordPress.Security.ValidatedSanitizedInput, WordPress.Security.NonceVerification -- hashed and compared.
}
// The route announces the address, and handles requests that were not recognized early. Other requests to the REST API
// load nothing more of SiteAgent.
add_action(
	'rest_api_init',
	static function (): void {
		register_rest_route(
			'siteagent/v1',
			'/rpc',
			array(
				'methods'             => 'POST',
				'callback'            => static function (): WP_REST_Response {
					return siteagent()->rest_controller()->handle_rest_request();
				},
				'permission_callback' => static function () {
					return siteagent()->rest_controller()->check_permission();
				},
				'show_in_index'       => false,
			)
		);
		add_filter(
			'rest_authentication_errors',
			static function ( $result ) {
				return is_wp_error( $result ) ? siteagent()->rest_controller()->clear_authentication_error( $result ) : $result;
			},
			PHP_INT_MAX
		);
		add_filter(
			'rest_pre_serve_request',
			static function ( $served, $result, $request ) {
				return '/siteagent/v1/rpc' === $request->get_route() ? siteagent()->rest_controller()->serve_response( $served ) : $served;
			},
			PHP_INT_MAX,
			3
		);
	}
);

// Record when WordPress first lists each release, also between two reports (class-siteagent-release-sights.php).
// Its names are repeated here, so that a visitor's page need not load the class.
foreach ( array( 'plugin' => 'update_plugins', 'theme' => 'update_themes', 'core' => 'update_core' ) as $siteagent_kind => $siteagent_transient ) {
	add_action(
		"set_site_transient_$siteagent_transient",
		static function ( $siteagent_list ) use ( $siteagent_kind ): void {
			siteagent()->release_sights()->record_list( $siteagent_kind, $siteagent_list, time() );
		}
	);
}
unset( $siteagent_kind, $siteagent_transient );

// E-mail to the owner: queued when something is logged, sent by WP-Cron.
add_action(
	'siteagent_logged',
	static function ( $event, $facts, $actor ): void {
		siteagent()->email_notifications()->queue_logged( $event, $facts, $actor );
	},
	10,
	3
);
add_action(
	'siteagent_approval_requested',
	static function (): void {
		siteagent()->email_notifications()->queue_approval_request();
	}
);
add_action(
	'siteagent_send_email',
	static function (): void {
		siteagent()->email_notifications()->send( time() );
	}
);

// Copies of former versions are removed after two weeks.
add_action(
	'siteagent_remove_expired_copies',
	static function (): void {
		Siteagent_Kept_Copies::remove_expired( time() );
	}
);

// The daily comparison of files with their releases.
add_action(
	'siteagent_check_files',
	static function (): void {
		Siteagent_File_Check::run_slice( time() );
	}
);

// Updates of SiteAgent itself: only signed releases from the dashboard, no matter who asks for them.
add_filter(
	'update_plugins_siteagent.invalid',
	static function ( $update, $plugin_data, $plugin_file ) {
		return siteagent()->self_update()->find_update( $update, $plugin_data, $plugin_file );
	},
	10,
	3
);
add_filter(
	'pre_set_site_transient_update_plugins',
	static function ( $updates ) {
		return siteagent()->self_update()->remove_unsigned_update( $updates );
	},
	PHP_INT_MAX
);
add_filter(
	'upgrader_pre_download',
	static function ( $reply, $package, $upgrader, $hook_extra = array() ) {
		return siteagent()->self_update()->verify_package( $reply, $package, $upgrader, $hook_extra );
	},
	PHP_INT_MAX,
	4
);
add_filter(
	'http_request_args',
	static function ( $arguments, $url ) {
		return 1 === preg_match( '~/siteagent/[0-9a-f]{64}\.zip\z~', (string) $url ) ? siteagent()->self_update()->allow_private_dashboard( $arguments, (string) $url ) : $arguments;
	},
	10,
	2
);
add_filter(
	'siteagent_allow_insecure_package',
	static function ( $is_allowed, $address ) {
		return siteagent()->self_update()->allow_http( $is_allowed, $address );
	},
	10,
	2
);
add_filter(
	'plugins_api',
	static function ( $result, $action, $arguments ) {
		return siteagent()->self_update()->plugin_details( $result, $action, $arguments );
	},
	10,
	3
);

// WordPress's page of all options must not overwrite these.
add_action(
	'load-options.php',
	static function (): void {
		foreach ( array( 'siteagent', 'siteagent_log', 'siteagent_unauthenticated', 'siteagent_last_report', 'siteagent_files' ) as $name ) {
			add_filter(
				"pre_update_option_{$name}",
				static function ( $value, $before ) {
					return $before;
				},
				PHP_INT_MAX,
				2
			);
		}
	}
);

// Capabilities of the settings page.
add_filter(
	'map_meta_cap',
	static function ( $caps, $cap, $user_id, $arguments ) {
		return 0 === strpos( (string) $cap, 'siteagent_' ) ? Siteagent_Capabilities::map_meta_cap( $caps, $cap, $user_id, $arguments ) : $caps;
	},
	10,
	4
);

// A page that the site requests from itself (class-siteagent-loopback-check.php) reports the end of its theme.
if ( isset( $_GET['wp_scrape_key'] ) && is_string( $_GET['wp_scrape_key'] ) ) { // phpcs:ignore WordPress.Security -- the caller's own key, in letters and digits.
	add_action(
		'wp_footer',
		static function (): void {
			echo '<!-- siteagent-rendered:' . sanitize_key( $_GET['wp_scrape_key'] ) . " -->\n"; // phpcs:ignore WordPress.Security -- sanitize_key() leaves letters, digits, dashes and underscores.
		},
		PHP_INT_MAX
	);
}

// The settings page, its forms, Site Health, and WordPress's privacy tools. Each object is created when its hook
// runs.
if ( is_admin() ) {
	$siteagent_hooks = array(
		array( 'admin_menu', 'admin_menu', 'add' ),
		array( 'network_admin_menu', 'admin_menu', 'add_to_network' ),
		array( 'activate_siteagent/siteagent.php', 'settings_page', 'open_after_activation' ),
		array( 'load-settings_page_siteagent', 'settings_page', 'prepare' ),
		array( 'plugin_action_links_siteagent/siteagent.php', 'admin_menu', 'add_settings_link' ),
		array( 'network_admin_plugin_action_links_siteagent/siteagent.php', 'admin_menu', 'add_settings_link' ),
		array( 'load-index.php', 'admin_notices', 'add' ),
		array( 'load-plugins.php', 'admin_notices', 'add' ),
		array( 'site_status_tests', 'site_health', 'add_tests' ),
		array( 'wp_ajax_health-check-siteagent-loopback', 'site_health', 'send_loopback_result' ),
		array( 'wp_privacy_personal_data_exporters', 'privacy', 'add_exporter' ),
		array( 'wp_privacy_personal_data_erasers', 'privacy', 'add_eraser' ),
		array( 'admin_post_siteagent_read_token', 'settings_actions', 'read_token' ),
		array( 'admin_post_siteagent_accept', 'settings_actions', 'accept' ),
		array( 'admin_post_siteagent_cancel', 'settings_actions', 'cancel' ),
		array( 'admin_post_siteagent_disconnect', 'settings_actions', 'disconnect' ),
		array( 'admin_post_siteagent_moved', 'settings_actions', 'resolve_address_change' ),
		array( 'admin_post_siteagent_accept_audit_log', 'settings_actions', 'accept_history' ),
		array( 'admin_post_siteagent_export_log', 'settings_actions', 'export_log' ),
		array( 'admin_post_siteagent_permissions', 'settings_actions', 'save_permissions' ),
		array( 'admin_post_siteagent_notifications', 'settings_actions', 'save_notifications' ),
		array( 'admin_post_siteagent_decide', 'settings_actions', 'decide_update' ),
		array( 'admin_post_siteagent_pause', 'limits_actions', 'pause' ),
		array( 'admin_post_siteagent_resume', 'limits_actions', 'resume' ),
		array( 'admin_post_siteagent_window', 'limits_actions', 'save_window' ),
		array( 'admin_post_siteagent_min_age', 'limits_actions', 'save_min_age' ),
		array( 'admin_post_siteagent_exclusions', 'limits_actions', 'save_exclusions' ),
		array( 'admin_post_siteagent_restore', 'restore_action', 'restore' ),
	);
	if ( ! wp_doing_ajax() ) {
		$siteagent_hooks[] = array( 'admin_init', 'privacy_policy', 'add_text' );
	}
	foreach ( $siteagent_hooks as list( $siteagent_hook, $siteagent_part, $siteagent_method ) ) {
		add_filter(
			$siteagent_hook,
			static function ( $value = null ) use ( $siteagent_part, $siteagent_method ) {
				return siteagent()->$siteagent_part()->$siteagent_method( $value );
			}
		);
	}
	unset( $siteagent_hooks, $siteagent_hook, $siteagent_part, $siteagent_method );
}

// The WP-CLI commands. Created after WordPress has loaded, because the log needs functions that plugins cannot use
// earlier.
if ( defined( 'WP_CLI' ) && WP_CLI ) {
	WP_CLI::add_hook(
		'after_wp_load',
		static function (): void {
			WP_CLI::add_command( 'siteagent audit', siteagent()->cli_command() );
			foreach ( array( 'pause', 'resume', 'status' ) as $name ) {
				WP_CLI::add_command( "siteagent $name", array( siteagent()->updates_command(), $name ) );
			}
		}
	);
}
