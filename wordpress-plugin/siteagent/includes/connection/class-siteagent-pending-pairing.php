<?php
/**
 * An accepted pairing token, until the dashboard has confirmed the keys.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores the token and the keys agreed under it, and turns them into the connection.
 */
final class Siteagent_Pending_Pairing {

	/** How many authenticated hellos a token allows. */
	const MAX_HELLOS = 10;

	/** How long a used token is remembered. Tokens are valid for half an hour. */
	const USED_TOKEN_RETENTION_S = 86400;

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var Siteagent_Encryption */
	private $encryption;

	public function __construct( Siteagent_Option_Store $store, Siteagent_Encryption $encryption ) {
		$this->store      = $store;
		$this->encryption = $encryption;
	}

	/**
	 * Returns the accepted token: pid, origin, site_url, expires_at, notice (the dashboard's answer about it) and
	 * hellos.
	 */
	public function get(): ?array {
		$data = $this->store->read();
		return isset( $data['pending'] ) ? Siteagent_Connection_Store::without_secrets( $data['pending'] ) : null;
	}

	/**
	 * Returns the secret that the pending token's keys are derived from; null without a token or when it cannot be
	 * decrypted.
	 */
	public function auth_key(): ?string {
		$data    = $this->store->read();
		$secrets = isset( $data['pending'] ) ? $this->encryption->decrypt( $data['pending']['sealed'] ) : null;
		return null === $secrets ? null : $secrets['auth'];
	}

	/**
	 * Returns the keys of a key id and their role.
	 *
	 * @return array{role:string,d2s:string,s2d:string}|null The role is 'token', or 'exchange' (agreed, not confirmed).
	 */
	public function channel( string $keyid ): ?array {
		$data = $this->store->read();
		if ( ! isset( $data['pending'] ) ) {
			return null;
		}
		$pending = $data['pending'];
		if ( hash_equals( 'p_' . $pending['pid'], $keyid ) ) {
			$auth = $this->auth_key();
			return null === $auth ? null : Siteagent_Connection_Store::build_channel(
				'token',
				array(
					'd2s' => Siteagent_Key_Derivation::token_key( $auth, 'd2s' ),
					's2d' => Siteagent_Key_Derivation::token_key( $auth, 's2d' ),
				)
			);
		}
		if ( isset( $pending['exchange'] ) && hash_equals( $pending['exchange']['kid'], $keyid ) ) {
			return Siteagent_Connection_Store::build_channel( 'exchange', $this->encryption->decrypt( $pending['exchange']['sealed'] ) );
		}
		return null;
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
	public function save( Siteagent_Pairing_Token $token, int $now ): bool {
		$home    = Siteagent_Site_Address::home( $this->store->is_network() );
		$pending = array(
			'pid'        => $token->pid(),
			'origin'     => $token->origin(),
			'site_url'   => $token->site_url(),
			'expires_at' => $token->expires_at(),
			'home'       => $home,
			'endpoints'  => Siteagent_Site_Address::endpoints( $token->site_url(), $home ),
			'notice'     => '',
			'hellos'     => 0,
			'sealed'     => $this->encryption->encrypt( array( 'auth' => $token->auth_key() ) ),
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
	public function set_notice( string $pid, string $answer ): void {
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
	public function clear(): bool {
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
		$exchange = $this->encryption->encrypt_session( $facts, $session );
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
					'unlogged'        => true,
				);
				$data['used'][ $pending['pid'] ] = $now;
				unset( $data['pending'] );
				return $data;
			}
		);
		return $is_active;
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
