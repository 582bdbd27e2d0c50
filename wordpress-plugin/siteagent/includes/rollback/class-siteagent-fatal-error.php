<?php
/**
 * A fatal error that ended a request while an update is watched.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- WP_Filesystem needs credentials on some hosts and is missing after a fatal error.
// phpcs:disable WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- a call that fails returns false; a warning could end up in a page.

/**
 * Decides whether an error proves that the new version is broken.
 *
 * Anyone can cause an error with a crafted request, also in the old version. So the front page decides, requested
 * the way an ordinary visitor does.
 */
final class Siteagent_Fatal_Error {

	const TYPES = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

	/** Errors of resource limits, which hit whichever file is running. */
	const RESOURCE_LIMIT = '/^(Allowed memory size of|Out of memory|Maximum execution time of|Maximum call stack size)/';

	/** Frames of the stack trace to look at. The first one is often a function of PHP or WordPress. */
	const TRACE_FRAMES = 2;

	/** Errors that the old version had as well, one hash per line. */
	const KNOWN_ERRORS_FILE = 'known-errors';

	/** The last result of the front page and how long it counts, so that hostile requests do not multiply. */
	const LAST_RESULT_FILE = 'asked';
	const LAST_RESULT_S    = 10;

	/** Exists once a visitor got the front page from the new version. */
	const FRONT_PAGE_OK_FILE = 'seen-well';

	/** Counts front pages that ended with the same error, for a site that cannot reach itself. */
	const COUNT_PREFIX    = 'count-';
	const COUNT_THRESHOLD = 3;

	const TIMEOUT_S = 10;

	/** @var array{type:int,message:string,file:string,line:int}|array{} As error_get_last() returned it. */
	private $error;

	/** @var string Folder of the run. */
	private $folder;

	/** @var string[] Folder of the component, with a trailing slash: its path, and the one without links that PHP names. */
	private $targets;

	public function __construct( array $error, string $folder, string $target ) {
		$this->error   = $error;
		$this->folder  = $folder;
		$target        = rtrim( $target, '/' );
		$this->targets = array( $target . '/', @realpath( dirname( $target ) ) . '/' . basename( $target ) . '/' );
	}

	/**
	 * Whether the site sent this request to itself. It carries a secret, so only the site can send one.
	 */
	public static function is_loopback_request(): bool {
		// phpcs:disable WordPress.Security.NonceVerification, WordPress.Security.ValidatedSanitizedInput -- compared with a secret.
		if ( ! isset( $_GET['wp_scrape_key'], $_GET['wp_scrape_nonce'] ) || ! is_string( $_GET['wp_scrape_key'] ) || ! is_string( $_GET['wp_scrape_nonce'] ) ) {
			return false;
		}
		$secret = get_transient( 'scrape_key_' . substr( sanitize_key( $_GET['wp_scrape_key'] ), 0, 32 ) );
		return is_string( $secret ) && hash_equals( $secret, $_GET['wp_scrape_nonce'] );
		// phpcs:enable WordPress.Security.NonceVerification, WordPress.Security.ValidatedSanitizedInput
	}

	/**
	 * Stores an error of the old version, so that it is not blamed on the new one.
	 */
	public function record_known_error(): void {
		if ( $this->is_caused_by_component() ) {
			@file_put_contents( $this->path( self::KNOWN_ERRORS_FILE ), $this->fingerprint() . "\n", FILE_APPEND );
		}
	}

	/**
	 * Whether the error proves that the new version is broken.
	 */
	public function proves_failure(): bool {
		if ( ! $this->is_fatal() ) {
			if ( self::is_plain_front_page() && did_action( 'wp_footer' ) > 0 ) {
				$this->write_file( self::FRONT_PAGE_OK_FILE, '' );
			}
			return false;
		}
		if ( ! $this->is_caused_by_component() || $this->is_known() ) {
			return false;
		}
		$result = $this->front_page_result();
		if ( 'could_not_tell' !== $result ) {
			return 'fatal' === $result;
		}
		// The site cannot reach itself. A visitor's plain front page decides, unless another visitor got it from this
		// version.
		if ( ! self::is_plain_front_page() || is_file( $this->path( self::FRONT_PAGE_OK_FILE ) ) ) {
			return false;
		}
		return 0 === did_action( 'wp_loaded' ) || $this->increment_count() >= self::COUNT_THRESHOLD;
	}

	private function is_fatal(): bool {
		return isset( $this->error['type'] ) && 0 !== ( $this->error['type'] & self::TYPES ) && 1 !== preg_match( self::RESOURCE_LIMIT, (string) $this->error['message'] );
	}

	/**
	 * Whether the error happened in the component, or in code that the component called.
	 */
	private function is_caused_by_component(): bool {
		if ( ! $this->is_fatal() ) {
			return false;
		}
		preg_match_all( '/^#\d+ (\S.*?)\(\d+\): /m', (string) $this->error['message'], $frames );
		foreach ( array_merge( array( (string) $this->error['file'] ), array_slice( $frames[1], 0, self::TRACE_FRAMES ) ) as $file ) {
			foreach ( $this->targets as $target ) {
				if ( 0 === strpos( $file, $target ) ) {
					return true;
				}
			}
		}
		return false;
	}

	private function is_known(): bool {
		$known = @file( $this->path( self::KNOWN_ERRORS_FILE ), FILE_IGNORE_NEW_LINES );
		return is_array( $known ) && in_array( $this->fingerprint(), $known, true );
	}

	/**
	 * Returns a hash of the error that is the same in another version, where the line number differs.
	 */
	private function fingerprint(): string {
		$first = (string) strtok( (string) $this->error['message'], "\n" );
		return hash( 'sha256', basename( (string) $this->error['file'] ) . "\n" . preg_replace( '/\d+/', '', $first ) );
	}

	/**
	 * Requests the front page as a visitor does, with a key for which WordPress reports whether the page ended in an
	 * error.
	 *
	 * @return string ok, fatal or could_not_tell.
	 */
	private function front_page_result(): string {
		$last = $this->path( self::LAST_RESULT_FILE );
		if ( is_file( $last ) && time() - (int) filemtime( $last ) < self::LAST_RESULT_S ) {
			return (string) file_get_contents( $last );
		}
		$this->write_file( self::LAST_RESULT_FILE, 'could_not_tell' );
		$result = $this->request_front_page();
		if ( 'fatal' === $result && 'fatal' === @file_get_contents( $this->path( Siteagent_Rollback_Watchdog::STATE_BEFORE ) ) ) {
			// The front page was already broken before the update.
			$result = 'could_not_tell';
		}
		$this->write_file( self::LAST_RESULT_FILE, $result );
		return $result;
	}

	private function request_front_page(): string {
		$key   = md5( random_bytes( 16 ) );
		$nonce = bin2hex( random_bytes( 16 ) );
		set_transient( 'scrape_key_' . $key, $nonce, MINUTE_IN_SECONDS );
		$address = add_query_arg( array( 'wp_scrape_key' => $key, 'wp_scrape_nonce' => $nonce ), home_url( '/' ) );
		/** This filter is documented in wp-includes/class-wp-http-streams.php */
		$verify = apply_filters( 'https_local_ssl_verify', false );
		$result = wp_remote_get( $address, array( 'timeout' => self::TIMEOUT_S, 'redirection' => 0, 'sslverify' => $verify, 'headers' => array( 'Cache-Control' => 'no-cache' ) ) );
		delete_transient( 'scrape_key_' . $key );
		if ( 1 !== preg_match( "~###### wp_scraping_result_start:$key ######\s*(.+?)\s*###### wp_scraping_result_end:$key ######~s", wp_remote_retrieve_body( $result ), $found ) ) {
			return 'could_not_tell';
		}
		return 'true' === $found[1] ? 'ok' : 'fatal';
	}

	/**
	 * Whether this request is for the plain front page, without any input that an attacker could choose.
	 */
	private static function is_plain_front_page(): bool {
		// phpcs:disable WordPress.Security -- nothing is used, only compared.
		$method      = isset( $_SERVER['REQUEST_METHOD'] ) ? $_SERVER['REQUEST_METHOD'] : '';
		$request_uri = isset( $_SERVER['REQUEST_URI'] ) ? (string) $_SERVER['REQUEST_URI'] : '';
		$home        = rtrim( (string) wp_parse_url( home_url( '/' ), PHP_URL_PATH ), '/' ) . '/';
		return 'GET' === $method && $home === $request_uri && array() === $_GET && array() === $_POST && array() === $_COOKIE && empty( $_SERVER['CONTENT_LENGTH'] );
		// phpcs:enable WordPress.Security
	}

	/**
	 * Counts this error of a front page and returns the count.
	 */
	private function increment_count(): int {
		$file = $this->path( self::COUNT_PREFIX . substr( $this->fingerprint(), 0, 16 ) );
		@file_put_contents( $file, '.', FILE_APPEND );
		clearstatcache( true, $file );
		return (int) @filesize( $file );
	}

	private function write_file( string $name, string $text ): void {
		if ( is_dir( $this->folder ) ) {
			@file_put_contents( $this->path( $name ), $text );
		}
	}

	private function path( string $name ): string {
		return $this->folder . '/' . $name;
	}
}
