<?php
/**
 * The site asks itself for its front page, and after a change of SiteAgent for a signed answer too.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Three answers: ok, fatal, could_not_tell. WordPress writes at the end of a page whether it ended in
 * an error, when it is asked with a key it knows; that word counts and nothing else. A page
 * from a cache, a captcha, a login or a host that does not reach itself says nothing either way.
 */
final class Siteagent_Probe {

	const OK             = 'ok';
	const FATAL          = 'fatal';
	const COULD_NOT_TELL = 'could_not_tell';

	/** From best to worst. */
	const ORDER = array( self::OK, self::COULD_NOT_TELL, self::FATAL );

	const TIMEOUT_S = 10;
	const HOPS      = 3;
	const MAX_BYTES = 4194304;

	/** An answer that could not tell is asked for again: a busy host is no finding. */
	const ATTEMPTS = 2;

	/** @var Siteagent_Echo|null */
	private $echo;

	/** @var bool */
	private $is_silent = false;

	/**
	 * @param Siteagent_Echo|null $echo Whom to ask besides; without an answer a look could not tell.
	 */
	public function __construct( ?Siteagent_Echo $echo = null ) {
		$this->echo = $echo;
	}

	public static function is_worse( string $after, string $before ): bool {
		return array_search( $after, self::ORDER, true ) > array_search( $before, self::ORDER, true );
	}

	public function look(): string {
		$seen            = $this->front_page();
		$this->is_silent = self::FATAL !== $seen && null !== $this->echo && ! $this->echo->is_heard();
		return $this->is_silent ? self::COULD_NOT_TELL : $seen;
	}

	/**
	 * Whether at the last look nobody answered who was asked besides.
	 */
	public function is_silent(): bool {
		return $this->is_silent;
	}

	private function front_page(): string {
		$seen = self::COULD_NOT_TELL;
		for ( $attempt = 0; $attempt < self::ATTEMPTS && self::COULD_NOT_TELL === $seen; $attempt++ ) {
			$seen = $this->ask( home_url( '/' ) );
		}
		return $seen;
	}

	private function ask( string $address ): string {
		// As WordPress's own editor does before it believes a changed file (wp_start_scraping_edited_file_errors()).
		$key   = md5( random_bytes( 16 ) );
		$nonce = bin2hex( random_bytes( 16 ) );
		set_transient( 'scrape_key_' . $key, $nonce, MINUTE_IN_SECONDS );
		try {
			for ( $hop = 0; $hop < self::HOPS; $hop++ ) {
				$answer = $this->get( $address, $key, $nonce );
				$next   = $this->leads_to( $answer, $address );
				if ( null === $next ) {
					return $this->judge( $answer, $key );
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
	 * @param array|WP_Error $answer As WordPress gave it.
	 */
	private function leads_to( $answer, string $from ): ?string {
		$status = (int) wp_remote_retrieve_response_code( $answer );
		$there  = wp_remote_retrieve_header( $answer, 'location' );
		if ( $status < 300 || $status > 399 || ! is_string( $there ) || '' === $there ) {
			return null;
		}
		$there = WP_Http::make_absolute_url( $there, $from );
		$same  = strtolower( (string) wp_parse_url( $there, PHP_URL_HOST ) ) === strtolower( (string) wp_parse_url( $from, PHP_URL_HOST ) );
		return $same ? remove_query_arg( array( 'wp_scrape_key', 'wp_scrape_nonce' ), $there ) : null;
	}

	/**
	 * @param array|WP_Error $answer As WordPress gave it.
	 */
	private function judge( $answer, string $key ): string {
		$status = (int) wp_remote_retrieve_response_code( $answer );
		$shape  = "~###### wp_scraping_result_start:$key ######\s*(.+?)\s*###### wp_scraping_result_end:$key ######~s";
		if ( 1 !== preg_match( $shape, wp_remote_retrieve_body( $answer ), $found ) || ( $status >= 300 && $status < 400 ) ) {
			return self::COULD_NOT_TELL;
		}
		// A page that WordPress itself ends with a server error is as broken, if nothing crashed.
		return 'true' === $found[1] && $status < 500 ? self::OK : self::FATAL;
	}
}
