<?php
/**
 * A pairing token.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * A one-time invitation to pair with one dashboard (docs/PROTOCOL.md section 2).
 *
 * Its errors are not_a_token, damaged, expired and wrong_site. The dashboard enforces time and site again.
 */
final class Siteagent_Pairing_Token {

	const PREFIX = 'SA1';

	/** @var string 16 raw bytes. */
	private $pid;

	/** @var string 32 raw bytes. */
	private $secret;

	/** @var int */
	private $expires_at;

	/** @var string */
	private $origin;

	/** @var string */
	private $site_url;

	private function __construct( string $pid, string $secret, int $expires_at, string $origin, string $site_url ) {
		$this->pid        = $pid;
		$this->secret     = $secret;
		$this->expires_at = $expires_at;
		$this->origin     = $origin;
		$this->site_url   = $site_url;
	}

	/**
	 * Parses a token. Checks neither its time nor its site.
	 *
	 * @throws Siteagent_Exception not_a_token, or damaged for a token that was copied incompletely.
	 */
	public static function parse( string $text ): self {
		$text  = trim( $text );
		$end   = strrpos( $text, '.' );
		$head  = false === $end ? '' : substr( $text, 0, $end );
		$check = false === $end ? $text : substr( $text, $end + 1 );
		$parts = explode( '.', $head );
		if ( self::PREFIX !== $parts[0] ) {
			throw new Siteagent_Exception( 'not_a_token' );
		}
		$expiry = 6 === count( $parts ) ? $parts[3] : '';
		$right  = substr( hash( 'sha256', $head ), 0, 6 );
		if ( ! hash_equals( $right, $check ) || 1 !== preg_match( '/^[0-9]{1,12}\z/D', $expiry ) ) {
			throw new Siteagent_Exception( 'damaged' );
		}
		try {
			return new self(
				Siteagent_HTTP_Signature::base64url_decode( $parts[1], 16 ),
				Siteagent_HTTP_Signature::base64url_decode( $parts[2], 32 ),
				(int) $expiry,
				self::decode_url( $parts[4] ),
				self::decode_url( $parts[5] )
			);
		} catch ( Siteagent_Exception $exception ) {
			throw new Siteagent_Exception( 'damaged', $exception->getMessage() );
		}
	}

	/**
	 * Checks that the token has not expired and was made for this site.
	 *
	 * @param int    $now  Unix time in seconds.
	 * @param string $home Address of this site.
	 * @throws Siteagent_Exception expired, wrong_site.
	 */
	public function validate( int $now, string $home ): void {
		if ( $now >= $this->expires_at ) {
			throw new Siteagent_Exception( 'expired' );
		}
		if ( ! Siteagent_Site_Address::is_same_site( $this->site_url, $home ) ) {
			throw new Siteagent_Exception( 'wrong_site', $this->site_url );
		}
	}

	/**
	 * Returns the public id of the token.
	 */
	public function pid(): string {
		return Siteagent_HTTP_Signature::base64url_encode( $this->pid );
	}

	public function expires_at(): int {
		return $this->expires_at;
	}

	/**
	 * Returns the origin of the dashboard.
	 */
	public function origin(): string {
		return $this->origin;
	}

	/**
	 * Returns the address under which the dashboard knows this site.
	 */
	public function site_url(): string {
		return $this->site_url;
	}

	/**
	 * Returns the secret that the token's keys are derived from. The token's own secret is never stored.
	 */
	public function auth_key(): string {
		return Siteagent_Key_Derivation::token_auth_key( $this->secret, $this->pid );
	}

	/**
	 * @throws Siteagent_Exception malformed when the decoded text is not a URL.
	 */
	private static function decode_url( string $part ): string {
		$text = Siteagent_HTTP_Signature::base64url_decode( $part );
		if ( 1 !== preg_match( '~^https?://[\x21-\x7E]{1,2000}\z~D', $text ) ) {
			throw new Siteagent_Exception( 'malformed', 'address in a token' );
		}
		return $text;
	}
}
