<?php
/**
 * What an administrator of this site allows: kinds of changes, and single ones.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Writes down who allowed what beside each decision. No operation of the dashboard leads here.
 */
final class Siteagent_Consent {

	/** @var Siteagent_Scopes */
	private $scopes;

	/** @var Siteagent_Approvals */
	private $approvals;

	/** @var Siteagent_Log */
	private $log;

	public function __construct( Siteagent_Scopes $scopes, Siteagent_Approvals $approvals, Siteagent_Log $log ) {
		$this->scopes    = $scopes;
		$this->approvals = $approvals;
		$this->log       = $log;
	}

	/**
	 * Allow these kinds of changes and no others.
	 *
	 * @param string[] $granted Names of scopes; unknown ones are dropped.
	 * @param string   $who     The administrator, as the log names them.
	 * @return bool Whether anything is different now.
	 */
	public function grant( array $granted, bool $asks_here, string $who ): bool {
		$change = $this->scopes->grant( $granted, $asks_here );
		if ( null !== $change ) {
			$this->log->append( 'scopes_changed', $change, $who );
		}
		return null !== $change;
	}

	/**
	 * Approve or refuse one plan.
	 *
	 * @param string $digest  Of the plan, in hex.
	 * @param string $verdict Siteagent_Approvals::APPROVED or REFUSED.
	 * @return bool False when it does not wait (any more).
	 */
	public function decide( string $digest, string $verdict, string $who ): bool {
		$plan = $this->approvals->decide( $digest, $verdict, time() );
		if ( null === $plan ) {
			return false;
		}
		$facts = array_intersect_key( $plan, array_flip( array( 'kind', 'id', 'from', 'to', 'by' ) ) ) + array( 'plan' => $digest );
		if ( Siteagent_Approvals::APPROVED === $verdict ) {
			$this->log->append( 'change_allowed', $facts, $who );
		} else {
			$this->log->append( 'change_denied', $facts, $who );
		}
		return true;
	}
}
