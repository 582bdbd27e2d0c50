<?php
/**
 * Inspection of a downloaded package, before anything is unpacked (docs/PROTOCOL.md section 3.6).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- reads parts of a file, which WP_Filesystem cannot.

/**
 * Reads a ZIP archive without writing a file. Accepts what WordPress and its plugins, themes and translations need, and
 * refuses everything else that the format allows: links, encryption, several disks, paths that leave the folder.
 */
final class Siteagent_Package_Archive {

	/** Largest archive, and most bytes of all its files together. */
	const MAX_BYTES          = 268435456;
	const MAX_UNPACKED_BYTES = 536870912;

	/** Small, because a chunk may unpack to a thousand times its size. */
	const CHUNK_BYTES = 8192;

	/** The end record is within the last 64 KiB; the list of files before it has at most this size. */
	const MAX_END_BYTES  = 65557;
	const MAX_LIST_BYTES = 16777216;

	const STORED   = 0;
	const DEFLATED = 8;

	/** Flags of encrypted content, strong encryption and encrypted headers. */
	const ENCRYPTED = 0x2041;

	/** Unix types of files and folders; 0 where the archive names none. */
	const TYPE_MASK    = 0170000;
	const PLAIN_TYPES  = array( 0, 0040000, 0100000 );
	const TYPE_OF_LINK = 0120000;

	/** WordPress does not unpack this folder of macOS. */
	const IGNORED = '__MACOSX/';

	/** @var resource */
	private $handle;

	/**
	 * @param resource $handle The open archive.
	 */
	private function __construct( $handle ) {
		$this->handle = $handle;
	}

	/**
	 * Checks what the list of a package says, without unpacking anything.
	 *
	 * @throws Siteagent_Exception package_*, not_a_package.
	 */
	public static function require_plain_package( string $file, Siteagent_Package_Layout $layout ): void {
		self::paths( $file, $layout );
	}

	/**
	 * Returns the paths of the files that a package leaves on disk, after checking what its list says.
	 *
	 * @return string[] Below the folder of the package.
	 * @throws Siteagent_Exception package_*, not_a_package.
	 */
	public static function paths( string $file, Siteagent_Package_Layout $layout ): array {
		$handle = self::open( $file );
		try {
			$paths = array_map( 'strval', array_keys( ( new self( $handle ) )->files( $layout ) ) );
		} finally {
			fclose( $handle );
		}
		return array_values( array_filter( $paths, array( $layout, 'is_installed' ) ) );
	}

	/**
	 * Returns the digest of the files that a package leaves on disk. Reads all others too, as WordPress unpacks them.
	 *
	 * @throws Siteagent_Exception package_*, not_a_package.
	 */
	public static function tree_digest( string $file, Siteagent_Package_Layout $layout ): string {
		$handle = self::open( $file );
		try {
			$archive = new self( $handle );
			$hashes  = array();
			foreach ( $archive->files( $layout ) as $path => $entry ) {
				$hash = $archive->hash( $entry );
				if ( $layout->is_installed( (string) $path ) ) {
					$hashes[] = array( (string) $path, $hash );
				}
			}
			return Siteagent_Package_Tree::digest( $hashes );
		} finally {
			fclose( $handle );
		}
	}

	/**
	 * @return resource
	 */
	private static function open( string $file ) {
		if ( filesize( $file ) > self::MAX_BYTES ) {
			throw new Siteagent_Exception( 'package_too_large' );
		}
		$handle = function_exists( 'inflate_init' ) ? fopen( $file, 'rb' ) : false;
		if ( false === $handle ) {
			throw new Siteagent_Exception( 'package_unreadable' );
		}
		return $handle;
	}

	/**
	 * Returns the entries of files, by their path below the folder of the package.
	 *
	 * @return array<array-key,array>
	 */
	private function files( Siteagent_Package_Layout $layout ): array {
		$found = array();
		foreach ( $this->entries() as $entry ) {
			$path = $layout->path_below( $entry['path'] );
			if ( isset( $found[ $path ] ) ) {
				throw new Siteagent_Exception( 'package_duplicate_path' );
			}
			if ( '' !== $path && '/' !== substr( $path, -1 ) ) {
				$found[ $path ] = $entry;
			}
		}
		if ( array() === $found ) {
			throw new Siteagent_Exception( $layout->empty_reason() );
		}
		return $found;
	}

	/**
	 * Returns the entries of the archive, after checking everything that its list says.
	 *
	 * @return array[] Path, flags, method, crc, sizes and offset of each.
	 */
	private function entries(): array {
		list( $count, $list ) = $this->read_list();
		$entries              = array();
		$total                = 0;
		$position             = 0;
		for ( $number = 0; $number < $count; $number++ ) {
			$head = substr( $list, $position, 46 );
			if ( 46 !== strlen( $head ) || "PK\x01\x02" !== substr( $head, 0, 4 ) ) {
				throw new Siteagent_Exception( 'not_a_package' );
			}
			$entry         = unpack( 'vflags/vmethod/Vtime/Vcrc/Vpacked/Vsize/vname/vextra/vcomment/vdisk/vinternal/Vexternal/Voffset', substr( $head, 8 ) );
			$entry['path'] = substr( $list, $position + 46, $entry['name'] );
			$position     += 46 + $entry['name'] + $entry['extra'] + $entry['comment'];
			if ( 0 === strpos( $entry['path'], self::IGNORED ) ) {
				continue;
			}
			self::require_plain( $entry );
			$total += $entry['size'];
			if ( $total > self::MAX_UNPACKED_BYTES ) {
				throw new Siteagent_Exception( 'package_too_large' );
			}
			$entries[] = $entry;
		}
		return $entries;
	}

	/**
	 * @return array{0:int,1:string} How many entries the archive has, and its list of them.
	 */
	private function read_list(): array {
		$size = (int) fstat( $this->handle )['size'];
		$tail = $this->read( max( 0, $size - self::MAX_END_BYTES ), min( $size, self::MAX_END_BYTES ) );
		$at   = strrpos( $tail, "PK\x05\x06" );
		if ( false === $at || strlen( $tail ) < $at + 22 ) {
			throw new Siteagent_Exception( 'not_a_package' );
		}
		$end = unpack( 'vdisk/vlist_disk/vhere/vcount/Vsize/Voffset/vcomment', substr( $tail, $at + 4, 18 ) );
		if ( $end['count'] > Siteagent_Package_Tree::MAX_FILES ) {
			throw new Siteagent_Exception( 'package_too_many_files' );
		}
		// With another number of bytes behind it, other programs may find another list.
		if ( 0 !== $end['disk'] || $end['here'] !== $end['count'] || $end['size'] > self::MAX_LIST_BYTES || strlen( $tail ) !== $at + 22 + $end['comment'] ) {
			throw new Siteagent_Exception( 'not_a_package' );
		}
		return array( $end['count'], $this->read( $end['offset'], $end['size'] ) );
	}

	/**
	 * Checks one entry of the list.
	 */
	private static function require_plain( array $entry ): void {
		Siteagent_Package_Tree::require_safe_path( '/' === substr( $entry['path'], -1 ) ? substr( $entry['path'], 0, -1 ) : $entry['path'] );
		// WordPress takes it for a drive of Windows and skips the file.
		if ( ':' === substr( $entry['path'], 1, 1 ) ) {
			throw new Siteagent_Exception( 'package_unsafe_path' );
		}
		if ( 0 !== ( $entry['flags'] & self::ENCRYPTED ) ) {
			throw new Siteagent_Exception( 'package_encrypted' );
		}
		$type = ( $entry['external'] >> 16 ) & self::TYPE_MASK;
		if ( ! in_array( $type, self::PLAIN_TYPES, true ) ) {
			throw new Siteagent_Exception( self::TYPE_OF_LINK === $type ? 'package_has_link' : 'package_unreadable' );
		}
		if ( ! in_array( $entry['method'], array( self::STORED, self::DEFLATED ), true ) || 0 !== $entry['disk'] ) {
			throw new Siteagent_Exception( 'package_unreadable' );
		}
	}

	/**
	 * Unpacks one file in memory, piece by piece, and returns its hash.
	 */
	private function hash( array $entry ): string {
		$local = $this->read( $entry['offset'], 30 );
		if ( 30 !== strlen( $local ) || "PK\x03\x04" !== substr( $local, 0, 4 ) ) {
			throw new Siteagent_Exception( 'package_unreadable' );
		}
		$lengths = unpack( 'vname/vextra', substr( $local, 26 ) );
		// Programs that read the archive from its beginning would unpack another file.
		if ( $this->read( $entry['offset'] + 30, $lengths['name'] ) !== $entry['path'] ) {
			throw new Siteagent_Exception( 'package_unreadable' );
		}
		fseek( $this->handle, $entry['offset'] + 30 + $lengths['name'] + $lengths['extra'] );
		$inflate = self::DEFLATED === $entry['method'] ? inflate_init( ZLIB_ENCODING_RAW ) : null;
		$sha256  = hash_init( 'sha256' );
		$crc     = hash_init( 'crc32b' );
		$left    = $entry['packed'];
		$size    = 0;
		while ( $left > 0 ) {
			$chunk = (string) fread( $this->handle, min( self::CHUNK_BYTES, $left ) );
			$left -= strlen( $chunk );
			// A damaged file is a warning.
			$piece = null === $inflate || '' === $chunk ? $chunk : @inflate_add( $inflate, $chunk ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- see above.
			if ( '' === $chunk || false === $piece ) {
				throw new Siteagent_Exception( 'package_unreadable' );
			}
			$size += strlen( $piece );
			if ( $size > $entry['size'] ) {
				throw new Siteagent_Exception( 'package_too_large' );
			}
			hash_update( $sha256, $piece );
			hash_update( $crc, $piece );
		}
		if ( $size !== $entry['size'] || hash_final( $crc ) !== sprintf( '%08x', $entry['crc'] ) ) {
			throw new Siteagent_Exception( 'package_unreadable' );
		}
		return hash_final( $sha256, true );
	}

	private function read( int $offset, int $length ): string {
		return 0 === $length || 0 !== fseek( $this->handle, $offset ) ? '' : (string) fread( $this->handle, $length );
	}
}
