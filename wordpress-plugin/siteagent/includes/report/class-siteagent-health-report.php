<?php
/**
 * Health of the site: Site Health tests and a few more signals.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads health signals. Changes nothing, and makes no long requests.
 */
final class Siteagent_Health_Report {

	const STATUSES = array( 'good', 'recommended', 'critical' );

	/** Asks api.wordpress.org when its weekly answer has expired. Skipped when the report is late. */
	const REMOTE_TESTS = array( 'php_version' );

	/** A test that requests the site itself would wait for the process that builds the report. */
	const LOOPBACK_TESTS = array( 'rest_availability' );

	/** The extensions that Site Health checks, without those that have a replacement. */
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
	 * Returns "health" of the report. Requires wp-admin's includes.
	 *
	 * @param float $deadline No test that may make requests starts after this time.
	 */
	public function all( float $deadline ): array {
		return array(
			'tests'             => $this->run_tests( $deadline ),
			'https'             => wp_is_using_https(),
			'cron_overdue'      => $this->cron_overdue( time() ),
			'disk_free'         => $this->disk_free(),
			'filesystem'        => (string) get_filesystem_method(),
			'file_mods'         => (bool) wp_is_file_mod_allowed( 'capability_update_core' ),
			'database_upgrades' => ( new Siteagent_Database_Upgrades() )->pending(),
			'auto_updater'      => ! ( new WP_Automatic_Updater() )->is_disabled(),
		);
	}

	/**
	 * Returns the missing PHP extensions that WordPress recommends.
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
	 * Returns the tests to run. Only methods of WordPress's own class, because a test of another plugin may say
	 * anything.
	 *
	 * @return array<string,string> Method by test name.
	 */
	private function runnable_tests(): array {
		$all_tests = WP_Site_Health::get_tests();
		$runnable  = array();
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
	 * Returns the result of a test; null when it threw or returned nonsense, so that one broken test costs one line.
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
	 * Returns how many seconds the oldest due event is late, in steps of five minutes, so that reports do not differ
	 * only because time has passed.
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
	 * Returns the free bytes on the disk, rounded down to one digit, because every log file changes them and a changed
	 * report is stored. Null where the host does not tell.
	 */
	private function disk_free(): ?int {
		$free = Siteagent_Filesystem::free_bytes( WP_CONTENT_DIR );
		if ( INF === $free || $free < 0 ) {
			return null;
		}
		$step = (int) 10 ** max( 0, strlen( sprintf( '%.0f', $free ) ) - 1 );
		return intdiv( (int) $free, $step ) * $step;
	}
}
