<?php
/**
 * How the site is: WordPress's own Site Health tests and a few plain facts.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads health signals without calling anybody for long and without changing anything.
 */
final class Siteagent_Health_Report {

	const STATUSES = array( 'good', 'recommended', 'critical' );

	/** Asks api.wordpress.org when its weekly answer is gone; left out when the report is late already. */
	const REMOTE_TESTS = array( 'php_version' );

	/** A test that calls the site itself would wait for the very process that takes the report. */
	const LOOPBACK_TESTS = array( 'rest_availability' );

	/** What WordPress's own Site Health looks for, without the ones that have a stand-in. */
	const EXTENSIONS = array(
		'curl',
		'dom',
		'exif',
		'fileinfo',
		'filter',
		'hash',
		'iconv',
		'intl',
		'json',
		'mbstring',
		'mysqli',
		'openssl',
		'pcre',
		'SimpleXML',
		'sodium',
		'xml',
		'xmlreader',
		'zip',
		'zlib',
	);

	/**
	 * The report's "health"; wp-admin's includes must be loaded.
	 *
	 * @param float $deadline No test that may call outside starts after this moment.
	 */
	public function all( float $deadline ): array {
		return array(
			'tests'        => $this->run_tests( $deadline ),
			'https'        => wp_is_using_https(),
			'cron_overdue' => $this->cron_overdue( time() ),
			'disk_free'    => $this->disk_free(),
			'filesystem'   => (string) get_filesystem_method(),
			'file_mods'    => (bool) wp_is_file_mod_allowed( 'capability_update_core' ),
			'auto_updater' => ! ( new WP_Automatic_Updater() )->is_disabled(),
		);
	}

	/**
	 * PHP modules WordPress wants and does not find.
	 *
	 * @return string[]
	 */
	public function extensions_missing(): array {
		$missing = array();
		foreach ( self::EXTENSIONS as $name ) {
			if ( ! extension_loaded( $name ) ) {
				$missing[] = strtolower( $name );
			}
		}
		if ( ! extension_loaded( 'imagick' ) && ! extension_loaded( 'gd' ) ) {
			$missing[] = 'imagick';
		}
		return $missing;
	}

	private function run_tests( float $deadline ): array {
		$health  = WP_Site_Health::get_instance();
		$results = array();
		foreach ( $this->runnable_tests() as $name => $method ) {
			if ( in_array( $name, self::REMOTE_TESTS, true ) && microtime( true ) > $deadline ) {
				continue;
			}
			$result = $this->run_test( $health, $method );
			if ( null !== $result ) {
				$results[] = array( 'test' => $name ) + $result;
			}
		}
		return $results;
	}

	/**
	 * Only methods of WordPress's own class: a test another plugin adds may say anything.
	 *
	 * @return array<string,string> Test name to method.
	 */
	private function runnable_tests(): array {
		$all_tests  = WP_Site_Health::get_tests();
		$runnable = array();
		foreach ( isset( $all_tests['direct'] ) ? (array) $all_tests['direct'] : array() as $name => $test ) {
			if ( ! is_string( $name ) || ! is_array( $test ) || ! isset( $test['test'] ) || ! is_string( $test['test'] ) ) {
				continue;
			}
			$method = 'get_test_' . $test['test'];
			if ( method_exists( 'WP_Site_Health', $method ) && ! in_array( $name, self::LOOPBACK_TESTS, true ) ) {
				$runnable[ $name ] = $method;
			}
		}
		return $runnable;
	}

	/**
	 * One test's outcome; null when it threw or made no sense, so that one bad test costs one line.
	 */
	private function run_test( WP_Site_Health $health, string $method ): ?array {
		try {
			$result = $health->$method();
		} catch ( Throwable $error ) {
			return null;
		}
		if ( ! is_array( $result ) || ! isset( $result['status'], $result['label'] ) ) {
			return null;
		}
		if ( ! in_array( $result['status'], self::STATUSES, true ) || ! is_string( $result['label'] ) ) {
			return null;
		}
		return array(
			'status' => $result['status'],
			'label'  => Siteagent_Report::plain_text( $result['label'] ),
		);
	}

	/**
	 * Seconds the oldest due event is late, in whole five minutes: a report an hour later
	 * should not differ merely because time went by.
	 */
	private function cron_overdue( int $now ): int {
		$oldest = $now;
		foreach ( (array) _get_cron_array() as $due_at => $events ) {
			if ( is_int( $due_at ) && $due_at > 0 && ! empty( $events ) ) {
				$oldest = min( $oldest, $due_at );
			}
		}
		return intdiv( $now - $oldest, 300 ) * 300;
	}

	/**
	 * Free bytes on the disk, rounded down to two digits; null where the host does not tell.
	 */
	private function disk_free(): ?int {
		if ( ! function_exists( 'disk_free_space' ) ) {
			return null;
		}
		// Hosts forbid it with a warning (open_basedir) or an exception, depending on the PHP version.
		try {
			$free = @disk_free_space( WP_CONTENT_DIR ); // phpcs:ignore WordPress.PHP.NoSilencedErrors.Discouraged
		} catch ( Throwable $error ) {
			return null;
		}
		if ( ! is_float( $free ) || $free < 0 ) {
			return null;
		}
		$step = (int) 10 ** max( 0, strlen( sprintf( '%.0f', $free ) ) - 2 );
		return intdiv( (int) $free, $step ) * $step;
	}
}
