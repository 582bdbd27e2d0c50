<?php
/**
 * HTTP message signatures of the protocol siteagent/1, a narrow profile of RFC 9421.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Signs and verifies messages.
 *
 * Pure functions: key, clock and nonce are arguments, and no WordPress function is called. app/protocol.py
 * implements the same profile, and both are tested against tests/php-fixtures/vectors.json. The verifier matches
 * the received text character for character and computes the signature over that very text, so it accepts only one
 * spelling of a message.
 */
final class Siteagent_HTTP_Signature {

	const VERSION      = 1;
	const REQUEST_TAG  = 'siteagent-req/1';
	const RESPONSE_TAG = 'siteagent-res/1';
	const NOTICE_TAG   = 'siteagent-note/1';
	const CONTENT_TYPE = 'application/json';

	const LIFETIME_S        = 60;
	const MAX_LIFETIME_S    = 120;
	const MAX_SKEW_S        = 300;
	const MAX_REQUEST_BYTES = 65536;
	const MAX_FIELD_BYTES   = 4096;

	const CODES = array(
		'malformed',
		'unknown_key',
		'bad_signature',
		'unauthorized',
		'too_large',
		'digest_mismatch',
		'expired',
		'clock_skew',
		'replayed',
		'nonce_store_unavailable',
		'unknown_operation',
		'invalid_arguments',
		'not_permitted',
		'pairing_closed',
		'wrong_site',
		'identity_changed',
		'audit_log_forked',
		'disconnected',
		'output_started',
		'internal_error',
	);

	const REQUEST_COMPONENTS  = '("@method" "@target-uri" "content-type" "content-digest")';
	const RESPONSE_COMPONENTS = '("@status" "content-type" "content-digest" "@method";req "@target-uri";req "content-type";req "content-digest";req)';

	/**
	 * Matches the signature parameters. The last of the 22 characters of a nonce carries only two bits, so only four
	 * characters are allowed there. Any other would be a second spelling of the same nonce.
	 */
	const PARAMETER_PATTERN = ';created=([1-9][0-9]{0,11});keyid="([A-Za-z0-9_.-]{1,64})";alg="hmac-sha256";expires=([1-9][0-9]{0,11});nonce="([A-Za-z0-9_-]{21}[AQgw])"';

	const SIGNED_FIELDS = array( 'content-type', 'content-digest', 'signature-input', 'signature' );

	/**
	 * Signs a POST of a body to a URL.
	 *
	 * @param string $url     The exact URL.
	 * @param string $body    The request body.
	 * @param string $key     HMAC key, raw bytes.
	 * @param string $keyid   Key id.
	 * @param int    $created Unix time in seconds.
	 * @param string $nonce   Nonce, as new_nonce() returns it.
	 * @param string $tag     REQUEST_TAG or NOTICE_TAG.
	 * @return array{url:string,keyid:string,nonce:string,digest:string,headers:array<string,string>}
	 */
	public static function sign_request(
		string $url,
		string $body,
		string $key,
		string $keyid,
		int $created,
		string $nonce,
		string $tag
	): array {
		$digest     = self::content_digest( $body );
		$parameters = self::signature_parameters( self::REQUEST_COMPONENTS, $created, $keyid, $nonce, $tag );
		return array(
			'url'     => $url,
			'keyid'   => $keyid,
			'nonce'   => $nonce,
			'digest'  => $digest,
			'headers' => array(
				'Content-Type'    => self::CONTENT_TYPE,
				'Accept-Encoding' => 'identity',
				'Content-Digest'  => $digest,
				'Signature-Input' => 'sa=' . $parameters,
				'Signature'       => 'sa=' . self::mac( $key, self::request_base( $url, $digest, $parameters ) ),
			),
		);
	}

	/**
	 * Verifies a request (docs/PROTOCOL.md 1.1, steps 1 to 7). The caller has to reject a nonce that was used before.
	 *
	 * @param string   $method  HTTP method as the server reports it.
	 * @param string[] $urls    URLs of this site, from its own records.
	 * @param array    $headers Headers as received, by name in any case.
	 * @param string   $body    Request body.
	 * @param callable $key_for fn( string $keyid ): ?string returns the HMAC key.
	 * @param int      $now     Unix time in seconds.
	 * @param string   $tag     Expected tag.
	 * @return array{keyid:string,nonce:string,created:int,expires:int,url:string,digest:string}
	 * @throws Siteagent_Exception When the request is invalid. Carries the request once its signature was verified.
	 */
	public static function verify_request(
		string $method,
		array $urls,
		array $headers,
		string $body,
		callable $key_for,
		int $now,
		string $tag
	): array {
		if ( strlen( $body ) > self::MAX_REQUEST_BYTES ) {
			throw new Siteagent_Exception( 'too_large', strlen( $body ) . ' bytes' );
		}
		$fields = self::signature_fields( $headers );
		$signed = self::parse_signature_fields( $fields, self::REQUEST_COMPONENTS, $tag );
		$digest = self::require_content_digest( $fields );
		if ( 'POST' !== $method ) {
			throw new Siteagent_Exception( 'malformed', 'method' );
		}
		$key = $key_for( $signed['keyid'] );
		if ( null === $key ) {
			throw new Siteagent_Exception( 'unknown_key', $signed['keyid'], array( 'keyid' => $signed['keyid'] ) );
		}
		$matched_url = '';
		foreach ( $urls as $url ) {
			// Try every URL even after a match, so that the response time does not show which one matched.
			if ( self::is_valid_mac( $signed['signature'], $key, self::request_base( $url, $digest, $signed['text'] ) ) ) {
				$matched_url = $url;
			}
		}
		if ( '' === $matched_url ) {
			throw new Siteagent_Exception( 'bad_signature' );
		}
		$request = array(
			'keyid'   => $signed['keyid'],
			'nonce'   => $signed['nonce'],
			'created' => $signed['created'],
			'expires' => $signed['expires'],
			'url'     => $matched_url,
			'digest'  => $digest,
		);
		self::check_body( $digest, $body, $request );
		self::check_time( $request, $now );
		return $request;
	}

	/**
	 * Returns the headers that sign a response.
	 *
	 * @param array  $request The request, as verify_request() returned it.
	 * @param int    $status  HTTP status.
	 * @param string $body    Response body.
	 * @param string $key     HMAC key, raw bytes.
	 * @param int    $now     Unix time in seconds.
	 * @return array<string,string>
	 */
	public static function sign_response( array $request, int $status, string $body, string $key, int $now ): array {
		$digest     = self::content_digest( $body );
		$parameters = self::signature_parameters( self::RESPONSE_COMPONENTS, $now, $request['keyid'], $request['nonce'], self::RESPONSE_TAG );
		$base       = self::response_base( $status, $digest, $request['url'], $request['digest'], $parameters );
		return array(
			'Content-Type'    => self::CONTENT_TYPE,
			'Content-Digest'  => $digest,
			'Cache-Control'   => 'no-store, no-transform',
			'Signature-Input' => 'sa=' . $parameters,
			'Signature'       => 'sa=' . self::mac( $key, $base ),
		);
	}

	/**
	 * Verifies that a response answers a request.
	 *
	 * The time of the response is not checked: the nonce already proves that it is fresh, and a clock that is hours
	 * off can still be read.
	 *
	 * @param array{url:string,keyid:string,nonce:string,digest:string} $sent    The request, as sign_request()
	 *               returned it.
	 * @param int                                                       $status  HTTP status.
	 * @param array                                                     $headers Response headers.
	 * @param string                                                    $body    Response body.
	 * @param string                                                    $key     HMAC key, raw bytes.
	 * @throws Siteagent_Exception When the response is invalid.
	 */
	public static function verify_response( array $sent, int $status, array $headers, string $body, string $key ): void {
		$fields = self::signature_fields( $headers );
		$signed = self::parse_signature_fields( $fields, self::RESPONSE_COMPONENTS, self::RESPONSE_TAG );
		$digest = self::require_content_digest( $fields );
		if ( ! hash_equals( $sent['keyid'], $signed['keyid'] ) ) {
			throw new Siteagent_Exception( 'unknown_key', $signed['keyid'] );
		}
		if ( ! hash_equals( $sent['nonce'], $signed['nonce'] ) ) {
			throw new Siteagent_Exception( 'replayed', 'the answer to another request' );
		}
		$base = self::response_base( $status, $digest, $sent['url'], $sent['digest'], $signed['text'] );
		if ( ! self::is_valid_mac( $signed['signature'], $key, $base ) ) {
			throw new Siteagent_Exception( 'bad_signature' );
		}
		self::check_body( $digest, $body, null );
	}

	/**
	 * Returns the signature base of a request (RFC 9421 section 2.5), without a newline at the end.
	 */
	public static function request_base( string $url, string $digest, string $parameters ): string {
		return '"@method": POST' . "\n\"@target-uri\": $url\n\"content-type\": " . self::CONTENT_TYPE
			. "\n\"content-digest\": $digest\n\"@signature-params\": $parameters";
	}

	/**
	 * Returns the signature base of a response. $request_digest is the Content-Digest of the request.
	 */
	public static function response_base(
		int $status,
		string $digest,
		string $url,
		string $request_digest,
		string $parameters
	): string {
		return sprintf( '"@status": %03d', $status ) . "\n\"content-type\": " . self::CONTENT_TYPE . "\n\"content-digest\": $digest"
			. "\n\"@method\";req: POST\n\"@target-uri\";req: $url\n\"content-type\";req: " . self::CONTENT_TYPE
			. "\n\"content-digest\";req: $request_digest\n\"@signature-params\": $parameters";
	}

	/**
	 * Returns the value of the Content-Digest header (RFC 9530), with sha-256 only.
	 */
	public static function content_digest( string $body ): string {
		return 'sha-256=:' . base64_encode( hash( 'sha256', $body, true ) ) . ':'; // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- RFC 9530 prescribes it.
	}

	/**
	 * Returns 16 random bytes as 22 base64url characters.
	 */
	public static function new_nonce(): string {
		return self::base64url_encode( random_bytes( 16 ) );
	}

	/**
	 * Encodes bytes as base64url without padding (RFC 4648 section 5).
	 */
	public static function base64url_encode( string $raw ): string {
		return rtrim( strtr( base64_encode( $raw ), '+/', '-_' ), '=' ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- the wire format.
	}

	/**
	 * Decodes base64url. Only the canonical encoding is accepted.
	 *
	 * @param mixed    $text Untrusted input.
	 * @param int|null $size Expected number of bytes, or null for any.
	 * @throws Siteagent_Exception malformed, for any other encoding or size.
	 */
	public static function base64url_decode( $text, ?int $size = null ): string {
		if ( ! is_string( $text ) || 1 !== preg_match( '/^[A-Za-z0-9_-]*\z/D', $text ) ) {
			throw new Siteagent_Exception( 'malformed', 'not base64url' );
		}
		$raw = base64_decode( strtr( $text, '-_', '+/' ), true ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- the wire format.
		if ( false === $raw || self::base64url_encode( $raw ) !== $text || ( null !== $size && strlen( $raw ) !== $size ) ) {
			throw new Siteagent_Exception( 'malformed', 'not the expected base64url value' );
		}
		return $raw;
	}

	/**
	 * Returns the value of @signature-params (RFC 9421 section 2.3).
	 */
	private static function signature_parameters(
		string $components,
		int $created,
		string $keyid,
		string $nonce,
		string $tag
	): string {
		return $components . ";created=$created;keyid=\"$keyid\";alg=\"hmac-sha256\";expires=" . ( $created + self::LIFETIME_S )
			. ";nonce=\"$nonce\";tag=\"$tag\"";
	}

	private static function mac( string $key, string $base ): string {
		return ':' . base64_encode( hash_hmac( 'sha256', $base, $key, true ) ) . ':'; // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- RFC 9421 prescribes it.
	}

	private static function is_valid_mac( string $claimed, string $key, string $base ): bool {
		// Compare the encoded values: a lenient base64 decoder would accept several encodings of the same bytes.
		return hash_equals( self::mac( $key, $base ), $claimed );
	}

	/**
	 * Returns the four headers that carry the signature, by lower-case name.
	 *
	 * @throws Siteagent_Exception malformed for a header sent twice, too_large for a header that is too long.
	 */
	private static function signature_fields( array $headers ): array {
		$fields = array();
		foreach ( $headers as $name => $value ) {
			$lower = strtolower( (string) $name );
			if ( ! in_array( $lower, self::SIGNED_FIELDS, true ) ) {
				continue;
			}
			if ( ! is_string( $value ) || isset( $fields[ $lower ] ) ) {
				throw new Siteagent_Exception( 'malformed', "$lower twice" );
			}
			if ( strlen( $value ) > self::MAX_FIELD_BYTES ) {
				throw new Siteagent_Exception( 'too_large', $lower );
			}
			$fields[ $lower ] = $value;
		}
		return $fields;
	}

	/**
	 * Parses Signature-Input and Signature, which must match this profile exactly.
	 *
	 * @return array{text:string,created:int,keyid:string,expires:int,nonce:string,signature:string}
	 */
	private static function parse_signature_fields( array $fields, string $components, string $tag ): array {
		$input     = isset( $fields['signature-input'] ) ? $fields['signature-input'] : '';
		$signature = isset( $fields['signature'] ) ? $fields['signature'] : '';
		$pattern   = '~^sa=(' . preg_quote( $components, '~' ) . self::PARAMETER_PATTERN . preg_quote( ";tag=\"$tag\"", '~' ) . ')\z~D';
		if ( 1 !== preg_match( $pattern, $input, $found ) || 1 !== preg_match( '~^sa=(:[A-Za-z0-9+/]{43}=:)\z~D', $signature, $mac ) ) {
			throw new Siteagent_Exception( 'malformed', 'signature fields' );
		}
		return array(
			'text'      => $found[1],
			'created'   => (int) $found[2],
			'keyid'     => $found[3],
			'expires'   => (int) $found[4],
			'nonce'     => $found[5],
			'signature' => $mac[1],
		);
	}

	/**
	 * Returns the Content-Digest header, after checking its form and the content type.
	 */
	private static function require_content_digest( array $fields ): string {
		if ( ! isset( $fields['content-type'] ) || self::CONTENT_TYPE !== $fields['content-type'] ) {
			throw new Siteagent_Exception( 'malformed', 'content type' );
		}
		$digest = isset( $fields['content-digest'] ) ? $fields['content-digest'] : '';
		if ( 1 !== preg_match( '~^sha-256=:[A-Za-z0-9+/]{43}=:\z~D', $digest ) ) {
			throw new Siteagent_Exception( 'malformed', 'content digest' );
		}
		return $digest;
	}

	private static function check_body( string $digest, string $body, ?array $request ): void {
		if ( ! hash_equals( self::content_digest( $body ), $digest ) ) {
			throw new Siteagent_Exception( 'digest_mismatch', strlen( $body ) . ' bytes arrived', array( 'bytes' => strlen( $body ) ), $request );
		}
	}

	private static function check_time( array $request, int $now ): void {
		$lifetime = $request['expires'] - $request['created'];
		if ( $lifetime < 1 || $lifetime > self::MAX_LIFETIME_S ) {
			throw new Siteagent_Exception( 'expired', "lifetime of $lifetime s", array(), $request );
		}
		if ( abs( $now - $request['created'] ) > self::MAX_SKEW_S ) {
			$facts = array(
				'site_time'    => $now,
				'your_created' => $request['created'],
			);
			throw new Siteagent_Exception( 'clock_skew', ( $now - $request['created'] ) . ' s apart', $facts, $request );
		}
	}
}
