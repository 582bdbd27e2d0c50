<?php
/**
 * Storage of the connection and its keys.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Knows the state of the connection (unpaired, waiting for the dashboard, paired, unreadable or newer), and stores its
 * keys, its address and its last contact.
 *
 * Secrets are encrypted. Of a secret that only has to be recognized, the hash is stored. Every change of state
 * names the state it starts from, and returns whether it succeeded.
 */
final class Siteagent_Connection_Store {

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
	private $encryption;

	public function __construct( Siteagent_Option_Store $store, Siteagent_Encryption $encryption ) {
		$this->store      = $store;
		$this->encryption = $encryption;
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
		return null === $this->encryption->decrypt( $data['connection']['sealed'] ) ? 'unreadable' : 'paired';
	}

	/**
	 * Returns the connection: origin, fingerprint, kid, home, paired_at, last_contact_at (null before the first
	 * request), and unlogged until its beginning was logged. Null when there is none or its keys cannot be decrypted.
	 */
	public function connection(): ?array {
		$data = $this->store->read();
		if ( ! isset( $data['connection'] ) || null === $this->encryption->decrypt( $data['connection']['sealed'] ) ) {
			return null;
		}
		return self::without_secrets( $data['connection'] );
	}

	/**
	 * Returns the address this site was connected under and its present one; null while both are the same site.
	 *
	 * @param string $keyid A key id. For the keys of a move that is being confirmed, the confirmed address counts.
	 * @return array{was:string,is:string}|null
	 */
	public function address_change( string $keyid = '' ): ?array {
		$data = $this->store->read();
		$keys = isset( $data['connection'] ) ? $data['connection'] : ( isset( $data['pending'] ) ? $data['pending'] : null );
		if ( isset( $data['connection']['next'] ) && $keyid === $data['connection']['next']['kid'] ) {
			$keys = $data['connection']['next'] + $keys;
		}
		$home = $this->home();
		if ( null === $keys || Siteagent_Site_Address::is_same_site( $keys['home'], $home ) ) {
			return null;
		}
		return array(
			'was' => $keys['home'],
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
			$moved      = isset( $connection['move'] ) ? $connection['move']['endpoints'] : array();
			// A site that changed to https or www. is still the same site.
			$respelled = $home !== $connection['home'] && Siteagent_Site_Address::is_same_site( $home, $connection['home'] ) ? Siteagent_Site_Address::endpoints( $home, $home ) : array();
			$found     = array_merge( $found, $connection['endpoints'], $moved, $respelled );
		}
		return array_values( array_unique( $found ) );
	}

	/**
	 * Returns the keys of a key id and their role.
	 *
	 * @return array{role:string,d2s:string,s2d:string}|null The role is 'connection', or 'next' (next keys of the
	 *         connection, not confirmed).
	 */
	public function channel( string $keyid ): ?array {
		$data = $this->store->read();
		if ( isset( $data['connection'] ) && hash_equals( $data['connection']['kid'], $keyid ) ) {
			return self::build_channel( 'connection', $this->encryption->decrypt( $data['connection']['sealed'] ) );
		}
		if ( isset( $data['connection']['next'] ) && hash_equals( $data['connection']['next']['kid'], $keyid ) ) {
			return self::build_channel( 'next', $this->encryption->decrypt( $data['connection']['next']['sealed'] ) );
		}
		return null;
	}

	/**
	 * Stores the next keys of a connection until a message signed with them confirms them. Replaces earlier ones.
	 *
	 * @param string $kid     Key id of the connection.
	 * @param array  $facts   kid, th, fingerprint; with a move also home and endpoints.
	 * @param array  $session Keys by name, raw bytes.
	 */
	public function save_next_keys( string $kid, array $facts, array $session ): bool {
		$next = $this->encryption->encrypt_session( $facts, $session );
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
					unset( $connection['move'], $connection['paused_at'] );
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
		return isset( $data['connection'] ) && $kid === $data['connection']['kid'] ? $this->encryption->decrypt( $data['connection']['sealed'] ) : null;
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
				$connection['paused_at'] = $home;
				return $connection;
			}
		);
	}

	/**
	 * Stores that the beginning of the connection was logged.
	 */
	public function record_logged( string $kid ): void {
		$this->update_connection(
			$kid,
			static function ( array $connection ): array {
				unset( $connection['unlogged'] );
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
						$renewed = 'sealed' === $name && is_string( $value ) ? $this->encryption->reencrypt( $value ) : null;
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
		return isset( $data['connection'] ) && hash_equals( $data['connection']['kid'], $keyid ) && null === $this->encryption->decrypt( $data['connection']['sealed'] );
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
	 * Returns keys with their role, as channel() does; null without keys.
	 */
	public static function build_channel( string $role, ?array $secrets ): ?array {
		return null === $secrets ? null : array(
			'role' => $role,
			'd2s'  => $secrets['d2s'],
			's2d'  => $secrets['s2d'],
		);
	}

	/**
	 * Returns part of the stored data without keys and hashes.
	 */
	public static function without_secrets( array $part ): array {
		unset( $part['sealed'], $part['exchange'], $part['next'], $part['former'], $part['revoke_hash'] );
		return $part;
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
}
