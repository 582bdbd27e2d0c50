<?php
/**
 * A checkpoint: how far an audit log reaches, signed by its owner (docs/PROTOCOL.md section 5.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads and writes checkpoints. app/domain/crosscheck/checkpoints.py does the same. Calls no WordPress function.
 */
final class Siteagent_Checkpoint {

	const VERSION  = 1;
	const PREFIX   = "siteagent/checkpoint/1\n";
	const MAX_BODY = 1000;

	/**
	 * Verifies a checkpoint.
	 *
	 * @param stdClass $sent   body and sig, each as base64url.
	 * @param string   $public Ed25519 public key of the log's owner, raw bytes.
	 * @return array{log:string,n:int,hash:string,root:string,at:int,body:string,sig:string} The body's exact bytes,
	 *         the signature as base64url.
	 * @throws Siteagent_Exception invalid_arguments for a wrong signature or missing fields.
	 */
	public static function verify( stdClass $sent, string $public ): array {
		try {
			$body     = Siteagent_HTTP_Signature::base64url_decode( isset( $sent->body ) ? $sent->body : null );
			$sig      = Siteagent_HTTP_Signature::base64url_decode( isset( $sent->sig ) ? $sent->sig : null, 64 );
			$document = Siteagent_Canonical_JSON::parse( $body );
		} catch ( Siteagent_Exception $exception ) {
			throw self::error( 'unreadable' );
		}
		if ( strlen( $body ) > self::MAX_BODY || ! Siteagent_Key_Derivation::is_valid_signature( $public, self::PREFIX . $body, $sig ) ) {
			throw self::error( 'signature' );
		}
		if ( ! self::is_valid_document( $document ) ) {
			throw self::error( 'fields' );
		}
		return array(
			'log'  => $document->log,
			'n'    => $document->n,
			'hash' => $document->hash,
			'root' => isset( $document->root ) ? $document->root : '',
			'at'   => $document->at,
			'body' => $body,
			'sig'  => $sent->sig,
		);
	}

	/**
	 * Returns the exact bytes of this site's own checkpoint.
	 *
	 * @param string $log  Name of the log.
	 * @param int    $n    Number of the newest entry.
	 * @param string $hash Its hash.
	 * @param int    $at   When it was written, Unix time in seconds.
	 */
	public static function body( string $log, int $n, string $hash, int $at ): string {
		return Siteagent_Canonical_JSON::encode(
			array(
				'v'    => self::VERSION,
				'log'  => $log,
				'n'    => $n,
				'hash' => $hash,
				'at'   => $at,
			)
		);
	}

	private static function is_valid_document( stdClass $document ): bool {
		foreach ( array( 'v', 'n', 'at' ) as $name ) {
			if ( ! isset( $document->$name ) || ! is_int( $document->$name ) || $document->$name < 0 ) {
				return false;
			}
		}
		$is_hash = static function ( $value ): bool {
			return is_string( $value ) && 1 === preg_match( '/^[0-9a-f]{64}\z/D', $value );
		};
		return self::VERSION === $document->v
			&& isset( $document->log, $document->hash )
			&& is_string( $document->log ) && 1 === preg_match( '/^[0-9a-f-]{36}\z/D', $document->log )
			&& $is_hash( $document->hash )
			&& ( ! isset( $document->root ) || $is_hash( $document->root ) );
	}

	private static function error( string $reason ): Siteagent_Exception {
		return new Siteagent_Exception( 'invalid_arguments', "checkpoint: $reason", array( 'argument' => 'checkpoint' ) );
	}
}
