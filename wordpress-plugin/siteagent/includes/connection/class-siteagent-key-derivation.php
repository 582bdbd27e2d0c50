<?php
/**
 * Key derivation (docs/PROTOCOL.md section 2). app/keys.py implements the same.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Derives keys. Stores nothing and calls no WordPress function.
 *
 * Where PHP has no sodium extension, WordPress provides the same functions with sodium_compat.
 */
final class Siteagent_Key_Derivation {

	const BYTES = 32;

	/**
	 * Derives the key that represents a token without its secret.
	 */
	public static function token_auth_key( string $secret, string $pid ): string {
		return self::hkdf( $secret, $pid, 'siteagent/1 pair-auth' );
	}

	/**
	 * Derives a key of a token: d2s, s2d or note.
	 */
	public static function token_key( string $auth, string $name ): string {
		return self::hkdf( $auth, '', "siteagent/1 pair $name" );
	}

	/**
	 * Returns the transcript hash (th) of both hello bodies, exactly as sent. Raw bytes.
	 */
	public static function transcript_hash( string $hello, string $answer ): string {
		return hash( 'sha256', 'siteagent/1 pair' . pack( 'N', strlen( $hello ) ) . $hello . pack( 'N', strlen( $answer ) ) . $answer, true );
	}

	/**
	 * Creates an X25519 key pair.
	 *
	 * @return array{private:string,public:string} Raw bytes.
	 */
	public static function new_exchange_keys(): array {
		$private = random_bytes( self::BYTES );
		return array(
			'private' => $private,
			'public'  => sodium_crypto_scalarmult_base( $private ),
		);
	}

	/**
	 * Returns the transcript hash of a rotation, from the plan's exact bytes and this side's public key. Raw bytes.
	 */
	public static function rotation_transcript_hash( string $plan, string $public ): string {
		return hash( 'sha256', 'siteagent/1 rotate' . pack( 'N', strlen( $plan ) ) . $plan . $public, true );
	}

	/**
	 * Derives all keys of a connection by name: d2s, s2d, revoke, revoke-ack and disconnect. Raw bytes.
	 *
	 * @param string $private This side's X25519 private key.
	 * @param string $peer    The other side's X25519 public key.
	 * @param string $auth    A secret that both sides share already: of the token, or both present keys.
	 * @param string $th      Transcript hash.
	 * @throws Siteagent_Exception invalid_arguments for a peer key of small order.
	 */
	public static function session_keys( string $private, string $peer, string $auth, string $th ): array {
		try {
			$shared = sodium_crypto_scalarmult( $private, $peer );
		} catch ( SodiumException $unusable ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the X25519 key is unusable' );
		}
		if ( hash_equals( str_repeat( "\0", self::BYTES ), $shared ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the X25519 key is unusable' );
		}
		$keys = array();
		foreach ( array( 'd2s', 's2d', 'revoke', 'revoke-ack', 'disconnect' ) as $name ) {
			$keys[ $name ] = self::hkdf( $shared . $auth, $th, "siteagent/1 $name" );
		}
		return $keys;
	}

	/**
	 * Returns the key id of a new connection.
	 */
	public static function key_id( string $th ): string {
		return Siteagent_HTTP_Signature::base64url_encode( substr( $th, 0, 16 ) ) . '.1';
	}

	/**
	 * Returns the key id of a later generation of the same connection.
	 */
	public static function next_key_id( string $kid, int $generation ): string {
		return strtok( $kid, '.' ) . '.' . $generation;
	}

	/**
	 * Returns the generation that a key id names.
	 */
	public static function generation( string $kid ): int {
		return (int) substr( (string) strrchr( $kid, '.' ), 1 );
	}

	/**
	 * Whether a signature is the Ed25519 signature of a message. False for an unusable key.
	 */
	public static function is_valid_signature( string $public, string $message, string $signature ): bool {
		try {
			return sodium_crypto_sign_verify_detached( $signature, $message, $public );
		} catch ( SodiumException $unusable ) {
			return false;
		}
	}

	/**
	 * Returns the fingerprint that both sides show: twelve hex digits in three groups.
	 */
	public static function fingerprint( string $th ): string {
		return implode( '-', str_split( strtoupper( substr( bin2hex( $th ), 0, 12 ) ), 4 ) );
	}

	/**
	 * Returns the hash (hex) to store of a secret that will be presented once as proof.
	 */
	public static function hash_secret( string $secret ): string {
		return hash( 'sha256', $secret );
	}

	/**
	 * Returns the public half of an Ed25519 seed. Raw bytes.
	 */
	public static function signing_public_key( string $seed ): string {
		return sodium_crypto_sign_publickey( sodium_crypto_sign_seed_keypair( $seed ) );
	}

	/**
	 * Signs a message with Ed25519. Takes the public half as well, which saves deriving it.
	 */
	public static function sign( string $seed, string $public, string $message ): string {
		return sodium_crypto_sign_detached( $message, $seed . $public );
	}

	private static function hkdf( string $material, string $salt, string $info ): string {
		return hash_hkdf( 'sha256', $material, self::BYTES, $info, $salt );
	}
}
