<?php
/**
 * Checks for updates in wp-admin, where sellers' updaters run.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * The site sends a request to its own admin-ajax.php, with a secret that is valid once and for a minute.
 *
 * In that request WordPress is in wp-admin (`is_admin()`, `admin_init`) and runs scheduled work (`DOING_CRON`). No
 * user is logged in. The request only checks for updates and stores what wp-admin would show. Its response holds
 * nothing but a proof that this was done.
 */
final class Siteagent_Admin_Update_Check {

	const ACTION = 'siteagent_check_updates';

	/** Updates found by the last such request that are not in WordPress's own lists. */
	const RESULT_TRANSIENT = 'siteagent_admin_updates';

	/** The hash of the secret of a request under way. */
	const SECRET_TRANSIENT = 'siteagent_admin_check';

	/** How long a result is used, unless WordPress has checked since. */
	const FRESH_S = HOUR_IN_SECONDS;

	/** How long to wait after a failure, because each attempt may cost the whole timeout. */
	const RETRY_S = 6 * HOUR_IN_SECONDS;

	/**
	 * Checks the given lists in wp-admin, and reads what wp-admin shows in addition to them.
	 *
	 * @param string[] $names   Names of Siteagent_Update_Transient; empty to only read.
	 * @param int      $timeout Timeout in seconds.
	 * @return bool Whether it succeeded.
	 */
	public static function request_check( array $names, int $timeout ): bool {
		$result = self::last_result();
		if ( $timeout < 1 || time() - $result['failed_at'] < self::RETRY_S ) {
			return false;
		}
		$secret = bin2hex( random_bytes( 32 ) );
		set_site_transient( self::SECRET_TRANSIENT, hash( 'sha256', $secret ), MINUTE_IN_SECONDS );
		$headers = array( 'Cache-Control' => 'no-cache' );
		if ( isset( $_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'] ) ) {
			// WordPress's Site Health does the same for a site behind HTTP authentication.
			$headers['Authorization'] = 'Basic ' . base64_encode( wp_unslash( $_SERVER['PHP_AUTH_USER'] ) . ':' . wp_unslash( $_SERVER['PHP_AUTH_PW'] ) ); // phpcs:ignore WordPress.Security.ValidatedSanitizedInput, WordPress.PHP.DiscouragedPHPFunctions -- passed on to the same server as it came.
		}
		$response = wp_remote_post(
			admin_url( 'admin-ajax.php' ),
			array(
				'timeout'     => $timeout,
				'redirection' => 0,
				'headers'     => $headers,
				'body'        => array(
					'action' => self::ACTION,
					'secret' => $secret,
					'lists'  => implode( ',', $names ),
				),
				/** This filter is documented in wp-includes/class-wp-http-streams.php */
				'sslverify'   => apply_filters( 'https_local_ssl_verify', false ),
			)
		);
		delete_site_transient( self::SECRET_TRANSIENT );
		foreach ( Siteagent_Update_Transient::all() as $list ) {
			$list->clear_cache();
		}
		Siteagent_Update_Transient::clear_transient_cache( self::RESULT_TRANSIENT );
		$is_done = false !== strpos( wp_remote_retrieve_body( $response ), self::proof( $secret ) );
		if ( ! $is_done ) {
			set_site_transient( self::RESULT_TRANSIENT, array( 'failed_at' => time() ) + $result, DAY_IN_SECONDS );
		}
		return $is_done;
	}

	/**
	 * Whether there is a recent result, and WordPress's lists have not changed since.
	 */
	public static function is_fresh( int $now ): bool {
		$result = self::last_result();
		return $now - $result['at'] < self::FRESH_S && self::checked_at() === $result['checked_at'];
	}

	/**
	 * Whether the last request failed, so that updates may be missing.
	 */
	public static function has_failed(): bool {
		return 0 !== self::last_result()['failed_at'];
	}

	/**
	 * Adds the result of the last request to WordPress's lists, for the rest of this request.
	 */
	public static function include_last_result(): void {
		foreach ( array_keys( Siteagent_Update_Transient::all() ) as $name ) {
			$filter = array( self::class, "add_missing_$name" );
			if ( ! has_filter( "site_transient_update_$name", $filter ) ) {
				add_filter( "site_transient_update_$name", $filter, PHP_INT_MAX );
			}
		}
	}

	/**
	 * @param mixed $list The list of updates.
	 * @return mixed
	 */
	public static function add_missing_plugins( $list ) {
		return self::add_missing_updates( $list, Siteagent_Update_Transient::PLUGINS );
	}

	/**
	 * @param mixed $list The list of updates.
	 * @return mixed
	 */
	public static function add_missing_themes( $list ) {
		return self::add_missing_updates( $list, Siteagent_Update_Transient::THEMES );
	}

	/**
	 * Handles the site's own request, as soon as plugins load. Does nothing for a wrong secret.
	 */
	public static function accept_request( string $secret ): void {
		$expected = get_site_transient( self::SECRET_TRANSIENT );
		if ( ! is_string( $expected ) || ! hash_equals( $expected, hash( 'sha256', $secret ) ) || ! delete_site_transient( self::SECRET_TRANSIENT ) ) {
			return;
		}
		// This request may take so long, even before the check, that its sender gives up and updates SiteAgent meanwhile.
		siteagent_load_classes();
		if ( ! defined( 'DOING_CRON' ) ) {
			define( 'DOING_CRON', true );
		}
		// WordPress would check here as well, and drop the updates that this request keeps.
		remove_action( 'admin_init', '_maybe_update_core' );
		remove_action( 'admin_init', '_maybe_update_plugins' );
		remove_action( 'admin_init', '_maybe_update_themes' );
		add_action(
			'admin_init',
			static function () use ( $secret ): void {
				self::handle_request( $secret );
			},
			PHP_INT_MAX
		);
	}

	/**
	 * Checks for updates, stores the result and ends the request.
	 *
	 * @return never
	 */
	private static function handle_request( string $secret ): void {
		wp_raise_memory_limit( 'admin' );
		$requested = isset( $_POST['lists'] ) && is_string( $_POST['lists'] ) ? explode( ',', wp_unslash( $_POST['lists'] ) ) : array(); // phpcs:ignore WordPress.Security.NonceVerification, WordPress.Security.ValidatedSanitizedInput -- the secret was checked; compared with fixed names.
		$updates   = array();
		foreach ( Siteagent_Update_Transient::all() as $name => $list ) {
			if ( in_array( $name, $requested, true ) ) {
				$list->check();
			}
			$updates[ $name ] = array_diff_key( $list->updates(), $list->stored(), array( plugin_basename( SITEAGENT_FILE ) => true ) );
		}
		$result = array(
			'at'         => time(),
			'failed_at'  => 0,
			'checked_at' => self::checked_at(),
		);
		set_site_transient( self::RESULT_TRANSIENT, $result + $updates, DAY_IN_SECONDS );
		header( 'Content-Type: text/plain; charset=utf-8' );
		echo esc_html( self::proof( $secret ) );
		exit;
	}

	/**
	 * @param mixed  $list The list of updates.
	 * @param string $name Name of the list.
	 * @return mixed
	 */
	private static function add_missing_updates( $list, string $name ) {
		$result = self::last_result()[ $name ];
		if ( is_object( $list ) && array() !== $result ) {
			$list           = clone $list;
			$now            = isset( $list->response ) ? (array) $list->response : array();
			$list->response = $now + ( Siteagent_Update_Transient::THEMES === $name ? array_map( 'get_object_vars', $result ) : $result );
		}
		return $list;
	}

	/**
	 * @return array{at:int,failed_at:int,checked_at:int[],plugins:array<string,object>,themes:array<string,object>}
	 */
	private static function last_result(): array {
		$result = get_site_transient( self::RESULT_TRANSIENT );
		$none   = array(
			'at'         => 0,
			'failed_at'  => 0,
			'checked_at' => array(),
			'plugins'    => array(),
			'themes'     => array(),
		);
		return is_array( $result ) ? $result + $none : $none;
	}

	/**
	 * @return int[]
	 */
	private static function checked_at(): array {
		$both = Siteagent_Update_Transient::all();
		return array( $both['plugins']->checked_at(), $both['themes']->checked_at() );
	}

	/**
	 * Returns the proof for the owner of the secret that the request was handled.
	 */
	private static function proof( string $secret ): string {
		return hash( 'sha256', "checked\n$secret" );
	}
}
