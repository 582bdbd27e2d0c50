<?php
/**
 * An answer, ready for the wire.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Status, headers and the exact bytes. Strangers get one and the same refusal, whatever was wrong.
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
	 * What everybody gets who has no key.
	 */
	public static function unauthorized(): self {
		return self::unsigned( 401, array( 'siteagent' => 1, 'code' => 'unauthorized' ) );
	}

	/**
	 * The connection's own keys do not open here any more, so nothing can be verified or signed.
	 * Told to who names the connection's key id; a hint for the dashboard, as it is not signed.
	 */
	public static function keys_unreadable(): self {
		return self::unsigned( 401, array( 'siteagent' => 1, 'code' => 'keys_unreadable' ) );
	}

	/**
	 * Too much to be looked at.
	 */
	public static function too_large(): self {
		return self::unsigned( 413, array( 'siteagent' => 1, 'code' => 'too_large' ) );
	}

	/**
	 * This site ended the connection, and proves it.
	 */
	public static function disconnected( string $proof ): self {
		return self::unsigned( 401, array( 'siteagent' => 1, 'code' => 'disconnected', 'g' => $proof ) );
	}

	/**
	 * An answer that is its own proof.
	 */
	public static function unsigned( int $status, array $document ): self {
		$headers = array(
			'Content-Type'  => Siteagent_HTTP_Signature::CONTENT_TYPE,
			'Cache-Control' => 'no-store, no-transform',
		);
		return new self( $status, $headers, Siteagent_HTTP_Signature::canonical_json( $document ) );
	}

	/**
	 * An answer only the key's holder could have written.
	 *
	 * @param array $request The verified request.
	 */
	public static function signed( array $request, int $status, string $body, string $key, int $now ): self {
		return new self( $status, Siteagent_HTTP_Signature::sign_response( $request, $status, $body, $key, $now ), $body );
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
	 * Send these bytes and nothing else: what others printed or set so far is taken back.
	 *
	 * @return string Where output had begun already, as "file:line"; then the headers could not be sent.
	 */
	public function send(): string {
		if ( ! defined( 'DONOTCACHEPAGE' ) ) {
			define( 'DONOTCACHEPAGE', true );
		}
		// Compressing here would leave a digest over other bytes than those sent.
		ini_set( 'zlib.output_compression', '0' ); // phpcs:ignore WordPress.PHP.IniSet
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
	 * Let the answer go, and swallow whatever is printed until the process ends: shutdown functions of other plugins do.
	 */
	private static function finish_request(): void {
		flush();
		foreach ( array( 'fastcgi_finish_request', 'litespeed_finish_request' ) as $finish ) {
			if ( function_exists( $finish ) ) {
				$finish();
			}
		}
		// WordPress would end this buffer at shutdown, before other plugins print. It has to be one that can be ended:
		// there are plugins that end buffers until none is left.
		remove_action( 'shutdown', 'wp_ob_end_flush_all', 1 );
		ob_start(
			static function (): string {
				return '';
			}
		);
	}
}
