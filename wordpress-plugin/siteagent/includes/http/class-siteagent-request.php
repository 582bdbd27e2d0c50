<?php
/**
 * An HTTP request, not yet verified.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Holds method, headers and body of a request.
 */
final class Siteagent_Request {

	/** Headers that are read, with their keys in $_SERVER. */
	const HEADERS = array(
		'content-type'    => 'CONTENT_TYPE',
		'content-digest'  => 'HTTP_CONTENT_DIGEST',
		'signature-input' => 'HTTP_SIGNATURE_INPUT',
		'signature'       => 'HTTP_SIGNATURE',
	);

	/** @var string */
	private $method;

	/** @var array<string,string> */
	private $headers;

	/** @var string */
	private $body;

	/** @var bool */
	private $is_body_only;

	/**
	 * @param string $method       HTTP method.
	 * @param array  $headers      Headers by lower-case name.
	 * @param string $body         Request body.
	 * @param bool   $is_body_only Whether only the body carries input: no method override, and no query but the route.
	 */
	public function __construct( string $method, array $headers, string $body, bool $is_body_only ) {
		$this->method       = $method;
		$this->headers      = $headers;
		$this->body         = $body;
		$this->is_body_only = $is_body_only;
	}

	/**
	 * Reads the current request.
	 *
	 * @param bool $is_slashed Whether WordPress has added slashes to $_SERVER yet (wp_magic_quotes()).
	 */
	public static function from_globals( bool $is_slashed ): self {
		// phpcs:disable WordPress.Security.ValidatedSanitizedInput -- compared with signatures byte for byte, never printed.
		$server  = $is_slashed ? wp_unslash( $_SERVER ) : $_SERVER;
		$headers = array();
		foreach ( self::HEADERS as $name => $key ) {
			if ( isset( $server[ $key ] ) && is_string( $server[ $key ] ) ) {
				$headers[ $name ] = $server[ $key ];
			}
		}
		$query        = isset( $server['QUERY_STRING'] ) ? (string) $server['QUERY_STRING'] : '';
		$is_body_only = ( '' === $query || 1 === preg_match( '~^(rest_route=(/|%2F)siteagent(/|%2F)v1(/|%2F)rpc|action=siteagent_rpc)\z~Di', $query ) )
			&& ! isset( $server['HTTP_X_HTTP_METHOD_OVERRIDE'] );
		// phpcs:enable
		return new self( isset( $server['REQUEST_METHOD'] ) ? (string) $server['REQUEST_METHOD'] : '', $headers, self::read_body(), $is_body_only );
	}

	public function method(): string {
		return $this->method;
	}

	/**
	 * @return array<string,string> By lower-case name.
	 */
	public function headers(): array {
		return $this->headers;
	}

	/**
	 * Returns the body, at most one byte more than a request may have.
	 */
	public function body(): string {
		return $this->body;
	}

	/**
	 * Whether only the body carries input: no method override, and no query but the route.
	 */
	public function is_body_only(): bool {
		return $this->is_body_only;
	}

	private static function read_body(): string {
		$input = fopen( 'php://input', 'rb' ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- reads no more than may be read.
		if ( false === $input ) {
			return '';
		}
		$body = stream_get_contents( $input, Siteagent_HTTP_Signature::MAX_REQUEST_BYTES + 1 );
		fclose( $input ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a stream, not a file.
		return (string) $body;
	}
}
