<?php
/**
 * The report: what stands in manifest.json, read with WordPress's own functions.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Takes the report. Everything gathered passes through the manifest, so nothing else can leave.
 */
final class Siteagent_Report {

	/** Nothing that calls outside is started after so many seconds: the dashboard waits for 20. */
	const TIME_BUDGET_S = 6;

	/** @var Siteagent_Report_Schema|null Read when it is needed: without it nothing leaves, and wp-admin goes on. */
	private $schema = null;

	/** @var Siteagent_Installed_Components */
	private $installed_components;

	/** @var Siteagent_Available_Updates */
	private $available_updates;

	/** @var Siteagent_Health_Report */
	private $health;

	/** @var Siteagent_Permissions */
	private $permissions;

	public function __construct( Siteagent_Permissions $permissions ) {
		$this->permissions     = $permissions;
		$this->installed_components = new Siteagent_Installed_Components();
		$this->available_updates     = new Siteagent_Available_Updates();
		$this->health     = new Siteagent_Health_Report();
	}

	/**
	 * The whole report. It does not depend on who looks, and prints nothing.
	 */
	public function build(): array {
		ob_start();
		$locale = get_locale();
		// In English, so that a report reads the same for every site and every administrator.
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
	 * @throws RuntimeException When manifest.json is missing or damaged.
	 */
	private function schema(): Siteagent_Report_Schema {
		if ( null === $this->schema ) {
			$this->schema = new Siteagent_Report_Schema( dirname( SITEAGENT_FILE ) . '/manifest.json' );
		}
		return $this->schema;
	}

	/**
	 * What both sides call a report by: everything in it but the moment it was taken.
	 */
	public function digest( array $report ): string {
		unset( $report['taken_at'] );
		return hash( 'sha256', Siteagent_HTTP_Signature::canonical_json( $report ) );
	}

	/**
	 * The exact JSON that would leave now, set out for reading.
	 */
	public function preview_json(): string {
		$flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR;
		return (string) json_encode( $this->build(), $flags );
	}

	/**
	 * Every field that may leave, each with path, type and reason.
	 */
	public function fields(): array {
		return $this->schema()->fields();
	}

	/**
	 * What the result of an update tells, each with path, type and reason.
	 */
	public function evidence_fields(): array {
		return $this->schema()->evidence();
	}

	/**
	 * What an entry of the log tells when it leaves.
	 */
	public function log_fields(): array {
		return $this->schema()->log();
	}

	/**
	 * Text without markup: names and labels come with both.
	 */
	public static function plain_text( string $text ): string {
		return wp_strip_all_tags( html_entity_decode( $text, ENT_QUOTES | ENT_HTML5, 'UTF-8' ), true );
	}

	/**
	 * WordPress's own cron does the same before it runs Site Health.
	 */
	public static function load_admin_includes(): void {
		require_once ABSPATH . 'wp-admin/includes/admin.php';
		if ( ! class_exists( 'WP_Site_Health' ) ) {
			require_once ABSPATH . 'wp-admin/includes/class-wp-site-health.php';
		}
		if ( ! class_exists( 'WP_Automatic_Updater' ) ) {
			require_once ABSPATH . 'wp-admin/includes/class-wp-automatic-updater.php';
		}
		// It remembers the configured memory limit, which the report names.
		WP_Site_Health::get_instance();
		wp_raise_memory_limit( 'admin' );
	}

	private function collect( string $locale ): array {
		$deadline = microtime( true ) + self::TIME_BUDGET_S;
		// First: Debian's WordPress defines WP_AUTO_UPDATE_CORE once somebody asks it for offers.
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
			'agent'     => $this->agent(),
		);
		return $collected + $this->installed_components->all();
	}

	/**
	 * What SiteAgent itself may and can do here.
	 */
	private function agent(): array {
		return array(
			'scopes'        => $this->permissions->all(),
			'approval_here' => $this->permissions->requires_approval(),
			'rollback'      => Siteagent_Rollback::is_available( 'plugin' ),
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
	 * The configured limit: in wp-admin WordPress raises it, and Site Health remembers what it was.
	 */
	private function memory_limit(): string {
		$health = WP_Site_Health::get_instance();
		return (string) ( empty( $health->php_memory_limit ) ? ini_get( 'memory_limit' ) : $health->php_memory_limit );
	}

	private function database(): array {
		global $wpdb;
		$info = (string) $wpdb->db_server_info();
		// MariaDB announces itself as MySQL 5.5.5 to old clients and names its own version after that.
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
