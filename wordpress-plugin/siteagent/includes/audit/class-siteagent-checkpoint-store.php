<?php
/**
 * Checkpoints of the dashboard's audit log (docs/PROTOCOL.md section 5.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores the dashboard's newest checkpoint and the last one of each day. Rejects a checkpoint that goes back or
 * contradicts an earlier one. A conflict remains until an administrator of this site accepts it, or the site is
 * paired again.
 */
final class Siteagent_Checkpoint_Store {

	/** Rows that are not a day. */
	const NEWEST  = 'newest';
	const REFUSED = 'refused';

	/** Number of days that are kept. */
	const RETENTION_DAYS = 400;

	/** @var wpdb */
	private $db;

	/** @var string */
	private $table;

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Site_Identity */
	private $site_identity;

	/** @var Siteagent_Audit_Log */
	private $log;

	/**
	 * @param wpdb                       $db               WordPress database object.
	 * @param bool                       $is_network       Whether the sites of a network share one connection.
	 * @param Siteagent_Connection_Store $connection_store The connection.
	 * @param Siteagent_Site_Identity    $site_identity    The key that signs this site's checkpoints.
	 * @param Siteagent_Audit_Log        $log              The log.
	 */
	public function __construct(
		$db,
		bool $is_network,
		Siteagent_Connection_Store $connection_store,
		Siteagent_Site_Identity $site_identity,
		Siteagent_Audit_Log $log
	) {
		$this->db               = $db;
		$this->table            = ( $is_network ? $db->base_prefix : $db->prefix ) . 'siteagent_checkpoint';
		$this->connection_store = $connection_store;
		$this->site_identity    = $site_identity;
		$this->log              = $log;
	}

	/**
	 * Creates the table if it does not exist. Bodies are stored as the bytes that were signed.
	 */
	public function create_table(): void {
		$this->db->query(
			"CREATE TABLE IF NOT EXISTS {$this->table} (
				slot CHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				n BIGINT UNSIGNED NOT NULL,
				hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				at BIGINT UNSIGNED NOT NULL,
				log CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				body BLOB NOT NULL,
				sig CHAR(86) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				PRIMARY KEY (slot),
				KEY n (n)
			) ENGINE=InnoDB"
		);
	}

	/**
	 * Checks the checkpoint in a request, and stores it if it continues from the earlier ones.
	 *
	 * @return array{seen:array{n:int,hash:string}|null,refused:array|null,noted:array|null} seen: the newest
	 *         checkpoint before; refused: the rejected one, if there is a conflict; noted: what to log about this one.
	 * @throws Siteagent_Exception invalid_arguments for a checkpoint that the dashboard did not sign.
	 * @throws RuntimeException When it cannot be stored.
	 */
	public function check( stdClass $document, int $now ): array {
		$stored = $this->stored();
		$result = array(
			'seen'    => isset( $stored[ self::NEWEST ] ) ? $stored[ self::NEWEST ] : null,
			'refused' => isset( $stored[ self::REFUSED ] ) ? $stored[ self::REFUSED ] : null,
			'noted'   => null,
		);
		if ( ! isset( $document->checkpoint ) ) {
			return $result;
		}
		$connection = (array) $this->connection_store->connection();
		$checkpoint = Siteagent_Checkpoint::verify( $document->checkpoint, Siteagent_HTTP_Signature::base64url_decode( isset( $connection['sign_d'] ) ? $connection['sign_d'] : '' ) );
		if ( null !== $result['refused'] ) {
			return $result;
		}
		$reason = $this->conflict_reason( $checkpoint, $result['seen'] );
		if ( '' !== $reason ) {
			$this->refuse( $checkpoint, (array) $result['seen'], $reason );
			$result['refused'] = $checkpoint;
			return $result;
		}
		$this->save( $checkpoint, $now );
		$result['noted'] = array_diff_key( $checkpoint, array( 'body' => 1 ) );
		return $result;
	}

	/**
	 * Returns this site's own checkpoint; null when there is no key to sign it with.
	 *
	 * @param array{n:int,hash:string,at:int} $head The newest entry of the log.
	 * @return array{body:string,sig:string}|null
	 */
	public function own_checkpoint( array $head ): ?array {
		$body = Siteagent_Checkpoint::body( $this->log->name(), $head['n'], $head['hash'], $head['at'] );
		$sig  = $this->site_identity->sign( Siteagent_Checkpoint::PREFIX . $body );
		return null === $sig ? null : array(
			'body' => Siteagent_HTTP_Signature::base64url_encode( $body ),
			'sig'  => Siteagent_HTTP_Signature::base64url_encode( $sig ),
		);
	}

	/**
	 * Returns the rejected checkpoint and the one it conflicts with; null without a conflict.
	 *
	 * @return array{refused:array,seen:array}|null
	 */
	public function conflict(): ?array {
		$stored = $this->stored();
		return ! isset( $stored[ self::REFUSED ] ) ? null : array(
			'refused' => $stored[ self::REFUSED ],
			'seen'    => isset( $stored[ self::NEWEST ] ) ? $stored[ self::NEWEST ] : array(),
		);
	}

	/**
	 * Accepts the dashboard's present history. False when there is no conflict.
	 *
	 * @param string $actor The administrator, as stored in the log.
	 */
	public function accept( string $actor ): bool {
		$dispute = $this->conflict();
		if ( null === $dispute ) {
			return false;
		}
		$this->delete_all();
		$checkpoint = $dispute['refused'];
		$this->write_slots( array( self::NEWEST => $checkpoint ) );
		$this->log->append( 'checkpoint_accepted', array( 'n' => $checkpoint['n'], 'hash' => $checkpoint['hash'] ), $actor );
		return true;
	}

	/**
	 * Deletes all checkpoints, because another connection has another audit log.
	 */
	public function delete_all(): void {
		$shows_errors = $this->db->suppress_errors( true );
		$this->db->query( "DELETE FROM {$this->table}" );
		$this->db->suppress_errors( $shows_errors );
	}

	/**
	 * Returns why a checkpoint conflicts with earlier ones; empty when it does not.
	 *
	 * Two requests may arrive in the wrong order, so an older checkpoint is no conflict. One that was made later and
	 * reaches less far is, because an audit log never shrinks.
	 */
	private function conflict_reason( array $checkpoint, ?array $newest ): string {
		if ( null === $newest ) {
			return '';
		}
		if ( $checkpoint['log'] !== $newest['log'] ) {
			return 'another log';
		}
		if ( $checkpoint['n'] < $newest['n'] && $checkpoint['at'] > $newest['at'] ) {
			return 'goes back';
		}
		$known = $this->db->get_col( $this->db->prepare( "SELECT hash FROM {$this->table} WHERE n = %d AND slot <> %s", $checkpoint['n'], self::REFUSED ) );
		foreach ( $known as $hash ) {
			if ( ! hash_equals( $hash, $checkpoint['hash'] ) ) {
				return 'another hash';
			}
		}
		return '';
	}

	private function refuse( array $checkpoint, array $newest, string $reason ): void {
		$this->write_slots( array( self::REFUSED => $checkpoint ) );
		$facts = array(
			'why'        => $reason,
			'checkpoint' => array_diff_key( $checkpoint, array( 'body' => 1 ) ),
			'held_n'     => $newest['n'],
			'held_hash'  => $newest['hash'],
		);
		$this->log->append( 'checkpoint_refused', $facts, 'dashboard' );
	}

	private function save( array $checkpoint, int $now ): void {
		$today = gmdate( 'Y-m-d', $now );
		$this->write_slots( array( self::NEWEST => $checkpoint, $today => $checkpoint ) );
		if ( 0 === $checkpoint['n'] % 100 ) {
			$oldest = gmdate( 'Y-m-d', $now - self::RETENTION_DAYS * DAY_IN_SECONDS );
			$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE slot < %s", $oldest ) );
		}
	}

	/**
	 * Stores a checkpoint in each slot that has no later one, because of two requests at once either may come last.
	 *
	 * @param array<string,array> $checkpoints By slot.
	 */
	private function write_slots( array $checkpoints ): void {
		$rows = array();
		foreach ( $checkpoints as $slot => $checkpoint ) {
			$rows[] = $this->db->prepare(
				'(%s, %d, %s, %d, %s, UNHEX(%s), %s)',
				$slot,
				$checkpoint['n'],
				$checkpoint['hash'],
				$checkpoint['at'],
				$checkpoint['log'],
				bin2hex( $checkpoint['body'] ),
				$checkpoint['sig']
			);
		}
		$values = implode( ', ', $rows );
		$later  = 'VALUES(n) > n';
		// MySQL assigns from left to right, so the compared column comes last.
		$query        = "INSERT INTO {$this->table} (slot, n, hash, at, log, body, sig) VALUES $values ON DUPLICATE KEY UPDATE"
			. " hash = IF($later, VALUES(hash), hash), at = IF($later, VALUES(at), at), log = IF($later, VALUES(log), log),"
			. " body = IF($later, VALUES(body), body), sig = IF($later, VALUES(sig), sig), n = GREATEST(n, VALUES(n))";
		$shows_errors = $this->db->suppress_errors( true );
		$written      = $this->db->query( $query );
		if ( false === $written ) {
			$this->create_table();
			$written = $this->db->query( $query );
		}
		$this->db->suppress_errors( $shows_errors );
		if ( false === $written ) {
			throw new RuntimeException( 'The dashboard\'s checkpoint cannot be kept' );
		}
	}

	/**
	 * Returns the newest and the rejected checkpoint, by slot.
	 */
	private function stored(): array {
		// Before the first checkpoint there is no table.
		$shows_errors = $this->db->suppress_errors( true );
		$query        = $this->db->prepare( "SELECT slot, n, hash, at, log, body, sig FROM {$this->table} WHERE slot IN (%s, %s)", self::NEWEST, self::REFUSED );
		$rows         = (array) $this->db->get_results( $query, ARRAY_A );
		$this->db->suppress_errors( $shows_errors );
		$stored = array();
		foreach ( $rows as $row ) {
			$stored[ $row['slot'] ] = array(
				'n'  => (int) $row['n'],
				'at' => (int) $row['at'],
			) + $row;
		}
		return $stored;
	}
}
