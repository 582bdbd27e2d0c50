<?php
/**
 * Every operation that changes something is done at most once.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Remembers, for good, each op_id with its plan and its answer: a retry gets the answer again.
 *
 * A nonce guards a message for minutes; this guards the deed. The unique insert decides between two at once.
 */
final class Siteagent_Operation_Store {

	/** @var wpdb */
	private $db;

	/** @var string */
	private $table;

	/**
	 * @param wpdb $db         WordPress's database object.
	 * @param bool $is_network Whether the sites of a network share one ledger.
	 */
	public function __construct( $db, bool $is_network = false ) {
		$this->db    = $db;
		$this->table = ( $is_network ? $db->base_prefix : $db->prefix ) . 'siteagent_operation';
	}

	/**
	 * May be called again at any time.
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
	 * Do $operation under this op_id, unless it was done before; then return what it answered.
	 *
	 * A deed that refuses or breaks is not remembered as done, and may be tried again with the same plan.
	 *
	 * @param string        $digest   Of the plan, raw.
	 * @param callable      $operation     fn(): array.
	 * @param callable|null $is_final fn( array $answer ): bool; an answer that is not is forgotten too.
	 * @throws Siteagent_Exception invalid_arguments when the op_id stands for another plan or is under way; whatever $operation throws.
	 */
	public function run_once( string $op_id, string $name, string $digest, int $now, callable $operation, ?callable $is_final = null ): array {
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
	 * Keep the answer of a deed, also in the place of one that has turned out otherwise, and of one that broke.
	 */
	public function save_result( string $op_id, string $name, string $digest, int $now, array $answer ): void {
		$this->db->query(
			$this->db->prepare(
				"INSERT INTO {$this->table} (op_id, name, digest, at, answer) VALUES (%s, %s, %s, %d, UNHEX(%s)) ON DUPLICATE KEY UPDATE answer = VALUES(answer)",
				$op_id,
				$name,
				bin2hex( $digest ),
				$now,
				bin2hex( Siteagent_HTTP_Signature::canonical_json( $answer ) )
			)
		);
	}

	/**
	 * What is known of an operation of one of these names; null when it was never begun.
	 *
	 * @param string[] $names Names of operations.
	 * @return array{name:string,at:int,digest:string,answer:?array}|null The digest is raw; the answer is null while it is under way.
	 */
	public function find( string $op_id, array $names ): ?array {
		$this->create_table();
		$row = $this->db->get_row( $this->db->prepare( "SELECT name, at, digest, answer FROM {$this->table} WHERE op_id = %s", $op_id ), ARRAY_A );
		return ! is_array( $row ) || ! in_array( $row['name'], $names, true ) ? null : array(
			'name'   => $row['name'],
			'at'     => (int) $row['at'],
			'digest' => (string) hex2bin( $row['digest'] ),
			'answer' => null === $row['answer'] ? null : (array) Siteagent_HTTP_Signature::parse_json( (string) $row['answer'] ),
		);
	}

	private function delete_unfinished( string $op_id ): void {
		$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE op_id = %s AND answer IS NULL", $op_id ) );
	}

	private function stored_result( string $op_id, string $digest ): array {
		$row = $this->db->get_row( $this->db->prepare( "SELECT digest, answer FROM {$this->table} WHERE op_id = %s", $op_id ), ARRAY_A );
		if ( ! is_array( $row ) || ! hash_equals( (string) $row['digest'], bin2hex( $digest ) ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the op_id stands for another plan', array( 'argument' => 'op_id' ) );
		}
		if ( null === $row['answer'] ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'the operation is under way', array( 'argument' => 'op_id', 'state' => 'running' ) );
		}
		return (array) Siteagent_HTTP_Signature::parse_json( (string) $row['answer'] );
	}
}
