<?php
/**
 * Backup of the files that an update replaces.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- WP_Filesystem needs credentials on some hosts and is missing after a fatal error.

/**
 * Copies a component into the folder of its run, and compares and restores it from there.
 */
final class Siteagent_Backup {

	/** Suffix of a backup until it is complete. */
	const PARTIAL_SUFFIX = '.part';

	/**
	 * Backs up the component. True when the backup is complete.
	 */
	public static function create( string $run_folder, Siteagent_Component $component ): bool {
		$kept = $run_folder . '/' . Siteagent_Rollback_Watchdog::BACKUP;
		if ( ! is_dir( $run_folder ) ) {
			return false;
		}
		if ( $component->owns_folder() ) {
			$is_whole = Siteagent_Filesystem::copy( $component->folder(), $kept . self::PARTIAL_SUFFIX, Siteagent_Filesystem::HIDE );
		} else {
			$is_whole = 'translation' === $component->kind() && self::copy_files( ( new Siteagent_Translation( $component->id() ) )->files(), $kept . self::PARTIAL_SUFFIX );
		}
		// Rename only a complete backup, so that a partial one is never restored.
		return $is_whole && rename( $kept . self::PARTIAL_SUFFIX, $kept );
	}

	/**
	 * Whether the component on disk equals its backup. True when there is no backup, because then nothing was
	 * replaced.
	 */
	public static function matches( string $run_folder, Siteagent_Component $component ): bool {
		$kept = $run_folder . '/' . Siteagent_Rollback_Watchdog::BACKUP;
		return ! $component->owns_folder() || ! is_dir( $kept ) || Siteagent_Filesystem::hashes( $kept, Siteagent_Filesystem::SHOW ) === Siteagent_Filesystem::hashes( $component->folder() );
	}

	/**
	 * Restores the backup of a run, unless the watchdog already has.
	 *
	 * @param array               $run       The marker of the run.
	 * @param Siteagent_Component $component The component.
	 * @param string              $reason    Why, for the watchdog's record.
	 */
	public static function restore( array $run, Siteagent_Component $component, string $reason ): bool {
		if ( 'translation' === $component->kind() ) {
			return self::restore_translation( $run['folder'], new Siteagent_Translation( $component->id() ) );
		}
		return Siteagent_Watchdog_Installer::restore_backup( $run, $component, $reason );
	}

	/**
	 * Restores the files of a translation, which no watchdog watches.
	 */
	private static function restore_translation( string $run_folder, Siteagent_Translation $translation ): bool {
		$kept = $run_folder . '/' . Siteagent_Rollback_Watchdog::BACKUP;
		if ( ! is_dir( $kept ) ) {
			return false;
		}
		foreach ( $translation->files() as $file ) {
			wp_delete_file( $file );
		}
		$mode    = is_dir( $translation->folder() ) ? fileperms( $translation->folder() ) & 0777 : 0755;
		$is_back = Siteagent_Filesystem::copy( $kept, $translation->folder(), Siteagent_Filesystem::SHOW );
		// The folder holds other languages too.
		Siteagent_Filesystem::set_mode( $translation->folder(), $mode );
		Siteagent_Filesystem::invalidate_opcache( $translation->folder() );
		return $is_back;
	}

	private static function copy_files( array $files, string $folder ): bool {
		foreach ( $files as $file ) {
			if ( ! wp_mkdir_p( $folder ) || ! Siteagent_Filesystem::copy_file( $file, $folder . '/' . Siteagent_Filesystem::convert_name( basename( $file ), Siteagent_Filesystem::HIDE ) ) ) {
				return false;
			}
		}
		return wp_mkdir_p( $folder );
	}
}
