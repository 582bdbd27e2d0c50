<?php
/**
 * Which versions are patch releases of others.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Compares two versions, without WordPress.
 */
final class Siteagent_Release_Type {

	/** Two to four numbers. Anything more, such as "-beta1", "RC2" or "+build", makes a version unclear. */
	const VERSION = '/^[0-9]{1,9}(\.[0-9]{1,9}){1,3}\z/D';

	/**
	 * Whether an update leaves the first two numbers as they are and raises the third or fourth. A missing number is 0.
	 *
	 * @return bool|null Null if that cannot be decided: for a pre-release, and for one number or more than four.
	 */
	public static function is_patch( string $from, string $to ): ?bool {
		if ( 1 !== preg_match( self::VERSION, $from ) || 1 !== preg_match( self::VERSION, $to ) ) {
			return null;
		}
		$before = self::numbers( $from );
		$after  = self::numbers( $to );
		return array_slice( $before, 0, 2 ) === array_slice( $after, 0, 2 ) && array_slice( $after, 2 ) > array_slice( $before, 2 );
	}

	/**
	 * @return int[] Four numbers.
	 */
	private static function numbers( string $version ): array {
		return array_pad( array_map( 'intval', explode( '.', $version ) ), 4, 0 );
	}
}
