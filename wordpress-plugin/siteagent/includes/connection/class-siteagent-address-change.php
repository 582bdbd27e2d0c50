<?php
/**
 * What an administrator can do about a site whose address is not the one it was connected under.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Three choices: it is a copy (Siteagent_Pairing::disconnect() tells nobody then), it has moved, or nothing is to be done.
 *
 * Until a person in the dashboard agrees to a move, SiteAgent stays silent.
 */
final class Siteagent_Address_Change {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Dashboard_Client */
	private $dashboard_client;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Dashboard_Client $dashboard_client, Siteagent_Audit_Log $log ) {
		$this->connection_store = $connection_store;
		$this->dashboard_client = $dashboard_client;
		$this->log     = $log;
	}

	/**
	 * Ask the dashboard to follow this site to its present address.
	 *
	 * @param string $who The administrator, as the log names them.
	 * @return string 'delivered', 'failed', or 'not_tried' when the site has not moved.
	 */
	public function ask_to_follow( string $who ): string {
		$connection = $this->connection_store->connection();
		$moved      = $this->connection_store->moved();
		if ( null === $connection || null === $moved ) {
			return 'not_tried';
		}
		$move    = $this->connection_store->ask_to_follow();
		$secrets = $this->connection_store->secrets( $connection['kid'] );
		if ( null === $move || null === $secrets ) {
			return 'not_tried';
		}
		$told = $this->dashboard_client->moved( $connection['origin'], $connection['kid'], $secrets['s2d'], $move );
		$this->log->append( 'move_announced', $moved + array( 'told' => $told ), $who );
		return $told;
	}

	/**
	 * Leave everything as it is, and stop reminding.
	 */
	public function stay_silent( string $who ): void {
		$moved = $this->connection_store->moved();
		if ( null !== $moved ) {
			$this->connection_store->stay_silent();
			$this->log->append( 'stays_silent', $moved, $who );
		}
	}
}
