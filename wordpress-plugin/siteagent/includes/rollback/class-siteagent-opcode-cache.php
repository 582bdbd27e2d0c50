<?php
/**
 * PHP's opcode cache as configured on this host.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Knows when PHP runs the code on disk. Until then no page proves anything about a new version.
 */
final class Siteagent_Opcode_Cache {

	/** Longest wait, because the dashboard waits for the response. */
	const MAX_WAIT_S = 30;

	/** OPcache compares whole seconds. */
	const MARGIN_S = 2;

	/**
	 * Invalidates the compiled code of a folder, and returns how long PHP may still run it.
	 *
	 * @return int|null Seconds; 0 when it was invalidated, null when unknown (until PHP restarts).
	 */
	public static function stale_seconds( string $folder ): ?int {
		if ( Siteagent_Filesystem::invalidate_opcache( $folder ) || ! self::is_on() ) {
			return 0;
		}
		if ( function_exists( 'opcache_reset' ) && @opcache_reset() ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- hosts forbid it with a warning.
			return 0;
		}
		$frequency = self::setting( 'opcache.revalidate_freq' );
		return '1' === self::setting( 'opcache.validate_timestamps' ) && is_numeric( $frequency ) ? (int) $frequency + self::MARGIN_S : null;
	}

	/**
	 * Waits, if the time is short enough.
	 *
	 * @param int|null $seconds   As stale_seconds() returned it.
	 * @param callable $heartbeat Called every few seconds.
	 * @return bool Whether PHP runs the code on disk now.
	 */
	public static function wait( ?int $seconds, callable $heartbeat ): bool {
		if ( null === $seconds || $seconds > self::MAX_WAIT_S || ! function_exists( 'sleep' ) ) {
			return 0 === $seconds;
		}
		for ( $left = $seconds; $left > 0; $left -= 5 ) {
			$heartbeat();
			sleep( min( 5, $left ) );
		}
		return true;
	}

	private static function is_on(): bool {
		return extension_loaded( 'Zend OPcache' ) && '0' !== self::setting( 'opcache.enable' );
	}

	/**
	 * Returns a setting as the server has it, ignoring changes of this process; empty when it cannot be read.
	 */
	private static function setting( string $name ): string {
		$all = function_exists( 'ini_get_all' ) ? (array) ini_get_all( 'Zend OPcache' ) : array();
		$raw = isset( $all[ $name ] ) ? (string) $all[ $name ]['global_value'] : (string) ini_get( $name );
		return in_array( strtolower( $raw ), array( '1', 'on', 'yes', 'true' ), true ) ? '1' : ( in_array( strtolower( $raw ), array( '', 'off', 'no', 'false' ), true ) ? '0' : $raw );
	}
}
