<?php
/**
 * What every form of the settings page does.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Checks capability and nonce before an action, shows its result and redirects.
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
	 * Returns the texts in a field of the form, by their keys; a single text as the only one. Call authorize() before.
	 *
	 * @return string[]
	 */
	private function posted_texts( string $field ): array {
		return isset( $_POST[ $field ] ) ? array_filter( (array) wp_unslash( $_POST[ $field ] ), 'is_string' ) : array(); // phpcs:ignore WordPress.Security -- authorize() checks the nonce; the caller compares or cleans the texts.
	}

	/**
	 * Runs an action and shows its result on the next page. A database that cannot be written to must not end in an
	 * error page.
	 *
	 * @param callable $action fn(): string returns a key of Siteagent_Messages::notice(), or an empty string.
	 */
	private function run_and_notify( callable $action ): void {
		try {
			$notice = $action();
		} catch ( Throwable $error ) {
			$this->log_error( $error );
			$notice = 'not_saved';
		}
		if ( '' !== $notice ) {
			( new Siteagent_Flash_Store() )->set_notice( $notice );
		}
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
		$url = Siteagent_Settings_Page::url( $query );
		add_filter(
			'allowed_redirect_hosts',
			static function ( $hosts ) use ( $url ): array {
				// wp-admin may have another host than the pages of the site, and WordPress allows only the latter.
				return array_merge( (array) $hosts, array( (string) wp_parse_url( $url, PHP_URL_HOST ) ) );
			}
		);
		wp_safe_redirect( $url, 303 );
		exit;
	}
}
