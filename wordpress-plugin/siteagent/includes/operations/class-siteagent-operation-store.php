<?php
/**
 * Results of operations, so that each runs at most once.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Remembers each op_id with its plan and its result. A retry gets the stored result.
 *
 * A nonce protects a message for minutes, this table protects the operation permanently. A unique INSERT decides
 * between two requests at once.
 */
final class Siteagent_Operation_Store {

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
		$this->table = ( $is_network ? $db->base_prefix : $db->prefix ) . 'siteagent_operation';
	}

	/**
	 * Creates the table if it does not exist.
	 */
	public function create_table(): void {
		$this->db->query(
			"CREATE TABLE IF NOT EXISTS {$this->table} (
				op_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				digest CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				at INT UNSIGNED NOT NULL,
				answer MEDIUMBLOB NULL,
				PRIMARY KEY (op_id)
			) ENGINE=InnoDB"
		);
	}

	/**
	 * Runs an operation once under its op_id. If it ran before, returns the stored result.
	 *
	 * An operation that throws is not stored and may be tried again with the same plan.
	 *
	 * @param string        $op_id     Id of the operation.
	 * @param string        $name      Name of the operation.
	 * @param string        $digest    Digest of the plan, raw bytes.
	 * @param int           $now       Unix time in seconds.
	 * @param callable      $operation fn(): array.
	 * @param callable|null $is_final  fn( array $answer ): bool. A result that is not final is not stored.
	 * @throws Siteagent_Exception invalid_arguments when the op_id belongs to another plan or is still running; and
	 *         what $operation throws.
	 */
	public function run_once(
		string $op_id,
		string $name,
		string $digest,
		int $now,
		callable $operation,
		?callable $is_final = null
	): array {
		$this->create_table();
		if ( ! Siteagent_Primary_Key::ensure( $this->db, $this->table, 'op_id' ) ) {
			throw new RuntimeException( 'The SiteAgent ledger has no primary key' );
		}
		$inserted = $this->db->query(
			$this->db->prepare( "INSERT IGNORE INTO {$this->table} (op_id, name, digest, at) VALUES (%s, %s, %s, %d)", $op_id, $name, bin2hex( $digest ), $now )
		);
		if ( false === $inserted ) {
			throw new RuntimeException( 'The SiteAgent ledger cannot be written' );
		}
		if ( 1 !== $inserted ) {
			return $this->stored_result( $op_id, $digest );
		}
		try {
			$answer = $operation();
		} catch ( Throwable $error ) {
			$this->delete_unfinished( $op_id );
			throw $error;
		}
		if ( null !== $is_final && ! $is_final( $answer ) ) {
			$this->delete_unfinished( $op_id );
		} else {
			$this->save_result( $op_id, $name, $digest, $now, $answer );
		}
		return $answer;
	}

	/**
	 * Stores a result. Replaces an earlier one, because a watched update may turn out otherwise.
	 */
	public function save_result( string $op_id, string $name, string $digest, int $now, array $answer ): void {
		$this->db->query(
			$this->db->prepare(
				"INSERT INTO {$this->table} (op_id, name, digest, at, answer) VALUES (%s, %s, %s, %d, UNHEX(%s)) ON DUPLICATE KEY UPDATE answer = VALUES(answer)",
				$op_id,
				$name,
				bin2hex( $digest ),
				$now,
				bin2hex( Siteagent_Canonical_JSON::encode( $answer ) )
			)
		);
	}

	/**
	 * Returns what is stored about an operation; null when it was never started.
	 *
	 * @param string   $op_id Id of the operation.
	 * @param string[] $names Names of operations that count.
	 * @return array{name:string,at:int,digest:string,answer:?array}|null The digest is raw; the answer is null while
	 *         the operation runs.
	 */
	public function find( string $op_id, array $names ): ?array {
		$this->create_table();
		$row = $this->db->get_row( $this->db->prepare( "SELECT name, at, digest, answer FROM {$this->table} WHERE op_id = %s", $op_id ), ARRAY_A );
		return ! is_array( $row ) || ! in_array( $row['name'], $names, true ) ? null : array(
			'name'   => $row['name'],
			'at'     => (int) $row['at'],
			'digest' => (string) hex2bin( $row['digest'] ),
			'answer' => null === $row['answer'] ? null : (array) Siteagent_Canonical_JSON::parse( (string) $row['answer'] ),
		);
	}

	private function delete_unfinished( string $op_id ): void {
		$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE op_id = %s AND answer IS NULL", $op_id ) );
	}

	/**
	 * Returns the stored result of an operation.
	 *
	 * @throws Siteagent_Exception invalid_arguments when the op_id belongs to another plan or is still running.
	 */
	private function stored_result( string $op_id, string $digest ): array {
		$row = $this->db->get_row( $this->db->prepare( "SELECT digest, answer FROM {$this->table} WHERE op_id = %s", $op_id ), ARRAY_A );
		if ( ! is_array( $row ) || ! hash_equals( (string) $row['digest'], bin2hex( $digest ) ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the op_id belongs to another plan', array( 'argument' => 'op_id' ) );
		}
		if ( null === $row['answer'] ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the operation is under way', array( 'argument' => 'op_id', 'state' => 'running' ) );
		}
		return (array) Siteagent_Canonical_JSON::parse( (string) $row['answer'] );
	}
}
