<?php
/**
 * The archive of one kept copy.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- the archive is in a folder that only PHP itself writes to.

/**
 * Writes ZIP archives with the PclZip that WordPress includes, and checks the list of files in one.
 *
 * PclZip needs no PHP extension but zlib, and is as fast as ZipArchive here: both spend their time compressing.
 */
final class Siteagent_Kept_Archive {

	/**
	 * Returns the files of a backup, each with its name in the archive; null when one of them is a link, which an
	 * archive cannot hold safely.
	 *
	 * @param string $folder A folder with hidden names (Siteagent_Filesystem::HIDE).
	 * @param string $name   The name of this folder in the archive.
	 * @return array<string,string>|null By full path. Empty folders are left out.
	 */
	public static function files( string $folder, string $name ): ?array {
		$files = array();
		foreach ( Siteagent_Filesystem::list_entries( $folder ) as $entry ) {
			$path   = $folder . '/' . $entry;
			$inside = $name . '/' . Siteagent_Filesystem::convert_name( $entry, Siteagent_Filesystem::SHOW );
			if ( is_link( $path ) ) {
				return null;
			}
			$found = is_dir( $path ) ? self::files( $path, $inside ) : array( $path => $inside );
			if ( null === $found ) {
				return null;
			}
			$files += $found;
		}
		return $files;
	}

	/**
	 * Writes an archive. False unless it holds every file.
	 *
	 * @param string               $archive Full path of the archive, which must not exist.
	 * @param array<string,string> $files   As files() returns them.
	 */
	public static function write( string $archive, array $files ): bool {
		if ( array() === $files || ! self::is_available() ) {
			return false;
		}
		$list = array();
		foreach ( $files as $path => $name ) {
			$list[] = array( PCLZIP_ATT_FILE_NAME => $path, PCLZIP_ATT_FILE_NEW_FULL_NAME => $name );
		}
		$added = ( new PclZip( $archive ) )->create( $list );
		// PclZip skips a file that it cannot read or whose name is too long, and says so only here.
		return is_array( $added ) && count( $added ) === count( $files ) && array( 'ok' ) === array_values( array_unique( array_column( $added, 'status' ) ) );
	}

	/**
	 * Whether this PHP can compress. PclZip ends the process where it cannot.
	 */
	public static function is_available(): bool {
		if ( ! function_exists( 'gzopen' ) ) {
			return false;
		}
		require_once ABSPATH . 'wp-admin/includes/class-pclzip.php';
		return true;
	}

	/**
	 * Whether every file of an archive is an ordinary one, below one folder of this name, as in every package.
	 */
	public static function is_safe( string $archive, string $folder ): bool {
		try {
			Siteagent_Package_Archive::require_plain_package( $archive, Siteagent_Package_Layout::in_folder( $folder ) );
			return true;
		} catch ( Siteagent_Exception $refusal ) {
			return false;
		}
	}
}
