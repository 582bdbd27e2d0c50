<?php
/**
 * New keys for a connection that stands (docs/PROTOCOL.md section 3.2).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Agrees on the next generation. The present one works until a message under the next one confirms it.
 */
final class Siteagent_Rotation {

	const NAME = 'keys.rotate';

	/** @var Siteagent_Keyring */
	private $keyring;

	/** @var Siteagent_Ledger */
	private $ledger;

	/** @var Siteagent_Log */
	private $log;

	public function __construct( Siteagent_Keyring $keyring, Siteagent_Ledger $ledger, Siteagent_Log $log ) {
		$this->keyring = $keyring;
		$this->ledger  = $ledger;
		$this->log     = $log;
	}

	/**
	 * Derive the next generation as the signed plan says.
	 *
	 * @throws Siteagent_Refusal invalid_arguments; identity_changed when the plan names another address than the present one.
	 */
	public function rotate( stdClass $document, int $now ): array {
		$connection = $this->keyring->connection();
		if ( null === $connection ) {
			throw new Siteagent_Refusal( 'unauthorized', self::NAME );
		}
		$plan = Siteagent_Plan::open( $document->plan, $document->sig, self::NAME, $document->op_id, $connection, $this->keyring->uuid() );
		$key  = $plan->next_key( $document->sig_next );
		$home = $this->address( $plan );
		if ( Siteagent_Keys::generation( $connection['kid'] ) + 1 !== $plan->get( 'gen' ) ) {
			throw new Siteagent_Refusal( 'invalid_arguments', 'the plan\'s generation', array( 'argument' => 'gen' ) );
		}
		return $this->ledger->once(
			$document->op_id,
			self::NAME,
			Siteagent_Plan::digest( $plan->bytes() ),
			$now,
			function () use ( $plan, $connection, $home, $key, $document ): array {
				$public = $this->agree( $plan, $connection['kid'], $home, $key );
				$facts  = array( 'by' => $document->by ) + ( null === $home ? array() : array( 'home' => $home ) )
					+ ( null === $key ? array() : array( 'sign_d' => $key ) );
				$this->log->append( 'rotation_agreed', $facts, 'dashboard' );
				return array( 'e_s' => Siteagent_Protocol::b64u( $public ) );
			}
		);
	}

	/**
	 * Where the plan says that this site lives; null when it leaves the address as it is.
	 */
	private function address( Siteagent_Plan $plan ): ?string {
		$moved   = $this->keyring->moved();
		$home    = $plan->get( 'home' );
		$is_ours = is_string( $home ) && Siteagent_Address::same_home( $home, $this->keyring->home() );
		if ( ! $is_ours && ( null !== $home || null !== $moved ) ) {
			$was = null === $moved ? $this->keyring->home() : $moved['was'];
			throw new Siteagent_Refusal( 'identity_changed', 'the plan is for another address', array( 'paired' => $was, 'now' => $this->keyring->home() ) );
		}
		return $is_ours ? $this->keyring->home() : null;
	}

	/**
	 * @param string|null $key What plans are signed with under the next generation; null for the present key.
	 * @return string This side's public key, raw.
	 */
	private function agree( Siteagent_Plan $plan, string $kid, ?string $home, ?string $key ): string {
		$old      = $this->keyring->secrets( $kid );
		$exchange = Siteagent_Keys::exchange();
		if ( null === $old ) {
			throw new Siteagent_Refusal( 'unauthorized', self::NAME );
		}
		try {
			$peer = Siteagent_Protocol::from_b64u( $plan->get( 'e_d' ), Siteagent_Keys::BYTES );
		} catch ( Siteagent_Refusal $refusal ) {
			throw new Siteagent_Refusal( 'invalid_arguments', 'the plan\'s e_d', array( 'argument' => 'e_d' ) );
		}
		$th      = Siteagent_Keys::rotation_transcript( $plan->bytes(), $exchange['public'] );
		$session = Siteagent_Keys::of_session( $exchange['private'], $peer, $old['d2s'] . $old['s2d'], $th );
		$facts   = array(
			'kid'         => Siteagent_Keys::next_key_id( $kid, $plan->get( 'gen' ) ),
			'th'          => bin2hex( $th ),
			'fingerprint' => Siteagent_Keys::fingerprint( $th ),
		);
		if ( null !== $key ) {
			$facts['sign_d'] = $key;
		}
		if ( null !== $home ) {
			$facts['home']      = $home;
			$facts['endpoints'] = Siteagent_Address::endpoints( $plan->get( 'home' ), $home );
		}
		if ( ! $this->keyring->keep_next( $kid, $facts, $session ) ) {
			throw new Siteagent_Refusal( 'unauthorized', 'ended meanwhile' );
		}
		return $exchange['public'];
	}
}
