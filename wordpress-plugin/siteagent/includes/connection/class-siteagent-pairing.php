<?php
/**
 * The site's side of pairing and parting (docs/PROTOCOL.md sections 2 and 4).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * From a pasted token to a connection, and from there to its end, whoever ends it.
 */
final class Siteagent_Pairing {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Dashboard_Client */
	private $dashboard_client;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Dashboard_Client $dashboard_client, Siteagent_Audit_Log $log, Siteagent_Checkpoint_Store $checkpoint_store ) {
		$this->connection_store = $connection_store;
		$this->dashboard_client = $dashboard_client;
		$this->log     = $log;
		$this->checkpoint_store = $checkpoint_store;
	}

	// What an administrator does.

	/**
	 * The token behind a pasted text, if this site can use it now. Accepts nothing.
	 *
	 * @throws Siteagent_Exception not_a_token, damaged, expired, wrong_site, already_used.
	 */
	public function read_token( string $text ): Siteagent_Pairing_Token {
		$token = Siteagent_Pairing_Token::parse( $text );
		if ( $this->connection_store->is_token_known( $token->pid() ) ) {
			throw new Siteagent_Exception( 'already_used' );
		}
		$token->validate( time(), $this->connection_store->home() );
		return $token;
	}

	/**
	 * Wait for the dashboard of this token, and tell it so.
	 *
	 * @param bool   $replace Whether a present connection may be ended for it.
	 * @param string $actor     The administrator, as the log names them.
	 * @throws Siteagent_Exception must_replace when there is a connection that may not be ended.
	 */
	public function accept( Siteagent_Pairing_Token $token, bool $replace, string $actor ): void {
		if ( $replace ) {
			$this->disconnect( $actor );
		}
		if ( ! $this->connection_store->set_pending( $token, time() ) ) {
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
		$this->connection_store->set_pending_notice( $token->pid(), $answer );
	}

	/**
	 * Forget the token that is being waited for.
	 */
	public function cancel( string $actor ): void {
		if ( $this->connection_store->clear_pending() ) {
			$this->log->append( 'token_cancelled', array(), $actor );
		}
	}

	/**
	 * End the connection from this side, and tell the dashboard if it can be told.
	 *
	 * @return array{notice:string} 'delivered', 'failed', or 'not_tried' when nobody may or can be told.
	 */
	public function disconnect( string $actor ): array {
		$is_copy = null !== $this->connection_store->address_change();
		$ended_connection  = $this->connection_store->disconnect( time() );
		if ( null === $ended_connection ) {
			return array( 'notice' => 'not_tried' );
		}
		$notice = 'not_tried';
		if ( $is_copy ) {
			$this->connection_store->delete_disconnect_proof( $ended_connection['kid'] );
		} elseif ( null !== $ended_connection['goodbye'] ) {
			$notice = $this->dashboard_client->notify_disconnected( $ended_connection['origin'], $ended_connection['kid'], $ended_connection['s2d'], $ended_connection['goodbye'] );
		}
		$this->log->append(
			'disconnected',
			array(
				'dashboard' => $ended_connection['origin'],
				'told'      => $notice,
			),
			$actor
		);
		return array( 'notice' => $notice );
	}

	// What the dashboard asks for.

	/**
	 * M1 and M2: agree on keys.
	 *
	 * @param string $body The request's exact bytes: both sides hash them.
	 * @throws Siteagent_Exception pairing_closed, invalid_arguments.
	 */
	public function handle_hello( stdClass $document, string $body, int $now ): array {
		$pending = $this->connection_store->pending();
		$auth    = $this->connection_store->pending_auth_key();
		if ( null === $pending || null === $auth || $document->pid !== $pending['pid'] ) {
			throw new Siteagent_Exception( 'pairing_closed', 'another token' );
		}
		if ( $now >= $pending['expires_at'] ) {
			throw new Siteagent_Exception( 'pairing_closed', 'expired', array( 'reason' => 'expired' ) );
		}
		if ( ! $this->connection_store->count_hello( $pending['pid'] ) ) {
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
		if ( ! $this->connection_store->save_exchange( $pending['pid'], $facts, $session ) ) {
			throw new Siteagent_Exception( 'pairing_closed', 'cancelled meanwhile' );
		}
		return $answer;
	}

	/**
	 * M3 and M4: the dashboard has the same keys.
	 *
	 * @throws Siteagent_Exception pairing_closed when it was another exchange.
	 */
	public function handle_confirm( string $keyid, stdClass $document, int $now ): array {
		$is_new = 'waiting' === $this->connection_store->state();
		if ( ! $this->connection_store->activate( $keyid, $document->th, $now ) ) {
			throw new Siteagent_Exception( 'pairing_closed', 'another exchange' );
		}
		$connection = (array) $this->connection_store->connection();
		if ( $is_new ) {
			$this->checkpoint_store->delete_all();
			$facts = array(
				'dashboard'   => $connection['origin'],
				'fingerprint' => $connection['fingerprint'],
			);
			$this->log->append( 'connected', $facts, 'dashboard' );
		}
		return array( 'fingerprint' => $connection['fingerprint'] );
	}

	/**
	 * The dashboard ends the connection by showing the secret it alone has.
	 *
	 * @throws Siteagent_Exception unauthorized for any other secret; every stranger gets the same.
	 */
	public function handle_revoke( stdClass $document, int $now ): array {
		$previous = $this->connection_store->connection();
		$ack = $this->connection_store->revoke( $document->kid, Siteagent_HTTP_Signature::base64url_decode( $document->r, 32 ), $now );
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
	 * The exact bytes of a positive answer.
	 */
	public static function success_body( string $name, array $answer ): string {
		return Siteagent_HTTP_Signature::canonical_json(
			array(
				'v'  => Siteagent_HTTP_Signature::VERSION,
				'ok' => true,
				'op' => $name,
			) + $answer
		);
	}

	/**
	 * The administrator agreed to one dashboard; whoever got hold of the token may be another.
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

	private function site_introduction( string $public, int $now ): array {
		$pending = (array) $this->connection_store->pending();
		return array(
			'e_s'    => Siteagent_HTTP_Signature::base64url_encode( $public ),
			'sign_s' => $this->connection_store->signing_public_key(),
			'site'   => array(
				'uuid'      => $this->connection_store->site_uuid(),
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
