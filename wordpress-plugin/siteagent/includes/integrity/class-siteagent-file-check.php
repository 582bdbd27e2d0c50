<?php
/**
 * The daily comparison of this site's files with their releases.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Compares one component after the other, by WP-Cron and in slices of a few seconds. No page of the site waits for it.
 *
 * The dashboard's request for the report schedules it, so it ends with the connection.
 */
final class Siteagent_File_Check {

	const HOOK = 'siteagent_check_files';

	/** The state: at, results, began_at, waiting, done. Not loaded with the other options. */
	const OPTION = 'siteagent_files';

	const EVERY_S = DAY_IN_SECONDS;

	/** No component is started after this many seconds of a slice. */
	const SLICE_S = 10;
	const PAUSE_S = MINUTE_IN_SECONDS;

	/** A slice, the request for a list, and the component that it ends with. */
	const TIME_LIMIT_S = 60;

	/** How long a check waits for an update that is running or watched: files come and go with it. */
	const UPDATE_PAUSE_S = 15 * MINUTE_IN_SECONDS;

	/** How long the first slice waits, so that several updates in a row are followed by one check. */
	const DELAY_S = 5 * MINUTE_IN_SECONDS;

	/** Names in one report. */
	const MAX_NAMES      = 500;
	const MAX_COMPONENTS = 1000;

	/**
	 * Schedules a check when the last one is older than a day. Needs no more than the database. Where no visitor has
	 * started WP-Cron since it was due, it is started.
	 *
	 * @param int $now Unix time in seconds.
	 */
	public static function schedule_if_due( int $now ): void {
		if ( self::checked_at() + self::EVERY_S > $now ) {
			return;
		}
		$next = wp_next_scheduled( self::HOOK );
		if ( false === $next ) {
			self::schedule( $now + self::DELAY_S );
		} elseif ( $next + self::PAUSE_S < $now && ! ( defined( 'DISABLE_WP_CRON' ) && DISABLE_WP_CRON ) ) {
			spawn_cron();
		}
	}

	/**
	 * Schedules a check soon, because files have changed.
	 *
	 * @param int $now Unix time in seconds.
	 */
	public static function schedule_soon( int $now ): void {
		self::schedule( $now + self::DELAY_S );
	}

	/**
	 * Compares components until the slice is over (action of WP-Cron).
	 *
	 * @param int $now Unix time in seconds.
	 */
	public static function run_slice( int $now ): void {
		if ( self::is_update_open() ) {
			self::schedule( $now + self::UPDATE_PAUSE_S );
			return;
		}
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( self::TIME_LIMIT_S );
		}
		Siteagent_Report::load_admin_includes();
		$until = microtime( true ) + self::SLICE_S;
		$state = self::state();
		// Results that are not published yet are of a check whose last component has ended the process.
		if ( array() === $state['waiting'] && array() === $state['done'] ) {
			$state['waiting']  = array_slice( Siteagent_Compared_Component::all(), 0, self::MAX_COMPONENTS );
			$state['done']     = array();
			$state['began_at'] = $now;
		}
		while ( array() !== $state['waiting'] && microtime( true ) < $until ) {
			list( $kind, $id ) = array_shift( $state['waiting'] );
			$component         = new Siteagent_Compared_Component( $kind, $id );
			// Stored before, so that a component that ends the process is not tried again and again, and counts as not
			// compared.
			$place                   = count( $state['done'] );
			$state['done'][ $place ] = $component->unfinished();
			update_option( self::OPTION, $state, false );
			$state['done'][ $place ] = $component->compare();
		}
		if ( array() === $state['waiting'] ) {
			$state['at']      = $now;
			$state['results'] = self::bounded( $state['done'] );
			$state['done']    = array();
		} else {
			self::schedule( $now + self::PAUSE_S );
		}
		update_option( self::OPTION, $state, false );
	}

	/**
	 * Returns when the last complete check ended, as Unix time in seconds; 0 before the first one.
	 */
	public static function checked_at(): int {
		return self::state()['at'];
	}

	/**
	 * Returns the results of the last complete check, each as a field of the report.
	 *
	 * @return array[]
	 */
	public static function results(): array {
		return self::state()['results'];
	}

	/**
	 * Returns the file or folder of each component with differences that matter.
	 *
	 * @return string[]
	 */
	public static function differences(): array {
		$found = array();
		foreach ( self::results() as $result ) {
			if ( 0 < $result['changed'] + $result['missing'] + $result['unknown'] ) {
				$found[] = $result['id'];
			}
		}
		return $found;
	}

	/**
	 * Whether an update is running or watched. Its folder may be a link or a disk of the owner that always exists, and a
	 * backup that a person may still need stays in it for weeks.
	 */
	private static function is_update_open(): bool {
		foreach ( Siteagent_Filesystem::list_entries( Siteagent_Rollback::base_folder() ) as $name ) {
			$folder = Siteagent_Rollback::base_folder() . '/' . $name;
			if ( 1 === preg_match( Siteagent_Rollback::FOLDER_PATTERN, $name ) && ! is_file( $folder . '/' . Siteagent_Rollback::KEEP_BACKUP ) ) {
				return true;
			}
		}
		return false;
	}

	private static function schedule( int $at ): void {
		if ( false === wp_next_scheduled( self::HOOK ) ) {
			wp_schedule_single_event( $at, self::HOOK );
		}
	}

	/**
	 * @return array{at:int,results:array[],began_at:int,waiting:array,done:array[]}
	 */
	private static function state(): array {
		$stored = get_option( self::OPTION );
		$stored = is_array( $stored ) ? $stored : array();
		$state  = array( 'at' => 0, 'results' => array(), 'began_at' => 0, 'waiting' => array(), 'done' => array() );
		foreach ( $state as $name => $empty ) {
			if ( isset( $stored[ $name ] ) && gettype( $stored[ $name ] ) === gettype( $empty ) ) {
				$state[ $name ] = $stored[ $name ];
			}
		}
		return $state;
	}

	/**
	 * Returns the results with no more names than a report may have. The numbers stay.
	 *
	 * @param array[] $results The results.
	 */
	private static function bounded( array $results ): array {
		$left = self::MAX_NAMES;
		foreach ( $results as $place => $result ) {
			foreach ( array( 'changed_files', 'missing_files', 'unknown_files' ) as $name ) {
				$results[ $place ][ $name ] = array_slice( $result[ $name ], 0, $left );
				$left                      -= count( $results[ $place ][ $name ] );
			}
		}
		return $results;
	}
}
