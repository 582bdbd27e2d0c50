<?php
/**
 * The maintenance page for the seconds in which files are exchanged.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Takes the place of WP_Upgrader::maintenance_mode() in the upgraders SiteAgent uses.
 *
 * WordPress's own page stays for ten minutes when the process that put it up is killed, and keeps
 * out everybody who could mend that. This one is over the moment the process ends, and nobody
 * else's page is taken away.
 */
trait Siteagent_Maintenance_Mode {

	/** @var string */
	public $siteagent_op_id = '';

	/**
	 * @param bool $enable As WordPress passes it.
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
			// One that is over, and forgotten: it comes back where it was, however this run ends.
			rename( $file, $file . '.siteagent' ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		}
		Siteagent_Filesystem::write_atomically( $file, $this->siteagent_maintenance_file() );
		// PHP includes this file, and may have compiled the one that was there before.
		Siteagent_Filesystem::invalidate_opcache_file( $file );
	}

	/**
	 * PHP that WordPress includes on every request: the moment since when the site is in maintenance.
	 *
	 * It names no path: a web server that hands it out as text gives nothing away. One run at a time has a lock.
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
		if ( ! is_file( $local_marker ) && time() - $last_sign <= %5$d ) {
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
