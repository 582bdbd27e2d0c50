<?php
/**
 * A plan signed by the dashboard (docs/PROTOCOL.md section 3.1).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Accepts a plan only if the connected dashboard signed exactly these bytes for this site.
 *
 * The HMAC keys are on both sides and in every copy of the site. The key that signs plans never leaves the
 * dashboard.
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
	 * Verifies and parses a plan.
	 *
	 * @param string $encoded_plan The plan as base64url.
	 * @param string $signature    The Ed25519 signature as base64url.
	 * @param string $name         Expected operation.
	 * @param string $op_id        Expected id of the operation.
	 * @param array  $connection   kid and sign_d of the connection.
	 * @param string $uuid         UUID of this site.
	 * @throws Siteagent_Exception invalid_arguments. Does not say which part of a forged plan was wrong.
	 */
	public static function verify(
		string $encoded_plan,
		string $signature,
		string $name,
		string $op_id,
		array $connection,
		string $uuid
	): self {
		try {
			$bytes         = Siteagent_HTTP_Signature::base64url_decode( $encoded_plan );
			$raw_signature = Siteagent_HTTP_Signature::base64url_decode( $signature, 64 );
			$public        = Siteagent_HTTP_Signature::base64url_decode( $connection['sign_d'], 32 );
		} catch ( Siteagent_Exception $exception ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'plan', array( 'argument' => 'plan' ) );
		}
		if ( ! self::is_valid_signature( $public, $bytes, $raw_signature ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the plan is not signed by this dashboard', array( 'argument' => 'sig' ) );
		}
		$document = Siteagent_Canonical_JSON::parse( $bytes );
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
	 * Returns the key that signs plans after this rotation; null when the present key stays.
	 *
	 * Both keys have to sign: the present one appoints its successor, and the next one proves that its owner agrees.
	 *
	 * @param string|null $signature The next key's signature of the same plan, as base64url.
	 * @return string|null Ed25519 public key as base64url.
	 * @throws Siteagent_Exception invalid_arguments when the key or its signature is missing or wrong.
	 */
	public function next_key( ?string $signature ): ?string {
		$key = $this->get( 'sign_d' );
		if ( null === $key && null === $signature ) {
			return null;
		}
		try {
			$is_signed = is_string( $key ) && null !== $signature
				&& self::is_valid_signature(
					Siteagent_HTTP_Signature::base64url_decode( $key, Siteagent_Key_Derivation::BYTES ),
					$this->bytes,
					Siteagent_HTTP_Signature::base64url_decode( $signature, 64 )
				);
		} catch ( Siteagent_Exception $exception ) {
			$is_signed = false;
		}
		if ( ! $is_signed ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the plan is not signed with the next key', array( 'argument' => 'sig_next' ) );
		}
		return $key;
	}

	/**
	 * Returns the digest of a plan, raw bytes. It is signed, and operations are stored under it.
	 */
	public static function digest( string $bytes ): string {
		return hash( 'sha256', self::DIGEST_PREFIX . $bytes, true );
	}

	private static function is_valid_signature( string $public, string $bytes, string $signature ): bool {
		return Siteagent_Key_Derivation::is_valid_signature( $public, self::SIGNATURE_PREFIX . self::digest( $bytes ), $signature );
	}

	/**
	 * Returns the exact bytes that were signed.
	 */
	public function bytes(): string {
		return $this->bytes;
	}

	/**
	 * Returns a field of the plan; null when it is missing.
	 *
	 * @return mixed
	 */
	public function get( string $field ) {
		return isset( $this->document->$field ) ? $this->document->$field : null;
	}
}
