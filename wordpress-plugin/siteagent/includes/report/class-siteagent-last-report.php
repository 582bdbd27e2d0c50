<?php
/**
 * Whether the last report is still current.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Answers "unchanged" without building the report again, while nothing has changed that it is built from.
 *
 * Building it loads all of WordPress and wp-admin's functions. Comparing the state of the files and options behind it
 * needs neither. What leaves no trace there, such as free disk space, the result of a Site Health test or the effect of
 * another plugin's filter, is reported at the latest after MAX_AGE_S.
 */
final class Siteagent_Last_Report {

	const OPTION = 'siteagent_last_report';

	/** A report is built at least this often, in seconds. It also lets WordPress check for updates. */
	const MAX_AGE_S = HOUR_IN_SECONDS;

	/** Options that appear in the report, or decide what does. The versions of the files are in the files. */
	const OPTIONS = array( 'home', 'siteurl', 'WPLANG', 'blog_public', 'active_plugins', 'template', 'stylesheet', 'db_version', 'woocommerce_db_version', 'elementor_version' );

	/** The same, which a network would share. */
	const SITE_OPTIONS = array( 'auto_update_plugins', 'auto_update_themes', 'auto_update_core_dev', 'auto_update_core_minor', 'auto_update_core_major' );

	/** @var wpdb */
	private $db;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Update_Limits */
	private $limits;

	/** @var array<string,bool> Answers of is_current() in this request, by digest. */
	private $answers = array();

	/**
	 * @param wpdb                    $db          WordPress database object.
	 * @param Siteagent_Permissions   $permissions What the dashboard may do.
	 * @param Siteagent_Update_Limits $limits      How the owner limits updates.
	 */
	public function __construct( $db, Siteagent_Permissions $permissions, Siteagent_Update_Limits $limits ) {
		$this->db          = $db;
		$this->permissions = $permissions;
		$this->limits      = $limits;
	}

	/**
	 * Whether the last report had this digest, and would have it now. Needs no more than the database.
	 *
	 * @param string|null $digest Digest of the report that the dashboard has.
	 * @param int         $now    Unix time in seconds.
	 */
	public function is_current( ?string $digest, int $now ): bool {
		if ( null === $digest || is_multisite() ) {
			return false;
		}
		if ( ! isset( $this->answers[ $digest ] ) ) {
			$last                     = get_option( self::OPTION );
			$this->answers[ $digest ] = is_array( $last ) && isset( $last['digest'], $last['at'], $last['files'], $last['state'] )
				&& $digest === $last['digest']
				&& $last['at'] <= $now && $now < $last['at'] + self::MAX_AGE_S
				&& $this->state( (array) $last['files'] ) === $last['state'];
		}
		return $this->answers[ $digest ];
	}

	/**
	 * Returns the state before a report is built, for store(). Requires wp-admin's includes.
	 *
	 * @return array{files:string[],state:string}
	 */
	public function current_state(): array {
		$files = $this->files();
		return array(
			'files' => $files,
			'state' => $this->state( $files ),
		);
	}

	/**
	 * Stores the digest of a report that was just built.
	 *
	 * On a network, the report depends on the options of every site, so it is built each time.
	 *
	 * @param string                              $digest Its digest.
	 * @param array{files:string[],state:string} $before What current_state() returned before it was built. What changes
	 *                                                    meanwhile is noticed the next time.
	 * @param int                                 $now    Unix time in seconds.
	 */
	public function store( string $digest, array $before, int $now ): void {
		if ( ! is_multisite() ) {
			update_option( self::OPTION, array( 'digest' => $digest, 'at' => $now ) + $before, false );
		}
	}

	/**
	 * Returns the files and folders whose size or time changes with what is installed.
	 *
	 * @return string[] Full paths.
	 */
	private function files(): array {
		$files = array( ABSPATH . 'wp-config.php', dirname( ABSPATH ) . '/wp-config.php', ABSPATH . WPINC . '/version.php', WP_CONTENT_DIR, WP_PLUGIN_DIR, WPMU_PLUGIN_DIR );
		foreach ( array_keys( get_plugins() ) as $file ) {
			$files[] = WP_PLUGIN_DIR . '/' . $file;
			$files[] = WP_PLUGIN_DIR . '/' . dirname( (string) $file );
		}
		foreach ( wp_get_themes() as $theme ) {
			$files[] = $theme->get_stylesheet_directory() . '/style.css';
			$files[] = $theme->get_stylesheet_directory();
			$files[] = $theme->get_theme_root();
		}
		foreach ( array_keys( get_mu_plugins() ) as $file ) {
			$files[] = WPMU_PLUGIN_DIR . '/' . $file;
		}
		foreach ( array_keys( get_dropins() ) as $file ) {
			$files[] = WP_CONTENT_DIR . '/' . $file;
		}
		return array_values( array_unique( $files ) );
	}

	/**
	 * Returns a digest of what a report is built from: versions, options, lists of updates, permissions, limits, and size
	 * and time of these files.
	 *
	 * @param string[] $files Full paths.
	 */
	private function state( array $files ): string {
		$state = array(
			SITEAGENT_VERSION,
			PHP_VERSION,
			ini_get( 'max_execution_time' ),
			$this->db->db_server_info(),
			$this->permissions->all(),
			$this->permissions->requires_approval(),
			$this->limits->for_report(),
			$this->limits->exclusions(),
			Siteagent_File_Check::checked_at(),
		);
		foreach ( self::OPTIONS as $name ) {
			$state[] = get_option( $name );
		}
		foreach ( self::SITE_OPTIONS as $name ) {
			$state[] = get_site_option( $name );
		}
		foreach ( Siteagent_Available_Updates::LISTS as $transient ) {
			// As stored, because plugins add their filters to it later than this may run.
			$state[] = Siteagent_Update_Transient::read_stored( $transient );
		}
		foreach ( $files as $file ) {
			// A missing file is a state as well. PHP caches results within one process.
			clearstatcache( true, $file );
			$found   = is_string( $file ) && file_exists( $file ) ? stat( $file ) : false;
			$state[] = false === $found ? null : array( $found['size'], $found['mtime'] );
		}
		return hash( 'sha256', serialize( $state ) ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions, Generic.PHP.ForbiddenFunctions -- hashed, never read.
	}
}
