<?php
/**
 * Packages that sellers' updaters provide.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Applies the filters of WordPress's own upgrader, and recognizes downloads that are no package.
 */
final class Siteagent_Premium_Package {

	/**
	 * Returns the download URL after the filters of sellers' updaters.
	 *
	 * @param Siteagent_Component $component The component.
	 * @param string              $package   The URL in WordPress's list of updates.
	 * @return array{0:string,1:string|false|WP_Error} The URL; and the file, if an updater downloaded it already.
	 */
	public static function resolve( Siteagent_Component $component, string $package ): array {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		$is_plugin = 'plugin' === $component->kind();
		$skin      = new WP_Ajax_Upgrader_Skin();
		$upgrader  = $is_plugin ? new Plugin_Upgrader( $skin ) : new Theme_Upgrader( $skin );
		$upgrader->init();
		$upgrader->upgrade_strings();
		if ( $is_plugin ) {
			$skin->plugin_info = get_plugin_data( WP_PLUGIN_DIR . '/' . $component->id(), false, false );
		} else {
			$skin->theme_info = wp_get_theme( $component->id() );
		}
		$extra   = array( $component->kind() => $component->id() );
		$options = array(
			'package'                     => Siteagent_Component::FETCHED_BY_PLUGIN === $package ? true : $package,
			'destination'                 => dirname( $component->folder() ),
			'clear_destination'           => true,
			'clear_working'               => true,
			'abort_if_destination_exists' => true,
			'is_multi'                    => true,
			'hook_extra'                  => $extra,
		);
		/** This filter is documented in wp-admin/includes/class-wp-upgrader.php */
		$options = apply_filters( 'upgrader_package_options', $options );
		$address = isset( $options['package'] ) ? $options['package'] : '';
		/** This filter is documented in wp-admin/includes/class-wp-upgrader.php */
		$file = apply_filters( 'upgrader_pre_download', false, $address, $upgrader, $extra );
		if ( is_wp_error( $file ) ) {
			return array( '', $file );
		}
		return array( is_string( $address ) ? $address : '', is_string( $file ) && is_file( $file ) ? $file : false );
	}

	/**
	 * Whether a downloaded file is a ZIP archive. Without a valid license, sellers' servers often answer with a web
	 * page.
	 */
	public static function is_archive( string $file ): bool {
		return 'PK' === (string) file_get_contents( $file, false, null, 0, 2 );
	}
}
