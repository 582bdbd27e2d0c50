<?php
/**
 * Encryption of stored secrets.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Encrypts with the secret keys of wp-config.php, so that a stolen database alone is of no use, and a copy of the
 * site with other keys cannot act as the original.
 */
final class Siteagent_Encryption {

	/** The value of a secret key in the sample wp-config.php. */
	const PLACEHOLDER = 'put your unique phrase here';

	/** A constant that replaces WordPress's secret keys, so that those may change. */
	const OWN_KEY = 'SITEAGENT_KEY';

	/** The constants of WordPress that encrypt where SITEAGENT_KEY is not defined. */
	const SECRET_KEYS = array( 'AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY' );

	/** @var string[] 32 raw bytes each. The first one encrypts, each of them decrypts. */
	private $keys;

	/**
	 * @param string $secret              A secret that is not in the database.
	 * @param string ...$previous_secrets Earlier secrets, for texts encrypted with them.
	 */
	public function __construct( string $secret, string ...$previous_secrets ) {
		$this->keys = array_map(
			static function ( string $sealing_secret ): string {
				return hash_hkdf( 'sha256', $sealing_secret, SODIUM_CRYPTO_SECRETBOX_KEYBYTES, 'siteagent/1 seal' );
			},
			array_merge( array( $secret ), $previous_secrets )
		);
	}

	/**
	 * Returns the encryption of this site: with SITEAGENT_KEY alone where it is defined, otherwise with WordPress's
	 * secret keys.
	 *
	 * The constants are read directly, because wp_salt() mixes in values from the database. Only where wp-config.php
	 * holds no key at all is wp_salt() used.
	 */
	public static function for_site(): self {
		$own_key = self::constant_values( array( self::OWN_KEY ) );
		$salts   = self::constant_values( self::SECRET_KEYS );
		$salts   = '' === $salts ? wp_salt( 'auth' ) : $salts;
		return '' === $own_key ? new self( $salts ) : new self( $own_key, $salts );
	}

	/**
	 * Whether SITEAGENT_KEY is defined, so that stored keys survive a change of WordPress's secret keys.
	 */
	public static function has_own_key(): bool {
		return '' !== self::constant_values( array( self::OWN_KEY ) );
	}

	/**
	 * Whether wp-config.php defines any of WordPress's secret keys. Otherwise WordPress keeps them in the database.
	 */
	public static function has_secret_keys(): bool {
		return '' !== self::constant_values( self::SECRET_KEYS );
	}

	/**
	 * Returns the values of the constants that are defined, with their names; empty when none is.
	 */
	private static function constant_values( array $names ): string {
		$secret = '';
		foreach ( $names as $name ) {
			$value = defined( $name ) ? constant( $name ) : '';
			if ( is_string( $value ) && '' !== $value && self::PLACEHOLDER !== $value ) {
				$secret .= $name . "\0" . $value . "\0";
			}
		}
		return $secret;
	}

	/**
	 * Encrypts secrets.
	 *
	 * @param array<string,string> $secrets Raw bytes by name.
	 */
	public function encrypt( array $secrets ): string {
		$nonce = random_bytes( SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$plain = Siteagent_Canonical_JSON::encode( array_map( array( 'Siteagent_HTTP_Signature', 'base64url_encode' ), $secrets ) );
		return Siteagent_HTTP_Signature::base64url_encode( $nonce . sodium_crypto_secretbox( $plain, $nonce, $this->keys[0] ) );
	}

	/**
	 * Returns what is stored of new keys: the keys encrypted, and the revocation secret as a hash.
	 *
	 * @param array                $facts   What else is stored about them.
	 * @param array<string,string> $session Keys by name, raw bytes.
	 */
	public function encrypt_session( array $facts, array $session ): array {
		return $facts + array(
			'revoke_hash' => Siteagent_Key_Derivation::hash_secret( $session['revoke'] ),
			'sealed'      => $this->encrypt(
				array(
					'd2s'        => $session['d2s'],
					's2d'        => $session['s2d'],
					'revoke-ack' => $session['revoke-ack'],
					'disconnect' => $session['disconnect'],
				)
			),
		);
	}

	/**
	 * Encrypts secrets again with the present key; null when they already are, or cannot be decrypted.
	 */
	public function reencrypt( string $sealed ): ?string {
		$secrets = null === $this->decrypt_with( $this->keys[0], $sealed ) ? $this->decrypt( $sealed ) : null;
		return null === $secrets ? null : $this->encrypt( $secrets );
	}

	/**
	 * Decrypts secrets; null when that is not possible. Never returns a wrong value.
	 *
	 * @return array<string,string>|null
	 */
	public function decrypt( string $sealed ): ?array {
		foreach ( $this->keys as $key ) {
			$secrets = $this->decrypt_with( $key, $sealed );
			if ( null !== $secrets ) {
				return $secrets;
			}
		}
		return null;
	}

	/**
	 * Decrypts secrets with one key.
	 *
	 * @return array<string,string>|null
	 */
	private function decrypt_with( string $key, string $sealed ): ?array {
		try {
			$raw   = Siteagent_HTTP_Signature::base64url_decode( $sealed );
			$size  = SODIUM_CRYPTO_SECRETBOX_NONCEBYTES;
			$plain = strlen( $raw ) < $size + SODIUM_CRYPTO_SECRETBOX_MACBYTES ? false
				: sodium_crypto_secretbox_open( substr( $raw, $size ), substr( $raw, 0, $size ), $key );
			if ( false === $plain ) {
				return null;
			}
			$secrets = array();
			foreach ( (array) Siteagent_Canonical_JSON::parse( $plain ) as $name => $text ) {
				$secrets[ $name ] = Siteagent_HTTP_Signature::base64url_decode( $text );
			}
			return $secrets;
		} catch ( Siteagent_Exception $exception ) {
			return null;
		}
	}
}
