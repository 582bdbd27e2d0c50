<?php
/**
 * SiteAgent in WordPress's Site Health.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Adds one direct test: whether the keys of the connection can be read.
 */
final class Siteagent_Site_Health {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	public function __construct( Siteagent_Connection_Store $connection_store ) {
		$this->connection_store = $connection_store;
	}

	/**
	 * Adds the test (filter `site_status_tests`).
	 *
	 * @param array $tests The tests.
	 */
	public function add_test( $tests ): array {
		$tests                                   = (array) $tests;
		$tests['direct']['siteagent_connection'] = array(
			'label' => __( 'SiteAgent connection', 'siteagent' ),
			'test'  => array( $this, 'test' ),
		);
		return $tests;
	}

	/**
	 * Runs the test.
	 *
	 * @return array The result, as Site Health shows it.
	 */
	public function test(): array {
		switch ( $this->connection_store->state() ) {
			case 'unreadable':
				return $this->result(
					'critical',
					__( 'SiteAgent cannot read its saved keys', 'siteagent' ),
					__( 'The secret keys in wp-config.php have changed since this site was connected, so SiteAgent cannot respond to your dashboard or install updates.', 'siteagent' ),
					__( 'Restore the connection', 'siteagent' )
				);
			case 'newer':
				return $this->result(
					'critical',
					__( 'SiteAgent’s saved data is from a newer version', 'siteagent' ),
					__( 'An older version of SiteAgent was installed over a newer one. It cannot respond to your dashboard until the newer version is installed again.', 'siteagent' ),
					__( 'Open SiteAgent', 'siteagent' )
				);
			case 'paired':
				return $this->result(
					'good',
					__( 'SiteAgent can read its keys', 'siteagent' ),
					Siteagent_Encryption::has_own_key()
						? __( 'The keys are encrypted with SITEAGENT_KEY, so the connection survives a change of WordPress’s secret keys.', 'siteagent' )
						: __( 'The keys are encrypted with WordPress’s secret keys. If you or a security plugin change those, the connection is lost. Define SITEAGENT_KEY in wp-config.php to keep it.', 'siteagent' ),
					__( 'Open SiteAgent', 'siteagent' )
				);
		}
		return $this->result(
			'good',
			__( 'SiteAgent is not connected', 'siteagent' ),
			__( 'No dashboard has access to this site.', 'siteagent' ),
			__( 'Open SiteAgent', 'siteagent' )
		);
	}

	private function result( string $status, string $label, string $what, string $link ): array {
		return array(
			'label'  => $label,
			'status' => $status,
			'badge'  => array(
				'label' => __( 'SiteAgent', 'siteagent' ),
				'color' => 'blue',
			),
			'description' => '<p>' . esc_html( $what ) . '</p>',
			'actions'     => sprintf( '<p><a href="%s">%s</a></p>', esc_url( Siteagent_Settings_Page::url() ), esc_html( $link ) ),
			'test'        => 'siteagent_connection',
		);
	}
}
