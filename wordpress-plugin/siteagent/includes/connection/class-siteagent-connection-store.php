<?php
/**
 * Storage of the connection and its keys.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores the state of the connection: unpaired, waiting for the dashboard, paired, unreadable or newer.
 *
 * Secrets are encrypted. Of a secret that only has to be recognized, the hash is stored. Every change of state
 * names the state it starts from, and returns whether it succeeded.
 */
final class Siteagent_Connection_Store {

	/** How many authenticated hellos a token allows. */
	const MAX_HELLOS = 10;

	/** How long the proof of an ended connection is kept. */
	const ENDED_RETENTION_S = 7776000;

	/** How long a used token is remembered. Tokens are valid for half an hour. */
	const USED_TOKEN_RETENTION_S = 86400;

	/**
	 * How long after a rotation the previous secret still ends the connection, because the dashboard may not have the
	 * new one yet.
	 */
	const PREVIOUS_KEYS_REVOCABLE_S = 600;

	/** The time of the last contact is stored at most this often. */
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
	 * Returns the state: 'unpaired', 'waiting' (a token was accepted, the dashboard has not called yet), 'paired',
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
	 * Returns the accepted token: pid, origin, site_url, expires_at, notice (the dashboard's answer about it) and
	 * hellos.
	 */
	public function pending(): ?array {
		$data = $this->store->read();
		return isset( $data['pending'] ) ? $this->without_secrets( $data['pending'] ) : null;
	}

	/**
	 * Returns the connection: origin, fingerprint, kid, home, paired_at and last_contact_at (null before the first
	 * request). Null when there is none or its keys cannot be decrypted.
	 */
	public function connection(): ?array {
		$data = $this->store->read();
		if ( ! isset( $data['connection'] ) || null === $this->seal->decrypt( $data['connection']['sealed'] ) ) {
			return null;
		}
		return $this->without_secrets( $data['connection'] );
	}

	/**
	 * Returns the address this site was connected under and its present one; null while both are the same site.
	 *
	 * @param string $keyid A key id. For the keys of a move that is being confirmed, the confirmed address counts.
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
	 * Returns the address of this site.
	 */
	public function home(): string {
		return Siteagent_Site_Address::home( $this->store->is_network() );
	}

	/**
	 * Returns the URLs that a request may be signed for.
	 *
	 * @return string[]
	 */
	public function endpoints(): array {
		if ( $this->store->is_network() && ! is_main_site() ) {
			// Otherwise another site of the network would report about itself under the name of the main site.
			return array();
		}
		$data  = $this->store->read();
		$found = isset( $data['pending'] ) ? $data['pending']['endpoints'] : array();
		if ( isset( $data['connection'] ) ) {
			$connection = $data['connection'];
			$home       = $this->home();
			$asked      = isset( $connection['move'] ) ? $connection['move']['endpoints'] : array();
			// A site that changed to https or www. is still the same site.
			$respelled = $home !== $connection['home'] && Siteagent_Site_Address::is_same_site( $home, $connection['home'] ) ? Siteagent_Site_Address::endpoints( $home, $home ) : array();
			$found     = array_merge( $found, $connection['endpoints'], $asked, $respelled );
		}
		return array_values( array_unique( $found ) );
	}

	/**
	 * Returns the keys of a key id and their role.
	 *
	 * @return array{role:string,d2s:string,s2d:string}|null The role is 'token', 'exchange' (agreed, not confirmed),
	 *         'connection', or 'next' (next keys of the connection, not confirmed).
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
	 * Returns the secret that the pending token's keys are derived from; null without a token or when it cannot be
	 * decrypted.
	 */
	public function pending_auth_key(): ?string {
		$data    = $this->store->read();
		$secrets = isset( $data['pending'] ) ? $this->seal->decrypt( $data['pending']['sealed'] ) : null;
		return null === $secrets ? null : $secrets['auth'];
	}

	/**
	 * Whether this token is pending or was used to connect this site before.
	 */
	public function is_token_known( string $pid ): bool {
		$data = $this->store->read();
		return isset( $data['used'][ $pid ] ) || ( isset( $data['pending'] ) && $pid === $data['pending']['pid'] );
	}

	/**
	 * Stores an accepted token. False when the site is already connected.
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
	 * Stores the dashboard's answer about the pending token: delivered, failed, used, expired or cancelled.
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
	 * Deletes the pending token. False when there was none.
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
	 * Counts a hello under the pending token. False when the limit was reached or the token is gone.
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
	 * Stores the keys agreed in a hello until they are confirmed. Replaces those of an earlier hello.
	 *
	 * @param string $pid     Public id of the token.
	 * @param array  $facts   th, kid, fingerprint, dash_id, sign_d.
	 * @param array  $session Keys by name, raw bytes.
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
	 * Turns the confirmed exchange into the connection and marks the token as used.
	 *
	 * Also true when this was done before, so that the dashboard can ask again after a lost response.
	 *
	 * @param string $kid Key id.
	 * @param string $th  Transcript hash in hex.
	 * @param int    $now Unix time in seconds.
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
				$pending                         = $data['pending'];
				$data['connection']              = $pending['exchange'] + array(
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
	 * Stores the next keys of a connection until a message signed with them confirms them. Replaces earlier ones.
	 *
	 * @param string $kid     Key id of the connection.
	 * @param array  $facts   kid, th, fingerprint; with a move also home and endpoints.
	 * @param array  $session Keys by name, raw bytes.
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
	 * Replaces the keys of the connection by the next ones, which have been confirmed.
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
				$former             = array(
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
	 * Returns the present keys of the connection, from which the next ones are derived; null when they cannot be
	 * decrypted.
	 *
	 * @return array{d2s:string,s2d:string}|null Raw bytes.
	 */
	public function session_keys( string $kid ): ?array {
		$data = $this->store->read();
		return isset( $data['connection'] ) && $kid === $data['connection']['kid'] ? $this->seal->decrypt( $data['connection']['sealed'] ) : null;
	}

	/**
	 * Stores that the site has moved to its present address, so that requests to it are accepted.
	 *
	 * @return array{home:string,endpoints:string[]}|null What the dashboard is sent; null without a connection.
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
	 * Stores that SiteAgent stays paused at the present address.
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
	 * Encrypts everything again with SITEAGENT_KEY that was encrypted before the constant was defined, so that
	 * WordPress's secret keys may change.
	 *
	 * @return bool Whether anything was encrypted again.
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
	 * Whether this key id is the connection's and its keys cannot be decrypted.
	 */
	public function is_unreadable( string $keyid ): bool {
		$data = $this->store->read();
		return isset( $data['connection'] ) && hash_equals( $data['connection']['kid'], $keyid ) && null === $this->seal->decrypt( $data['connection']['sealed'] );
	}

	/**
	 * Stores the time of the last request of the dashboard.
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
				$secrets = $this->seal->decrypt( $generation['sealed'] );
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
				$secrets    = $this->seal->decrypt( $connection['sealed'] );
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
	 * Deletes the proof that the connection ended: a copy must not speak for the original.
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
	 * Returns the proof that this site ended the connection; null when it did not.
	 */
	public function disconnect_proof( string $kid ): ?string {
		$data = $this->store->read();
		return isset( $data['ended'][ $kid ]['disconnect'] ) ? $data['ended'][ $kid ]['disconnect'] : null;
	}

	/**
	 * Returns who ended the last connection, when, and with which dashboard; null when none ended lately or another
	 * one began.
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
	 * Returns the random UUID of this site, created on first use. It does not change with the connection.
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
	 * Returns the public half of this site's signing key. Creates a new key on first use, or when the old one cannot
	 * be decrypted.
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
	 * Signs a message with this site's key; null when the key cannot be decrypted.
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
	 * Changes the pending token, if it is this one.
	 *
	 * @param string   $pid  Public id of the token.
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
	 * Changes the connection.
	 *
	 * @param string|null $kid  Key id of the connection; null for any.
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
	 * Returns what is stored of new keys: the keys encrypted, and the revocation secret as a hash.
	 */
	private function encrypt_session( array $facts, array $session ): array {
		return $facts + array(
			'revoke_hash' => Siteagent_Key_Derivation::hash_secret( $session['revoke'] ),
			'sealed'      => $this->seal->encrypt(
				array(
					'd2s'        => $session['d2s'],
					's2d'        => $session['s2d'],
					'revoke-ack' => $session['revoke-ack'],
					'disconnect' => $session['disconnect'],
				)
			),
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
	 * Returns part of the stored data without keys and hashes.
	 */
	private function without_secrets( array $part ): array {
		unset( $part['sealed'], $part['exchange'], $part['next'], $part['former'], $part['revoke_hash'] );
		return $part;
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

	/**
	 * Returns the times after the given one.
	 */
	private static function newer_than( array $moments, int $than ): array {
		return array_filter(
			$moments,
			static function ( int $at ) use ( $than ): bool {
				return $at > $than;
			}
		);
	}
}
