<?php
/**
 * Digest of the files that a package leaves on disk (docs/PROTOCOL.md section 3.6).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Computes one hash of a folder, from the path and the content of every file in it. Uses no WordPress.
 */
final class Siteagent_Package_Tree {

	const MAX_FILES      = 30000;
	const MAX_PATH_BYTES = 1000;

	/**
	 * Returns the digest of a set of files, in hex.
	 *
	 * @param array<int,array{0:string,1:string}> $files Path below the folder, and the raw SHA-256 of the content.
	 * @throws Siteagent_Exception package_unsafe_path, package_duplicate_path, package_too_many_files.
	 */
	public static function digest( array $files ): string {
		if ( count( $files ) > self::MAX_FILES ) {
			throw new Siteagent_Exception( 'package_too_many_files' );
		}
		usort(
			$files,
			static function ( array $one, array $other ): int {
				return strcmp( $one[0], $other[0] );
			}
		);
		$context  = hash_init( 'sha256' );
		$previous = null;
		hash_update( $context, "siteagent/tree/1\n" );
		foreach ( $files as list( $path, $hash ) ) {
			self::require_safe_path( $path );
			if ( $path === $previous ) {
				throw new Siteagent_Exception( 'package_duplicate_path' );
			}
			$previous = $path;
			hash_update( $context, 'f' . pack( 'N', strlen( $path ) ) . $path . $hash );
		}
		return hash_final( $context );
	}

	/**
	 * Returns the digest of a folder on disk.
	 *
	 * @throws Siteagent_Exception As digest(); package_has_link, or package_unreadable for a file that cannot be read.
	 */
	public static function of_folder( string $folder ): string {
		return self::digest( self::files_of_folder( $folder ) );
	}

	/**
	 * Returns the files of a folder on disk.
	 *
	 * @return array<int,array{0:string,1:string}> Path below the folder, and the raw SHA-256 of the content.
	 * @throws Siteagent_Exception package_has_link, package_unreadable.
	 */
	public static function files_of_folder( string $folder ): array {
		return self::files( $folder, '' );
	}

	/**
	 * Checks that a path stays below its folder and is written in only one way.
	 *
	 * @throws Siteagent_Exception package_unsafe_path.
	 */
	public static function require_safe_path( string $path ): void {
		$is_plain = '' !== $path && strlen( $path ) <= self::MAX_PATH_BYTES && 1 !== preg_match( '/[\x00-\x1F\x7F\\\\]/', $path ) && 1 === preg_match( '//u', $path );
		if ( ! $is_plain || array() !== array_intersect( explode( '/', $path ), array( '', '.', '..' ) ) ) {
			throw new Siteagent_Exception( 'package_unsafe_path' );
		}
	}

	/**
	 * @return array<int,array{0:string,1:string}>
	 */
	private static function files( string $folder, string $below ): array {
		$names = scandir( $folder );
		if ( false === $names ) {
			throw new Siteagent_Exception( 'package_unreadable' );
		}
		$found = array();
		foreach ( array_diff( $names, array( '.', '..' ) ) as $name ) {
			$file = "$folder/$name";
			if ( is_link( $file ) ) {
				throw new Siteagent_Exception( 'package_has_link' );
			}
			if ( is_dir( $file ) ) {
				array_push( $found, ...self::files( $file, "$below$name/" ) );
				continue;
			}
			$hash = is_readable( $file ) ? hash_file( 'sha256', $file, true ) : false;
			if ( false === $hash ) {
				throw new Siteagent_Exception( 'package_unreadable' );
			}
			$found[] = array( $below . $name, $hash );
		}
		return $found;
	}
}
