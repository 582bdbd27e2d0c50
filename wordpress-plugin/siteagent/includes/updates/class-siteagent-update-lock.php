<?php
/**
 * The lock that allows one update of files at a time.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * WordPress's own lock for automatic updates, always on the main site: the sites of a network share their files,
 * even where each has its own connection.
 */
final class Siteagent_Update_Lock {

	/** Automatic updates of WordPress wait while this lock is held. */
	const NAME = 'auto_updater';

	/** WordPress holds this lock while it updates itself, for at most this many seconds. */
	const CORE_UPDATE   = 'core_updater.lock';
	const CORE_UPDATE_S = 900;

	/**
	 * Acquires the lock.
	 *
	 * @param int $seconds When the lock expires.
	 * @return string The input of release(); empty when the lock is held.
	 */
	public static function acquire( int $seconds ): string {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		return self::on_main_site(
			static function () use ( $seconds ): string {
				return WP_Upgrader::create_lock( self::NAME, $seconds ) ? self::holder() : '';
			}
		);
	}

	/**
	 * Releases the lock, unless it has expired and another process acquired it.
	 *
	 * @param string $holder As acquire() returned it.
	 */
	public static function release( string $holder ): void {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		self::on_main_site(
			static function () use ( $holder ): string {
				if ( '' !== $holder && self::holder() === $holder ) {
					WP_Upgrader::release_lock( self::NAME );
				}
				return '';
			}
		);
	}

	/**
	 * Whether WordPress is updating itself.
	 */
	public static function is_core_updating( int $now ): bool {
		$locked_at = self::on_main_site(
			static function (): string {
				return (string) get_option( self::CORE_UPDATE );
			}
		);
		return (int) $locked_at > $now - self::CORE_UPDATE_S;
	}

	/**
	 * Returns when the lock was acquired. Read from the database, because an object cache may be stale.
	 */
	private static function holder(): string {
		global $wpdb;
		return (string) $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM {$wpdb->options} WHERE option_name = %s", self::NAME . '.lock' ) );
	}

	/**
	 * @param callable $read fn(): string.
	 */
	private static function on_main_site( callable $read ): string {
		if ( ! is_multisite() ) {
			return $read();
		}
		switch_to_blog( get_main_site_id() );
		try {
			return $read();
		} finally {
			restore_current_blog();
		}
	}
}
