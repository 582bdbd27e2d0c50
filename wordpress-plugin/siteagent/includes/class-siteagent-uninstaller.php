<?php
/**
 * Removes what SiteAgent stored.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Knows every name under which SiteAgent keeps something, and removes it on every site of a network.
 */
final class Siteagent_Uninstaller {

	const TABLES = array( 'siteagent_nonce', 'siteagent_log', 'siteagent_operation' );

	const OPTIONS = array( 'siteagent', 'siteagent_log' );

	/** Temporary values, up to the number of the account they belong to. */
	const TRANSIENTS = array( 'siteagent_draft_', 'siteagent_news_' );

	/** @var wpdb */
	private $db;

	/**
	 * @param wpdb $db WordPress's database object.
	 */
	public function __construct( $db ) {
		$this->db = $db;
	}

	/**
	 * May run again: what is gone already is no failure.
	 */
	public function remove(): void {
		if ( ! is_multisite() ) {
			$this->clear_site();
		} else {
			foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $id ) {
				switch_to_blog( (int) $id );
				$this->clear_site();
				restore_current_blog();
			}
			$this->clear_transients( $this->db->sitemeta, 'meta_key' );
		}
		foreach ( self::OPTIONS as $name ) {
			delete_site_option( $name );
		}
		$this->clear_probation();
		foreach ( self::TABLES as $name ) {
			$this->db->query( "DROP TABLE IF EXISTS {$this->db->base_prefix}{$name}" );
		}
	}

	/**
	 * What a change left on guard. The watchdog goes first, or it would put an old version back.
	 */
	private function clear_probation(): void {
		foreach ( array( '', '.part' ) as $end ) {
			$file = WPMU_PLUGIN_DIR . '/' . Siteagent_Probation::WATCHDOG . $end;
			if ( is_file( $file ) ) {
				wp_delete_file( $file );
			}
		}
		foreach ( Siteagent_Watchdog::entries( Siteagent_Probation::place() ) as $name ) {
			Siteagent_Probation::clear( Siteagent_Probation::place() . '/' . $name );
		}
	}

	private function clear_site(): void {
		foreach ( self::TABLES as $name ) {
			$this->db->query( "DROP TABLE IF EXISTS {$this->db->prefix}{$name}" );
		}
		foreach ( self::OPTIONS as $name ) {
			delete_option( $name );
		}
		$this->clear_transients( $this->db->options, 'option_name' );
		foreach ( (array) _get_cron_array() as $events ) {
			foreach ( array_keys( (array) $events ) as $hook ) {
				if ( 0 === strpos( (string) $hook, 'siteagent_' ) ) {
					wp_unschedule_hook( $hook );
				}
			}
		}
	}

	private function clear_transients( string $table, string $column ): void {
		foreach ( self::TRANSIENTS as $name ) {
			foreach ( array( '_transient_', '_transient_timeout_', '_site_transient_', '_site_transient_timeout_' ) as $kind ) {
				$like = $this->db->esc_like( $kind . $name ) . '%';
				// Directly: with an object cache, WordPress's own functions would not look into the table.
				$this->db->query( $this->db->prepare( "DELETE FROM {$table} WHERE {$column} LIKE %s", $like ) );
			}
		}
		wp_cache_delete( 'alloptions', 'options' );
	}
}
