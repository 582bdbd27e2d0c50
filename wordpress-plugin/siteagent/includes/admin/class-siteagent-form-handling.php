<?php
/**
 * What every form of SiteAgent in wp-admin does.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Checks who submitted a form, names them for the log, and redirects.
 */
trait Siteagent_Form_Handling {

	/**
	 * Ends the request unless an authorized administrator submitted this form.
	 */
	private function authorize( string $action, string $capability = '' ): void {
		if ( ! current_user_can( '' === $capability ? Siteagent_Capabilities::MANAGE : $capability ) ) {
			wp_die( esc_html__( 'Sorry, you are not allowed to do that.', 'siteagent' ), '', array( 'response' => 403 ) );
		}
		if ( ! isset( $_SERVER['REQUEST_METHOD'] ) || 'POST' !== $_SERVER['REQUEST_METHOD'] ) {
			wp_die( esc_html__( 'Invalid request.', 'siteagent' ), '', array( 'response' => 405 ) );
		}
		check_admin_referer( $action );
	}

	/**
	 * Returns the present account by its id, because the log holds no names.
	 */
	private function actor(): string {
		return 'user:' . get_current_user_id();
	}

	private function log_error( Throwable $error ): void {
		error_log( 'SiteAgent: ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
	}

	/**
	 * @return never
	 */
	private function redirect( array $query = array() ): void {
		nocache_headers();
		wp_safe_redirect( Siteagent_Settings_Page::url( $query ), 303 );
		exit;
	}
}
