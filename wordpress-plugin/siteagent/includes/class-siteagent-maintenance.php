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
trait Siteagent_Maintenance {

	/** @var string */
	public $siteagent_op_id = '';

	/** @var string The file the run holds a lock on. */
	public $siteagent_lock = '';

	/**
	 * @param bool $enable As WordPress passes it.
	 */
	public function maintenance_mode( $enable = false ): void {
		$file = ABSPATH . '.maintenance';
		if ( ! $enable ) {
			Siteagent_Watchdog::end_maintenance( $this->siteagent_op_id );
		} elseif ( ! file_exists( $file ) ) {
			file_put_contents( $file, $this->siteagent_page() ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- WordPress's filesystem is the direct one here.
		}
	}

	/**
	 * PHP that WordPress includes on every request: the moment since when the site is in maintenance.
	 */
	private function siteagent_page(): string {
		return sprintf(
			'<?php
// SiteAgent %1$s: in force while the process that holds this lock lives.
$upgrading = ( static function ( string $file, int $since ): int {
	$lock = is_file( $file ) ? fopen( $file, "rb" ) : false;
	if ( false === $lock || flock( $lock, LOCK_SH | LOCK_NB, $is_held ) ) {
		return 0;
	}
	return 1 === $is_held ? time() : $since;
} )( %2$s, %3$d );
',
			$this->siteagent_op_id,
			var_export( $this->siteagent_lock, true ), // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- writes PHP.
			time()
		);
	}
}
