<?php
/**
 * Where the package of a run is on this site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Names the file, and removes it and what WordPress unpacked of it.
 */
final class Siteagent_Package_File {

	/**
	 * Returns the path of a run's package.
	 */
	public static function path( string $folder, string $op_id ): string {
		return $folder . '/' . self::name( $op_id ) . '.zip';
	}

	/**
	 * Returns the name of the package, from which WordPress derives the folder it unpacks into.
	 */
	private static function name( string $op_id ): string {
		return 'siteagent-' . substr( hash( 'sha256', $op_id ), 0, 24 );
	}

	/**
	 * Removes the package of a run and its unpacked files, also after its process was killed.
	 */
	public static function remove_leftovers( string $op_id ): void {
		$name = self::name( $op_id );
		foreach ( Siteagent_Filesystem::list_entries( WP_CONTENT_DIR . '/upgrade' ) as $entry ) {
			if ( 0 === strpos( $entry, $name ) ) {
				Siteagent_Filesystem::remove( WP_CONTENT_DIR . '/upgrade/' . $entry );
			}
		}
		$file = self::path( untrailingslashit( get_temp_dir() ), $op_id );
		if ( is_file( $file ) ) {
			wp_delete_file( $file );
		}
	}
}
