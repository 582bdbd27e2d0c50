<?php
/**
 * Upgrades of the database that wait after an update.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Compares the versions of the files with the versions that WordPress, WooCommerce and Elementor have stored in the
 * database. Runs none of their code but what is loaded anyway.
 */
final class Siteagent_Database_Upgrades {

	/** The options that hold the versions of the database. */
	const OPTIONS = array(
		'wordpress'   => 'db_version',
		'woocommerce' => 'woocommerce_db_version',
		'elementor'   => 'elementor_version',
	);

	/**
	 * Returns the upgrades that wait.
	 *
	 * @return array<int,array{id:string,from:string,to:string}>
	 */
	public function pending(): array {
		$pending = array();
		foreach ( array_filter( $this->wanted() ) as $id => $to ) {
			$from = get_option( self::OPTIONS[ $id ] );
			// Without a stored version it was never set up, so there is nothing to upgrade.
			if ( is_scalar( $from ) && '' !== (string) $from && version_compare( (string) $from, $to, '<' ) && $this->is_needed( $id ) ) {
				$pending[] = array( 'id' => $id, 'from' => (string) $from, 'to' => $to );
			}
		}
		return $pending;
	}

	/**
	 * Returns the version that each database should have; empty where the plugin is not active.
	 *
	 * @return array<string,string>
	 */
	private function wanted(): array {
		return array(
			'wordpress'   => isset( $GLOBALS['wp_db_version'] ) ? (string) $GLOBALS['wp_db_version'] : '',
			'woocommerce' => defined( 'WC_VERSION' ) ? (string) constant( 'WC_VERSION' ) : '',
			'elementor'   => defined( 'ELEMENTOR_VERSION' ) ? (string) constant( 'ELEMENTOR_VERSION' ) : '',
		);
	}

	/**
	 * Whether an older version in the database has to be upgraded. Most releases of WooCommerce change nothing there,
	 * and only WooCommerce knows which do.
	 */
	private function is_needed( string $id ): bool {
		if ( 'woocommerce' !== $id ) {
			return true;
		}
		try {
			return class_exists( 'WC_Install', false ) && is_callable( array( 'WC_Install', 'needs_db_update' ) ) && true === WC_Install::needs_db_update();
		} catch ( Throwable $error ) {
			return false;
		}
	}
}
