<?php
/**
 * Uninstallation.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Ends every connection and removes everything SiteAgent stored, on every site of a network.
 */
final class Siteagent_Uninstaller {

	const TABLES = array( 'siteagent_nonce', 'siteagent_log', 'siteagent_operation', 'siteagent_checkpoint' );

	const OPTIONS = array( 'siteagent', 'siteagent_log', 'siteagent_unauthenticated', 'siteagent_last_report', 'siteagent_release_sights', 'siteagent_files' );

	/** Prefixes of transients, followed by the id of an account or an update. */
	const TRANSIENTS = array( 'siteagent_draft_', 'siteagent_flash_', 'siteagent_changelog_', 'siteagent_package_', 'siteagent_admin_' );

	/** On a network with many sites, dashboards are only notified for this long. Others find out with their next request. */
	const NOTIFY_TIME_S = 20;

	/** @var wpdb */
	private $db;

	/** @var float */
	private $notify_until;

	/**
	 * @param wpdb $db WordPress database object.
	 */
	public function __construct( $db ) {
		$this->db           = $db;
		$this->notify_until = microtime( true ) + self::NOTIFY_TIME_S;
	}

	/**
	 * Removes everything. May run again.
	 */
	public function remove(): void {
		if ( ! is_multisite() ) {
			$this->disconnect( false );
			$this->clear_site();
		} else {
			$this->disconnect( true );
			foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $id ) {
				switch_to_blog( (int) $id );
				$this->disconnect( false );
				$this->clear_site();
				restore_current_blog();
			}
			$this->clear_transients( $this->db->sitemeta, 'meta_key' );
		}
		foreach ( self::OPTIONS as $name ) {
			delete_site_option( $name );
		}
		delete_metadata( 'user', 0, Siteagent_Unseen_Activity::META, '', true );
		$this->clear_rollback_files();
		$this->drop_tables();
	}

	/**
	 * Ends the connection of the present site, or the shared one, and notifies its dashboard.
	 */
	private function disconnect( bool $is_network ): void {
		if ( microtime( true ) > $this->notify_until ) {
			return;
		}
		// A dashboard that cannot be reached must not prevent uninstalling.
		try {
			$siteagent = new Siteagent_Container( $is_network );
			if ( 'paired' === $siteagent->connection_store()->state() ) {
				$siteagent->pairing()->disconnect( 'site' );
			}
		} catch ( Throwable $error ) {
			error_log( 'SiteAgent: no disconnect notice was sent: ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
		}
	}

	/**
	 * Drops the tables. On a network also those of sites that were deleted while SiteAgent was not active. Elsewhere a
	 * number after the prefix belongs to another installation in the same database.
	 */
	private function drop_tables(): void {
		$site = is_multisite() ? '([0-9]+_)?' : '';
		$ours = '/^' . preg_quote( $this->db->base_prefix, '/' ) . $site . '(' . implode( '|', self::TABLES ) . ')\z/D';
		$like = $this->db->esc_like( $this->db->base_prefix ) . '%' . $this->db->esc_like( 'siteagent_' ) . '%';
		foreach ( $this->db->get_col( $this->db->prepare( 'SHOW TABLES LIKE %s', $like ) ) as $name ) {
			if ( 1 === preg_match( $ours, $name ) ) {
				$this->db->query( "DROP TABLE IF EXISTS `{$name}`" );
			}
		}
	}

	/**
	 * Removes what updates left behind, and the kept copies. The watchdog is removed first, because it would restore an old version.
	 */
	private function clear_rollback_files(): void {
		foreach ( Siteagent_Filesystem::list_entries( WPMU_PLUGIN_DIR ) as $name ) {
			if ( 0 === strpos( $name, Siteagent_Watchdog_Installer::PREFIX . '-' ) ) {
				wp_delete_file( WPMU_PLUGIN_DIR . '/' . $name );
			}
		}
		foreach ( Siteagent_Filesystem::list_entries( Siteagent_Rollback::base_folder() ) as $name ) {
			Siteagent_Rollback::remove_run_folder( Siteagent_Rollback::base_folder() . '/' . $name );
		}
		Siteagent_Kept_Copies::remove_all();
	}

	private function clear_site(): void {
		foreach ( self::OPTIONS as $name ) {
			delete_option( $name );
		}
		$this->clear_file_lists();
		$this->clear_transients( $this->db->options, 'option_name' );
		foreach ( (array) _get_cron_array() as $events ) {
			foreach ( array_keys( (array) $events ) as $hook ) {
				if ( 0 === strpos( (string) $hook, 'siteagent_' ) ) {
					wp_unschedule_hook( $hook );
				}
			}
		}
	}

	private function clear_file_lists(): void {
		$like = $this->db->esc_like( Siteagent_Installed_Files::OPTION ) . '%';
		foreach ( $this->db->get_col( $this->db->prepare( "SELECT option_name FROM {$this->db->options} WHERE option_name LIKE %s", $like ) ) as $name ) {
			delete_option( $name );
		}
	}

	private function clear_transients( string $table, string $column ): void {
		foreach ( self::TRANSIENTS as $name ) {
			foreach ( array( '_transient_', '_transient_timeout_', '_site_transient_', '_site_transient_timeout_' ) as $kind ) {
				$like = $this->db->esc_like( $kind . $name ) . '%';
				// Directly in the table, because with an object cache WordPress's own functions would not look there.
				$this->db->query( $this->db->prepare( "DELETE FROM {$table} WHERE {$column} LIKE %s", $like ) );
			}
		}
		wp_cache_delete( 'alloptions', 'options' );
	}
}
