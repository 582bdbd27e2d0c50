<?php
/**
 * Key rotation of a connection (docs/PROTOCOL.md section 3.2).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Agrees on the next keys. The present keys work until a message signed with the next ones confirms them.
 */
final class Siteagent_Key_Rotation {

	const NAME = 'keys.rotate';

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Site_Identity */
	private $site_identity;

	/** @var Siteagent_Operation_Store */
	private $operation_store;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Site_Identity $site_identity,
		Siteagent_Operation_Store $operation_store,
		Siteagent_Audit_Log $log
	) {
		$this->connection_store = $connection_store;
		$this->site_identity    = $site_identity;
		$this->operation_store  = $operation_store;
		$this->log              = $log;
	}

	/**
	 * Derives the next keys as the signed plan says.
	 *
	 * @throws Siteagent_Exception invalid_arguments; identity_changed when the plan names another address than the
	 *         present one.
	 */
	public function rotate( stdClass $document, int $now ): array {
		$connection = $this->connection_store->connection();
		if ( null === $connection ) {
			throw new Siteagent_Exception( 'unauthorized', self::NAME );
		}
		$plan = Siteagent_Signed_Plan::verify( $document->plan, $document->sig, self::NAME, $document->op_id, $connection, $this->site_identity->uuid() );
		$key  = $plan->next_key( $document->sig_next );
		$home = $this->confirmed_home( $plan );
		if ( Siteagent_Key_Derivation::generation( $connection['kid'] ) + 1 !== $plan->get( 'gen' ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the plan\'s generation', array( 'argument' => 'gen' ) );
		}
		return $this->operation_store->run_once(
			$document->op_id,
			self::NAME,
			Siteagent_Signed_Plan::digest( $plan->bytes() ),
			$now,
			function () use ( $plan, $connection, $home, $key, $document ): array {
				$public = $this->derive_next_keys( $plan, $connection['kid'], $home, $key );
				$facts  = array( 'by' => $document->by ) + ( null === $home ? array() : array( 'home' => $home ) )
					+ ( null === $key ? array() : array( 'sign_d' => $key ) );
				$this->log->append( 'key_rotation_agreed', $facts, 'dashboard' );
				return array( 'e_s' => Siteagent_HTTP_Signature::base64url_encode( $public ) );
			}
		);
	}

	/**
	 * Returns the present address when the plan confirms it as a new one; null when the address stays.
	 *
	 * @throws Siteagent_Exception identity_changed when the plan names another address.
	 */
	private function confirmed_home( Siteagent_Signed_Plan $plan ): ?string {
		$moved   = $this->connection_store->address_change();
		$home    = $plan->get( 'home' );
		$is_ours = is_string( $home ) && Siteagent_Site_Address::is_same_site( $home, $this->connection_store->home() );
		if ( ! $is_ours && ( null !== $home || null !== $moved ) ) {
			$was = null === $moved ? $this->connection_store->home() : $moved['was'];
			throw new Siteagent_Exception( 'identity_changed', 'the plan is for another address', array( 'paired' => $was, 'now' => $this->connection_store->home() ) );
		}
		return $is_ours ? $this->connection_store->home() : null;
	}

	/**
	 * @param Siteagent_Signed_Plan $plan The plan.
	 * @param string                $kid  Key id of the connection.
	 * @param string|null           $home The confirmed new address, or null.
	 * @param string|null           $key  The key that signs plans from the next generation on; null for the present
	 *                                    key.
	 * @return string This side's public key, raw bytes.
	 */
	private function derive_next_keys( Siteagent_Signed_Plan $plan, string $kid, ?string $home, ?string $key ): string {
		$session_keys = $this->connection_store->session_keys( $kid );
		$exchange     = Siteagent_Key_Derivation::new_exchange_keys();
		if ( null === $session_keys ) {
			throw new Siteagent_Exception( 'unauthorized', self::NAME );
		}
		try {
			$peer = Siteagent_HTTP_Signature::base64url_decode( $plan->get( 'e_d' ), Siteagent_Key_Derivation::BYTES );
		} catch ( Siteagent_Exception $exception ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the plan\'s e_d', array( 'argument' => 'e_d' ) );
		}
		$th      = Siteagent_Key_Derivation::rotation_transcript_hash( $plan->bytes(), $exchange['public'] );
		$session = Siteagent_Key_Derivation::session_keys( $exchange['private'], $peer, $session_keys['d2s'] . $session_keys['s2d'], $th );
		$facts   = array(
			'kid'         => Siteagent_Key_Derivation::next_key_id( $kid, $plan->get( 'gen' ) ),
			'th'          => bin2hex( $th ),
			'fingerprint' => Siteagent_Key_Derivation::fingerprint( $th ),
		);
		if ( null !== $key ) {
			$facts['sign_d'] = $key;
		}
		if ( null !== $home ) {
			$facts['home']      = $home;
			$facts['endpoints'] = Siteagent_Site_Address::endpoints( $plan->get( 'home' ), $home );
		}
		if ( ! $this->connection_store->save_next_keys( $kid, $facts, $session ) ) {
			throw new Siteagent_Exception( 'unauthorized', 'ended meanwhile' );
		}
		return $exchange['public'];
	}
}
