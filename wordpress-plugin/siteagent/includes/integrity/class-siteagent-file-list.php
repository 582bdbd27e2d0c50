<?php
/**
 * Which files a release consists of.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * The files of one release, each with the hashes it may have.
 */
final class Siteagent_File_List {

	/** @var string */
	private $algorithm;

	/** @var array<array-key,string[]> */
	private $files;

	/** @var bool */
	private $is_complete;

	/**
	 * @param string                    $algorithm   md5 or sha256.
	 * @param array<array-key,string[]> $files       Hashes in hex by path. They may be cut to their first digits.
	 * @param bool                      $is_complete Whether every file of the list must be there. A list of several
	 *                                               builds also names files of earlier ones.
	 */
	public function __construct( string $algorithm, array $files, bool $is_complete ) {
		$this->algorithm   = $algorithm;
		$this->files       = $files;
		$this->is_complete = $is_complete;
	}

	public function algorithm(): string {
		return $this->algorithm;
	}

	public function is_complete(): bool {
		return $this->is_complete;
	}

	/**
	 * @return string[] The paths.
	 */
	public function paths(): array {
		return array_map( 'strval', array_keys( $this->files ) );
	}

	public function has( string $path ): bool {
		return isset( $this->files[ $path ] );
	}

	/**
	 * Whether a file of the list may have this hash.
	 *
	 * @param string $path A path on the list.
	 * @param string $hash Its hash in hex.
	 */
	public function allows( string $path, string $hash ): bool {
		foreach ( $this->files[ $path ] as $allowed ) {
			if ( hash_equals( $allowed, substr( $hash, 0, strlen( $allowed ) ) ) ) {
				return true;
			}
		}
		return false;
	}
}
