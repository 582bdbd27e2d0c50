<?php
/**
 * Decisions about a site whose address has changed since it was connected.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * An administrator has three choices: this is a copy (Siteagent_Pairing::disconnect(), which does not notify the
 * dashboard then), the site has moved, or decide later.
 *
 * SiteAgent stays paused until a person in the dashboard confirms a move.
 */
final class Siteagent_Address_Change {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Dashboard_Client */
	private $dashboard_client;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Dashboard_Client $dashboard_client,
		Siteagent_Audit_Log $log
	) {
		$this->connection_store = $connection_store;
		$this->dashboard_client = $dashboard_client;
		$this->log              = $log;
	}

	/**
	 * Asks the dashboard to follow this site to its present address.
	 *
	 * @param string $actor The administrator, as stored in the log.
	 * @return string 'delivered', 'failed', or 'not_tried' when the address has not changed.
	 */
	public function announce_move( string $actor ): string {
		$connection = $this->connection_store->connection();
		$change     = $this->connection_store->address_change();
		if ( null === $connection || null === $change ) {
			return 'not_tried';
		}
		$move    = $this->connection_store->record_move();
		$secrets = $this->connection_store->session_keys( $connection['kid'] );
		if ( null === $move || null === $secrets ) {
			return 'not_tried';
		}
		$notice = $this->dashboard_client->notify_moved( $connection['origin'], $connection['kid'], $secrets['s2d'], $move );
		$this->log->append( 'address_change_announced', $change + array( 'notice' => $notice ), $actor );
		return $notice;
	}

	/**
	 * Keeps SiteAgent paused and stops the reminders.
	 */
	public function keep_paused( string $actor ): void {
		$change = $this->connection_store->address_change();
		if ( null !== $change ) {
			$this->connection_store->record_pause();
			$this->log->append( 'kept_paused', $change, $actor );
		}
	}
}
