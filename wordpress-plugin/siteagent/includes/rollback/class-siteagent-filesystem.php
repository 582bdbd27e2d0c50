<?php
/**
 * File operations without WordPress's filesystem classes.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- WP_Filesystem needs credentials on some hosts and is missing after a fatal error.
// phpcs:disable WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- a call that fails returns false; a warning could end up in a page.

/**
 * Copies, removes and writes files with PHP alone, because the watchdog also runs after a fatal error.
 */
final class Siteagent_Filesystem {

	/** How names change while copying: not at all, to names that no server executes, or back to the real ones. */
	const SAME = 'same';
	const HIDE = 'hide';
	const SHOW = 'show';

	/**
	 * Copies a folder with its modes, times and links. Stops and returns false at the first file that cannot be
	 * copied.
	 */
	public static function copy( string $from, string $to, string $naming = self::SAME ): bool {
		if ( ! is_dir( $to ) && ! @mkdir( $to, 0755, true ) ) {
			return false;
		}
		foreach ( self::list_entries( $from ) as $name ) {
			$target = "$to/" . self::convert_name( $name, $naming );
			if ( ! ( is_dir( "$from/$name" ) && ! is_link( "$from/$name" ) ? self::copy( "$from/$name", $target, $naming ) : self::copy_file( "$from/$name", $target ) ) ) {
				return false;
			}
		}
		// Set the mode last, because a folder without write permission has to be filled first.
		self::set_mode( $to, fileperms( $from ) & 0777 );
		return true;
	}

	/**
	 * Copies one file or link.
	 */
	public static function copy_file( string $from, string $to ): bool {
		if ( is_link( $from ) ) {
			return function_exists( 'symlink' ) && @symlink( (string) readlink( $from ), $to );
		}
		if ( ! @copy( $from, $to ) ) {
			return false;
		}
		@touch( $to, (int) filemtime( $from ) );
		self::set_mode( $to, fileperms( $from ) & 0777 );
		return true;
	}

	/**
	 * Sets the mode of a file or folder. Does nothing where the host has disabled chmod().
	 */
	public static function set_mode( string $file, int $mode ): void {
		if ( function_exists( 'chmod' ) ) {
			@chmod( $file, $mode );
		}
	}

	/**
	 * Converts a file name to its name in a backup, or back. Without a dot there is no extension, so no server
	 * executes the file.
	 */
	public static function convert_name( string $name, string $naming ): string {
		if ( self::HIDE === $naming ) {
			return strtr( $name, array( '%' => '%25', '.' => '%2E' ) );
		}
		return self::SHOW === $naming ? strtr( $name, array( '%25' => '%', '%2E' => '.' ) ) : $name;
	}

	/**
	 * Computes a hash of each file in a folder.
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
	 * Removes a file, link or folder with its content. Also true when there was nothing to remove.
	 */
	public static function remove( string $folder ): bool {
		if ( ! is_dir( $folder ) || is_link( $folder ) ) {
			return ! ( file_exists( $folder ) || is_link( $folder ) ) || @unlink( $folder );
		}
		if ( ! is_writable( $folder ) ) {
			self::set_mode( $folder, 0755 );
		}
		foreach ( self::list_entries( $folder ) as $name ) {
			self::remove( "$folder/$name" );
		}
		return @rmdir( $folder );
	}

	/**
	 * Returns the free bytes on the disk of a folder; INF where the host does not tell.
	 */
	public static function free_bytes( string $folder ): float {
		// Hosts forbid it with a warning (open_basedir) or an exception, depending on the PHP version.
		try {
			$free = is_dir( $folder ) && function_exists( 'disk_free_space' ) ? @disk_free_space( $folder ) : false;
		} catch ( Throwable $error ) {
			$free = false;
		}
		return is_float( $free ) ? $free : INF;
	}

	/**
	 * Writes a file atomically: other requests read all of it or none. Leaves nothing behind when it cannot.
	 */
	public static function write_atomically( string $file, string $text ): bool {
		$temporary_file = $file . '.part';
		if ( strlen( $text ) === @file_put_contents( $temporary_file, $text ) && @rename( $temporary_file, $file ) ) {
			return true;
		}
		self::remove( $temporary_file );
		return false;
	}

	/**
	 * Invalidates the compiled code of a folder. Follows no links: an update does not replace what they lead to, and one
	 * may lead back to its own folder.
	 *
	 * @return bool False where the host forbids it, so that PHP may still run old code.
	 */
	public static function invalidate_opcache( string $folder ): bool {
		clearstatcache( true );
		$is_invalidated = true;
		foreach ( self::list_entries( $folder ) as $name ) {
			if ( is_link( "$folder/$name" ) ) {
				continue;
			}
			if ( is_dir( "$folder/$name" ) ) {
				$is_invalidated = self::invalidate_opcache( "$folder/$name" ) && $is_invalidated;
			} elseif ( '.php' === substr( $name, -4 ) ) {
				$is_invalidated = self::invalidate_opcache_file( "$folder/$name" ) && $is_invalidated;
			}
		}
		return $is_invalidated;
	}

	/**
	 * Invalidates the compiled code of one file.
	 */
	public static function invalidate_opcache_file( string $file ): bool {
		// Hosts forbid it with a warning.
		return function_exists( 'opcache_invalidate' ) && @opcache_invalidate( $file, true );
	}

	/**
	 * @return string[] Names, without "." and "..".
	 */
	public static function list_entries( string $folder ): array {
		$found = is_dir( $folder ) ? scandir( $folder ) : false;
		return false === $found ? array() : array_values( array_diff( $found, array( '.', '..' ) ) );
	}
}
