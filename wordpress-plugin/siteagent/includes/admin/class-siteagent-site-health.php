<?php
/**
 * SiteAgent in WordPress's Site Health.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Tests whether SiteAgent is connected and hears from its dashboard, how its keys are protected, whether files differ
 * from their releases, and whether an update that breaks the site would be noticed and rolled back.
 */
final class Siteagent_Site_Health {

	/** The dashboard calls several times an hour. After this long without a call, something is wrong. */
	const LAST_CONTACT_S = 2 * DAY_IN_SECONDS;

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	public function __construct( Siteagent_Connection_Store $connection_store ) {
		$this->connection_store = $connection_store;
	}

	/**
	 * Adds the tests (filter `site_status_tests`).
	 *
	 * @param array $tests The tests.
	 */
	public function add_tests( $tests ): array {
		$tests                                   = (array) $tests;
		$tests['direct']['siteagent_connection'] = array(
			'label' => __( 'SiteAgent connection', 'siteagent' ),
			'test'  => array( $this, 'test_connection' ),
		);
		$tests['direct']['siteagent_keys']       = array(
			'label' => __( 'SiteAgent encryption key', 'siteagent' ),
			'test'  => array( $this, 'test_keys' ),
		);
		$tests['direct']['siteagent_rollback']   = array(
			'label' => __( 'SiteAgent rollback', 'siteagent' ),
			'test'  => array( $this, 'test_rollback' ),
		);
		$tests['direct']['siteagent_files']      = array(
			'label' => __( 'SiteAgent file check', 'siteagent' ),
			'test'  => array( $this, 'test_files' ),
		);
		// The site requests a page from itself, so this runs after the page has loaded.
		$tests['async']['siteagent_loopback'] = array(
			'label'             => __( 'SiteAgent check after an update', 'siteagent' ),
			'test'              => 'siteagent_loopback',
			'has_rest'          => false,
			'async_direct_test' => array( $this, 'test_loopback' ),
		);
		return $tests;
	}

	/**
	 * Answers WordPress's request for the result of the test that runs later (`wp_ajax_health-check-siteagent-loopback`).
	 */
	public function send_loopback_result(): void {
		check_ajax_referer( 'health-check-site-status' );
		if ( ! current_user_can( 'view_site_health_checks' ) ) {
			wp_send_json_error();
		}
		wp_send_json_success( $this->test_loopback() );
	}

	/**
	 * Tests whether this site is connected, and when the dashboard last called.
	 */
	public function test_connection(): array {
		$state = $this->connection_store->state();
		if ( 'newer' === $state ) {
			return $this->result(
				'siteagent_connection',
				'critical',
				__( 'SiteAgent’s saved data is from a newer version', 'siteagent' ),
				__( 'An older version of SiteAgent was installed over a newer one. It cannot respond to your dashboard until the newer version is installed again.', 'siteagent' )
			);
		}
		if ( 'unreadable' === $state ) {
			return $this->result(
				'siteagent_connection',
				'critical',
				__( 'SiteAgent cannot respond to your dashboard', 'siteagent' ),
				__( 'It cannot read the keys of the connection. The settings page shows how to restore them.', 'siteagent' )
			);
		}
		$connection = $this->connection_store->connection();
		if ( null === $connection ) {
			return $this->result( 'siteagent_connection', 'good', __( 'SiteAgent is not connected', 'siteagent' ), __( 'No dashboard has access to this site.', 'siteagent' ) );
		}
		if ( null !== $this->connection_store->address_change() ) {
			return $this->result(
				'siteagent_connection',
				'recommended',
				__( 'SiteAgent is paused because this site’s address has changed', 'siteagent' ),
				__( 'Decide on the settings page whether this site has moved or is a copy. Until then, SiteAgent does not respond to your dashboard.', 'siteagent' )
			);
		}
		return $this->contact_result( $connection );
	}

	private function contact_result( array $connection ): array {
		$last   = (int) $connection['last_contact_at'];
		$now    = time();
		$is_old = $now - max( $last, (int) $connection['paired_at'] ) > self::LAST_CONTACT_S;
		/* translators: 1: address of a dashboard, 2: date and time with how far away it is, or "never" */
		$description = sprintf( __( 'This site is connected to %1$s. Last request: %2$s.', 'siteagent' ), $connection['origin'], 0 === $last ? __( 'never', 'siteagent' ) : Siteagent_Messages::format_time( $last, $now ) );
		if ( $is_old ) {
			return $this->result(
				'siteagent_connection',
				'recommended',
				__( 'SiteAgent has not heard from your dashboard for more than two days', 'siteagent' ),
				$description . ' ' . __( 'A security plugin or the server may be blocking its requests. Ask your agency to test the connection in the dashboard.', 'siteagent' )
			);
		}
		return $this->result( 'siteagent_connection', 'good', __( 'SiteAgent is connected', 'siteagent' ), $description );
	}

	/**
	 * Tests whether the stored keys can be decrypted, and what they are encrypted with.
	 */
	public function test_keys(): array {
		if ( 'unreadable' === $this->connection_store->state() ) {
			return $this->result(
				'siteagent_keys',
				'critical',
				__( 'SiteAgent cannot read its saved keys', 'siteagent' ),
				__( 'The secret keys in wp-config.php have changed since this site was connected, so SiteAgent cannot respond to your dashboard or install updates.', 'siteagent' )
			);
		}
		if ( Siteagent_Encryption::has_own_key() ) {
			return $this->result(
				'siteagent_keys',
				'good',
				__( 'SiteAgent’s keys are encrypted with their own key', 'siteagent' ),
				__( 'SiteAgent’s keys are encrypted with SITEAGENT_KEY, so the connection survives a change of WordPress’s secret keys.', 'siteagent' )
			);
		}
		if ( ! Siteagent_Encryption::has_secret_keys() ) {
			return $this->result(
				'siteagent_keys',
				'recommended',
				__( 'SiteAgent’s keys are not protected if the database is stolen', 'siteagent' ),
				__( 'wp-config.php defines no secret keys, so WordPress stores them in the database, next to what they encrypt. Define SITEAGENT_KEY in wp-config.php.', 'siteagent' )
			);
		}
		return $this->result(
			'siteagent_keys',
			'good',
			__( 'SiteAgent’s keys are encrypted', 'siteagent' ),
			__( 'The keys are encrypted with WordPress’s secret keys. If you or a security plugin change those, the connection is lost. Define SITEAGENT_KEY in wp-config.php to keep it.', 'siteagent' )
		);
	}

	/**
	 * Tests whether SiteAgent can back up a plugin and restore it.
	 */
	public function test_rollback(): array {
		require_once ABSPATH . 'wp-admin/includes/file.php';
		if ( Siteagent_Rollback::is_available( 'plugin' ) ) {
			return $this->result(
				'siteagent_rollback',
				'good',
				__( 'SiteAgent can roll back updates', 'siteagent' ),
				__( 'SiteAgent keeps a backup during each update of a plugin or theme, and restores it if the new version breaks this site.', 'siteagent' )
			);
		}
		return $this->result(
			'siteagent_rollback',
			'recommended',
			__( 'SiteAgent cannot roll back updates on this site', 'siteagent' ),
			__( 'SiteAgent has to write to wp-content and mu-plugins itself to keep a backup and to watch a new version. WordPress needs FTP credentials here, changes to files are disabled, or PHP functions are missing.', 'siteagent' )
		);
	}

	/**
	 * Tests whether the last check found files that differ from their releases.
	 */
	public function test_files(): array {
		if ( 0 === Siteagent_File_Check::checked_at() ) {
			return $this->result(
				'siteagent_files',
				'good',
				__( 'SiteAgent has not compared the files of this site yet', 'siteagent' ),
				__( 'Once a dashboard is connected, SiteAgent compares the files of WordPress, plugins and themes with their releases every day.', 'siteagent' )
			);
		}
		$found    = Siteagent_File_Check::differences();
		$compared = Siteagent_Messages::format_time( Siteagent_File_Check::checked_at(), time() );
		if ( array() === $found ) {
			return $this->result(
				'siteagent_files',
				'good',
				__( 'No file differs from its release', 'siteagent' ),
				/* translators: %s: date and time with how far away it is */
				sprintf( __( 'Compared by SiteAgent: %s. Plugins and themes without published checksums are compared only if an approved update installed them.', 'siteagent' ), $compared )
			);
		}
		return $this->result(
			'siteagent_files',
			'recommended',
			__( 'Some files differ from their releases', 'siteagent' ),
			sprintf(
				/* translators: 1: date and time with how far away it is, 2: list of files and folders */
				__( 'Compared by SiteAgent: %1$s. Someone has changed, added or removed files of: %2$s. Ask your agency whether these changes are known.', 'siteagent' ),
				$compared,
				implode( ', ', $found )
			)
		);
	}

	/**
	 * Tests whether SiteAgent can request this site's pages, to see whether a new version works.
	 */
	public function test_loopback(): array {
		require_once ABSPATH . 'wp-admin/includes/class-wp-site-health.php';
		$loopback = WP_Site_Health::get_instance()->can_perform_loopback();
		if ( 'good' === $loopback->status ) {
			return $this->result(
				'siteagent_loopback',
				'good',
				__( 'SiteAgent can check this site after an update', 'siteagent' ),
				__( 'This site can send requests to itself, so SiteAgent sees at once whether a new version works.', 'siteagent' )
			);
		}
		return $this->result(
			'siteagent_loopback',
			'recommended',
			__( 'SiteAgent cannot check this site after an update', 'siteagent' ),
			__( 'This site cannot send requests to itself. A new version is watched for ten minutes instead, and rolled back if visitors’ requests end with its errors.', 'siteagent' ) . ' ' . wp_strip_all_tags( (string) $loopback->message )
		);
	}

	/**
	 * Returns a result as Site Health shows it.
	 */
	private function result( string $test, string $status, string $label, string $description ): array {
		return array(
			'label'  => $label,
			'status' => $status,
			'badge'  => array(
				'label' => __( 'SiteAgent', 'siteagent' ),
				'color' => 'blue',
			),
			'description' => '<p>' . esc_html( $description ) . '</p>',
			'actions'     => sprintf( '<p><a href="%s">%s</a></p>', esc_url( Siteagent_Settings_Page::url() ), esc_html__( 'Open SiteAgent', 'siteagent' ) ),
			'test'        => $test,
		);
	}
}
