<?php
/**
 * A counter of unauthenticated requests.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Counts requests without a valid signature outside of the log, so that they cannot push other entries out of it.
 */
final class Siteagent_Rejected_Requests {

	/** Holds "<hour> <requests in it>". */
	const OPTION = 'siteagent_unauthenticated';

	/** @var wpdb */
	private $db;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var string */
	private $table;

	/**
	 * @param wpdb                $db         WordPress database object.
	 * @param bool                $is_network Whether the sites of a network share one counter.
	 * @param Siteagent_Audit_Log $log        The log.
	 */
	public function __construct( $db, bool $is_network, Siteagent_Audit_Log $log ) {
		$this->db    = $db;
		$this->log   = $log;
		$this->table = $is_network ? $db->base_prefix . 'options' : $db->options;
	}

	/**
	 * Counts a request. The first one of an hour is logged, with the number of further ones in the last such hour.
	 *
	 * @throws RuntimeException When the entry could not be written.
	 */
	public function record( string $reason, int $now ): void {
		$hour    = intdiv( $now, HOUR_IN_SECONDS );
		$current = $this->current_count();
		$is_new  = null === $current || $hour > $current['hour'];
		if ( ! $is_new || ! $this->begin_hour( $hour, null === $current ? null : $current['value'] ) ) {
			$this->increment(); // In the present hour, which another request may have just started.
			return;
		}
		$facts = array( 'reason' => $reason );
		if ( null !== $current && 1 < $current['calls'] ) {
			$facts['more']  = $current['calls'] - 1;
			$facts['since'] = gmdate( 'Y-m-d\TH:i:s\Z', $current['hour'] * HOUR_IN_SECONDS );
		}
		$this->log->append( 'unauthenticated_refused', $facts, 'stranger' );
	}

	public function delete(): void {
		$this->db->query( $this->db->prepare( "DELETE FROM {$this->table} WHERE option_name = %s", self::OPTION ) );
	}

	private function increment(): void {
		$this->db->query(
			$this->db->prepare(
				"UPDATE {$this->table} SET option_value = CONCAT(SUBSTRING_INDEX(option_value, ' ', 1), ' ', SUBSTRING_INDEX(option_value, ' ', -1) + 1) WHERE option_name = %s",
				self::OPTION
			)
		);
	}

	/**
	 * @return array{value:string,hour:int,calls:int}|null
	 */
	private function current_count(): ?array {
		$value = $this->db->get_var( $this->db->prepare( "SELECT option_value FROM {$this->table} WHERE option_name = %s", self::OPTION ) );
		if ( null === $value ) {
			return null;
		}
		list( $hour, $calls ) = explode( ' ', $value . ' 0' );
		return array(
			'value' => (string) $value,
			'hour'  => (int) $hour,
			'calls' => (int) $calls,
		);
	}

	/**
	 * Starts another hour. False when another request was faster, or nothing can be written.
	 */
	private function begin_hour( int $hour, ?string $previous ): bool {
		if ( null === $previous ) {
			$query = $this->db->prepare( "INSERT IGNORE INTO {$this->table} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", self::OPTION, "$hour 1" );
		} else {
			$query = $this->db->prepare( "UPDATE {$this->table} SET option_value = %s WHERE option_name = %s AND option_value = %s", "$hour 1", self::OPTION, $previous );
		}
		return 1 === $this->db->query( $query );
	}
}
