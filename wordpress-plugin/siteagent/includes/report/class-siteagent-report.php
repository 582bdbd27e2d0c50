<?php
/**
 * The report that the dashboard reads.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Builds the report. Everything collected passes through the schema, so nothing else can leave the site.
 */
final class Siteagent_Report {

	/** No check that may make requests starts after this many seconds. The dashboard waits for 20. */
	const TIME_BUDGET_S = 6;

	/** @var Siteagent_Report_Schema|null Loaded when needed, so that wp-admin works without manifest.json. */
	private $schema = null;

	/** @var Siteagent_Installed_Components */
	private $installed_components;

	/** @var Siteagent_Available_Updates */
	private $available_updates;

	/** @var Siteagent_Health_Report */
	private $health;

	/** @var Siteagent_Permissions */
	private $permissions;

	/** @var Siteagent_Update_Limits */
	private $limits;

	public function __construct( Siteagent_Permissions $permissions, Siteagent_Update_Limits $limits ) {
		$this->permissions          = $permissions;
		$this->limits               = $limits;
		$this->installed_components = new Siteagent_Installed_Components( $limits );
		$this->available_updates    = new Siteagent_Available_Updates( $limits->sights() );
		$this->health               = new Siteagent_Health_Report();
	}

	/**
	 * Builds the report. It does not depend on the current user, and prints nothing.
	 */
	public function build(): array {
		ob_start();
		$locale = get_locale();
		// In English, so that a report is the same on every site and for every administrator.
		$switched = switch_to_locale( 'en_US' );
		try {
			self::load_admin_includes();
			return $this->schema()->project( $this->collect( $locale ) );
		} finally {
			if ( $switched ) {
				restore_previous_locale();
			}
			ob_end_clean();
		}
	}

	/**
	 * Returns the schema.
	 *
	 * @throws RuntimeException When manifest.json is missing or damaged.
	 */
	private function schema(): Siteagent_Report_Schema {
		if ( null === $this->schema ) {
			$this->schema = new Siteagent_Report_Schema( dirname( SITEAGENT_FILE ) . '/manifest.json' );
		}
		return $this->schema;
	}

	/**
	 * Returns the digest of a report, which leaves out the time it was built.
	 */
	public function digest( array $report ): string {
		unset( $report['taken_at'] );
		return hash( 'sha256', Siteagent_Canonical_JSON::encode( $report ) );
	}

	/**
	 * Returns the report as formatted JSON.
	 */
	public function preview_json(): string {
		$flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR;
		return (string) json_encode( $this->build(), $flags );
	}

	/**
	 * Returns the fields of the report, each with path, type and reason.
	 */
	public function fields(): array {
		return $this->schema()->fields();
	}

	/**
	 * Returns the fields of the result of an update, each with path, type and reason.
	 */
	public function evidence_fields(): array {
		return $this->schema()->evidence();
	}

	/**
	 * Returns the fields of a log entry, each with path, type and reason.
	 */
	public function log_fields(): array {
		return $this->schema()->log();
	}

	/**
	 * Returns a text without markup, which names and labels may contain.
	 */
	public static function plain_text( string $text ): string {
		return wp_strip_all_tags( html_entity_decode( $text, ENT_QUOTES | ENT_HTML5, 'UTF-8' ), true );
	}

	/**
	 * Loads wp-admin's includes, as WordPress's own cron does before it runs Site Health.
	 */
	public static function load_admin_includes(): void {
		require_once ABSPATH . 'wp-admin/includes/admin.php';
		if ( ! class_exists( 'WP_Site_Health' ) ) {
			require_once ABSPATH . 'wp-admin/includes/class-wp-site-health.php';
		}
		if ( ! class_exists( 'WP_Automatic_Updater' ) ) {
			require_once ABSPATH . 'wp-admin/includes/class-wp-automatic-updater.php';
		}
		// It remembers the configured memory limit before it is raised.
		WP_Site_Health::get_instance();
		wp_raise_memory_limit( 'admin' );
	}

	private function collect( string $locale ): array {
		$deadline = microtime( true ) + self::TIME_BUDGET_S;
		// Before anything else: Debian's WordPress defines WP_AUTO_UPDATE_CORE when it is asked for updates.
		$auto_updates = ( new Siteagent_Auto_Update_Status() )->all();
		$this->available_updates->refresh( time(), $deadline );
		$collected = array(
			'v'         => 1,
			'taken_at'  => time(),
			'wordpress' => $this->wordpress( $locale ),
			'php'       => $this->php(),
			'database'  => $this->database(),
			'server'    => $this->server(),
			'updates'   => $this->available_updates->all(),
			'health'    => $this->health->all( $deadline ) + array( 'auto_updates' => $auto_updates ),
			'integrity' => array( 'components' => Siteagent_File_Check::results() ),
			'agent'     => $this->agent(),
		);
		return $collected + $this->installed_components->all();
	}

	/**
	 * Returns "agent" of the report: what SiteAgent may and can do on this site.
	 */
	private function agent(): array {
		return array(
			'permissions'      => $this->permissions->all(),
			'approval_on_site' => $this->permissions->requires_approval(),
			'limits'           => $this->limits->for_report(),
			'rollback'         => Siteagent_Rollback::is_available( 'plugin' ),
		);
	}

	private function wordpress( string $locale ): array {
		return array(
			'version'     => get_bloginfo( 'version' ),
			'locale'      => $locale,
			'multisite'   => is_multisite(),
			'environment' => wp_get_environment_type(),
			'debug'       => defined( 'WP_DEBUG' ) && WP_DEBUG,
			'home'        => Siteagent_Installed_Components::strip_url( Siteagent_Site_Address::home( false ) ),
			'site_url'    => Siteagent_Installed_Components::strip_url( (string) get_option( 'siteurl' ) ),
		);
	}

	private function php(): array {
		return array(
			'version'            => PHP_VERSION,
			'memory_limit'       => $this->memory_limit(),
			'max_execution_time' => (int) ini_get( 'max_execution_time' ),
			'extensions_missing' => $this->health->extensions_missing(),
		);
	}

	/**
	 * Returns the configured memory limit. WordPress raises it in wp-admin, and Site Health remembers the original.
	 */
	private function memory_limit(): string {
		$health = WP_Site_Health::get_instance();
		return (string) ( empty( $health->php_memory_limit ) ? ini_get( 'memory_limit' ) : $health->php_memory_limit );
	}

	private function database(): array {
		global $wpdb;
		$info = (string) $wpdb->db_server_info();
		// MariaDB identifies itself as MySQL 5.5.5 to old clients, followed by its own version.
		$version = 0 === strpos( $info, '5.5.5-' ) ? substr( $info, 6 ) : $info;
		return array(
			'server'  => false === stripos( $info, 'mariadb' ) ? 'MySQL' : 'MariaDB',
			'version' => 1 === preg_match( '/^[0-9.]+/', $version, $found ) ? rtrim( $found[0], '.' ) : (string) $wpdb->db_version(),
		);
	}

	private function server(): array {
		$software = isset( $_SERVER['SERVER_SOFTWARE'] ) ? $_SERVER['SERVER_SOFTWARE'] : ''; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- the manifest cuts and cleans it.
		return array( 'software' => is_string( $software ) ? wp_unslash( $software ) : '' );
	}
}
