<?php
/**
 * What happened since a person last looked at the activity log.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Counts updates and changed permissions that an account has not seen in the activity log yet, without its own.
 */
final class Siteagent_Unseen_Activity {

	/** The user meta with the number of the newest entry at the last visit. */
	const META = 'siteagent_seen_entry';

	/** What is older is not news any more. */
	const NEWS_S = 14 * DAY_IN_SECONDS;

	/** More entries are not counted. */
	const MAX_ENTRIES = 200;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	public function __construct( Siteagent_Audit_Log $log, Siteagent_Audit_Log_Reader $log_reader ) {
		$this->log        = $log;
		$this->log_reader = $log_reader;
	}

	/**
	 * Remembers that an account has seen the activity log as it is now.
	 */
	public function mark_seen( int $user_id ): void {
		update_user_meta( $user_id, self::META, $this->log->head()['n'] );
	}

	/**
	 * Returns how often each thing happened that an account has not seen.
	 *
	 * @return array{succeeded:int,rolled_back:int,failed:int,permissions_changed:int}
	 */
	public function counts( int $user_id, int $now ): array {
		$counts  = array_fill_keys( array( 'succeeded', 'rolled_back', 'failed', 'permissions_changed' ), 0 );
		$seen    = (int) get_user_meta( $user_id, self::META, true );
		$entries = $this->log_reader->entries_since( $seen, $now - self::NEWS_S, Siteagent_Audit_Log_Reader::DECISIONS, self::MAX_ENTRIES );
		foreach ( $entries as $entry ) {
			$outcome = isset( $entry['facts']['outcome'] ) ? $entry['facts']['outcome'] : $entry['event'];
			if ( 'restore_ended' !== $entry['event'] && is_string( $outcome ) && isset( $counts[ $outcome ] ) && 'user:' . $user_id !== $entry['actor'] ) {
				++$counts[ $outcome ];
			}
		}
		return $counts;
	}
}
