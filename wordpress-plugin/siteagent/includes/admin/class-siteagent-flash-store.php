<?php
/**
 * What one administrator is in the middle of: a pasted text, and a sentence to be told once.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Carries things from one page of the settings screen to the next, for one account and one login.
 *
 * A pasted token travels sealed and on the server: it is in no address, in no page and in no
 * readable row of the database.
 */
final class Siteagent_Flash_Store {

	const LIFETIME_S = 1800;
	const DRAFT        = 'siteagent_draft_';
	const NOTICE         = 'siteagent_news_';

	/** More than any token; whatever else was pasted is cut here. */
	const MAX_TEXT = 4000;

	/**
	 * Keep what was pasted, with the code of what was wrong with it ('' when it can be used).
	 */
	public function save_draft( string $text, string $error ): void {
		$draft = wp_json_encode(
			array(
				'text'  => substr( $text, 0, self::MAX_TEXT ),
				'fault' => $error,
			)
		);
		$nonce = random_bytes( SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$encrypted   = sodium_crypto_secretbox( (string) $draft, $nonce, $this->encryption_key() );
		set_site_transient( self::transient_name( self::DRAFT ), base64_encode( $nonce . $encrypted ), self::LIFETIME_S ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	}

	/**
	 * What this administrator pasted in this login; null when there is nothing.
	 *
	 * @return array{text:string,fault:string}|null
	 */
	public function draft(): ?array {
		$stored = get_site_transient( self::transient_name( self::DRAFT ) );
		$raw  = is_string( $stored ) ? base64_decode( $stored, true ) : false; // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
		if ( false === $raw || strlen( $raw ) <= SODIUM_CRYPTO_SECRETBOX_NONCEBYTES ) {
			return null;
		}
		$nonce = substr( $raw, 0, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$draft = sodium_crypto_secretbox_open( substr( $raw, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES ), $nonce, $this->encryption_key() );
		$draft = false === $draft ? null : json_decode( $draft, true );
		if ( ! is_array( $draft ) || ! isset( $draft['text'], $draft['fault'] ) ) {
			return null;
		}
		return array(
			'text'  => (string) $draft['text'],
			'fault' => (string) $draft['fault'],
		);
	}

	public function delete_draft(): void {
		delete_site_transient( self::transient_name( self::DRAFT ) );
	}

	/**
	 * Have this told on the next page, once. $code is a key of Siteagent_Messages::notice().
	 */
	public function set_notice( string $code ): void {
		set_site_transient( self::transient_name( self::NOTICE ), $code, MINUTE_IN_SECONDS );
	}

	/**
	 * What is to be told now; '' when there is nothing.
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
	 * One for each account and, in a network, for each site that it looks after.
	 */
	private static function transient_name( string $what ): string {
		return $what . get_current_user_id() . ( is_multisite() ? '_' . get_current_blog_id() : '' );
	}

	/**
	 * Of this account and this login alone: another session of the same account cannot open the box.
	 */
	private function encryption_key(): string {
		$secret = wp_salt( 'auth' ) . wp_salt( 'secure_auth' );
		$session  = get_current_user_id() . '|' . wp_get_session_token();
		return hash_hkdf( 'sha256', $secret, SODIUM_CRYPTO_SECRETBOX_KEYBYTES, 'siteagent/1 desk|' . $session );
	}
}
