<?php
/**
 * Temporary data of the settings page.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Keeps data from one page to the next, for one account and one login session.
 *
 * A pasted token is encrypted and stays on the server. It is never in a URL, on a page, or readable in the
 * database.
 */
final class Siteagent_Flash_Store {

	const LIFETIME_S = 1800;
	const DRAFT      = 'siteagent_draft_';
	const NOTICE     = 'siteagent_flash_';

	/** More than any token needs. Longer input is cut. */
	const MAX_TEXT = 4000;

	/**
	 * Stores a pasted text.
	 *
	 * @param string $text  The text.
	 * @param string $error Code of what is wrong with it; empty when it can be used.
	 */
	public function save_draft( string $text, string $error ): void {
		$draft     = wp_json_encode(
			array(
				'text'       => substr( $text, 0, self::MAX_TEXT ),
				'error_code' => $error,
			)
		);
		$nonce     = random_bytes( SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$encrypted = sodium_crypto_secretbox( (string) $draft, $nonce, $this->encryption_key() );
		set_site_transient( self::transient_name( self::DRAFT ), base64_encode( $nonce . $encrypted ), self::LIFETIME_S ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- a transient must be text.
	}

	/**
	 * Returns what this administrator pasted in this session; null without one.
	 *
	 * @return array{text:string,error_code:string}|null
	 */
	public function draft(): ?array {
		$stored = get_site_transient( self::transient_name( self::DRAFT ) );
		$raw    = is_string( $stored ) ? base64_decode( $stored, true ) : false; // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- a transient must be text.
		if ( false === $raw || strlen( $raw ) <= SODIUM_CRYPTO_SECRETBOX_NONCEBYTES ) {
			return null;
		}
		$nonce = substr( $raw, 0, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$draft = sodium_crypto_secretbox_open( substr( $raw, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES ), $nonce, $this->encryption_key() );
		$draft = false === $draft ? null : json_decode( $draft, true );
		if ( ! is_array( $draft ) || ! isset( $draft['text'], $draft['error_code'] ) ) {
			return null;
		}
		return array(
			'text'       => (string) $draft['text'],
			'error_code' => (string) $draft['error_code'],
		);
	}

	public function delete_draft(): void {
		delete_site_transient( self::transient_name( self::DRAFT ) );
	}

	/**
	 * Shows a notice on the next page.
	 *
	 * @param string $code A key of Siteagent_Messages::notice().
	 */
	public function set_notice( string $code ): void {
		set_site_transient( self::transient_name( self::NOTICE ), $code, MINUTE_IN_SECONDS );
	}

	/**
	 * Returns the code of the notice to show now and removes it; empty without one.
	 */
	public function take_notice(): string {
		$code = get_site_transient( self::transient_name( self::NOTICE ) );
		if ( ! is_string( $code ) ) {
			return '';
		}
		delete_site_transient( self::transient_name( self::NOTICE ) );
		return $code;
	}

	/**
	 * Returns a name for each account and, on a network, each site.
	 */
	private static function transient_name( string $prefix ): string {
		return $prefix . get_current_user_id() . ( is_multisite() ? '_' . get_current_blog_id() : '' );
	}

	/**
	 * Returns a key for this account and session, so that another session cannot decrypt the data.
	 */
	private function encryption_key(): string {
		$secret  = wp_salt( 'auth' ) . wp_salt( 'secure_auth' );
		$session = get_current_user_id() . '|' . wp_get_session_token();
		return hash_hkdf( 'sha256', $secret, SODIUM_CRYPTO_SECRETBOX_KEYBYTES, 'siteagent/1 desk|' . $session );
	}
}
