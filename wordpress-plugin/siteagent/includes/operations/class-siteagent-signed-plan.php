<?php
/**
 * What the dashboard signed, to the byte (docs/PROTOCOL.md section 3.1).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Opens a plan only if the dashboard of this connection signed exactly these bytes for exactly this site.
 *
 * HMAC keys lie on both sides and in every copy of the site; the key that signs plans never leaves the dashboard.
 */
final class Siteagent_Signed_Plan {

	const DIGEST_PREFIX    = "siteagent/plan/1\n";
	const SIGNATURE_PREFIX = "siteagent/plan-sig/1\n";

	/** @var string */
	private $bytes;

	/** @var stdClass */
	private $document;

	private function __construct( string $bytes, stdClass $document ) {
		$this->bytes    = $bytes;
		$this->document = $document;
	}

	/**
	 * @param string $encoded_plan       The plan as b64u.
	 * @param string $signature  The Ed25519 signature as b64u.
	 * @param array  $connection kid and sign_d of the present connection.
	 * @param string $uuid       This site's own name.
	 * @throws Siteagent_Exception invalid_arguments; never says which part of a forged plan was wrong.
	 */
	public static function verify( string $encoded_plan, string $signature, string $name, string $op_id, array $connection, string $uuid ): self {
		try {
			$bytes  = Siteagent_HTTP_Signature::base64url_decode( $encoded_plan );
			$raw_signature    = Siteagent_HTTP_Signature::base64url_decode( $signature, 64 );
			$public = Siteagent_HTTP_Signature::base64url_decode( $connection['sign_d'], 32 );
		} catch ( Siteagent_Exception $exception ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'plan', array( 'argument' => 'plan' ) );
		}
		if ( ! self::is_valid_signature( $public, $bytes, $raw_signature ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the plan is not signed by this dashboard', array( 'argument' => 'sig' ) );
		}
		$document = Siteagent_HTTP_Signature::parse_json( $bytes );
		$expected = array(
			'v'     => Siteagent_HTTP_Signature::VERSION,
			'do'    => $name,
			'op_id' => $op_id,
			'site'  => $uuid,
			'kid'   => $connection['kid'],
		);
		foreach ( $expected as $field => $value ) {
			if ( ! isset( $document->$field ) || $value !== $document->$field ) {
				throw new Siteagent_Exception( 'invalid_arguments', "the plan's $field", array( 'argument' => $field ) );
			}
		}
		return new self( $bytes, $document );
	}

	/**
	 * The key that plans are signed with from then on, as this plan of a rotation names it; null when it keeps the present one.
	 *
	 * Both keys have to sign: the present one says who takes over, the next one proves that it exists and agrees.
	 *
	 * @param string|null $signature The next key's signature over the same plan, as b64u.
	 * @return string|null The Ed25519 public key as b64u.
	 * @throws Siteagent_Exception invalid_arguments when one of the two is missing, or the signature is wrong.
	 */
	public function next_key( ?string $signature ): ?string {
		$key = $this->get( 'sign_d' );
		if ( null === $key && null === $signature ) {
			return null;
		}
		try {
			$is_signed = is_string( $key ) && null !== $signature
				&& self::is_valid_signature( Siteagent_HTTP_Signature::base64url_decode( $key, Siteagent_Key_Derivation::BYTES ), $this->bytes, Siteagent_HTTP_Signature::base64url_decode( $signature, 64 ) );
		} catch ( Siteagent_Exception $exception ) {
			$is_signed = false;
		}
		if ( ! $is_signed ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the plan is not signed with the next key', array( 'argument' => 'sig_next' ) );
		}
		return $key;
	}

	/**
	 * What is signed, and what an operation is remembered by. Raw bytes.
	 */
	public static function digest( string $bytes ): string {
		return hash( 'sha256', self::DIGEST_PREFIX . $bytes, true );
	}

	private static function is_valid_signature( string $public, string $bytes, string $signature ): bool {
		return Siteagent_Key_Derivation::is_valid_signature( $public, self::SIGNATURE_PREFIX . self::digest( $bytes ), $signature );
	}

	/**
	 * The bytes that were signed.
	 */
	public function bytes(): string {
		return $this->bytes;
	}

	/**
	 * A field of the plan; null when it is not there.
	 *
	 * @return mixed
	 */
	public function get( string $field ) {
		return isset( $this->document->$field ) ? $this->document->$field : null;
	}
}
