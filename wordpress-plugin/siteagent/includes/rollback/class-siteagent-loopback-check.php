<?php
/**
 * The site asks itself for some of its pages, and after an update of SiteAgent for a signed answer too.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Three answers: ok, fatal, could_not_tell. WordPress writes at the end of a page whether it ended in
 * an error, when it is asked with a key it knows; that word counts and nothing else. A page
 * from a cache, a captcha, a login or a host that does not reach itself says nothing either way.
 * Nor does a front page that ended before the theme had finished it: another plugin closed the site.
 */
final class Siteagent_Loopback_Check {

	const OK             = 'ok';
	const FATAL          = 'fatal';
	const COULD_NOT_TELL = 'could_not_tell';

	/** From best to worst. */
	const BEST_TO_WORST = array( self::OK, self::COULD_NOT_TELL, self::FATAL );

	const FRONT = 'front';

	const TIMEOUT_S = 10;
	const MAX_REDIRECTS      = 3;
	const MAX_BYTES = 4194304;

	/** An answer that could not tell is asked for again: a busy host is no finding. */
	const ATTEMPTS = 2;

	/** Written into the page once the theme has come to its end, before the key (hooks.php). */
	const RENDERED = 'siteagent-rendered:';

	/** @var Siteagent_Self_Ping|null */
	private $self_ping;

	/** @var bool */
	private $is_unanswered = false;

	/** @var array<string,string> What each page answered at the last look. */
	private $pages = array();

	/** @var array<string,string> The error with which a page ended at the last look. */
	private $errors = array();

	/** @var bool Whether the last answer came from code on disk, past every cache of compiled code. */
	private $is_fresh = false;

	/** @var bool Whether the last question got any answer over HTTP. */
	private $is_reachable = false;

	/**
	 * @param Siteagent_Self_Ping|null $self_ping Whom to ask besides; without an answer a look could not tell.
	 */
	public function __construct( ?Siteagent_Self_Ping $self_ping = null ) {
		$this->self_ping = $self_ping;
	}

	public static function is_worse( string $after, string $before ): bool {
		return array_search( $after, self::BEST_TO_WORST, true ) > array_search( $before, self::BEST_TO_WORST, true );
	}

	/**
	 * Look at the pages, before an update or after a rollback: the answer is the front page's, or fatal if any page is.
	 */
	public function check(): string {
		$this->request_pages();
		$result            = in_array( self::FATAL, $this->pages, true ) ? self::FATAL : $this->pages[ self::FRONT ];
		$this->is_unanswered = self::FATAL !== $result && null !== $this->self_ping && ! $this->self_ping->is_answered();
		return $this->is_unanswered ? self::COULD_NOT_TELL : $result;
	}

	/**
	 * Look at the pages after an update. A page that was broken before proves nothing about the new version, unless
	 * it breaks in the component now and did not before.
	 *
	 * @param array{pages?:array<string,string>,errors?:array<string,string>} $before As seen() told it before.
	 * @param string                                                         $folder The component's own folder.
	 */
	public function check_after_update( array $before, string $folder ): string {
		$result   = $this->check();
		$component_path = str_replace( ABSPATH, '', rtrim( $folder, '/' ) . '/' );
		foreach ( array_keys( $this->pages, self::FATAL, true ) as $page ) {
			$previous   = isset( $before['pages'][ $page ] ) ? $before['pages'][ $page ] : '';
			$error = isset( $before['errors'][ $page ] ) ? $before['errors'][ $page ] : '';
			if ( self::FATAL !== $previous || ( false !== strpos( $this->errors[ $page ], $component_path ) && false === strpos( $error, $component_path ) ) ) {
				return self::FATAL;
			}
		}
		if ( $this->is_unanswered || self::OK !== $this->pages[ self::FRONT ] ) {
			return self::COULD_NOT_TELL;
		}
		return self::FATAL === $result ? self::OK : $result;
	}

	/**
	 * What each page answered at the last look, and with which error it ended.
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
	 * The error with which the first broken page ended at the last look; empty when none showed.
	 */
	public function error(): string {
		return (string) reset( $this->errors );
	}

	/**
	 * Whether the pages of the last look were made by the code on disk.
	 */
	public function is_fresh(): bool {
		return $this->is_fresh;
	}

	/**
	 * Whether the site could ask itself at all at the last look.
	 */
	public function is_reachable(): bool {
		return $this->is_reachable;
	}

	/**
	 * Whether at the last look nobody answered who was asked besides.
	 */
	public function is_unanswered(): bool {
		return $this->is_unanswered;
	}

	/**
	 * Ask for the front page, the login page, a REST route and admin-ajax.php; for the others only where the first came through.
	 */
	private function request_pages(): void {
		$this->errors     = array();
		$this->is_fresh   = true;
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
			// With an action that WordPress itself answers to anybody: without one it ends before plugins are asked.
			'ajax'  => add_query_arg( 'action', 'heartbeat', admin_url( 'admin-ajax.php' ) ),
		);
		foreach ( $others as $page => $address ) {
			$this->pages[ $page ] = $this->request_page( $address, $page );
		}
	}

	private function request_page( string $address, string $page ): string {
		// As WordPress's own editor does before it believes a changed file (wp_start_scraping_edited_file_errors()).
		$key   = md5( random_bytes( 16 ) );
		$nonce = bin2hex( random_bytes( 16 ) );
		set_transient( 'scrape_key_' . $key, $nonce, MINUTE_IN_SECONDS );
		try {
			for ( $redirect = 0; $redirect < self::MAX_REDIRECTS; $redirect++ ) {
				$response = $this->get( $address, $key, $nonce );
				$next   = $this->redirect_target( $response, $address );
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
	 * Where a redirect within this site leads; null for every other answer.
	 *
	 * @param array|WP_Error $response As WordPress gave it.
	 */
	private function redirect_target( $response, string $from ): ?string {
		$status = (int) wp_remote_retrieve_response_code( $response );
		$location  = wp_remote_retrieve_header( $response, 'location' );
		if ( $status < 300 || $status > 399 || ! is_string( $location ) || '' === $location ) {
			return null;
		}
		$location = WP_Http::make_absolute_url( $location, $from );
		$same  = strtolower( (string) wp_parse_url( $location, PHP_URL_HOST ) ) === strtolower( (string) wp_parse_url( $from, PHP_URL_HOST ) );
		return $same ? remove_query_arg( array( 'wp_scrape_key', 'wp_scrape_nonce' ), $location ) : null;
	}

	/**
	 * @param array|WP_Error $response As WordPress gave it.
	 */
	private function evaluate_response( $response, string $key, string $page ): string {
		$status = (int) wp_remote_retrieve_response_code( $response );
		$body   = wp_remote_retrieve_body( $response );
		$shape  = "~###### wp_scraping_result_start:$key ######\s*(.+?)\s*###### wp_scraping_result_end:$key ######~s";
		if ( 1 !== preg_match( $shape, $body, $found ) || ( $status >= 300 && $status < 400 ) ) {
			return self::COULD_NOT_TELL;
		}
		$this->is_reachable = true;
		$this->is_fresh   = $this->is_fresh && 'disk' === wp_remote_retrieve_header( $response, 'x-siteagent-code' );
		if ( 'true' !== $found[1] ) {
			$this->errors[ $page ] = Siteagent_Error_Summary::summarize( (array) json_decode( $found[1], true ) );
			return self::FATAL;
		}
		// Nothing crashed, and yet it is no page: the site is closed, or a version closes it.
		if ( $status >= 500 ) {
			return self::COULD_NOT_TELL;
		}
		return self::FRONT === $page && false === strpos( $body, self::RENDERED . $key ) ? self::COULD_NOT_TELL : self::OK;
	}
}
