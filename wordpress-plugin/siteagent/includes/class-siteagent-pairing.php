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

	/** @var Siteagent_Keyring */
	private $keyring;

	/** @var Siteagent_Notices */
	private $notices;

	/** @var Siteagent_Log */
	private $log;

	/** @var Siteagent_Witness */
	private $witness;

	public function __construct( Siteagent_Keyring $keyring, Siteagent_Notices $notices, Siteagent_Log $log, Siteagent_Witness $witness ) {
		$this->keyring = $keyring;
		$this->notices = $notices;
		$this->log     = $log;
		$this->witness = $witness;
	}

	// What an administrator does.

	/**
	 * The token behind a pasted text, if this site can use it now. Accepts nothing.
	 *
	 * @throws Siteagent_Refusal not_a_token, damaged, expired, wrong_site, already_used.
	 */
	public function read_token( string $text ): Siteagent_Token {
		$token = Siteagent_Token::read( $text );
		if ( $this->keyring->knows_token( $token->pid() ) ) {
			throw new Siteagent_Refusal( 'already_used' );
		}
		$token->judge( time(), $this->keyring->home() );
		return $token;
	}

	/**
	 * Wait for the dashboard of this token, and tell it so.
	 *
	 * @param bool   $replace Whether a present connection may be ended for it.
	 * @param string $who     The administrator, as the log names them.
	 * @throws Siteagent_Refusal must_replace when there is a connection that may not be ended.
	 */
	public function accept( Siteagent_Token $token, bool $replace, string $who ): void {
		if ( $replace ) {
			$this->disconnect( $who );
		}
		if ( ! $this->keyring->await( $token, time() ) ) {
			throw new Siteagent_Refusal( 'must_replace' );
		}
		$this->log->append(
			'token_accepted',
			array(
				'dashboard'  => $token->origin(),
				'expires_at' => gmdate( 'Y-m-d\TH:i:s\Z', $token->expires_at() ),
			),
			$who
		);
		$answer = $this->notices->ready( $token->origin(), $token->pid(), $token->auth(), $this->keyring->home() );
		$this->keyring->note_answer( $token->pid(), $answer );
	}

	/**
	 * Forget the token that is being waited for.
	 */
	public function cancel( string $who ): void {
		if ( $this->keyring->drop_pending() ) {
			$this->log->append( 'token_cancelled', array(), $who );
		}
	}

	/**
	 * End the connection from this side, and tell the dashboard if it can be told.
	 *
	 * @return array{notice:string} 'delivered', 'failed', or 'not_tried' when nobody may or can be told.
	 */
	public function disconnect( string $who ): array {
		$is_copy = null !== $this->keyring->moved();
		$parted  = $this->keyring->disconnect( time() );
		if ( null === $parted ) {
			return array( 'notice' => 'not_tried' );
		}
		$told = 'not_tried';
		if ( $is_copy ) {
			$this->keyring->forget_goodbye( $parted['kid'] );
		} elseif ( null !== $parted['goodbye'] ) {
			$told = $this->notices->goodbye( $parted['origin'], $parted['kid'], $parted['s2d'], $parted['goodbye'] );
		}
		$this->log->append(
			'disconnected',
			array(
				'dashboard' => $parted['origin'],
				'told'      => $told,
			),
			$who
		);
		return array( 'notice' => $told );
	}

	// What the dashboard asks for.

	/**
	 * M1 and M2: agree on keys.
	 *
	 * @param string $body The request's exact bytes: both sides hash them.
	 * @throws Siteagent_Refusal pairing_closed, invalid_arguments.
	 */
	public function hello( stdClass $document, string $body, int $now ): array {
		$pending = $this->keyring->pending();
		$auth    = $this->keyring->auth();
		if ( null === $pending || null === $auth || $document->pid !== $pending['pid'] ) {
			throw new Siteagent_Refusal( 'pairing_closed', 'another token' );
		}
		if ( $now >= $pending['expires_at'] ) {
			throw new Siteagent_Refusal( 'pairing_closed', 'expired', array( 'reason' => 'expired' ) );
		}
		if ( ! $this->keyring->count_hello( $pending['pid'] ) ) {
			throw new Siteagent_Refusal( 'pairing_closed', 'tried too often', array( 'reason' => 'tried too often' ) );
		}
		$this->check_dashboard( $document, $pending );
		$exchange = Siteagent_Keys::exchange();
		$answer   = $this->introduction( $exchange['public'], $now );
		$th       = Siteagent_Keys::transcript( $body, self::answer_body( 'pair.hello', $answer ) );
		$session  = Siteagent_Keys::of_session( $exchange['private'], Siteagent_Protocol::from_b64u( $document->e_d, 32 ), $auth, $th );
		$facts    = array(
			'th'          => bin2hex( $th ),
			'kid'         => Siteagent_Keys::key_id( $th ),
			'fingerprint' => Siteagent_Keys::fingerprint( $th ),
			'dash_id'     => $document->dash->id,
			'sign_d'      => $document->sign_d,
		);
		if ( ! $this->keyring->keep_exchange( $pending['pid'], $facts, $session ) ) {
			throw new Siteagent_Refusal( 'pairing_closed', 'cancelled meanwhile' );
		}
		return $answer;
	}

	/**
	 * M3 and M4: the dashboard has the same keys.
	 *
	 * @throws Siteagent_Refusal pairing_closed when it was another exchange.
	 */
	public function confirm( string $keyid, stdClass $document, int $now ): array {
		$is_new = 'waiting' === $this->keyring->state();
		if ( ! $this->keyring->activate( $keyid, $document->th, $now ) ) {
			throw new Siteagent_Refusal( 'pairing_closed', 'another exchange' );
		}
		$connection = (array) $this->keyring->connection();
		if ( $is_new ) {
			$this->witness->forget();
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
	 * @throws Siteagent_Refusal unauthorized for any other secret; every stranger gets the same.
	 */
	public function revoke( stdClass $document, int $now ): array {
		$was = $this->keyring->connection();
		$ack = $this->keyring->revoke( $document->kid, Siteagent_Protocol::from_b64u( $document->r, 32 ), $now );
		if ( null === $ack ) {
			throw new Siteagent_Refusal( 'unauthorized', 'revoke' );
		}
		$ended = null !== $was && null === $this->keyring->connection();
		if ( $ended ) {
			$facts = array(
				'dashboard' => $was['origin'],
				'by'        => $document->by,
			);
			$this->log->append( 'revoked', $facts, 'dashboard' );
		}
		return array(
			'a'     => Siteagent_Protocol::b64u( $ack ),
			'ended' => $ended,
		);
	}

	/**
	 * The exact bytes of a positive answer.
	 */
	public static function answer_body( string $name, array $answer ): string {
		return Siteagent_Protocol::canonical(
			array(
				'v'  => Siteagent_Protocol::VERSION,
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
			throw new Siteagent_Refusal( 'invalid_arguments', 'pair.hello dash', array( 'argument' => 'dash' ) );
		}
		if ( ! in_array( $document->url, $pending['endpoints'], true ) ) {
			throw new Siteagent_Refusal( 'wrong_site', $document->url );
		}
	}

	private function introduction( string $public, int $now ): array {
		$pending = (array) $this->keyring->pending();
		return array(
			'e_s'    => Siteagent_Protocol::b64u( $public ),
			'sign_s' => $this->keyring->sign_public(),
			'site'   => array(
				'uuid'      => $this->keyring->uuid(),
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
