<?php
/**
 * PHP's cache of compiled code (opcache), as this host has set it up.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Says when the code on disk is the code that runs. Until then no page proves anything about a new version.
 */
final class Siteagent_Opcode_Cache {

	/** Longer than this the dashboard is not kept waiting. */
	const MAX_WAIT_S = 30;

	/** Opcache compares whole seconds. */
	const MARGIN_S = 2;

	/**
	 * Have PHP forget what it compiled of a folder, and say for how long it may still run that.
	 *
	 * @return int|null Seconds; 0 when it has forgotten, null when nobody can say: until PHP is restarted.
	 */
	public static function stale_seconds( string $folder ): ?int {
		if ( Siteagent_Filesystem::invalidate_opcache( $folder ) || ! self::is_on() ) {
			return 0;
		}
		if ( function_exists( 'opcache_reset' ) && @opcache_reset() ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- hosts forbid it with a warning.
			return 0;
		}
		$frequency = self::setting( 'opcache.revalidate_freq' );
		return '1' === self::setting( 'opcache.validate_timestamps' ) && is_numeric( $frequency ) ? (int) $frequency + self::MARGIN_S : null;
	}

	/**
	 * Wait for so long, if that is short enough.
	 *
	 * @param callable $heartbeat Called every few seconds.
	 * @return bool Whether the time is over.
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
	 * A setting as the server has it, whatever this process changed for itself; '' where it cannot be read.
	 */
	private static function setting( string $name ): string {
		$all = function_exists( 'ini_get_all' ) ? (array) ini_get_all( 'Zend OPcache' ) : array();
		$raw = isset( $all[ $name ] ) ? (string) $all[ $name ]['global_value'] : (string) ini_get( $name );
		return in_array( strtolower( $raw ), array( '1', 'on', 'yes', 'true' ), true ) ? '1' : ( in_array( strtolower( $raw ), array( '', 'off', 'no', 'false' ), true ) ? '0' : $raw );
	}
}
