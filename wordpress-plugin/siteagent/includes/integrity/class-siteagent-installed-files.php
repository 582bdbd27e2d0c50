<?php
/**
 * The files of what SiteAgent has installed.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Keeps the list of files of each package that an approved update named and left on disk. For what WordPress.org
 * publishes no checksums of, such as themes and paid plugins, it is what the files are compared with.
 *
 * Each list is an option that is not loaded with the others. 128 bits of a hash are enough.
 */
final class Siteagent_Installed_Files {

	const OPTION = 'siteagent_files_of_';

	/** A list with more bytes is not kept. 6,000 files need about 600 KB. */
	const MAX_BYTES = 1048576;

	/** Digits of a hash that are kept. */
	const DIGITS = 32;

	/**
	 * Keeps the list of a component, and no longer that of its former version.
	 *
	 * @param Siteagent_Component                      $component The component as it is now.
	 * @param array<int,array{0:string,1:string}>|null $files     Path below the folder, and the raw SHA-256 of the
	 *                                                            content. Null keeps none.
	 */
	public static function keep( Siteagent_Component $component, ?array $files ): void {
		$kept  = array();
		$bytes = 0;
		foreach ( null === $files ? array() : $files as list( $path, $hash ) ) {
			$kept[ $path ] = substr( bin2hex( $hash ), 0, self::DIGITS );
			$bytes        += strlen( $path ) + self::DIGITS;
		}
		if ( array() === $kept || $bytes > self::MAX_BYTES ) {
			delete_option( self::option_name( $component ) );
			return;
		}
		update_option( self::option_name( $component ), array( 'version' => $component->version(), 'files' => $kept ), false );
	}

	/**
	 * Returns the list of the installed version; null when none is kept.
	 */
	public static function find( Siteagent_Component $component, string $version ): ?Siteagent_File_List {
		$kept = get_option( self::option_name( $component ) );
		if ( ! is_array( $kept ) || ! isset( $kept['version'], $kept['files'] ) || $version !== $kept['version'] || ! is_array( $kept['files'] ) ) {
			return null;
		}
		$hashes = array();
		foreach ( $kept['files'] as $path => $hash ) {
			if ( ! is_string( $hash ) || self::DIGITS !== strlen( $hash ) ) {
				return null;
			}
			$hashes[ $path ] = array( $hash );
		}
		return array() === $hashes ? null : new Siteagent_File_List( 'sha256', $hashes, true );
	}

	private static function option_name( Siteagent_Component $component ): string {
		return self::OPTION . md5( $component->kind() . '|' . $component->id() );
	}
}
