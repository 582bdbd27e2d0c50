<?php
/**
 * Verification of the audit log (docs/PROTOCOL.md, section 5).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Detects entries that were altered, inserted or removed.
 */
final class Siteagent_Audit_Log_Verifier {

	/** @var wpdb */
	private $db;

	/** @var Siteagent_Audit_Log */
	private $log;

	/**
	 * @param wpdb                $db  WordPress database object.
	 * @param Siteagent_Audit_Log $log The log.
	 */
	public function __construct( $db, Siteagent_Audit_Log $log ) {
		$this->db  = $db;
		$this->log = $log;
	}

	/**
	 * Verifies the whole chain.
	 *
	 * @return array{ok:bool,checked:int,broken_at:?int}
	 */
	public function verify(): array {
		$checked = 0;
		$before  = null;
		$first   = $this->log->oldest_complete();
		do {
			$after = null === $before ? 0 : (int) $before['seq'];
			$query = $this->db->prepare( "SELECT seq, at, prev, body, hash FROM {$this->log->table()} WHERE seq > %d ORDER BY seq LIMIT 500", $after );
			$rows  = (array) $this->db->get_results( $query, ARRAY_A );
			foreach ( $rows as $row ) {
				// The trimmed part has gaps, but each entry there still has its own hash.
				$is_intact = (int) $row['seq'] < $first ? $this->is_intact( $row ) : $this->follows( $row, null !== $before && (int) $before['seq'] >= $first ? $before : null );
				if ( ! $is_intact ) {
					return array(
						'ok'        => false,
						'checked'   => $checked,
						'broken_at' => (int) $row['seq'],
					);
				}
				$before = $row;
				++$checked;
			}
		} while ( array() !== $rows );
		return array(
			'ok'        => true,
			'checked'   => $checked,
			'broken_at' => null,
		);
	}

	/**
	 * Whether an entry follows another one and is intact. The first complete entry follows the name of the chain or,
	 * after trimming, the hash in the entry about it.
	 */
	private function follows( array $row, ?array $before ): bool {
		$seq = (int) $row['seq'];
		if ( null !== $before ) {
			$expected = (int) $before['seq'] + 1 === $seq ? (string) $before['hash'] : '';
		} else {
			$expected = 1 === $seq ? $this->log->genesis() : $this->trimmed_hash( $seq - 1 );
		}
		return hash_equals( $expected, (string) $row['prev'] ) && $this->is_intact( $row );
	}

	/**
	 * Whether an entry is intact, regardless of the entry before it.
	 */
	private function is_intact( array $row ): bool {
		$body = json_decode( $row['body'], true );
		return is_array( $body ) && isset( $body['at'] ) && is_string( $body['at'] ) && strtotime( $body['at'] ) === (int) $row['at']
			&& 1 === preg_match( '/^[0-9a-f]{64}\z/D', (string) $row['prev'] )
			&& hash_equals( Siteagent_Audit_Log::hash( (int) $row['seq'], (string) $row['prev'], (string) $row['body'] ), (string) $row['hash'] );
	}

	/**
	 * Returns the hash of the last trimmed entry, as logged.
	 */
	private function trimmed_hash( int $through ): string {
		$trimmed = $this->log->last_trim();
		return null !== $trimmed && $through === $trimmed['through'] ? $trimmed['hash'] : '';
	}
}
