<?php
/**
 * The files on disk, compared with those of a release.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Finds files that differ, are missing, or do not belong to a release. Only their names are kept, never their content.
 */
final class Siteagent_File_Comparison {

	/** Names that are kept of one component. All are counted. */
	const MAX_NAMES = 50;

	/** Texts for readers, whose changes do not run. */
	const SOFT = '/^(readme|changelog|license)\.(txt|md|html)\z/Di';

	/** Removed by some guides for a safer WordPress. Changed, it would be a program like any other. */
	const SAMPLE = 'wp-config-sample.php';

	/** What a server or a browser may run, or takes orders from. */
	const PROGRAM = '/\.(php\d*|phtml|phar|inc|js|mjs|cgi|pl|py|sh|so)\z|(^|\/)\.(htaccess|user\.ini)\z/Di';

	/** @var string */
	private $folder;

	/** @var float */
	private $deadline;

	/**
	 * @param string $folder   The folder that the paths of the list are below.
	 * @param float  $deadline When to give up, as microtime( true ).
	 */
	public function __construct( string $folder, float $deadline ) {
		$this->folder   = $folder;
		$this->deadline = $deadline;
	}

	/**
	 * Compares files on disk with a list. Of an unknown file that is no program only the name counts, because caches and
	 * logs change all day.
	 *
	 * @param Siteagent_File_List $released The list.
	 * @param string[]            $present  Paths of the files on disk that should be on the list.
	 * @return array changed, missing, unknown and soft (numbers), changed_files, missing_files, unknown_files, and
	 *               fingerprint: the digest of all differences, null without any.
	 * @throws Siteagent_Exception too_slow.
	 */
	public function compare( Siteagent_File_List $released, array $present ): array {
		$found = array( 'changed' => array(), 'missing' => array(), 'unknown' => array() );
		$soft  = 0;
		$lines = array();
		foreach ( $present as $path ) {
			$this->require_time();
			$is_released = $released->has( $path );
			$hash        = $is_released || self::is_program( $path ) ? $this->hash( $is_released ? $released->algorithm() : 'sha256', $path ) : '';
			if ( ! $is_released || ! $released->allows( $path, $hash ) ) {
				$word           = $is_released ? 'changed' : 'unknown';
				$lines[ $path ] = "$word $hash";
				$soft          += self::add( $found, $word, $path );
			}
		}
		foreach ( $released->is_complete() ? array_diff( $released->paths(), $present ) : array() as $path ) {
			$lines[ $path ] = 'missing';
			$soft          += self::add( $found, 'missing', $path );
		}
		return self::result( $found, $soft, $lines );
	}

	/**
	 * Returns the digest of files of which no release is known.
	 *
	 * @param string[] $present Paths of the files.
	 * @throws Siteagent_Exception too_slow.
	 */
	public function fingerprint( array $present ): string {
		$lines = array();
		foreach ( $present as $path ) {
			$this->require_time();
			$lines[ $path ] = $this->hash( 'sha256', $path );
		}
		return (string) self::digest( $lines );
	}

	/**
	 * Returns the paths of all files below a folder. Links are listed and not followed.
	 *
	 * @param string $below Path of the folder below the one of this comparison, with a slash at its end; '' for that one.
	 * @return string[]
	 * @throws Siteagent_Exception too_many_files, too_slow, files_unreadable.
	 */
	public function files( string $below ): array {
		$found   = array();
		$waiting = array( $below );
		while ( array() !== $waiting ) {
			$at    = (string) array_pop( $waiting );
			$names = is_readable( "{$this->folder}/$at" ) ? scandir( "{$this->folder}/$at" ) : false;
			if ( false === $names ) {
				throw new Siteagent_Exception( 'files_unreadable' );
			}
			foreach ( array_diff( $names, array( '.', '..' ) ) as $name ) {
				$this->require_time();
				if ( is_dir( "{$this->folder}/$at$name" ) && ! is_link( "{$this->folder}/$at$name" ) ) {
					$waiting[] = "$at$name/";
				} else {
					$found[] = "$at$name";
				}
			}
			if ( count( $found ) + count( $waiting ) > Siteagent_Package_Tree::MAX_FILES ) {
				throw new Siteagent_Exception( 'too_many_files' );
			}
		}
		return $found;
	}

	/**
	 * Adds a difference to those found; returns 1 for one that is only counted.
	 */
	private static function add( array &$found, string $word, string $path ): int {
		$is_soft = 'unknown' !== $word && ( 1 === preg_match( self::SOFT, $path ) || ( 'missing' === $word && self::SAMPLE === $path ) );
		if ( ! $is_soft ) {
			$found[ $word ][] = $path;
		}
		return (int) $is_soft;
	}

	/**
	 * @param array<string,string[]> $found Paths by what was found.
	 * @param int                    $soft  How many texts for readers differ.
	 * @param array<string,string>   $lines What the fingerprint covers.
	 */
	private static function result( array $found, int $soft, array $lines ): array {
		$result = array( 'soft' => $soft, 'fingerprint' => self::digest( $lines ) );
		$left   = self::MAX_NAMES;
		foreach ( $found as $word => $paths ) {
			usort( $paths, array( __CLASS__, 'compare_paths' ) );
			$names                     = array_slice( $paths, 0, $left );
			$left                     -= count( $names );
			$result[ $word ]           = count( $paths );
			$result[ "{$word}_files" ] = $names;
		}
		return $result;
	}

	/**
	 * Sorts programs before other files, because only some names are kept.
	 */
	private static function compare_paths( string $one, string $other ): int {
		return array( self::is_program( $other ), $one ) <=> array( self::is_program( $one ), $other );
	}

	private static function is_program( string $path ): bool {
		return 1 === preg_match( self::PROGRAM, $path );
	}

	/**
	 * @param array<string,string> $lines By path.
	 */
	private static function digest( array $lines ): ?string {
		if ( array() === $lines ) {
			return null;
		}
		ksort( $lines, SORT_STRING );
		$context = hash_init( 'sha256' );
		foreach ( $lines as $path => $line ) {
			hash_update( $context, pack( 'N', strlen( (string) $path ) ) . "$path $line\n" );
		}
		return hash_final( $context );
	}

	/**
	 * Returns the hash of a file; a link or a file that cannot be read has none, and is not what was released.
	 */
	private function hash( string $algorithm, string $path ): string {
		$file = "{$this->folder}/$path";
		if ( is_link( $file ) ) {
			return 'link';
		}
		return is_readable( $file ) && is_file( $file ) ? (string) hash_file( $algorithm, $file ) : 'unreadable';
	}

	private function require_time(): void {
		if ( microtime( true ) > $this->deadline ) {
			throw new Siteagent_Exception( 'too_slow' );
		}
	}
}
