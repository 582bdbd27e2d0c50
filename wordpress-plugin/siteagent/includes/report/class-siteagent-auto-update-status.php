<?php
/**
 * Automatic updates of WordPress itself and of translations.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Asks the questions that WordPress asks before an automatic update, with its own functions, constants and
 * filters. Does not call WP_Automatic_Updater::should_update(), which sends e-mails about updates it does not
 * install. Requires wp-admin's includes.
 */
final class Siteagent_Auto_Update_Status {

	/** Later than any release of a branch, and any build of a development version. */
	const LATER_THAN_ANY = '999999';

	/** @var WP_Automatic_Updater */
	private $updater;

	public function __construct() {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		$this->updater = new WP_Automatic_Updater();
	}

	/**
	 * Returns "health.auto_updates" of the report.
	 *
	 * @return array{core_minor:bool,core_major:bool,core_dev:bool,translations:bool}
	 */
	public function all(): array {
		$version = get_bloginfo( 'version' );
		$branch  = explode( '.', Siteagent_Available_Updates::branch( $version ) );
		$is_dev  = false !== strpos( $version, '-' );
		return array(
			'core_minor'   => $this->installs_core( implode( '.', $branch ) . '.' . self::LATER_THAN_ANY ),
			'core_major'   => $this->installs_core( ( (int) $branch[0] + 1 ) . '.0' ),
			'core_dev'     => $is_dev && $this->installs_core( $version . '.' . self::LATER_THAN_ANY ),
			'translations' => $this->installs_translation(
				(object) array(
					'type'       => 'core',
					'slug'       => 'default',
					'language'   => get_locale(),
					'version'    => $version,
					'updated'    => '',
					'package'    => '',
					'autoupdate' => true,
				)
			),
		);
	}

	/**
	 * Whether WordPress would install this translation automatically. WordPress.org decides this for each.
	 *
	 * @param object $update As WordPress stores it.
	 */
	public function installs_translation( object $update ): bool {
		if ( ! $this->can_update_folder( WP_CONTENT_DIR ) ) {
			return false;
		}
		/** This filter is documented in wp-admin/includes/class-wp-automatic-updater.php */
		return (bool) apply_filters( 'auto_update_translation', ! empty( $update->autoupdate ), $update );
	}

	private function installs_core( string $version ): bool {
		if ( ! $this->can_update_folder( ABSPATH ) ) {
			return false;
		}
		$update = array(
			'response'      => 'autoupdate',
			'current'       => $version,
			'version'       => $version,
			'locale'        => get_locale(),
			'download'      => '',
			'packages'      => new stdClass(),
			'php_version'   => '',
			'mysql_version' => '',
		);
		/** This filter is documented in wp-admin/includes/class-wp-automatic-updater.php */
		return (bool) apply_filters( 'auto_update_core', Core_Upgrader::should_update_to_version( $version ), (object) $update );
	}

	private function can_update_folder( string $folder ): bool {
		return ! $this->updater->is_disabled() && 'direct' === get_filesystem_method( array(), $folder ) && ! $this->updater->is_vcs_checkout( $folder );
	}
}
