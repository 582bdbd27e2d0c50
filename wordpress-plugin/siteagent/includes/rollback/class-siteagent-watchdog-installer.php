<?php
/**
 * The watchdog of a run as a must-use plugin.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- WP_Filesystem needs credentials on some hosts and is missing after a fatal error.

/**
 * Writes the file that watches a run, runs its rollback from this process, and removes it.
 */
final class Siteagent_Watchdog_Installer {

	/** Name of a watchdog among the must-use plugins, followed by a dash and a hash of the op_id. */
	const PREFIX = 'siteagent-watchdog';

	/** Classes that the watchdog consists of. */
	const PARTS = array( Siteagent_Filesystem::class, Siteagent_Fatal_Error::class, Siteagent_Rollback_Watchdog::class );

	/**
	 * Installs the watchdog of a run among the must-use plugins, whose folder must exist.
	 *
	 * @param array               $run       The marker of the run.
	 * @param Siteagent_Component $component The component it watches.
	 */
	public static function install( array $run, Siteagent_Component $component ): bool {
		$source = '';
		foreach ( self::PARTS as $part ) {
			$text    = (string) file_get_contents( siteagent_classes()[ $part ] );
			$source .= '' === $source ? $text : substr( $text, (int) strpos( $text, "\nfinal class" ) );
		}
		// Under unique class names, because a new SiteAgent brings its own versions of these classes.
		$suffix = '_' . substr( hash( 'sha256', $run['op_id'] ), 0, 16 );
		$own    = array();
		foreach ( self::PARTS as $part ) {
			$own[ $part ] = $part . $suffix;
		}
		$facts = var_export( self::config( $run, $component ), true ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions, Generic.PHP.ForbiddenFunctions -- writes PHP.
		$line  = sprintf( "\n( new Siteagent_Rollback_Watchdog( __FILE__, %s ) )->watch();\n", $facts );
		// Written atomically, because other requests load this file.
		return Siteagent_Filesystem::write_atomically( self::path( $run['op_id'] ), strtr( $source . $line, $own ) );
	}

	/**
	 * Restores the backup of a run as its watchdog would, unless the watchdog already has.
	 */
	public static function restore_backup( array $run, Siteagent_Component $component, string $reason ): bool {
		$watchdog = new Siteagent_Rollback_Watchdog( self::path( $run['op_id'] ), self::config( $run, $component ) );
		return $component->owns_folder() && $watchdog->restore( $reason );
	}

	/**
	 * Removes the watchdog of a run.
	 */
	public static function remove( string $op_id ): void {
		$file = self::path( $op_id );
		if ( is_file( $file ) ) {
			wp_delete_file( $file );
		}
	}

	/**
	 * Returns the path of a run's watchdog. Each run has its own name, so that no opcode cache holds an old one.
	 */
	private static function path( string $op_id ): string {
		return WPMU_PLUGIN_DIR . '/' . self::PREFIX . '-' . substr( hash( 'sha256', $op_id ), 0, 12 ) . '.php';
	}

	private static function config( array $run, Siteagent_Component $component ): array {
		return array(
			'op_id'  => $run['op_id'],
			'folder' => $run['folder'],
			'target' => $component->folder(),
			// Only a confirmation of the dashboard shows that SiteAgent still answers it.
			'needs_confirmation' => $component->is_siteagent(),
		);
	}
}
