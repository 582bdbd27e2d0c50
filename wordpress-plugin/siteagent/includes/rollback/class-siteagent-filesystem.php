<?php
/**
 * Copying, removing and writing files without WordPress's filesystem classes.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Needs nothing but PHP: the watchdog uses it at the end of a request that died.
 */
final class Siteagent_Filesystem {

	/** Copy under the same names, under names no server executes, or from those back to the real ones. */
	const SAME = 'same';
	const HIDE = 'hide';
	const SHOW = 'show';

	/**
	 * Copy a folder with its modes, times and links. False as soon as one file could not be copied.
	 */
	public static function copy( string $from, string $to, string $naming = self::SAME ): bool {
		if ( ! is_dir( $to ) && ! @mkdir( $to, 0755, true ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
			return false;
		}
		foreach ( self::list_entries( $from ) as $name ) {
			$target = "$to/" . self::convert_name( $name, $naming );
			if ( ! ( is_dir( "$from/$name" ) && ! is_link( "$from/$name" ) ? self::copy( "$from/$name", $target, $naming ) : self::copy_file( "$from/$name", $target ) ) ) {
				return false;
			}
		}
		// Afterwards: a folder that may not be written has to be filled first.
		self::set_mode( $to, fileperms( $from ) & 0777 );
		return true;
	}

	/**
	 * Copy one file or link as it is.
	 */
	public static function copy_file( string $from, string $to ): bool {
		if ( is_link( $from ) ) {
			return function_exists( 'symlink' ) && @symlink( (string) readlink( $from ), $to ); // phpcs:ignore WordPress.PHP.NoSilencedErrors
		}
		if ( ! @copy( $from, $to ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors
			return false;
		}
		@touch( $to, (int) filemtime( $from ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		self::set_mode( $to, fileperms( $from ) & 0777 );
		return true;
	}

	/**
	 * Set who may read and write a file or folder; hosts switch this off.
	 */
	public static function set_mode( string $file, int $mode ): void {
		if ( function_exists( 'chmod' ) ) {
			@chmod( $file, $mode ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
	}

	/**
	 * The name of a file in a kept copy, and back. Without a dot there is no extension, and nothing a server would execute.
	 */
	public static function convert_name( string $name, string $naming ): string {
		if ( self::HIDE === $naming ) {
			return strtr( $name, array( '%' => '%25', '.' => '%2E' ) );
		}
		return self::SHOW === $naming ? strtr( $name, array( '%25' => '%', '%2E' => '.' ) ) : $name;
	}

	/**
	 * Compute a hash for each file of a folder.
	 *
	 * @return array<string,string> By relative path, under real names.
	 */
	public static function hashes( string $folder, string $naming = self::SAME, string $below = '' ): array {
		$hashes = array();
		foreach ( self::list_entries( $folder ) as $name ) {
			$path = "$below/" . self::convert_name( $name, $naming );
			if ( is_link( "$folder/$name" ) ) {
				$hashes[ $path ] = 'link to ' . readlink( "$folder/$name" );
			} elseif ( is_dir( "$folder/$name" ) ) {
				$hashes += self::hashes( "$folder/$name", $naming, $path );
			} else {
				$hashes[ $path ] = (string) md5_file( "$folder/$name" );
			}
		}
		ksort( $hashes );
		return $hashes;
	}

	/**
	 * Remove a folder with everything in it. True also when it was not there.
	 */
	public static function remove( string $folder ): bool {
		if ( ! is_dir( $folder ) || is_link( $folder ) ) {
			return ! ( file_exists( $folder ) || is_link( $folder ) ) || @unlink( $folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
		if ( ! is_writable( $folder ) ) { // phpcs:ignore WordPress.WP.AlternativeFunctions
			self::set_mode( $folder, 0755 );
		}
		foreach ( self::list_entries( $folder ) as $name ) {
			self::remove( "$folder/$name" );
		}
		return @rmdir( $folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	/**
	 * Write a file at once: another request reads all of it or none.
	 */
	public static function write_atomically( string $file, string $text ): bool {
		$temporary_file = $file . '.part';
		return strlen( $text ) === @file_put_contents( $temporary_file, $text ) && @rename( $temporary_file, $file ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	/**
	 * Have PHP forget what it compiled of a folder.
	 *
	 * @return bool Whether it did; false where a host forbids it, and old code may go on running.
	 */
	public static function invalidate_opcache( string $folder ): bool {
		clearstatcache( true );
		$is_invalidated = true;
		foreach ( self::list_entries( $folder ) as $name ) {
			if ( is_dir( "$folder/$name" ) ) {
				$is_invalidated = self::invalidate_opcache( "$folder/$name" ) && $is_invalidated;
			} elseif ( '.php' === substr( $name, -4 ) ) {
				$is_invalidated = self::invalidate_opcache_file( "$folder/$name" ) && $is_invalidated;
			}
		}
		return $is_invalidated;
	}

	/**
	 * The same for one file.
	 */
	public static function invalidate_opcache_file( string $file ): bool {
		return function_exists( 'opcache_invalidate' ) && @opcache_invalidate( $file, true ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- hosts forbid it with a warning.
	}

	/**
	 * @return string[] Names.
	 */
	public static function list_entries( string $folder ): array {
		$found = is_dir( $folder ) ? scandir( $folder ) : false;
		return false === $found ? array() : array_values( array_diff( $found, array( '.', '..' ) ) );
	}
}
