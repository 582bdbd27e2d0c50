<?php
/**
 * The pairing key schedule (docs/PROTOCOL.md section 2), twin of app/keys.py.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Derives; stores nothing and calls no WordPress function.
 *
 * Where PHP has no sodium extension, WordPress brings sodium_compat; the functions are the same.
 */
final class Siteagent_Key_Derivation {

	const BYTES = 32;

	/**
	 * What a token stands for, without its secret.
	 */
	public static function token_auth_key( string $secret, string $pid ): string {
		return self::hkdf( $secret, $pid, 'siteagent/1 pair-auth' );
	}

	/**
	 * A key of the token's own: d2s, s2d or note.
	 */
	public static function token_key( string $auth, string $name ): string {
		return self::hkdf( $auth, '', "siteagent/1 pair $name" );
	}

	/**
	 * th: the hash of both hello bodies, exactly as they travelled. Raw bytes.
	 */
	public static function transcript_hash( string $hello, string $answer ): string {
		return hash( 'sha256', 'siteagent/1 pair' . pack( 'N', strlen( $hello ) ) . $hello . pack( 'N', strlen( $answer ) ) . $answer, true );
	}

	/**
	 * A fresh X25519 key pair.
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
	 * The same for a rotation: the hash of the plan's exact bytes and this side's public key.
	 */
	public static function rotation_transcript_hash( string $plan, string $public ): string {
		return hash( 'sha256', 'siteagent/1 rotate' . pack( 'N', strlen( $plan ) ) . $plan . $public, true );
	}

	/**
	 * Every key of the connection, by name: d2s, s2d, revoke, revoke-ack, goodbye. Raw bytes.
	 *
	 * @param string $auth What both sides share already: the token's keys, or both keys of the old generation.
	 * @throws Siteagent_Exception 'invalid_arguments' for a peer key of small order.
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
		foreach ( array( 'd2s', 's2d', 'revoke', 'revoke-ack', 'goodbye' ) as $name ) {
			$keys[ $name ] = self::hkdf( $shared . $auth, $th, "siteagent/1 $name" );
		}
		return $keys;
	}

	/**
	 * The key id both sides use from then on.
	 */
	public static function key_id( string $th ): string {
		return Siteagent_HTTP_Signature::base64url_encode( substr( $th, 0, 16 ) ) . '.1';
	}

	/**
	 * The key id of a later generation of the same connection.
	 */
	public static function next_key_id( string $kid, int $generation ): string {
		return strtok( $kid, '.' ) . '.' . $generation;
	}

	/**
	 * The generation a key id names.
	 */
	public static function generation( string $kid ): int {
		return (int) substr( (string) strrchr( $kid, '.' ), 1 );
	}

	/**
	 * Whether $signature is the Ed25519 signature of $message; false for unusable keys.
	 */
	public static function is_valid_signature( string $public, string $message, string $signature ): bool {
		try {
			return sodium_crypto_sign_verify_detached( $signature, $message, $public );
		} catch ( SodiumException $unusable ) {
			return false;
		}
	}

	/**
	 * What both screens show: twelve hex digits in three groups.
	 */
	public static function fingerprint( string $th ): string {
		return implode( '-', str_split( strtoupper( substr( bin2hex( $th ), 0, 12 ) ), 4 ) );
	}

	/**
	 * The image (hex) to keep of a secret that will be shown once as proof.
	 */
	public static function hash_secret( string $secret ): string {
		return hash( 'sha256', $secret );
	}

	/**
	 * The public half of an Ed25519 seed. Raw bytes.
	 */
	public static function signing_public_key( string $seed ): string {
		return sodium_crypto_sign_publickey( sodium_crypto_sign_seed_keypair( $seed ) );
	}

	/**
	 * The Ed25519 signature of $message. With the public half at hand nothing has to be derived.
	 */
	public static function sign( string $seed, string $public, string $message ): string {
		return sodium_crypto_sign_detached( $message, $seed . $public );
	}

	private static function hkdf( string $material, string $salt, string $info ): string {
		return hash_hkdf( 'sha256', $material, self::BYTES, $info, $salt );
	}
}
