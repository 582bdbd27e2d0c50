<?php
/**
 * With whom this site is connected, and the keys of that connection.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Keeps the states of a connection: unpaired, waiting for the dashboard, paired, unreadable.
 *
 * Secrets are sealed; of what only has to be recognised, the hash is kept. Every change of state
 * names the state it starts from and reports whether it won.
 */
final class Siteagent_Connection_Store {

	/** How many authenticated hellos one token bears. */
	const MAX_HELLOS = 10;

	/** How long an ended connection can still be proven. */
	const ENDED_RETENTION_S = 7776000;

	/** How long a used token is remembered; it lives for half an hour. */
	const USED_TOKEN_RETENTION_S = 86400;

	/** How long after a rotation the former secret still ends the connection: the dashboard may not have heard yet. */
	const PREVIOUS_KEYS_REVOCABLE_S = 600;

	/** How exactly the last contact is known: less writing. */
	const CONTACT_RESOLUTION_S = 60;

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var Siteagent_Encryption */
	private $seal;

	public function __construct( Siteagent_Option_Store $store, Siteagent_Encryption $seal ) {
		$this->store = $store;
		$this->seal  = $seal;
	}

	/**
	 * 'unpaired', 'waiting' (a token was accepted, the dashboard has not called), 'paired',
	 * 'unreadable' (the keys of wp-config.php have changed since), or 'newer' (written by a newer SiteAgent).
	 */
	public function state(): string {
		if ( $this->store->is_newer() ) {
			return 'newer';
		}
		$data = $this->store->read();
		if ( isset( $data['pending'] ) ) {
			return 'waiting';
		}
		if ( ! isset( $data['connection'] ) ) {
			return 'unpaired';
		}
		return null === $this->seal->decrypt( $data['connection']['sealed'] ) ? 'unreadable' : 'paired';
	}

	/**
	 * The token that was accepted: pid, origin, site_url, expires_at, notice (what the dashboard said of it), hellos.
	 */
	public function pending(): ?array {
		$data = $this->store->read();
		return isset( $data['pending'] ) ? $this->without_secrets( $data['pending'] ) : null;
	}

	/**
	 * The present connection: origin, fingerprint, kid, home, paired_at, last_contact_at (null before
	 * the first request); null when there is none or its keys cannot be read.
	 */
	public function connection(): ?array {
		$data = $this->store->read();
		if ( ! isset( $data['connection'] ) || null === $this->seal->decrypt( $data['connection']['sealed'] ) ) {
			return null;
		}
		return $this->without_secrets( $data['connection'] );
	}

	/**
	 * Which address this site had when it was connected, and which it has; null while they are the same.
	 *
	 * @param string $keyid Under the keys of a move that is being confirmed, the address that was agreed on counts.
	 * @return array{was:string,is:string}|null
	 */
	public function address_change( string $keyid = '' ): ?array {
		$data = $this->store->read();
		$made = isset( $data['connection'] ) ? $data['connection'] : ( isset( $data['pending'] ) ? $data['pending'] : null );
		if ( isset( $data['connection']['next'] ) && $keyid === $data['connection']['next']['kid'] ) {
			$made = $data['connection']['next'] + $made;
		}
		$home = $this->home();
		if ( null === $made || Siteagent_Site_Address::is_same_site( $made['home'], $home ) ) {
			return null;
		}
		return array(
			'was' => $made['home'],
			'is'  => $home,
		);
	}

	/**
	 * This site's own address.
	 */
	public function home(): string {
		return Siteagent_Site_Address::home( $this->store->is_network() );
	}

	/**
	 * The addresses a request may have been signed for.
	 *
	 * @return string[]
	 */
	public function endpoints(): array {
		if ( $this->store->is_network() && ! is_main_site() ) {
			// The other sites of the network would report about themselves under its name.
			return array();
		}
		$data  = $this->store->read();
		$found = isset( $data['pending'] ) ? $data['pending']['endpoints'] : array();
		if ( isset( $data['connection'] ) ) {
			$connection = $data['connection'];
			$home       = $this->home();
			$asked      = isset( $connection['move'] ) ? $connection['move']['endpoints'] : array();
			// A site that went to https or to www. is the same one under another spelling.
			$respelled = $home !== $connection['home'] && Siteagent_Site_Address::is_same_site( $home, $connection['home'] ) ? Siteagent_Site_Address::endpoints( $home, $home ) : array();
			$found     = array_merge( $found, $connection['endpoints'], $asked, $respelled );
		}
		return array_values( array_unique( $found ) );
	}

	/**
	 * Who may sign under this key id, and how they are answered.
	 *
	 * @return array{role:string,d2s:string,s2d:string}|null The role is 'token', 'exchange' (agreed on, not confirmed), 'connection',
	 *                                                       or 'next' (the connection's next generation, not confirmed).
	 */
	public function channel( string $keyid ): ?array {
		$data = $this->store->read();
		if ( isset( $data['connection'] ) && hash_equals( $data['connection']['kid'], $keyid ) ) {
			return $this->build_channel( 'connection', $this->seal->decrypt( $data['connection']['sealed'] ) );
		}
		if ( isset( $data['connection']['next'] ) && hash_equals( $data['connection']['next']['kid'], $keyid ) ) {
			return $this->build_channel( 'next', $this->seal->decrypt( $data['connection']['next']['sealed'] ) );
		}
		if ( ! isset( $data['pending'] ) ) {
			return null;
		}
		$pending = $data['pending'];
		if ( hash_equals( 'p_' . $pending['pid'], $keyid ) ) {
			$auth = $this->pending_auth_key();
			return null === $auth ? null : $this->build_channel(
				'token',
				array(
					'd2s' => Siteagent_Key_Derivation::token_key( $auth, 'd2s' ),
					's2d' => Siteagent_Key_Derivation::token_key( $auth, 's2d' ),
				)
			);
		}
		if ( isset( $pending['exchange'] ) && hash_equals( $pending['exchange']['kid'], $keyid ) ) {
			return $this->build_channel( 'exchange', $this->seal->decrypt( $pending['exchange']['sealed'] ) );
		}
		return null;
	}

	/**
	 * What the pending token's keys follow from; null when there is no token or it cannot be read.
	 */
	public function pending_auth_key(): ?string {
		$data    = $this->store->read();
		$secrets = isset( $data['pending'] ) ? $this->seal->decrypt( $data['pending']['sealed'] ) : null;
		return null === $secrets ? null : $secrets['auth'];
	}

	/**
	 * Whether this token connected a site before, or is being waited for.
	 */
	public function is_token_known( string $pid ): bool {
		$data = $this->store->read();
		return isset( $data['used'][ $pid ] ) || ( isset( $data['pending'] ) && $pid === $data['pending']['pid'] );
	}

	/**
	 * Wait for the dashboard of this token. False when the site is connected already.
	 */
	public function set_pending( Siteagent_Pairing_Token $token, int $now ): bool {
		$home    = $this->home();
		$pending = array(
			'pid'        => $token->pid(),
			'origin'     => $token->origin(),
			'site_url'   => $token->site_url(),
			'expires_at' => $token->expires_at(),
			'home'       => $home,
			'endpoints'  => Siteagent_Site_Address::endpoints( $token->site_url(), $home ),
			'notice'     => '',
			'hellos'     => 0,
			'sealed'     => $this->seal->encrypt( array( 'auth' => $token->auth_key() ) ),
		);
		return $this->store->change(
			static function ( array $data ) use ( $pending, $now ): ?array {
				if ( isset( $data['connection'] ) ) {
					return null;
				}
				$data['pending'] = $pending;
				$data['used']    = self::newer_than( isset( $data['used'] ) ? $data['used'] : array(), $now - self::USED_TOKEN_RETENTION_S );
				return $data;
			}
		);
	}

	/**
	 * Keep what the dashboard said of the token: delivered, failed, used, expired or cancelled.
	 */
	public function set_pending_notice( string $pid, string $answer ): void {
		$this->update_pending(
			$pid,
			static function ( array $pending ) use ( $answer ): array {
				$pending['notice'] = $answer;
				return $pending;
			}
		);
	}

	/**
	 * Forget the token. False when it was not being waited for.
	 */
	public function clear_pending(): bool {
		return $this->store->change(
			static function ( array $data ): ?array {
				if ( ! isset( $data['pending'] ) ) {
					return null;
				}
				unset( $data['pending'] );
				return $data;
			}
		);
	}

	/**
	 * Count one more hello under this token. False when it has had its share, or is gone.
	 */
	public function count_hello( string $pid ): bool {
		return $this->update_pending(
			$pid,
			static function ( array $pending ): ?array {
				if ( $pending['hellos'] >= self::MAX_HELLOS ) {
					return null;
				}
				++$pending['hellos'];
				return $pending;
			}
		);
	}

	/**
	 * Keep what a hello agreed on, until it is confirmed; a later hello takes its place.
	 *
	 * @param array $facts   th, kid, fingerprint, dash_id, sign_d.
	 * @param array $session The keys of the connection by name, raw bytes.
	 */
	public function save_exchange( string $pid, array $facts, array $session ): bool {
		$exchange = $this->encrypt_session( $facts, $session );
		return $this->update_pending(
			$pid,
			static function ( array $pending ) use ( $exchange ): array {
				$pending['exchange'] = $exchange;
				return $pending;
			}
		);
	}

	/**
	 * The dashboard confirmed: the exchange becomes the connection and the token is used up.
	 *
	 * True also when that had happened before, so that a lost answer can be asked for again.
	 *
	 * @param string $th In hex.
	 */
	public function activate( string $kid, string $th, int $now ): bool {
		$is_active = false;
		$this->store->change(
			static function ( array $data ) use ( $kid, $th, $now, &$is_active ): ?array {
				$known     = isset( $data['pending']['exchange'] ) ? $data['pending']['exchange'] : null;
				$is_again  = null === $known && isset( $data['connection'] );
				$known     = $is_again ? $data['connection'] : $known;
				$is_active = null !== $known && hash_equals( $known['kid'], $kid ) && hash_equals( $known['th'], $th );
				if ( $is_again || ! $is_active ) {
					return null;
				}
				$pending            = $data['pending'];
				$data['connection'] = $pending['exchange'] + array(
					'origin'          => $pending['origin'],
					'home'            => $pending['home'],
					'endpoints'       => $pending['endpoints'],
					'paired_at'       => $now,
					'last_contact_at' => null,
				);
				$data['used'][ $pending['pid'] ] = $now;
				unset( $data['pending'] );
				return $data;
			}
		);
		return $is_active;
	}

	/**
	 * Keep the next generation of the connection of $kid until a message under it confirms it; a later one takes its place.
	 *
	 * @param array $facts   kid, th, fingerprint; with a move also home and endpoints.
	 * @param array $session The keys by name, raw bytes.
	 */
	public function save_next_keys( string $kid, array $facts, array $session ): bool {
		$next = $this->encrypt_session( $facts, $session );
		return $this->update_connection(
			$kid,
			static function ( array $connection ) use ( $next ): array {
				$connection['next'] = $next;
				return $connection;
			}
		);
	}

	/**
	 * A message under the next generation was valid: it becomes the connection's, and the old one is gone.
	 */
	public function promote_next_keys( string $kid, int $now ): bool {
		return $this->store->change(
			static function ( array $data ) use ( $kid, $now ): ?array {
				if ( ! isset( $data['connection']['next'] ) || ! hash_equals( $data['connection']['next']['kid'], $kid ) ) {
					return null;
				}
				$connection = $data['connection'];
				$next       = $connection['next'];
				unset( $connection['next'], $connection['former'] );
				if ( isset( $next['home'] ) ) {
					unset( $connection['move'], $connection['silent_for'] );
				}
				$former = array(
					'kid'         => $connection['kid'],
					'revoke_hash' => $connection['revoke_hash'],
					'sealed'      => $connection['sealed'],
					'until'       => $now + self::PREVIOUS_KEYS_REVOCABLE_S,
				);
				$data['connection'] = $next + array( 'former' => $former ) + $connection;
				return $data;
			}
		);
	}

	/**
	 * The keys of the connection itself, for deriving the next ones; null when there is none that can be read.
	 *
	 * @return array{d2s:string,s2d:string}|null Raw bytes.
	 */
	public function session_keys( string $kid ): ?array {
		$data = $this->store->read();
		return isset( $data['connection'] ) && $kid === $data['connection']['kid'] ? $this->seal->decrypt( $data['connection']['sealed'] ) : null;
	}

	/**
	 * The administrator says that the site has moved here: keep where it may be called from now on.
	 *
	 * @return array{home:string,endpoints:string[]}|null What to tell the dashboard; null when there is no connection.
	 */
	public function record_move(): ?array {
		$home = $this->home();
		$move = array(
			'home'      => $home,
			'endpoints' => Siteagent_Site_Address::endpoints( $home, $home ),
		);
		$kept = $this->update_connection(
			null,
			static function ( array $connection ) use ( $move ): array {
				$connection['move'] = $move;
				return $connection;
			}
		);
		return $kept || null !== $this->connection() ? $move : null;
	}

	/**
	 * The administrator says that nothing is to be done about the present address.
	 */
	public function record_pause(): void {
		$home = $this->home();
		$this->update_connection(
			null,
			static function ( array $connection ) use ( $home ): array {
				$connection['silent_for'] = $home;
				return $connection;
			}
		);
	}

	/**
	 * Seal again what was sealed before SITEAGENT_KEY was defined, so that WordPress's secret keys may change.
	 *
	 * @return bool Whether anything had to be.
	 */
	public function reencrypt(): bool {
		return $this->store->change(
			function ( array $data ): ?array {
				$found = false;
				array_walk_recursive(
					$data,
					function ( &$value, $name ) use ( &$found ): void {
						$renewed = 'sealed' === $name && is_string( $value ) ? $this->seal->reencrypt( $value ) : null;
						if ( null !== $renewed ) {
							$value = $renewed;
							$found = true;
						}
					}
				);
				return $found ? $data : null;
			}
		);
	}

	/**
	 * Whether this key id is the connection's, whose keys cannot be read any more.
	 */
	public function is_unreadable( string $keyid ): bool {
		$data = $this->store->read();
		return isset( $data['connection'] ) && hash_equals( $data['connection']['kid'], $keyid ) && null === $this->seal->decrypt( $data['connection']['sealed'] );
	}

	/**
	 * A request of the dashboard was answered.
	 */
	public function record_contact( int $now ): void {
		$data = $this->store->read();
		if ( isset( $data['connection'] ) && $now - (int) $data['connection']['last_contact_at'] < self::CONTACT_RESOLUTION_S ) {
			return;
		}
		$this->store->change(
			static function ( array $data ) use ( $now ): ?array {
				if ( ! isset( $data['connection'] ) ) {
					return null;
				}
				$data['connection']['last_contact_at'] = $now;
				return $data;
			}
		);
	}

	/**
	 * The dashboard shows the revocation secret of this key id: the connection ends.
	 *
	 * @return string|null The acknowledgement (raw bytes), again as often as the secret is shown; null for any other secret.
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
				$secrets = $this->seal->decrypt( $generation['sealed'] );
				// Unreadable keys must not keep the door open; there is just no proof then.
				$ack   = null === $secrets ? '' : $secrets['revoke-ack'];
				$ended = array( 'revoke_hash' => $hash, 'ack' => Siteagent_HTTP_Signature::base64url_encode( $ack ), 'at' => $now );
				return self::end_connection( $data, $kid, $ended, $now );
			}
		);
		return $ack;
	}

	/**
	 * This side ends the connection: the keys are gone when this returns.
	 *
	 * @return array{origin:string,kid:string,s2d:?string,goodbye:?string}|null What a goodbye is made of; null when there was no connection.
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
				$secrets    = $this->seal->decrypt( $connection['sealed'] );
				$parted     = array(
					'origin'  => $connection['origin'],
					'kid'     => $connection['kid'],
					's2d'     => null === $secrets ? null : $secrets['s2d'],
					'goodbye' => null === $secrets ? null : $secrets['goodbye'],
				);
				$ended = array( 'at' => $now ) + ( null === $secrets ? array() : array( 'goodbye' => Siteagent_HTTP_Signature::base64url_encode( $secrets['goodbye'] ) ) );
				return self::end_connection( $data, $connection['kid'], $ended, $now );
			}
		);
		return $parted;
	}

	/**
	 * Remember that this key id ended without a word to anybody: a copy does not speak for the original.
	 */
	public function delete_disconnect_proof( string $kid ): void {
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
	 * The proof that this site ended the connection of that key id; null when it did not.
	 */
	public function disconnect_proof( string $kid ): ?string {
		$data = $this->store->read();
		return isset( $data['ended'][ $kid ]['goodbye'] ) ? $data['ended'][ $kid ]['goodbye'] : null;
	}

	/**
	 * Who ended the last connection, when, and with which dashboard it was; null when none ended lately, or another one began.
	 *
	 * @return array{by:string,at:int,origin:string}|null `by` is 'dashboard' or 'site'.
	 */
	public function last_disconnection(): ?array {
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
	 * The random name of this site, made at first use; it outlives connections.
	 */
	public function site_uuid(): string {
		$this->store->change(
			static function ( array $data ): ?array {
				return isset( $data['uuid'] ) ? null : array( 'uuid' => wp_generate_uuid4() ) + $data;
			}
		);
		return $this->store->read()['uuid'];
	}

	/**
	 * The public half of this site's signing key, made at first use or when the old one cannot be read.
	 */
	public function signing_public_key(): string {
		$this->store->change(
			function ( array $data ): ?array {
				if ( isset( $data['sign'] ) && null !== $this->seal->decrypt( $data['sign']['sealed'] ) ) {
					return null;
				}
				$seed         = random_bytes( Siteagent_Key_Derivation::BYTES );
				$data['sign'] = array(
					'public' => Siteagent_HTTP_Signature::base64url_encode( Siteagent_Key_Derivation::signing_public_key( $seed ) ),
					'sealed' => $this->seal->encrypt( array( 'seed' => $seed ) ),
				);
				return $data;
			}
		);
		return $this->store->read()['sign']['public'];
	}

	/**
	 * This site's signature; null when its key cannot be read.
	 */
	public function sign( string $message ): ?string {
		$data = $this->store->read();
		$seed = isset( $data['sign'] ) ? $this->seal->decrypt( $data['sign']['sealed'] ) : null;
		return null === $seed ? null : Siteagent_Key_Derivation::sign( $seed['seed'], Siteagent_HTTP_Signature::base64url_decode( $data['sign']['public'] ), $message );
	}

	private function build_channel( string $role, ?array $secrets ): ?array {
		return null === $secrets ? null : array(
			'role' => $role,
			'd2s'  => $secrets['d2s'],
			's2d'  => $secrets['s2d'],
		);
	}

	/**
	 * @param callable $edit fn( array $pending ): ?array.
	 */
	private function update_pending( string $pid, callable $edit ): bool {
		return $this->store->change(
			static function ( array $data ) use ( $pid, $edit ): ?array {
				if ( ! isset( $data['pending'] ) || $pid !== $data['pending']['pid'] ) {
					return null;
				}
				$pending = $edit( $data['pending'] );
				return null === $pending ? null : array( 'pending' => $pending ) + $data;
			}
		);
	}

	/**
	 * @param string|null $kid  The connection meant; null for whichever there is.
	 * @param callable    $edit fn( array $connection ): ?array.
	 */
	private function update_connection( ?string $kid, callable $edit ): bool {
		return $this->store->change(
			static function ( array $data ) use ( $kid, $edit ): ?array {
				if ( ! isset( $data['connection'] ) || ( null !== $kid && $kid !== $data['connection']['kid'] ) ) {
					return null;
				}
				$connection = $edit( $data['connection'] );
				return null === $connection ? null : array( 'connection' => $connection ) + $data;
			}
		);
	}

	/**
	 * What is kept of a session: keys sealed, and of the revocation secret only its hash.
	 */
	private function encrypt_session( array $facts, array $session ): array {
		return $facts + array(
			'revoke_hash' => Siteagent_Key_Derivation::hash_secret( $session['revoke'] ),
			'sealed'      => $this->seal->encrypt(
				array(
					'd2s'        => $session['d2s'],
					's2d'        => $session['s2d'],
					'revoke-ack' => $session['revoke-ack'],
					'goodbye'    => $session['goodbye'],
				)
			),
		);
	}

	/**
	 * The generation of a connection that goes by this key id: the present one, or for a while the former.
	 */
	private static function find_generation( array $connection, string $kid, int $now ): ?array {
		if ( hash_equals( $connection['kid'], $kid ) ) {
			return $connection;
		}
		$former = isset( $connection['former'] ) ? $connection['former'] : null;
		return null !== $former && $now < $former['until'] && hash_equals( $former['kid'], $kid ) ? $former : null;
	}

	private function without_secrets( array $part ): array {
		unset( $part['sealed'], $part['exchange'], $part['next'], $part['former'], $part['revoke_hash'] );
		return $part;
	}

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

	private static function newer_than( array $moments, int $than ): array {
		return array_filter(
			$moments,
			static function ( int $at ) use ( $than ): bool {
				return $at > $than;
			}
		);
	}
}
