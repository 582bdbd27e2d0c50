<?php
/**
 * The site's hash-chained audit log (docs/PROTOCOL.md, section 5).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Appends entries, each with the hash of the one before, and detects altered entries.
 *
 * An entry names the WordPress account that acted by its id. The name is looked up when the entry is shown. So
 * deleting the account removes the name and leaves the chain intact.
 */
final class Siteagent_Audit_Log {

	/** The option with the name of the chain. Entries of another log do not verify in this one. */
	const OPTION = 'siteagent_log';

	/** The newest entries are kept completely. Of older ones, only decisions and changes are kept. */
	const KEPT_ENTRIES  = 10000;
	const TRIM_INTERVAL = 500;

	/** Neither a decision nor a change. Trimmed first, so that they cannot push the others out. */
	const ROUTINE = array( 'answered', 'refused', 'unauthenticated_refused', 'output_started', 'log_trimmed' );

	/** How many older decisions and changes are kept. */
	const KEPT_DECISIONS = 10000;

	/** Limits of one response. */
	const BATCH       = 500;
	const BATCH_BYTES = 524288;

	/** How many entries latest() searches. */
	const SEARCH_LIMIT = 200;

	const MAX_TEXT = 500;
	const ATTEMPTS = 25;

	const PREFIX  = "\x00siteagent/audit/1\n";
	const GENESIS = "siteagent/audit-genesis/1\n";

	/** @var wpdb */
	private $db;

	/** @var bool */
	private $is_network;

	/** @var string */
	private $table;

	/**
	 * @param wpdb $db         WordPress database object.
	 * @param bool $is_network Whether the sites of a network share one log.
	 */
	public function __construct( $db, bool $is_network = false ) {
		$this->db         = $db;
		$this->is_network = $is_network;
		$this->table      = ( $is_network ? $db->base_prefix : $db->prefix ) . 'siteagent_log';
	}

	/**
	 * Creates the table if it does not exist. Bodies are stored as the bytes that were hashed.
	 */
	public function create_table(): void {
		$this->db->query(
			"CREATE TABLE IF NOT EXISTS {$this->table} (
				seq BIGINT UNSIGNED NOT NULL,
				at INT UNSIGNED NOT NULL,
				prev CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				body MEDIUMBLOB NOT NULL,
				hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				PRIMARY KEY (seq),
				UNIQUE KEY hash (hash)
			) ENGINE=InnoDB"
		);
	}

	/**
	 * Appends an entry. Of two requests at once the database accepts one, and the other tries again.
	 *
	 * @param string $event Name of the event.
	 * @param array  $facts Plain values by name.
	 * @param string $actor Who acted: "user:<id>", "dashboard" or "site", optionally followed by a space and text.
	 * @throws RuntimeException When the entry could not be written.
	 */
	public function append( string $event, array $facts, string $actor ): void {
		$at   = time();
		$body = Siteagent_Canonical_JSON::encode(
			array(
				'v'     => 1,
				'at'    => gmdate( 'Y-m-d\TH:i:s\Z', $at ),
				'event' => $event,
				'actor' => $this->sanitize_text( $actor ),
				'facts' => (object) $this->sanitize_facts( $facts ),
			)
		);
		for ( $attempt = 0; $attempt < self::ATTEMPTS; $attempt++ ) {
			$head     = $this->head();
			$inserted = $this->insert( $head['n'] + 1, $at, $head['hash'], $body );
			if ( 1 === $inserted ) {
				$this->trim( $head['n'] + 1 );
				return;
			}
			if ( false === $inserted && 0 < $attempt ) {
				break;
			}
			if ( false === $inserted ) {
				$this->create_table();
			}
		}
		throw new RuntimeException( 'The SiteAgent log cannot be written' );
	}

	/**
	 * Returns number, hash and time of the newest entry; before the first entry 0 and the hash of the name.
	 *
	 * @return array{n:int,hash:string,at:int}
	 */
	public function head(): array {
		$shows_errors = $this->db->suppress_errors( true );
		$row          = $this->db->get_row( "SELECT seq, hash, at FROM {$this->table} ORDER BY seq DESC LIMIT 1", ARRAY_A );
		$this->db->suppress_errors( $shows_errors );
		if ( is_array( $row ) ) {
			return array(
				'n'    => (int) $row['seq'],
				'hash' => (string) $row['hash'],
				'at'   => (int) $row['at'],
			);
		}
		return array(
			'n'    => 0,
			'hash' => $this->genesis(),
			'at'   => 0,
		);
	}

	/**
	 * Returns the entries after a number as stored, oldest first. Only those of the present connection: entries about
	 * another dashboard are not sent.
	 *
	 * @return array{from:int,entries:array[],more:bool} `from` is the oldest entry available; bodies are exact bytes.
	 */
	public function entries_after( int $after ): array {
		$from    = $this->connection_start();
		$query   = $this->db->prepare( "SELECT seq, prev, body, hash FROM {$this->table} WHERE seq > %d ORDER BY seq LIMIT %d", max( $after, $from - 1 ), self::BATCH + 1 );
		$rows    = (array) $this->db->get_results( $query, ARRAY_A );
		$entries = array();
		$bytes   = 0;
		foreach ( $rows as $row ) {
			$entry  = array(
				'seq'  => (int) $row['seq'],
				'prev' => (string) $row['prev'],
				'hash' => (string) $row['hash'],
				'body' => Siteagent_HTTP_Signature::base64url_encode( (string) $row['body'] ),
			);
			$bytes += strlen( $entry['body'] ) + 200;
			if ( count( $entries ) === self::BATCH || ( $bytes > self::BATCH_BYTES && array() !== $entries ) ) {
				break;
			}
			$entries[] = $entry;
		}
		return array(
			'from'    => $from,
			'entries' => $entries,
			'more'    => count( $entries ) < count( $rows ),
		);
	}

	/**
	 * Returns the first entry of the present connection, or the oldest complete one if that was trimmed.
	 */
	private function connection_start(): int {
		$like  = '%' . $this->db->esc_like( '"event":"connected"' ) . '%';
		$query = $this->db->prepare( "SELECT MAX(seq) FROM {$this->table} WHERE body LIKE %s", $like );
		return max( (int) $this->db->get_var( $query ), $this->oldest_complete() );
	}

	/**
	 * Returns the oldest entry after which none is missing; 0 without entries.
	 */
	private function oldest_complete(): int {
		$trimmed = $this->last_trim();
		return null === $trimmed ? (int) $this->db->get_var( "SELECT MIN(seq) FROM {$this->table}" ) : $trimmed['through'] + 1;
	}

	/**
	 * Whether this log contains the entry with this number and hash; null when the entry was trimmed.
	 */
	public function contains( int $n, string $hash ): ?bool {
		if ( 0 === $n ) {
			return hash_equals( $this->genesis(), $hash );
		}
		$stored = $this->db->get_var( $this->db->prepare( "SELECT hash FROM {$this->table} WHERE seq = %d", $n ) );
		if ( null !== $stored ) {
			return hash_equals( (string) $stored, $hash );
		}
		return $n < $this->oldest_complete() ? null : false;
	}

	/**
	 * Returns the newest entry of an event that is not older than $seconds; null when there is none among the newest
	 * entries.
	 */
	public function latest( string $event, int $seconds, int $now ): ?array {
		foreach ( $this->recent( self::SEARCH_LIMIT, 0 ) as $entry ) {
			if ( $entry['at'] < $now - $seconds ) {
				return null;
			}
			if ( $event === $entry['event'] ) {
				return $entry;
			}
		}
		return null;
	}

	/**
	 * Returns entries, newest first.
	 *
	 * @param int    $limit  Number of entries.
	 * @param int    $offset Number of entries to skip.
	 * @param string $search Only entries that contain this text; empty for all.
	 * @return array[] Each with seq, at (Unix time), event, actor, facts, hash.
	 */
	public function recent( int $limit, int $offset, string $search = '' ): array {
		$query = $this->db->prepare(
			"SELECT seq, at, body, hash FROM {$this->table} WHERE CONVERT(body USING utf8mb4) LIKE %s ORDER BY seq DESC LIMIT %d OFFSET %d",
			$this->like_pattern( $search ),
			$limit,
			$offset
		);
		// Before the first entry there is no table.
		$shows_errors = $this->db->suppress_errors( true );
		$rows         = (array) $this->db->get_results( $query, ARRAY_A );
		$this->db->suppress_errors( $shows_errors );
		return array_map( array( $this, 'to_entry' ), $rows );
	}

	/**
	 * Returns entries in which an account acted, oldest first.
	 *
	 * @return array[]
	 */
	public function entries_by_user( int $user_id, int $limit, int $offset ): array {
		$query = $this->db->prepare(
			"SELECT seq, at, body, hash FROM {$this->table} WHERE body LIKE %s ORDER BY seq LIMIT %d OFFSET %d",
			'%' . $this->db->esc_like( '"actor":"user:' . $user_id . '"' ) . '%',
			$limit,
			$offset
		);
		return array_map( array( $this, 'to_entry' ), (array) $this->db->get_results( $query, ARRAY_A ) );
	}

	/**
	 * Returns the number of entries, or of those that contain a text.
	 */
	public function count( string $search = '' ): int {
		return (int) $this->db->get_var( $this->db->prepare( "SELECT COUNT(*) FROM {$this->table} WHERE CONVERT(body USING utf8mb4) LIKE %s", $this->like_pattern( $search ) ) );
	}

	/**
	 * Yields the complete part of the chain as stored, oldest first, up to an entry.
	 *
	 * @param int $last Number of the last entry.
	 * @return iterable<array{seq:int,prev:string,hash:string,body:string}>
	 */
	public function chain( int $last ): iterable {
		$after = max( 0, $this->oldest_complete() - 1 );
		do {
			$query = $this->db->prepare( "SELECT seq, prev, body, hash FROM {$this->table} WHERE seq > %d AND seq <= %d ORDER BY seq LIMIT %d", $after, $last, self::BATCH );
			$rows  = (array) $this->db->get_results( $query, ARRAY_A );
			foreach ( $rows as $row ) {
				$after = (int) $row['seq'];
				yield array( 'seq' => $after ) + $row;
			}
		} while ( array() !== $rows );
	}

	/**
	 * Verifies the whole chain.
	 *
	 * @return array{ok:bool,checked:int,broken_at:?int}
	 */
	public function verify(): array {
		$checked = 0;
		$before  = null;
		$first   = $this->oldest_complete();
		do {
			$after = null === $before ? 0 : (int) $before['seq'];
			$query = $this->db->prepare( "SELECT seq, at, prev, body, hash FROM {$this->table} WHERE seq > %d ORDER BY seq LIMIT 500", $after );
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
	 * Deletes the log and its name.
	 */
	public function drop(): void {
		$this->db->query( "DROP TABLE IF EXISTS {$this->table}" );
		$this->is_network ? delete_site_option( self::OPTION ) : delete_option( self::OPTION );
	}

	/**
	 * @return int|false Number of rows written: 0 when another request took the number, false on failure.
	 */
	private function insert( int $seq, int $at, string $prev, string $body ) {
		$shows_errors = $this->db->suppress_errors( true );
		$inserted     = $this->db->query(
			$this->db->prepare(
				"INSERT IGNORE INTO {$this->table} (seq, at, prev, body, hash) VALUES (%d, %d, %s, UNHEX(%s), %s)",
				$seq,
				$at,
				$prev,
				bin2hex( $body ),
				$this->hash( $seq, $prev, $body )
			)
		);
		$this->db->suppress_errors( $shows_errors );
		return $inserted;
	}

	private function hash( int $seq, string $prev, string $body ): string {
		return hash( 'sha256', self::PREFIX . pack( 'J', $seq ) . hex2bin( $prev ) . $body );
	}

	private function genesis(): string {
		return hash( 'sha256', self::GENESIS . $this->name() );
	}

	/**
	 * Returns the random name of this log, created on first use.
	 */
	public function name(): string {
		$name = $this->is_network ? get_site_option( self::OPTION ) : get_option( self::OPTION );
		return is_string( $name ) && '' !== $name ? $name : $this->create_name();
	}

	/**
	 * Creates the name. Of two requests at once both use the name that the database accepted; add_option() would
	 * overwrite it.
	 */
	private function create_name(): string {
		$made = wp_generate_uuid4();
		if ( $this->is_network ) {
			$id    = get_current_network_id();
			$query = $this->db->prepare(
				"INSERT INTO {$this->db->sitemeta} (site_id, meta_key, meta_value) SELECT %d, %s, %s FROM DUAL"
					. " WHERE NOT EXISTS (SELECT 1 FROM {$this->db->sitemeta} WHERE meta_key = %s AND site_id = %d)",
				$id,
				self::OPTION,
				$made,
				self::OPTION,
				$id
			);
			// The table of network options has no unique key on the name. WordPress uses the first row.
			$stored = $this->db->prepare( "SELECT meta_value FROM {$this->db->sitemeta} WHERE meta_key = %s AND site_id = %d ORDER BY meta_id LIMIT 1", self::OPTION, $id );
		} else {
			$query  = $this->db->prepare( "INSERT IGNORE INTO {$this->db->options} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", self::OPTION, $made );
			$stored = $this->db->prepare( "SELECT option_value FROM {$this->db->options} WHERE option_name = %s", self::OPTION );
		}
		$this->db->query( $query );
		$name = (string) $this->db->get_var( $stored );
		if ( '' === $name ) {
			throw new RuntimeException( 'The name of the SiteAgent log cannot be written' );
		}
		wp_cache_delete( self::OPTION, 'options' );
		wp_cache_delete( 'notoptions', 'options' );
		wp_cache_delete( get_current_network_id() . ':' . self::OPTION, 'site-options' );
		wp_cache_delete( get_current_network_id() . ':notoptions', 'site-options' );
		return $name;
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
			$expected = 1 === $seq ? $this->genesis() : $this->trimmed_hash( $seq - 1 );
		}
		return hash_equals( $expected, (string) $row['prev'] ) && $this->is_intact( $row );
	}

	/**
	 * Whether an entry is intact, regardless of the entry before it.
	 */
	private function is_intact( array $row ): bool {
		$body = json_decode( $row['body'], true );
		return is_array( $body ) && isset( $body['at'] ) && strtotime( $body['at'] ) === (int) $row['at']
			&& hash_equals( $this->hash( (int) $row['seq'], (string) $row['prev'], (string) $row['body'] ), (string) $row['hash'] );
	}

	/**
	 * Limits the size of the log. Trimming is itself logged.
	 */
	private function trim( int $newest ): void {
		$through = $newest - self::KEPT_ENTRIES;
		if ( $through <= 0 || 0 !== $newest % self::TRIM_INTERVAL ) {
			return;
		}
		$query = $this->db->prepare( "SELECT hash FROM {$this->table} WHERE seq = %d", $through );
		$hash  = $this->db->get_var( $query );
		if ( null === $hash ) {
			return;
		}
		$facts = array(
			'through' => $through,
			'hash'    => (string) $hash,
		);
		$this->append( 'log_trimmed', $facts, 'site' );
		$is_routine = array();
		foreach ( self::ROUTINE as $event ) {
			$is_routine[] = $this->db->prepare( 'body LIKE %s', '%' . $this->db->esc_like( '"event":"' . $event . '"' ) . '%' );
		}
		$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE seq <= %d AND (", $through ) . implode( ' OR ', $is_routine ) . ')' );
		$query  = $this->db->prepare( "SELECT seq FROM {$this->table} WHERE seq <= %d ORDER BY seq DESC LIMIT 1 OFFSET %d", $through, self::KEPT_DECISIONS );
		$oldest = $this->db->get_var( $query );
		if ( null !== $oldest ) {
			$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE seq <= %d", $oldest ) );
		}
	}

	/**
	 * Returns the hash of the last trimmed entry, as logged.
	 */
	private function trimmed_hash( int $through ): string {
		$trimmed = $this->last_trim();
		return null !== $trimmed && $through === $trimmed['through'] ? $trimmed['hash'] : '';
	}

	/**
	 * Returns the last trimmed entry and its hash; null when the log was never trimmed.
	 *
	 * @return array{through:int,hash:string}|null
	 */
	private function last_trim(): ?array {
		$query = $this->db->prepare(
			"SELECT body FROM {$this->table} WHERE body LIKE %s ORDER BY seq DESC LIMIT 1",
			'%' . $this->db->esc_like( '"event":"log_trimmed"' ) . '%'
		);
		$body  = json_decode( (string) $this->db->get_var( $query ), true );
		if ( ! isset( $body['facts']['through'], $body['facts']['hash'] ) ) {
			return null;
		}
		return array(
			'through' => (int) $body['facts']['through'],
			'hash'    => (string) $body['facts']['hash'],
		);
	}

	/**
	 * Returns a LIKE pattern. Quotation marks and slashes are escaped as in canonical JSON.
	 */
	private function like_pattern( string $search ): string {
		$encoded = substr( (string) wp_json_encode( $search, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES ), 1, -1 );
		return '%' . $this->db->esc_like( $encoded ) . '%';
	}

	/**
	 * Returns a row as an entry, with its decoded body.
	 */
	private function to_entry( array $row ): array {
		$body = json_decode( (string) $row['body'], true );
		$body = is_array( $body ) ? $body : array();
		return array(
			'seq'   => (int) $row['seq'],
			'at'    => (int) $row['at'],
			'event' => isset( $body['event'] ) ? (string) $body['event'] : '',
			'actor' => isset( $body['actor'] ) ? (string) $body['actor'] : '',
			'facts' => isset( $body['facts'] ) && is_array( $body['facts'] ) ? $body['facts'] : array(),
			'hash'  => (string) $row['hash'],
		);
	}

	/**
	 * Returns facts with short, valid text and integers only, because they may come from an unauthenticated request.
	 */
	private function sanitize_facts( array $facts ): array {
		$plain = array();
		foreach ( $facts as $name => $value ) {
			if ( is_array( $value ) ) {
				$plain[ $name ] = $this->sanitize_facts( $value );
			} elseif ( is_int( $value ) || is_bool( $value ) || null === $value ) {
				$plain[ $name ] = $value;
			} else {
				$plain[ $name ] = $this->sanitize_text( (string) $value );
			}
		}
		return $plain;
	}

	/**
	 * Returns valid UTF-8 of limited length.
	 */
	private function sanitize_text( string $text ): string {
		if ( 1 !== preg_match( '//u', $text ) ) {
			$text = (string) preg_replace( '/[^\x20-\x7E]/', '?', $text );
		}
		return mb_substr( $text, 0, self::MAX_TEXT, 'UTF-8' );
	}
}
