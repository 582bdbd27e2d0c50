<?php
/**
 * A signed release of SiteAgent (docs/PROTOCOL.md section 3.5).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Verifies that a package is a release of SiteAgent: newer than the running version, and signed with the key in
 * the running version. Calls no WordPress function.
 */
final class Siteagent_Plugin_Release {

	const SLUG             = 'siteagent';
	const SIGNATURE_PREFIX = "siteagent/release/1\n";

	/** Added to the package by `make plugin-release`. A copy of the sources has none and accepts no release. */
	const KEY_FILE = 'release-key.pub';

	/** @var string */
	private $version;

	/** @var string SHA-256 of the package, in hex. */
	private $sha256;

	/** @var string Signature, base64url. */
	private $signature;

	public function __construct( string $version, string $sha256, string $signature ) {
		$this->version   = $version;
		$this->sha256    = $sha256;
		$this->signature = $signature;
	}

	/**
	 * Creates a release from fields.
	 *
	 * @param array $fields slug, version, sha256, sig.
	 * @return self|null Null when a field is missing or malformed, or belongs to another plugin.
	 */
	public static function from_fields( array $fields ): ?self {
		foreach ( array( 'slug', 'version', 'sha256', 'sig' ) as $name ) {
			if ( ! isset( $fields[ $name ] ) || ! is_string( $fields[ $name ] ) ) {
				return null;
			}
		}
		$is_ours = self::SLUG === $fields['slug']
			&& 1 === preg_match( '/^[0-9][0-9A-Za-z.+-]{0,39}\z/D', $fields['version'] )
			&& 1 === preg_match( '/^[0-9a-f]{64}\z/D', $fields['sha256'] );
		return $is_ours ? new self( $fields['version'], $fields['sha256'], $fields['sig'] ) : null;
	}

	public function version(): string {
		return $this->version;
	}

	public function sha256(): string {
		return $this->sha256;
	}

	/**
	 * Whether this is a newer version than the given one, with a valid signature.
	 *
	 * @param string      $installed The installed version.
	 * @param string|null $key       Ed25519 public key, raw bytes; null accepts nothing.
	 */
	public function is_update_of( string $installed, ?string $key ): bool {
		return version_compare( $this->version, $installed, '>' ) && null !== $key && $this->is_valid_signature( $key );
	}

	/**
	 * Whether a file is the package of this release.
	 */
	public function matches_package( string $file ): bool {
		return is_readable( $file ) && hash_equals( $this->sha256, (string) hash_file( 'sha256', $file ) );
	}

	/**
	 * Returns the public key in a folder of SiteAgent, raw bytes; null without one.
	 */
	public static function read_key( string $folder ): ?string {
		$file = $folder . '/' . self::KEY_FILE;
		if ( ! is_readable( $file ) ) {
			return null;
		}
		try {
			return Siteagent_HTTP_Signature::base64url_decode( trim( (string) file_get_contents( $file ) ), Siteagent_Key_Derivation::BYTES );
		} catch ( Siteagent_Exception $exception ) {
			return null;
		}
	}

	/**
	 * Returns the exact bytes that are signed.
	 */
	private function signed_bytes(): string {
		return self::SIGNATURE_PREFIX . Siteagent_Canonical_JSON::encode(
			array(
				'v'       => Siteagent_HTTP_Signature::VERSION,
				'slug'    => self::SLUG,
				'version' => $this->version,
				'sha256'  => $this->sha256,
			)
		);
	}

	private function is_valid_signature( string $key ): bool {
		try {
			return Siteagent_Key_Derivation::is_valid_signature( $key, $this->signed_bytes(), Siteagent_HTTP_Signature::base64url_decode( $this->signature, 64 ) );
		} catch ( Siteagent_Exception $exception ) {
			return false;
		}
	}
}
