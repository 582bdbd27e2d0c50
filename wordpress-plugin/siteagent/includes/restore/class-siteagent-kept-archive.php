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

	/** Sizes of the records of a ZIP file (APPNOTE.TXT 4.3.12 and 4.3.16). */
	const ENTRY_BYTES = 46;
	const END_BYTES   = 22;

	/** The bits of a file's mode that say what it is; the format of a link, as of everything else, is refused. */
	const TYPE_MASK     = 0xF000;
	const ALLOWED_TYPES = array( 0, 0x8000, 0x4000 );

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
	 * Whether every file of an archive is an ordinary one, below one folder of this name.
	 *
	 * Reads the directory at the end of the archive, because PclZip hides `..` and the type of a file.
	 */
	public static function is_safe( string $archive, string $folder ): bool {
		// Nothing follows the last record, because this class writes no comment.
		$end  = (int) filesize( $archive ) - self::END_BYTES;
		$last = $end < 0 ? '' : (string) file_get_contents( $archive, false, null, $end );
		if ( self::END_BYTES !== strlen( $last ) || "PK\x05\x06" !== substr( $last, 0, 4 ) ) {
			return false;
		}
		$directory = unpack( 'vcount/Vsize/Voffset', substr( $last, 10, 10 ) );
		if ( 0 === $directory['count'] || $directory['offset'] + $directory['size'] !== $end ) {
			return false;
		}
		$bytes = (string) file_get_contents( $archive, false, null, $directory['offset'], $directory['size'] );
		$at    = 0;
		for ( $number = 0; $number < $directory['count']; $number++ ) {
			if ( "PK\x01\x02" !== substr( $bytes, $at, 4 ) || $at + self::ENTRY_BYTES > strlen( $bytes ) ) {
				return false;
			}
			$entry = unpack( 'vflags', substr( $bytes, $at + 8, 2 ) ) + unpack( 'vname/vextra/vcomment', substr( $bytes, $at + 28, 6 ) ) + unpack( 'Vmode', substr( $bytes, $at + 38, 4 ) );
			$name  = substr( $bytes, $at + self::ENTRY_BYTES, $entry['name'] );
			if ( 0 !== ( $entry['flags'] & 1 ) || ! in_array( ( $entry['mode'] >> 16 ) & self::TYPE_MASK, self::ALLOWED_TYPES, true ) || ! self::is_safe_name( $name, $folder ) ) {
				return false;
			}
			$at += self::ENTRY_BYTES + $entry['name'] + $entry['extra'] + $entry['comment'];
		}
		return strlen( $bytes ) === $at;
	}

	private static function is_safe_name( string $name, string $folder ): bool {
		$parts = explode( '/', '/' === substr( $name, -1 ) ? substr( $name, 0, -1 ) : $name );
		return $folder === $parts[0] && 1 !== preg_match( '/[\\\\:\x00-\x1F]/', $name ) && array() === array_intersect( $parts, array( '', '.', '..' ) );
	}
}
