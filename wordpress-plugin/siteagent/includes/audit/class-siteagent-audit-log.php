<?php
/**
 * The site's hash-chained audit log (docs/PROTOCOL.md, section 5).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Appends entries, each with the hash of the one before, and trims the log.
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

	const MAX_TEXT = 500;
	const ATTEMPTS = 25;

	const PREFIX  = "\x00siteagent/log/1\n";
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
	 * Returns the name of the table.
	 */
	public function table(): string {
		return $this->table;
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
	 * @param string $actor Who acted: "user:<id>", "terminal", "dashboard" or "site", optionally followed by a space and
	 *                      text.
	 * @throws RuntimeException When the entry could not be written.
	 */
	public function append( string $event, array $facts, string $actor ): void {
		$at    = time();
		$facts = $this->sanitize_facts( $facts );
		$body  = Siteagent_Canonical_JSON::encode(
			array(
				'v'     => 1,
				'at'    => gmdate( 'Y-m-d\TH:i:s\Z', $at ),
				'event' => $event,
				'actor' => $this->sanitize_text( $actor ),
				'facts' => (object) $facts,
			)
		);
		for ( $attempt = 0; $attempt < self::ATTEMPTS; $attempt++ ) {
			$head     = $this->head();
			$inserted = $this->insert( $head['n'] + 1, $at, $head['hash'], $body );
			if ( 1 === $inserted ) {
				$this->trim( $head['n'] + 1 );
				$this->announce( $event, $facts, $actor );
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
	 * Lets other code react to an entry. What goes wrong there must not stop what was logged.
	 */
	private function announce( string $event, array $facts, string $actor ): void {
		try {
			/**
			 * Fires after SiteAgent has added an entry to its activity log.
			 *
			 * @param string $event Name of the event, such as "update_answered".
			 * @param array  $facts Plain values by name. They may contain text from an unauthenticated request.
			 * @param string $actor Who acted: "user:<id>", "terminal", "dashboard", "site" or "stranger".
			 */
			do_action( 'siteagent_logged', $event, $facts, $actor );
		} catch ( Throwable $error ) {
			error_log( 'SiteAgent: a callback of siteagent_logged failed: ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
		}
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
	 * Returns the oldest entry after which none is missing; 0 without entries.
	 */
	public function oldest_complete(): int {
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
	 * Whether this log continues from the entry that a request names as the newest one the dashboard has seen. It does
	 * not on a copy of the site, and after the database was restored from a backup.
	 *
	 * @param stdClass $document The request body. True when it names no entry, or one that was trimmed.
	 */
	public function continues( stdClass $document ): bool {
		return ! isset( $document->log ) || false !== $this->contains( $document->log->n, $document->log->hash );
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
				self::hash( $seq, $prev, $body )
			)
		);
		$this->db->suppress_errors( $shows_errors );
		return $inserted;
	}

	/**
	 * Returns the hash of an entry: of its number, the hash before it and the digest of its body.
	 *
	 * With the digest instead of the body, the dashboard can verify the chain without keeping routine entries.
	 */
	public static function hash( int $seq, string $prev, string $body ): string {
		return hash( 'sha256', self::PREFIX . pack( 'J', $seq ) . hex2bin( $prev ) . hash( 'sha256', $body, true ) );
	}

	/**
	 * Returns what the first entry follows, the hash of the name of this log.
	 */
	public function genesis(): string {
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
		$uuid = wp_generate_uuid4();
		if ( $this->is_network ) {
			$id    = get_current_network_id();
			$query = $this->db->prepare(
				"INSERT INTO {$this->db->sitemeta} (site_id, meta_key, meta_value) SELECT %d, %s, %s FROM DUAL"
					. " WHERE NOT EXISTS (SELECT 1 FROM {$this->db->sitemeta} WHERE meta_key = %s AND site_id = %d)",
				$id,
				self::OPTION,
				$uuid,
				self::OPTION,
				$id
			);
			// The table of network options has no unique key on the name. WordPress uses the first row.
			$stored = $this->db->prepare( "SELECT meta_value FROM {$this->db->sitemeta} WHERE meta_key = %s AND site_id = %d ORDER BY meta_id LIMIT 1", self::OPTION, $id );
		} else {
			$query  = $this->db->prepare( "INSERT IGNORE INTO {$this->db->options} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", self::OPTION, $uuid );
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
	 * Returns the last trimmed entry and its hash; null when the log was never trimmed.
	 *
	 * @return array{through:int,hash:string}|null
	 */
	public function last_trim(): ?array {
		// Before the first time there is no such entry, and a search would read the whole log.
		if ( $this->head()['n'] <= self::KEPT_ENTRIES + self::TRIM_INTERVAL ) {
			return null;
		}
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
