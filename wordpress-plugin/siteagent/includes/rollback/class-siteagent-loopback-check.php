<?php
/**
 * Requests of the site to its own pages, to find out whether they work.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Returns ok, fatal or could_not_tell.
 *
 * Asked with a key it knows, WordPress reports at the end of a page whether the page ended in an error. Only that
 * report counts. A page from a cache, a captcha, a login or a host that cannot reach itself says nothing. Neither
 * does a front page that ended before the theme had finished it, as when another plugin closed the site.
 */
final class Siteagent_Loopback_Check {

	const OK             = 'ok';
	const FATAL          = 'fatal';
	const COULD_NOT_TELL = 'could_not_tell';

	/** From best to worst. */
	const BEST_TO_WORST = array( self::OK, self::COULD_NOT_TELL, self::FATAL );

	const FRONT = 'front';

	const TIMEOUT_S     = 10;
	const MAX_REDIRECTS = 3;
	const MAX_BYTES     = 4194304;

	/** A request without a result is repeated, because the host may just be busy. */
	const ATTEMPTS = 2;

	/** Printed at the end of the theme, followed by the key (hooks.php). */
	const RENDERED = 'siteagent-rendered:';

	/** @var Siteagent_Self_Ping|null */
	private $self_ping;

	/** @var bool */
	private $is_unanswered = false;

	/** @var array<string,string> Result by page, from the last check. */
	private $pages = array();

	/** @var array<string,string> Error by page, from the last check. */
	private $errors = array();

	/** @var bool Whether the last result came from the code on disk, not from the opcode cache. */
	private $is_fresh = false;

	/** @var bool Whether the last request reached the site. */
	private $is_reachable = false;

	/**
	 * @param Siteagent_Self_Ping|null $self_ping A signed request that has to be answered as well; null for none.
	 */
	public function __construct( ?Siteagent_Self_Ping $self_ping = null ) {
		$this->self_ping = $self_ping;
	}

	public static function is_worse( string $after, string $before ): bool {
		return array_search( $after, self::BEST_TO_WORST, true ) > array_search( $before, self::BEST_TO_WORST, true );
	}

	/**
	 * Checks the pages before an update or after a rollback. Returns the result of the front page, or fatal if any
	 * page is fatal.
	 */
	public function check(): string {
		$this->request_pages();
		$result              = in_array( self::FATAL, $this->pages, true ) ? self::FATAL : $this->pages[ self::FRONT ];
		$this->is_unanswered = self::FATAL !== $result && null !== $this->self_ping && ! $this->self_ping->is_answered();
		return $this->is_unanswered ? self::COULD_NOT_TELL : $result;
	}

	/**
	 * Checks the pages after an update. A page that was broken before proves nothing about the new version, unless it
	 * now breaks in the component and did not before.
	 *
	 * @param array{pages?:array<string,string>,errors?:array<string,string>} $before As results() returned it before.
	 * @param string                                                          $folder Folder of the component.
	 */
	public function check_after_update( array $before, string $folder ): string {
		$result = $this->check();
		foreach ( array_keys( $this->pages, self::FATAL, true ) as $page ) {
			$previous = isset( $before['pages'][ $page ] ) ? $before['pages'][ $page ] : '';
			$error    = isset( $before['errors'][ $page ] ) ? $before['errors'][ $page ] : '';
			if ( self::FATAL !== $previous || ( self::names_folder( $this->errors[ $page ], $folder ) && ! self::names_folder( $error, $folder ) ) ) {
				return self::FATAL;
			}
		}
		if ( $this->is_unanswered || self::OK !== $this->pages[ self::FRONT ] ) {
			return self::COULD_NOT_TELL;
		}
		return self::FATAL === $result ? self::OK : $result;
	}

	/**
	 * Whether the error of a page names a file in a folder.
	 *
	 * @param string $error  As Siteagent_Error_Summary::summarize() returned it, without the paths of this server.
	 * @param string $folder Full path.
	 */
	private static function names_folder( string $error, string $folder ): bool {
		foreach ( array_filter( array( $folder, realpath( $folder ) ) ) as $path ) {
			$named = Siteagent_Upgrader::redact( rtrim( $path, '/' ) . '/' );
			if ( '' !== $named && false !== strpos( $error, $named ) ) {
				return true;
			}
		}
		return false;
	}

	/**
	 * Returns result and error of each page from the last check.
	 *
	 * @return array{pages:array<string,string>,errors:array<string,string>}
	 */
	public function results(): array {
		return array(
			'pages'  => $this->pages,
			'errors' => $this->errors,
		);
	}

	/**
	 * Returns the error of the first broken page of the last check; empty without one.
	 */
	public function error(): string {
		return (string) reset( $this->errors );
	}

	/**
	 * Whether the pages of the last check were made by the code on disk.
	 */
	public function is_fresh(): bool {
		return $this->is_fresh;
	}

	/**
	 * Whether the site could reach itself in the last check.
	 */
	public function is_reachable(): bool {
		return $this->is_reachable;
	}

	/**
	 * Whether the signed request of the last check was not answered.
	 */
	public function is_unanswered(): bool {
		return $this->is_unanswered;
	}

	/**
	 * Requests the front page and, if the site can reach itself, the login page, a REST route and admin-ajax.php.
	 */
	private function request_pages(): void {
		$this->errors       = array();
		$this->is_fresh     = true;
		$this->is_reachable = false;
		$result             = self::COULD_NOT_TELL;
		for ( $attempt = 0; $attempt < self::ATTEMPTS && self::COULD_NOT_TELL === $result; $attempt++ ) {
			$result = $this->request_page( home_url( '/' ), self::FRONT );
			if ( $this->is_reachable ) {
				break;
			}
		}
		$this->pages = array( self::FRONT => $result );
		if ( ! $this->is_reachable ) {
			return;
		}
		$others = array(
			'login' => wp_login_url(),
			'rest'  => rest_url( 'wp/v2/types/post' ),
			// An action that WordPress answers for everyone. Without one, admin-ajax.php ends before plugins act.
			'ajax'  => add_query_arg( 'action', 'heartbeat', admin_url( 'admin-ajax.php' ) ),
		);
		foreach ( $others as $page => $address ) {
			$this->pages[ $page ] = $this->request_page( $address, $page );
		}
	}

	private function request_page( string $address, string $page ): string {
		// WordPress's own editor does the same before it accepts a changed file (wp_start_scraping_edited_file_errors()).
		$key   = md5( random_bytes( 16 ) );
		$nonce = bin2hex( random_bytes( 16 ) );
		set_transient( 'scrape_key_' . $key, $nonce, MINUTE_IN_SECONDS );
		try {
			for ( $redirect = 0; $redirect < self::MAX_REDIRECTS; $redirect++ ) {
				$response = $this->get( $address, $key, $nonce );
				$next     = $this->redirect_target( $response, $address );
				if ( null === $next ) {
					return $this->evaluate_response( $response, $key, $page );
				}
				$address = $next;
			}
		} finally {
			delete_transient( 'scrape_key_' . $key );
		}
		return self::COULD_NOT_TELL;
	}

	/**
	 * @return array|WP_Error
	 */
	private function get( string $address, string $key, string $nonce ) {
		$query = array(
			'wp_scrape_key'   => $key,
			'wp_scrape_nonce' => $nonce,
		);
		return wp_remote_get(
			add_query_arg( $query, $address ),
			array(
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0,
				'limit_response_size' => self::MAX_BYTES,
				'headers'             => array( 'Cache-Control' => 'no-cache' ),
				/** This filter is documented in wp-includes/class-wp-http-streams.php */
				'sslverify'           => apply_filters( 'https_local_ssl_verify', false ),
			)
		);
	}

	/**
	 * Returns the target of a redirect within this site; null for any other response.
	 *
	 * @param array|WP_Error $response As WordPress returned it.
	 * @param string         $from     The requested URL.
	 */
	private function redirect_target( $response, string $from ): ?string {
		$status   = (int) wp_remote_retrieve_response_code( $response );
		$location = wp_remote_retrieve_header( $response, 'location' );
		if ( $status < 300 || $status > 399 || ! is_string( $location ) || '' === $location ) {
			return null;
		}
		$location = WP_Http::make_absolute_url( $location, $from );
		$same     = strtolower( (string) wp_parse_url( $location, PHP_URL_HOST ) ) === strtolower( (string) wp_parse_url( $from, PHP_URL_HOST ) );
		return $same ? remove_query_arg( array( 'wp_scrape_key', 'wp_scrape_nonce' ), $location ) : null;
	}

	/**
	 * Returns the result of a page, and keeps its error.
	 *
	 * @param array|WP_Error $response As WordPress returned it.
	 * @param string         $key      The key of the request.
	 * @param string         $page     Name of the page.
	 */
	private function evaluate_response( $response, string $key, string $page ): string {
		$status = (int) wp_remote_retrieve_response_code( $response );
		$body   = wp_remote_retrieve_body( $response );
		$shape  = "~###### wp_scraping_result_start:$key ######\s*(.+?)\s*###### wp_scraping_result_end:$key ######~s";
		if ( 1 !== preg_match( $shape, $body, $found ) || ( $status >= 300 && $status < 400 ) ) {
			return self::COULD_NOT_TELL;
		}
		$this->is_reachable = true;
		$this->is_fresh     = $this->is_fresh && 'disk' === wp_remote_retrieve_header( $response, 'x-siteagent-code' );
		if ( 'true' !== $found[1] ) {
			$this->errors[ $page ] = Siteagent_Error_Summary::summarize( (array) json_decode( $found[1], true ) );
			return self::FATAL;
		}
		// There was no fatal error, and yet no page: the site is closed, or the new version closes it.
		if ( $status >= 500 ) {
			return self::COULD_NOT_TELL;
		}
		return self::FRONT === $page && false === strpos( $body, self::RENDERED . $key ) ? self::COULD_NOT_TELL : self::OK;
	}
}
