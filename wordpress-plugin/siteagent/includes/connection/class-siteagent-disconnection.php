<?php
/**
 * End of the connection.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Ends the connection from either side and deletes its keys. Keeps the proof, so that a dashboard that missed the notice
 * finds out with its next request.
 */
final class Siteagent_Disconnection {

	/** How long the proof of an ended connection is kept. */
	const ENDED_RETENTION_S = 7776000;

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var Siteagent_Encryption */
	private $encryption;

	public function __construct( Siteagent_Option_Store $store, Siteagent_Encryption $encryption ) {
		$this->store      = $store;
		$this->encryption = $encryption;
	}

	/**
	 * Ends the connection when the dashboard presents its revocation secret.
	 *
	 * @return string|null The acknowledgement, raw bytes, each time the right secret is presented; null for any other
	 *         secret.
	 */
	public function revoke( string $kid, string $secret, int $now ): ?string {
		$ack = null;
		$this->store->change(
			function ( array $data ) use ( $kid, $secret, $now, &$ack ): ?array {
				$ack  = null;
				$hash = Siteagent_Key_Derivation::hash_secret( $secret );
				if ( isset( $data['ended'][ $kid ]['ack'] ) && hash_equals( $data['ended'][ $kid ]['revoke_hash'], $hash ) ) {
					$ack = Siteagent_HTTP_Signature::base64url_decode( $data['ended'][ $kid ]['ack'] );
					return null;
				}
				$generation = isset( $data['connection'] ) ? self::find_generation( $data['connection'], $kid, $now ) : null;
				if ( null === $generation || ! hash_equals( $generation['revoke_hash'], $hash ) ) {
					return null;
				}
				$secrets = $this->encryption->decrypt( $generation['sealed'] );
				// Keys that cannot be decrypted must not prevent revocation. There is just no proof then.
				$ack   = null === $secrets ? '' : $secrets['revoke-ack'];
				$ended = array( 'revoke_hash' => $hash, 'ack' => Siteagent_HTTP_Signature::base64url_encode( $ack ), 'at' => $now );
				return self::end_connection( $data, $kid, $ended, $now );
			}
		);
		return $ack;
	}

	/**
	 * Ends the connection from this site and deletes its keys.
	 *
	 * @return array{origin:string,kid:string,s2d:?string,disconnect:?string}|null What the notice to the dashboard needs;
	 *         null when there was no connection.
	 */
	public function disconnect( int $now ): ?array {
		$parted = null;
		$this->store->change(
			function ( array $data ) use ( $now, &$parted ): ?array {
				$parted = null;
				if ( ! isset( $data['connection'] ) ) {
					return null;
				}
				$connection = $data['connection'];
				$secrets    = $this->encryption->decrypt( $connection['sealed'] );
				$parted     = array(
					'origin'     => $connection['origin'],
					'kid'        => $connection['kid'],
					's2d'        => null === $secrets ? null : $secrets['s2d'],
					'disconnect' => null === $secrets ? null : $secrets['disconnect'],
				);
				$ended      = array( 'at' => $now ) + ( null === $secrets ? array() : array( 'disconnect' => Siteagent_HTTP_Signature::base64url_encode( $secrets['disconnect'] ) ) );
				return self::end_connection( $data, $connection['kid'], $ended, $now );
			}
		);
		return $parted;
	}

	/**
	 * Deletes the proof that the connection ended: a copy must not act for the original.
	 */
	public function delete_proof( string $kid ): void {
		$this->store->change(
			static function ( array $data ) use ( $kid ): ?array {
				if ( ! isset( $data['ended'][ $kid ] ) ) {
					return null;
				}
				unset( $data['ended'][ $kid ] );
				return $data;
			}
		);
	}

	/**
	 * Returns the proof that this site ended the connection; null when it did not.
	 */
	public function proof( string $kid ): ?string {
		$data = $this->store->read();
		return isset( $data['ended'][ $kid ]['disconnect'] ) ? $data['ended'][ $kid ]['disconnect'] : null;
	}

	/**
	 * Returns who ended the last connection, when, and with which dashboard; null when none ended lately or another
	 * one began.
	 *
	 * @return array{by:string,at:int,origin:string}|null `by` is 'dashboard' or 'site'.
	 */
	public function last(): ?array {
		$data = $this->store->read();
		$ends = isset( $data['ended'] ) ? $data['ended'] : array();
		$last = end( $ends );
		if ( false === $last || isset( $data['connection'] ) || ! isset( $last['origin'] ) ) {
			return null;
		}
		return array(
			'by'     => isset( $last['ack'] ) ? 'dashboard' : 'site',
			'at'     => $last['at'],
			'origin' => $last['origin'],
		);
	}

	/**
	 * Returns the keys of a connection that this key id names: the present ones, or the previous ones for a short
	 * time.
	 */
	private static function find_generation( array $connection, string $kid, int $now ): ?array {
		if ( hash_equals( $connection['kid'], $kid ) ) {
			return $connection;
		}
		$former = isset( $connection['former'] ) ? $connection['former'] : null;
		return null !== $former && $now < $former['until'] && hash_equals( $former['kid'], $kid ) ? $former : null;
	}

	/**
	 * Removes the connection and adds it to the ended ones, which are kept for ENDED_RETENTION_S.
	 *
	 * @param array  $data  Everything stored.
	 * @param string $kid   Key id of the connection.
	 * @param array  $ended What to store about it.
	 * @param int    $now   Unix time in seconds.
	 */
	private static function end_connection( array $data, string $kid, array $ended, int $now ): array {
		$ended['origin'] = $data['connection']['origin'];
		unset( $data['connection'] );
		$kept = array();
		foreach ( isset( $data['ended'] ) ? $data['ended'] : array() as $old => $about ) {
			if ( $about['at'] > $now - self::ENDED_RETENTION_S ) {
				$kept[ $old ] = $about;
			}
		}
		unset( $kept[ $kid ] );
		$kept[ $kid ]  = $ended;
		$data['ended'] = $kept;
		return $data;
	}
}
