<?php
/**
 * Every request counts once.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Remembers nonces by a unique insert: of two requests with one nonce the database lets one through.
 *
 * Not an option and not a transient: writing those is no decision, and caches may be flushed.
 */
final class Siteagent_Nonce_Store {

	/** One in so many requests also clears away what can no longer be replayed. */
	const CLEANUP_ONE_IN = 20;
	const CLEANUP_BATCH       = 200;

	/** @var wpdb */
	private $db;

	/** @var string */
	private $table;

	/**
	 * @param wpdb $db         WordPress's database object.
	 * @param bool $is_network Whether the sites of a network share one table.
	 */
	public function __construct( $db, bool $is_network = false ) {
		$this->db    = $db;
		$this->table = ( $is_network ? $db->base_prefix : $db->prefix ) . 'siteagent_nonce';
	}

	/**
	 * May be called again at any time.
	 */
	public function create_table(): void {
		$this->db->query(
			"CREATE TABLE IF NOT EXISTS {$this->table} (
				nonce BINARY(16) NOT NULL,
				exp INT UNSIGNED NOT NULL,
				PRIMARY KEY (nonce),
				KEY exp (exp)
			) ENGINE=InnoDB"
		);
	}

	/**
	 * Take note of a verified request.
	 *
	 * @param array $request As Siteagent_HTTP_Signature::verify_request() returned it.
	 * @throws Siteagent_Exception replayed, or nonce_store_unavailable when nobody can tell.
	 */
	public function claim_nonce( array $request, int $now ): void {
		if ( ! Siteagent_Primary_Key::ensure( $this->db, $this->table, 'nonce' ) ) {
			throw new Siteagent_Exception( 'nonce_store_unavailable', 'the table has no primary key', array(), $request );
		}
		$expires_at    = $request['expires'] + Siteagent_HTTP_Signature::MAX_SKEW_S;
		$inserted = $this->insert( $request['nonce'], $expires_at );
		if ( false === $inserted ) {
			// Perhaps the table is missing: files copied to a server without activating the plugin.
			$this->create_table();
			$inserted = $this->insert( $request['nonce'], $expires_at );
		}
		if ( false === $inserted ) {
			throw new Siteagent_Exception( 'nonce_store_unavailable', (string) $this->db->last_error, array(), $request );
		}
		if ( 1 !== $inserted ) {
			throw new Siteagent_Exception( 'replayed', '', array(), $request );
		}
		if ( 1 === random_int( 1, self::CLEANUP_ONE_IN ) ) {
			$this->delete_expired( $now );
		}
	}

	/**
	 * Forget what is too old to be accepted again anyway.
	 */
	public function delete_expired( int $now ): void {
		$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE exp < %d LIMIT %d", $now, self::CLEANUP_BATCH ) );
	}

	/**
	 * @return int|false Rows written.
	 */
	private function insert( string $nonce, int $expires_at ) {
		$shows_errors    = $this->db->suppress_errors( true );
		$inserted = $this->db->query(
			$this->db->prepare( "INSERT IGNORE INTO {$this->table} (nonce, exp) VALUES (UNHEX(%s), %d)", bin2hex( Siteagent_HTTP_Signature::base64url_decode( $nonce, 16 ) ), $expires_at )
		);
		$this->db->suppress_errors( $shows_errors );
		return $inserted;
	}
}
