<?php
/**
 * Seals what must not be read from a copy of the database.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Encrypts under the secret keys of wp-config.php, so that a stolen database alone is of no use,
 * and a copy of the site with keys of its own cannot speak in the original's name.
 */
final class Siteagent_Seal {

	/** What the sample wp-config.php holds instead of a key. */
	const PLACEHOLDER = 'put your unique phrase here';

	/** @var string 32 raw bytes. */
	private $key;

	/**
	 * @param string $secret What this installation, and not its database, knows.
	 */
	public function __construct( string $secret ) {
		$this->key = hash_hkdf( 'sha256', $secret, SODIUM_CRYPTO_SECRETBOX_KEYBYTES, 'siteagent/1 seal' );
	}

	/**
	 * The seal of this installation.
	 *
	 * The constants are read themselves: wp_salt() mixes in what WordPress keeps in the database.
	 * Only where wp-config.php holds no key at all is there nothing better than wp_salt().
	 */
	public static function of_this_site(): self {
		$secret = '';
		foreach ( array( 'SITEAGENT_KEY', 'AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY' ) as $name ) {
			$value = defined( $name ) ? constant( $name ) : '';
			if ( is_string( $value ) && '' !== $value && self::PLACEHOLDER !== $value ) {
				$secret .= $name . "\0" . $value . "\0";
			}
		}
		return new self( '' === $secret ? wp_salt( 'auth' ) : $secret );
	}

	/**
	 * Text that opens here and nowhere else.
	 *
	 * @param array<string,string> $secrets Raw bytes by name.
	 */
	public function close( array $secrets ): string {
		$nonce = random_bytes( SODIUM_CRYPTO_SECRETBOX_NONCEBYTES );
		$plain = Siteagent_Protocol::canonical( array_map( array( 'Siteagent_Protocol', 'b64u' ), $secrets ) );
		return Siteagent_Protocol::b64u( $nonce . sodium_crypto_secretbox( $plain, $nonce, $this->key ) );
	}

	/**
	 * The secrets in a sealed text; null when it does not open. Never a wrong value.
	 *
	 * @return array<string,string>|null
	 */
	public function open( string $sealed ): ?array {
		try {
			$raw   = Siteagent_Protocol::from_b64u( $sealed );
			$size  = SODIUM_CRYPTO_SECRETBOX_NONCEBYTES;
			$plain = strlen( $raw ) < $size + SODIUM_CRYPTO_SECRETBOX_MACBYTES ? false
				: sodium_crypto_secretbox_open( substr( $raw, $size ), substr( $raw, 0, $size ), $this->key );
			if ( false === $plain ) {
				return null;
			}
			$secrets = array();
			foreach ( (array) Siteagent_Protocol::parse_json( $plain ) as $name => $text ) {
				$secrets[ $name ] = Siteagent_Protocol::from_b64u( $text );
			}
			return $secrets;
		} catch ( Siteagent_Refusal $broken ) {
			return null;
		}
	}
}
