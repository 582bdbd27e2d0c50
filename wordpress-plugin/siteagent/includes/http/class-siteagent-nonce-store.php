<?php
/**
 * Used nonces of signed requests. These are not WordPress nonces.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Accepts each nonce once, with a unique INSERT: of two requests with the same nonce, the database accepts one.
 *
 * Not an option and not a transient: writing those does not tell which of two requests was first, and a cache may
 * be flushed.
 */
final class Siteagent_Nonce_Store {

	/** On average, one request in this many also deletes expired nonces. */
	const CLEANUP_ONE_IN = 20;
	const CLEANUP_BATCH  = 200;

	/** @var wpdb */
	private $db;

	/** @var string */
	private $table;

	/**
	 * @param wpdb $db         WordPress database object.
	 * @param bool $is_network Whether the sites of a network share one table.
	 */
	public function __construct( $db, bool $is_network = false ) {
		$this->db    = $db;
		$this->table = ( $is_network ? $db->base_prefix : $db->prefix ) . 'siteagent_nonce';
	}

	/**
	 * Creates the table if it does not exist.
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
	 * Marks the nonce of a verified request as used.
	 *
	 * @param array $request The request, as Siteagent_HTTP_Signature::verify_request() returned it.
	 * @param int   $now     Unix time in seconds.
	 * @throws Siteagent_Exception replayed; nonce_store_unavailable when the database cannot tell.
	 */
	public function claim_nonce( array $request, int $now ): void {
		if ( ! Siteagent_Primary_Key::ensure( $this->db, $this->table, 'nonce' ) ) {
			throw new Siteagent_Exception( 'nonce_store_unavailable', 'the table has no primary key', array(), $request );
		}
		$expires_at = $request['expires'] + Siteagent_HTTP_Signature::MAX_SKEW_S;
		$inserted   = $this->insert( $request['nonce'], $expires_at );
		if ( false === $inserted ) {
			// The table may be missing when the files were copied to a server without activating the plugin.
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
	 * Deletes nonces of requests that are too old to be accepted again.
	 */
	public function delete_expired( int $now ): void {
		$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE exp < %d LIMIT %d", $now, self::CLEANUP_BATCH ) );
	}

	/**
	 * @return int|false Number of rows written.
	 */
	private function insert( string $nonce, int $expires_at ) {
		$shows_errors = $this->db->suppress_errors( true );
		$inserted     = $this->db->query(
			$this->db->prepare( "INSERT IGNORE INTO {$this->table} (nonce, exp) VALUES (UNHEX(%s), %d)", bin2hex( Siteagent_HTTP_Signature::base64url_decode( $nonce, 16 ) ), $expires_at )
		);
		$this->db->suppress_errors( $shows_errors );
		return $inserted;
	}
}
