<?php
/**
 * Identity of this site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores the random id of this site and the key that signs its checkpoints. Neither changes with the connection.
 */
final class Siteagent_Site_Identity {

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var Siteagent_Encryption */
	private $encryption;

	public function __construct( Siteagent_Option_Store $store, Siteagent_Encryption $encryption ) {
		$this->store      = $store;
		$this->encryption = $encryption;
	}

	/**
	 * Returns the random UUID of this site, created on first use.
	 */
	public function uuid(): string {
		$this->store->change(
			static function ( array $data ): ?array {
				return isset( $data['uuid'] ) ? null : array( 'uuid' => wp_generate_uuid4() ) + $data;
			}
		);
		return $this->store->read()['uuid'];
	}

	/**
	 * Returns the public half of this site's signing key. Creates a new key on first use, or when the old one cannot
	 * be decrypted.
	 */
	public function signing_public_key(): string {
		$this->store->change(
			function ( array $data ): ?array {
				if ( isset( $data['sign'] ) && null !== $this->encryption->decrypt( $data['sign']['sealed'] ) ) {
					return null;
				}
				$seed         = random_bytes( Siteagent_Key_Derivation::BYTES );
				$data['sign'] = array(
					'public' => Siteagent_HTTP_Signature::base64url_encode( Siteagent_Key_Derivation::signing_public_key( $seed ) ),
					'sealed' => $this->encryption->encrypt( array( 'seed' => $seed ) ),
				);
				return $data;
			}
		);
		return $this->store->read()['sign']['public'];
	}

	/**
	 * Signs a message with this site's key; null when the key cannot be decrypted.
	 */
	public function sign( string $message ): ?string {
		$data = $this->store->read();
		$seed = isset( $data['sign'] ) ? $this->encryption->decrypt( $data['sign']['sealed'] ) : null;
		return null === $seed ? null : Siteagent_Key_Derivation::sign( $seed['seed'], Siteagent_HTTP_Signature::base64url_decode( $data['sign']['public'] ), $message );
	}
}
