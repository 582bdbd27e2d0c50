<?php
/**
 * A pairing token, as it was pasted.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * A one-time invitation to pair with one dashboard (docs/PROTOCOL.md section 2).
 *
 * Its faults are not_a_token, damaged, expired, wrong_site; nothing in it is believed because it
 * says so, as the dashboard enforces time and place again.
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
	 * The token behind a text. Judges neither time nor place.
	 *
	 * @throws Siteagent_Exception not_a_token, or damaged when it was one before it was copied badly.
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
	 * Refuses a token that is over, or was made for another site than the one at $home.
	 *
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
	 * Its public half, by which both sides call it.
	 */
	public function pid(): string {
		return Siteagent_HTTP_Signature::base64url_encode( $this->pid );
	}

	public function expires_at(): int {
		return $this->expires_at;
	}

	/**
	 * The dashboard that asks.
	 */
	public function origin(): string {
		return $this->origin;
	}

	/**
	 * The address under which the dashboard knows this site.
	 */
	public function site_url(): string {
		return $this->site_url;
	}

	/**
	 * What the token's keys follow from; the secret itself is never kept.
	 */
	public function auth_key(): string {
		return Siteagent_Key_Derivation::token_auth_key( $this->secret, $this->pid );
	}

	/**
	 * @throws Siteagent_Exception When the decoded text holds what no address holds.
	 */
	private static function decode_url( string $part ): string {
		$text = Siteagent_HTTP_Signature::base64url_decode( $part );
		if ( 1 !== preg_match( '~^https?://[\x21-\x7E]{1,2000}\z~D', $text ) ) {
			throw new Siteagent_Exception( 'malformed', 'address in a token' );
		}
		return $text;
	}
}
