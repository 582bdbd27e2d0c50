<?php
/**
 * An HTTP response.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Holds status, headers and the exact bytes of a response.
 */
final class Siteagent_Response {

	/** @var int */
	private $status;

	/** @var array<string,string> */
	private $headers;

	/** @var string */
	private $body;

	private function __construct( int $status, array $headers, string $body ) {
		$this->status  = $status;
		$this->headers = $headers;
		$this->body    = $body;
	}

	/**
	 * Returns the response to every caller without a valid signature, whatever was wrong.
	 */
	public static function unauthorized(): self {
		return self::unsigned( 401, array( 'siteagent' => 1, 'code' => 'unauthorized' ) );
	}

	/**
	 * Returns the response while the connection's keys cannot be decrypted, so that nothing can be verified or signed.
	 * Sent only to callers who name the connection's key id. It is not signed, so the dashboard treats it as a hint.
	 */
	public static function keys_unreadable(): self {
		return self::unsigned( 401, array( 'siteagent' => 1, 'code' => 'keys_unreadable' ) );
	}

	/**
	 * Returns the response to a request that is too large to be read.
	 */
	public static function too_large(): self {
		return self::unsigned( 413, array( 'siteagent' => 1, 'code' => 'too_large' ) );
	}

	/**
	 * Returns the response that proves that this site ended the connection.
	 */
	public static function disconnected( string $proof ): self {
		return self::unsigned( 401, array( 'siteagent' => 1, 'code' => 'disconnected', 'g' => $proof ) );
	}

	/**
	 * Returns a response without a signature.
	 *
	 * @param int   $status   HTTP status.
	 * @param array $document The body.
	 */
	public static function unsigned( int $status, array $document ): self {
		$headers = array(
			'Content-Type'  => Siteagent_HTTP_Signature::CONTENT_TYPE,
			'Cache-Control' => 'no-store, no-transform',
		);
		return new self( $status, $headers, Siteagent_Canonical_JSON::encode( $document ) );
	}

	/**
	 * Returns a signed response.
	 *
	 * @param array  $request The verified request.
	 * @param int    $status  HTTP status.
	 * @param string $body    Response body.
	 * @param string $key     HMAC key, raw bytes.
	 * @param int    $now     Unix time in seconds.
	 */
	public static function signed( array $request, int $status, string $body, string $key, int $now ): self {
		return new self( $status, Siteagent_HTTP_Signature::sign_response( $request, $status, $body, $key, $now ), $body );
	}

	/**
	 * Whether the caller proved to hold a key, so that the response is signed.
	 */
	public function is_signed(): bool {
		return isset( $this->headers['Signature'] );
	}

	public function status(): int {
		return $this->status;
	}

	/**
	 * @return array<string,string>
	 */
	public function headers(): array {
		return $this->headers;
	}

	public function body(): string {
		return $this->body;
	}

	/**
	 * Sends the response and discards all other output and headers.
	 *
	 * @return string Where output had started before, as "file:line". The headers could not be sent then. Otherwise
	 *         empty.
	 */
	public function send(): string {
		if ( ! defined( 'DONOTCACHEPAGE' ) ) {
			define( 'DONOTCACHEPAGE', true );
		}
		// Compression would change the bytes that the digest covers.
		ini_set( 'zlib.output_compression', '0' ); // phpcs:ignore WordPress.PHP.IniSet -- see above.
		while ( ob_get_level() > 0 && ob_end_clean() ) {
			continue;
		}
		$output_started_at = headers_sent( $file, $line ) ? basename( (string) $file ) . ':' . $line : '';
		if ( '' === $output_started_at ) {
			header_remove();
			http_response_code( $this->status );
			foreach ( $this->headers + array( 'X-Content-Type-Options' => 'nosniff' ) as $name => $value ) {
				header( "$name: $value" );
			}
			header( 'Content-Length: ' . strlen( $this->body ) );
		}
		echo $this->body; // phpcs:ignore WordPress.Security.EscapeOutput -- JSON, signed to the byte.
		self::finish_request();
		return $output_started_at;
	}

	/**
	 * Ends the response and discards everything printed afterwards, such as by shutdown functions of other plugins.
	 */
	private static function finish_request(): void {
		flush();
		foreach ( array( 'fastcgi_finish_request', 'litespeed_finish_request' ) as $finish ) {
			if ( function_exists( $finish ) ) {
				$finish();
			}
		}
		// WordPress would flush this buffer at shutdown, before other plugins print. The buffer stays removable, because
		// some plugins remove buffers until none is left.
		remove_action( 'shutdown', 'wp_ob_end_flush_all', 1 );
		ob_start(
			static function (): string {
				return '';
			}
		);
	}
}
