<?php
/**
 * Reasons why an update did not run or was rolled back.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Turns the codes of docs/PROTOCOL.md section 3.3 into words.
 */
final class Siteagent_Update_Reasons {

	/**
	 * Returns a reason in words; the code itself when it is not known.
	 */
	public static function label( string $code ): string {
		$labels = self::refused() + self::not_working() + self::copies();
		return isset( $labels[ $code ] ) ? $labels[ $code ] : str_replace( '_', ' ', $code );
	}

	/**
	 * Returns the reasons for which nothing was installed.
	 *
	 * @return array<string,string> By code.
	 */
	private static function refused(): array {
		return array(
			'site_log_forked'         => __( 'this site is a copy, or its database was restored from a backup', 'siteagent' ),
			'wrong_site'              => __( 'it was approved for another address', 'siteagent' ),
			'outside_window'          => __( 'it was outside the approved time', 'siteagent' ),
			'paused_by_owner'         => __( 'updates are paused on this site', 'siteagent' ),
			'outside_owner_window'    => __( 'it was outside the hours that are set on this site', 'siteagent' ),
			'excluded_by_owner'       => __( 'it is never updated by the dashboard on this site', 'siteagent' ),
			'not_a_patch_release'     => __( 'it is not a patch release, and only those are allowed on this site', 'siteagent' ),
			'release_unclear'         => __( 'its version does not show whether it is a patch release, and only those are allowed on this site', 'siteagent' ),
			'release_too_new'         => __( 'the release is newer than is allowed on this site', 'siteagent' ),
			'is_siteagent'            => __( 'SiteAgent is updated by its own kind of request', 'siteagent' ),
			'permission_off'          => __( 'this kind of update is not allowed on this site', 'siteagent' ),
			'approval_on_site'        => __( 'an administrator of this site refused it', 'siteagent' ),
			'busy'                    => __( 'another update was running', 'siteagent' ),
			'file_mods_off'           => __( 'changes to files are disabled on this site', 'siteagent' ),
			'version_controlled'      => __( 'the files are under version control', 'siteagent' ),
			'filesystem'              => __( 'PHP cannot replace the files', 'siteagent' ),
			'disk_full'               => __( 'there is not enough disk space', 'siteagent' ),
			'environment_changed'     => __( 'WordPress or PHP has changed since it was approved', 'siteagent' ),
			'not_installed'           => __( 'it is not installed', 'siteagent' ),
			'version_changed'         => __( 'another version is installed', 'siteagent' ),
			'not_newer'               => __( 'the version is not newer', 'siteagent' ),
			'single_file'             => __( 'it is a single file without a folder', 'siteagent' ),
			'no_update_available'     => __( 'WordPress finds no update', 'siteagent' ),
			'other_version_available' => __( 'WordPress finds another version', 'siteagent' ),
			'no_package'              => __( 'the update has no download', 'siteagent' ),
			'requires_php'            => __( 'it requires a newer version of PHP', 'siteagent' ),
			'requires_wp'             => __( 'it requires a newer version of WordPress', 'siteagent' ),
			'package_host'            => __( 'the package would come from another server', 'siteagent' ),
			'package_changed'         => __( 'the package is not the approved one', 'siteagent' ),
			'not_a_package'           => __( 'the download is not a package', 'siteagent' ),
			'package_unsafe_path'     => __( 'the package has a file outside of its own folder', 'siteagent' ),
			'package_has_link'        => __( 'the package contains a symbolic link', 'siteagent' ),
			'package_encrypted'       => __( 'the package is encrypted', 'siteagent' ),
			'package_too_large'       => __( 'the package unpacks to too much data', 'siteagent' ),
			'package_too_many_files'  => __( 'the package has too many files', 'siteagent' ),
			'package_not_one_folder'  => __( 'the package does not contain exactly one folder', 'siteagent' ),
			'package_not_translation' => __( 'the package contains other files than this translation', 'siteagent' ),
			'package_duplicate_path'  => __( 'the package contains two files of the same name', 'siteagent' ),
			'package_unreadable'      => __( 'the package cannot be read', 'siteagent' ),
			'package_mismatch'        => __( 'the package contains something else', 'siteagent' ),
			'not_signed'              => __( 'the package is not a signed release', 'siteagent' ),
			'multisite'               => __( 'the database of a network of sites is upgraded in wp-admin, under Network Admin → Upgrade Network', 'siteagent' ),
			'rollback_impossible'     => __( 'it could not be rolled back', 'siteagent' ),
		);
	}

	/**
	 * Returns the reasons for which an update failed or was rolled back.
	 *
	 * @return array<string,string> By code.
	 */
	private static function not_working(): array {
		return array(
			'download_failed'     => __( 'the download failed', 'siteagent' ),
			'install_failed'      => __( 'the installation failed', 'siteagent' ),
			'interrupted'         => __( 'the process ended before it was done', 'siteagent' ),
			'version_wrong_after' => __( 'another version was on disk afterwards', 'siteagent' ),
			'tree_mismatch'       => __( 'the files on disk were not those of the approved package', 'siteagent' ),
			'inactive_after'      => __( 'it was no longer active afterwards', 'siteagent' ),
			'fatal_after'         => __( 'the new version caused a fatal error', 'siteagent' ),
			'page_broken'         => __( 'the dashboard found a page broken that must still work', 'siteagent' ),
			'revert_failed'       => __( 'the former version could not be put back', 'siteagent' ),
			'probe_worse'         => __( 'the site’s pages no longer worked as before', 'siteagent' ),
			'no_answer_after'     => __( 'the site did not respond afterwards', 'siteagent' ),
		);
	}

	/**
	 * Returns the reasons for which a copy of a former version was not kept, or not restored.
	 *
	 * @return array<string,string> By code.
	 */
	private static function copies(): array {
		return array(
			'has_links'    => __( 'it contains links to other files', 'siteagent' ),
			'no_backup'    => __( 'this site cannot back it up during an update', 'siteagent' ),
			'no_zlib'      => __( 'PHP cannot compress files without its extension zlib', 'siteagent' ),
			'too_large'    => __( 'it is larger than all copies together may be', 'siteagent' ),
			'copy_gone'    => __( 'the copy no longer exists. Copies are kept for two weeks, and three of each plugin and theme', 'siteagent' ),
			'copy_changed' => __( 'the copy is not the one that was logged. It was damaged or altered', 'siteagent' ),
			'copy_unsafe'  => __( 'the copy contains files that do not belong to this plugin or theme', 'siteagent' ),
			'same_version' => __( 'this version is installed already', 'siteagent' ),
		);
	}
}
