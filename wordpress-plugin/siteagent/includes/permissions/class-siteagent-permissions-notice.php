<?php
/**
 * The notice to the dashboard that the owner has decided something.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Lets the dashboard request the next report early. The notice carries no permission.
 */
final class Siteagent_Permissions_Notice {

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Dashboard_Client */
	private $dashboard_client;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Dashboard_Client $dashboard_client ) {
		$this->connection_store = $connection_store;
		$this->dashboard_client = $dashboard_client;
	}

	/**
	 * Sends the notice.
	 *
	 * @return bool Whether the dashboard confirmed it. False without a connection, and after an address change.
	 */
	public function send(): bool {
		$connection = $this->connection_store->connection();
		$secrets    = null === $connection || null !== $this->connection_store->address_change() ? null : $this->connection_store->session_keys( $connection['kid'] );
		return null !== $secrets && 'delivered' === $this->dashboard_client->notify_permissions_changed( $connection['origin'], $connection['kid'], $secrets['s2d'] );
	}
}
