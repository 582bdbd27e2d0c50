<?php
/**
 * Pairing and disconnecting (docs/PROTOCOL.md sections 2 and 4).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Turns a pasted token into a connection, and ends connections from either side.
 */
final class Siteagent_Pairing {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Pending_Pairing */
	private $pending_pairing;

	/** @var Siteagent_Disconnection */
	private $disconnection;

	/** @var Siteagent_Site_Identity */
	private $site_identity;

	/** @var Siteagent_Dashboard_Client */
	private $dashboard_client;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Pending_Pairing $pending_pairing,
		Siteagent_Disconnection $disconnection,
		Siteagent_Site_Identity $site_identity,
		Siteagent_Dashboard_Client $dashboard_client,
		Siteagent_Audit_Log $log,
		Siteagent_Checkpoint_Store $checkpoint_store
	) {
		$this->connection_store = $connection_store;
		$this->pending_pairing  = $pending_pairing;
		$this->disconnection    = $disconnection;
		$this->site_identity    = $site_identity;
		$this->dashboard_client = $dashboard_client;
		$this->log              = $log;
		$this->checkpoint_store = $checkpoint_store;
	}

	// Actions of an administrator.

	/**
	 * Parses a pasted token and checks that this site can use it now. Changes nothing.
	 *
	 * @throws Siteagent_Exception not_a_token, damaged, expired, wrong_site, already_used.
	 */
	public function read_token( string $text ): Siteagent_Pairing_Token {
		$token = Siteagent_Pairing_Token::parse( $text );
		if ( $this->pending_pairing->is_token_known( $token->pid() ) ) {
			throw new Siteagent_Exception( 'already_used' );
		}
		$token->validate( time(), $this->connection_store->home() );
		return $token;
	}

	/**
	 * Accepts a token and notifies its dashboard.
	 *
	 * @param Siteagent_Pairing_Token $token   The token.
	 * @param bool                    $replace Whether to end an existing connection.
	 * @param string                  $actor   The administrator, as stored in the log.
	 * @throws Siteagent_Exception must_replace when a connection exists that may not be ended.
	 */
	public function accept( Siteagent_Pairing_Token $token, bool $replace, string $actor ): void {
		if ( $replace ) {
			$this->disconnect( $actor );
		}
		if ( ! $this->pending_pairing->save( $token, time() ) ) {
			throw new Siteagent_Exception( 'must_replace' );
		}
		$this->log->append(
			'token_accepted',
			array(
				'dashboard'  => $token->origin(),
				'expires_at' => gmdate( 'Y-m-d\TH:i:s\Z', $token->expires_at() ),
			),
			$actor
		);
		$answer = $this->dashboard_client->notify_token_accepted( $token->origin(), $token->pid(), $token->auth_key(), $this->connection_store->home() );
		$this->pending_pairing->set_notice( $token->pid(), $answer );
	}

	/**
	 * Deletes the pending token.
	 */
	public function cancel( string $actor ): void {
		if ( $this->pending_pairing->clear() ) {
			$this->log->append( 'token_cancelled', array(), $actor );
		}
	}

	/**
	 * Ends the connection from this side and notifies the dashboard if possible.
	 *
	 * @return array{notice:string} 'delivered', 'failed', or 'not_tried' when the dashboard must not or cannot be
	 *         notified.
	 */
	public function disconnect( string $actor ): array {
		$is_copy          = null !== $this->connection_store->address_change();
		$ended_connection = $this->disconnection->disconnect( time() );
		if ( null === $ended_connection ) {
			return array( 'notice' => 'not_tried' );
		}
		$notice = 'not_tried';
		if ( $is_copy ) {
			$this->disconnection->delete_proof( $ended_connection['kid'] );
		} elseif ( null !== $ended_connection['disconnect'] ) {
			$notice = $this->dashboard_client->notify_disconnected( $ended_connection['origin'], $ended_connection['kid'], $ended_connection['s2d'], $ended_connection['disconnect'] );
		}
		$this->log->append(
			'disconnected',
			array(
				'dashboard' => $ended_connection['origin'],
				'notice'    => $notice,
			),
			$actor
		);
		return array( 'notice' => $notice );
	}

	// Operations of the dashboard.

	/**
	 * Handles M1 and M2: agrees on keys.
	 *
	 * @param stdClass $document The request body.
	 * @param string   $body     Its exact bytes, which both sides hash.
	 * @param int      $now      Unix time in seconds.
	 * @throws Siteagent_Exception pairing_closed, invalid_arguments.
	 */
	public function handle_hello( stdClass $document, string $body, int $now ): array {
		$pending = $this->pending_pairing->get();
		$auth    = $this->pending_pairing->auth_key();
		if ( null === $pending || null === $auth || $document->pid !== $pending['pid'] ) {
			throw new Siteagent_Exception( 'pairing_closed', 'another token' );
		}
		if ( $now >= $pending['expires_at'] ) {
			throw new Siteagent_Exception( 'pairing_closed', 'expired', array( 'reason' => 'expired' ) );
		}
		if ( ! $this->pending_pairing->count_hello( $pending['pid'] ) ) {
			throw new Siteagent_Exception( 'pairing_closed', 'tried too often', array( 'reason' => 'tried too often' ) );
		}
		$this->check_dashboard( $document, $pending );
		$exchange = Siteagent_Key_Derivation::new_exchange_keys();
		$answer   = $this->site_introduction( $exchange['public'], $now );
		$th       = Siteagent_Key_Derivation::transcript_hash( $body, self::success_body( 'pair.hello', $answer ) );
		$session  = Siteagent_Key_Derivation::session_keys( $exchange['private'], Siteagent_HTTP_Signature::base64url_decode( $document->e_d, 32 ), $auth, $th );
		$facts    = array(
			'th'          => bin2hex( $th ),
			'kid'         => Siteagent_Key_Derivation::key_id( $th ),
			'fingerprint' => Siteagent_Key_Derivation::fingerprint( $th ),
			'dash_id'     => $document->dash->id,
			'sign_d'      => $document->sign_d,
		);
		if ( ! $this->pending_pairing->save_exchange( $pending['pid'], $facts, $session ) ) {
			throw new Siteagent_Exception( 'pairing_closed', 'cancelled meanwhile' );
		}
		return $answer;
	}

	/**
	 * Handles M3 and M4: the dashboard confirms that it has the same keys.
	 *
	 * @throws Siteagent_Exception pairing_closed when it confirms other keys.
	 */
	public function handle_confirm( string $keyid, stdClass $document, int $now ): array {
		if ( ! $this->pending_pairing->activate( $keyid, $document->th, $now ) ) {
			throw new Siteagent_Exception( 'pairing_closed', 'another exchange' );
		}
		$connection = (array) $this->connection_store->connection();
		// Also when an earlier process was killed before it came here: without this entry, the dashboard would be sent those
		// about other dashboards.
		if ( isset( $connection['unlogged'] ) ) {
			$this->checkpoint_store->delete_all();
			$facts = array(
				'dashboard'   => $connection['origin'],
				'fingerprint' => $connection['fingerprint'],
			);
			$this->log->append( 'connected', $facts, 'dashboard' );
			$this->connection_store->record_logged( $connection['kid'] );
		}
		return array( 'fingerprint' => $connection['fingerprint'] );
	}

	/**
	 * Ends the connection when the dashboard presents its revocation secret.
	 *
	 * @throws Siteagent_Exception unauthorized for any other secret, as for every unauthenticated request.
	 */
	public function handle_revoke( stdClass $document, int $now ): array {
		$previous = $this->connection_store->connection();
		$ack      = $this->disconnection->revoke( $document->kid, Siteagent_HTTP_Signature::base64url_decode( $document->r, 32 ), $now );
		if ( null === $ack ) {
			throw new Siteagent_Exception( 'unauthorized', 'revoke' );
		}
		$ended = null !== $previous && null === $this->connection_store->connection();
		if ( $ended ) {
			$facts = array(
				'dashboard' => $previous['origin'],
				'by'        => $document->by,
			);
			$this->log->append( 'revoked', $facts, 'dashboard' );
		}
		return array(
			'a'     => Siteagent_HTTP_Signature::base64url_encode( $ack ),
			'ended' => $ended,
		);
	}

	/**
	 * Returns the exact bytes of a successful response.
	 */
	public static function success_body( string $name, array $answer ): string {
		return Siteagent_Canonical_JSON::encode(
			array(
				'v'  => Siteagent_HTTP_Signature::VERSION,
				'ok' => true,
				'op' => $name,
			) + $answer
		);
	}

	/**
	 * Checks that the caller is the dashboard the administrator agreed to: the token may have been stolen.
	 */
	private function check_dashboard( stdClass $document, array $pending ): void {
		$dash = $document->dash;
		$uuid = isset( $dash->id ) && is_string( $dash->id ) && 1 === preg_match( '/^[0-9a-f-]{36}\z/D', $dash->id );
		if ( ! $uuid || ! isset( $dash->origin ) || $pending['origin'] !== $dash->origin ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'pair.hello dash', array( 'argument' => 'dash' ) );
		}
		if ( ! in_array( $document->url, $pending['endpoints'], true ) ) {
			throw new Siteagent_Exception( 'wrong_site', $document->url );
		}
	}

	/**
	 * Returns this site's part of M2: its public keys, addresses and versions.
	 */
	private function site_introduction( string $public, int $now ): array {
		$pending = (array) $this->pending_pairing->get();
		return array(
			'e_s'    => Siteagent_HTTP_Signature::base64url_encode( $public ),
			'sign_s' => $this->site_identity->signing_public_key(),
			'site'   => array(
				'uuid'      => $this->site_identity->uuid(),
				'home'      => $pending['home'],
				'endpoints' => $pending['endpoints'],
				'wp'        => get_bloginfo( 'version' ),
				'php'       => PHP_VERSION,
				'plugin'    => SITEAGENT_VERSION,
			),
			'time'   => $now,
		);
	}
}
