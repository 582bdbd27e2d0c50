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
	 * @param string $actor The administrator, as the log names them.
	 * @return string 'delivered', 'failed', or 'not_tried' when the site has not moved.
	 */
	public function announce_move( string $actor ): string {
		$connection = $this->connection_store->connection();
		$change      = $this->connection_store->address_change();
		if ( null === $connection || null === $change ) {
			return 'not_tried';
		}
		$move    = $this->connection_store->record_move();
		$secrets = $this->connection_store->session_keys( $connection['kid'] );
		if ( null === $move || null === $secrets ) {
			return 'not_tried';
		}
		$notice = $this->dashboard_client->notify_moved( $connection['origin'], $connection['kid'], $secrets['s2d'], $move );
		$this->log->append( 'move_announced', $change + array( 'told' => $notice ), $actor );
		return $notice;
	}

	/**
	 * Leave everything as it is, and stop reminding.
	 */
	public function keep_paused( string $actor ): void {
		$change = $this->connection_store->address_change();
		if ( null !== $change ) {
			$this->connection_store->record_pause();
			$this->log->append( 'stays_silent', $change, $actor );
		}
	}
}
