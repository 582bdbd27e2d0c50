<?php
/**
 * Entries of the audit log.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Finds entries for wp-admin, the terminal and WordPress's privacy tools, and returns them as stored for the
 * dashboard and the export.
 */
final class Siteagent_Audit_Log_Reader {

	/** Limits of one response. */
	const BATCH       = 500;
	const BATCH_BYTES = 524288;

	/** How many entries latest() searches. */
	const SEARCH_LIMIT = 200;

	/** Kinds of entries. Important ones are all but the routine. */
	const IMPORTANT  = 'important';
	const DECISIONS  = 'decisions';
	const CONNECTION = 'connection';
	const ROUTINE    = 'routine';
	const ALL        = 'all';

	/** Results of updates and of restored copies; and copies that were kept, or why not. Both are decisions as well. */
	const HISTORY = 'history';
	const COPIES  = 'copies';

	/** The events of each kind. */
	const EVENTS = array(
		self::DECISIONS  => array(
			'permissions_changed',
			'updates_paused',
			'updates_resumed',
			'update_window_changed',
			'min_age_changed',
			'exclusions_changed',
			'notifications_changed',
			'update_approved',
			'update_refused',
			'update_answered',
			'update_settled',
			'copy_kept',
			'copy_not_kept',
			'restore_ended',
			'checkpoint_refused',
			'checkpoint_accepted',
		),
		self::CONNECTION => array(
			'token_accepted',
			'token_cancelled',
			'connected',
			'disconnected',
			'revoked',
			'key_rotation_agreed',
			'keys_rotated',
			'address_change_announced',
			'kept_paused',
		),
		self::ROUTINE    => Siteagent_Audit_Log::ROUTINE,
		self::HISTORY    => array( 'update_answered', 'update_settled', 'restore_ended' ),
		self::COPIES     => array( 'copy_kept', 'copy_not_kept' ),
	);

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
	 * Returns entries, newest first.
	 *
	 * @param int    $limit  Number of entries.
	 * @param int    $offset Number of entries to skip.
	 * @param string $search Only entries that contain this text; empty for all.
	 * @param string $kind   Only entries of this kind.
	 * @return array[] Each with seq, at (Unix time), event, actor, facts, hash.
	 */
	public function recent( int $limit, int $offset, string $search = '', string $kind = self::ALL ): array {
		$query = $this->db->prepare(
			"SELECT seq, at, body, hash FROM {$this->log->table()} WHERE {$this->kind_condition( $kind )} AND CONVERT(body USING utf8mb4) LIKE %s ORDER BY seq DESC LIMIT %d OFFSET %d",
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
	 * Returns the number of entries of each kind that contain a text.
	 *
	 * @return array<string,int> By kind.
	 */
	public function counts( string $search ): array {
		$kinds   = array( self::IMPORTANT, self::DECISIONS, self::CONNECTION, self::ROUTINE, self::ALL );
		$columns = array();
		foreach ( $kinds as $kind ) {
			$columns[] = "SUM({$this->kind_condition( $kind )}) AS `{$kind}`";
		}
		$query = $this->db->prepare(
			'SELECT ' . implode( ', ', $columns ) . " FROM {$this->log->table()} WHERE CONVERT(body USING utf8mb4) LIKE %s",
			$this->like_pattern( $search )
		);
		// Before the first entry there is no table.
		$shows_errors = $this->db->suppress_errors( true );
		$row          = $this->db->get_row( $query, ARRAY_A );
		$this->db->suppress_errors( $shows_errors );
		return array_map( 'intval', (array) $row ) + array_fill_keys( $kinds, 0 );
	}

	/**
	 * Returns the number of entries, or of those that contain a text.
	 */
	public function count( string $search = '' ): int {
		return (int) $this->db->get_var( $this->db->prepare( "SELECT COUNT(*) FROM {$this->log->table()} WHERE CONVERT(body USING utf8mb4) LIKE %s", $this->like_pattern( $search ) ) );
	}

	/**
	 * Returns the number of entries of one kind.
	 */
	public function count_of_kind( string $kind ): int {
		// Before the first entry there is no table.
		$shows_errors = $this->db->suppress_errors( true );
		$count        = (int) $this->db->get_var( "SELECT COUNT(*) FROM {$this->log->table()} WHERE {$this->kind_condition( $kind )}" );
		$this->db->suppress_errors( $shows_errors );
		return $count;
	}

	/**
	 * Returns the newest entry of an event that is not older than $seconds; null when there is none among the newest
	 * entries.
	 */
	public function latest( string $event, int $seconds, int $now ): ?array {
		$query = $this->db->prepare(
			"SELECT seq, at, body, hash FROM {$this->log->table()} WHERE seq > %d AND at >= %d AND body LIKE %s ORDER BY seq DESC LIMIT 1",
			$this->log->head()['n'] - self::SEARCH_LIMIT,
			$now - $seconds,
			'%' . $this->db->esc_like( '"event":"' . $event . '"' ) . '%'
		);
		$row   = $this->db->get_row( $query, ARRAY_A );
		return is_array( $row ) ? $this->to_entry( $row ) : null;
	}

	/**
	 * Returns entries after a number and a time, newest first.
	 *
	 * @param int    $seq   Number of the last entry that is not wanted.
	 * @param int    $at    Unix time in seconds.
	 * @param string $kind  Only entries of this kind.
	 * @param int    $limit Number of entries.
	 * @return array[] As recent() returns them.
	 */
	public function entries_since( int $seq, int $at, string $kind, int $limit ): array {
		$query = $this->db->prepare(
			"SELECT seq, at, body, hash FROM {$this->log->table()} WHERE seq > %d AND at > %d AND {$this->kind_condition( $kind )} ORDER BY seq DESC LIMIT %d",
			$seq,
			$at,
			$limit
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
			"SELECT seq, at, body, hash FROM {$this->log->table()} WHERE body LIKE %s ORDER BY seq LIMIT %d OFFSET %d",
			'%' . $this->db->esc_like( '"actor":"user:' . $user_id . '"' ) . '%',
			$limit,
			$offset
		);
		return array_map( array( $this, 'to_entry' ), (array) $this->db->get_results( $query, ARRAY_A ) );
	}

	/**
	 * Returns the entries after a number as stored, oldest first. Only those of the present connection: entries about
	 * another dashboard are not sent.
	 *
	 * @return array{from:int,entries:array[],more:bool} `from` is the oldest entry available; bodies are exact bytes.
	 */
	public function entries_after( int $after ): array {
		$from    = $this->start_after( $after );
		$query   = $this->db->prepare( "SELECT seq, prev, body, hash FROM {$this->log->table()} WHERE seq > %d ORDER BY seq LIMIT %d", max( $after, $from - 1 ), self::BATCH + 1 );
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
	 * Yields the complete part of the chain as stored, oldest first, up to an entry.
	 *
	 * @param int $last Number of the last entry.
	 * @return iterable<array{seq:int,prev:string,hash:string,body:string}>
	 */
	public function chain( int $last ): iterable {
		$after = max( 0, $this->log->oldest_complete() - 1 );
		do {
			$query = $this->db->prepare( "SELECT seq, prev, body, hash FROM {$this->log->table()} WHERE seq > %d AND seq <= %d ORDER BY seq LIMIT %d", $after, $last, self::BATCH );
			$rows  = (array) $this->db->get_results( $query, ARRAY_A );
			foreach ( $rows as $row ) {
				$after = (int) $row['seq'];
				yield array( 'seq' => $after ) + $row;
			}
		} while ( array() !== $rows );
	}

	/**
	 * Returns the first entry that the dashboard may get after one that it has: the one that began the connection, if
	 * that comes later, or the oldest complete one. Reads only newer entries, because the log may be long.
	 */
	private function start_after( int $after ): int {
		$like  = '%' . $this->db->esc_like( '"event":"connected"' ) . '%';
		$query = $this->db->prepare( "SELECT MAX(seq) FROM {$this->log->table()} WHERE seq > %d AND body LIKE %s", $after, $like );
		return max( (int) $this->db->get_var( $query ), $this->log->oldest_complete() );
	}

	/**
	 * Returns the condition that an entry is of a kind, with placeholders of wpdb::prepare() already filled.
	 */
	private function kind_condition( string $kind ): string {
		if ( self::ALL === $kind ) {
			return '1 = 1';
		}
		$is_event = array();
		foreach ( self::EVENTS[ self::IMPORTANT === $kind ? self::ROUTINE : $kind ] as $event ) {
			$is_event[] = $this->db->prepare( 'body LIKE %s', '%' . $this->db->esc_like( '"event":"' . $event . '"' ) . '%' );
		}
		$condition = ( self::IMPORTANT === $kind ? 'NOT ' : '' ) . '(' . implode( ' OR ', $is_event ) . ')';
		// An update that waits for approval is not history yet, and is answered each time that the dashboard asks.
		return self::HISTORY === $kind ? $condition . $this->db->prepare( ' AND body NOT LIKE %s', '%' . $this->db->esc_like( '"outcome":"waiting"' ) . '%' ) : $condition;
	}

	/**
	 * Returns a LIKE pattern. Quotation marks and slashes are escaped as in canonical JSON.
	 */
	private function like_pattern( string $search ): string {
		$encoded = substr( (string) wp_json_encode( $search, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES ), 1, -1 );
		return '%' . $this->db->esc_like( $encoded ) . '%';
	}

	/**
	 * Returns a row as an entry, with its decoded body. A body that was altered may hold anything.
	 */
	private function to_entry( array $row ): array {
		$body = json_decode( (string) $row['body'], true );
		$body = is_array( $body ) ? $body : array();
		return array(
			'seq'   => (int) $row['seq'],
			'at'    => (int) $row['at'],
			'event' => isset( $body['event'] ) && is_string( $body['event'] ) ? $body['event'] : '',
			'actor' => isset( $body['actor'] ) && is_string( $body['actor'] ) ? $body['actor'] : '',
			'facts' => isset( $body['facts'] ) && is_array( $body['facts'] ) ? $body['facts'] : array(),
			'hash'  => (string) $row['hash'],
		);
	}
}
