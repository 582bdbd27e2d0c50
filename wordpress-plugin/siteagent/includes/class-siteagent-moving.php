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
final class Siteagent_Moving {

	/** @var Siteagent_Keyring */
	private $keyring;

	/** @var Siteagent_Notices */
	private $notices;

	/** @var Siteagent_Log */
	private $log;

	public function __construct( Siteagent_Keyring $keyring, Siteagent_Notices $notices, Siteagent_Log $log ) {
		$this->keyring = $keyring;
		$this->notices = $notices;
		$this->log     = $log;
	}

	/**
	 * Ask the dashboard to follow this site to its present address.
	 *
	 * @param string $who The administrator, as the log names them.
	 * @return string 'delivered', 'failed', or 'not_tried' when the site has not moved.
	 */
	public function ask_to_follow( string $who ): string {
		$connection = $this->keyring->connection();
		$moved      = $this->keyring->moved();
		if ( null === $connection || null === $moved ) {
			return 'not_tried';
		}
		$move    = $this->keyring->ask_to_follow();
		$secrets = $this->keyring->secrets( $connection['kid'] );
		if ( null === $move || null === $secrets ) {
			return 'not_tried';
		}
		$told = $this->notices->moved( $connection['origin'], $connection['kid'], $secrets['s2d'], $move );
		$this->log->append( 'move_announced', $moved + array( 'told' => $told ), $who );
		return $told;
	}

	/**
	 * Leave everything as it is, and stop reminding.
	 */
	public function stay_silent( string $who ): void {
		$moved = $this->keyring->moved();
		if ( null !== $moved ) {
			$this->keyring->stay_silent();
			$this->log->append( 'stays_silent', $moved, $who );
		}
	}
}
