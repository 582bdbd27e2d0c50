<?php
/**
 * Maintenance mode while files are replaced.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Replaces WP_Upgrader::maintenance_mode() in the upgraders that SiteAgent uses.
 *
 * WordPress's own maintenance mode lasts ten minutes when its process is killed, and locks out everyone who could
 * repair the site. This one ends with its process, and never removes a maintenance page of someone else.
 */
trait Siteagent_Maintenance_Mode {

	/** @var string */
	public $siteagent_op_id = '';

	/**
	 * Switches maintenance mode on or off.
	 *
	 * @param bool $enable Whether to switch it on.
	 */
	public function maintenance_mode( $enable = false ): void {
		$file = ABSPATH . '.maintenance';
		if ( ! $enable ) {
			Siteagent_Rollback_Watchdog::end_maintenance( $this->siteagent_op_id );
			return;
		}
		if ( file_exists( $file ) ) {
			if ( wp_is_maintenance_mode() ) {
				return;
			}
			// An expired one. It is put back afterwards, however this run ends.
			rename( $file, $file . '.siteagent' ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- in one step, as WP_Filesystem cannot.
		}
		Siteagent_Filesystem::write_atomically( $file, $this->siteagent_maintenance_file() );
		// PHP includes this file and may have compiled the previous one.
		Siteagent_Filesystem::invalidate_opcache_file( $file );
	}

	/**
	 * Returns the PHP source of the .maintenance file, which WordPress includes in every request. It sets the time
	 * since which the site is in maintenance.
	 *
	 * It contains no path, because some web servers send it as text. Only one run at a time holds a lock.
	 */
	private function siteagent_maintenance_file(): string {
		return sprintf(
			'<?php
// SiteAgent %1$s: in force while the process that holds the lock lives.
$upgrading = ( static function (): int {
	foreach ( (array) glob( WP_CONTENT_DIR . "/%2$s/*/%3$s" ) as $file ) {
		$beat = dirname( $file ) . "/%4$s";
		$last_sign = is_file( $beat ) ? (int) filemtime( $beat ) : (int) @filemtime( $file );
		$lock = function_exists( "flock" ) ? @fopen( $file, "rb" ) : false;
		if ( false === $lock ) {
			return $last_sign;
		}
		if ( ! flock( $lock, LOCK_SH | LOCK_NB, $is_held ) ) {
			return 1 === $is_held ? time() : $last_sign;
		}
		$local_marker = sys_get_temp_dir() . "/siteagent-" . substr( hash( "sha256", dirname( $file ) ), 0, 24 );
		if ( ! @is_file( $local_marker ) && time() - $last_sign <= %5$d ) {
			return time();
		}
	}
	return 0;
} )();
',
			$this->siteagent_op_id,
			Siteagent_Rollback::FOLDER,
			Siteagent_Rollback_Watchdog::LOCK,
			Siteagent_Rollback_Watchdog::HEARTBEAT,
			Siteagent_Rollback_Watchdog::HEARTBEAT_TIMEOUT_S
		);
	}
}
