<?php
/**
 * Why something was refused.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * A named refusal. Whether the caller may read the name is decided where the answer is made.
 */
final class Siteagent_Exception extends Exception {

	/** @var string */
	private $reason;

	/** @var array */
	private $facts;

	/** @var array|null */
	private $request;

	/**
	 * @param string     $reason  A code of Siteagent_HTTP_Signature::CODES, or a fault of a token (Siteagent_Pairing_Token).
	 * @param string     $detail  For the local log, in a few words.
	 * @param array      $facts   What the holder of the key is told beside the code.
	 * @param array|null $request The verified request once the MAC was right; from then on a signed answer is due.
	 */
	public function __construct( string $reason, string $detail = '', array $facts = array(), ?array $request = null ) {
		parent::__construct( '' === $detail ? $reason : "$reason: $detail" );
		$this->reason  = $reason;
		$this->facts   = $facts;
		$this->request = $request;
	}

	public function code(): string {
		return $this->reason;
	}

	public function facts(): array {
		return $this->facts;
	}

	public function request(): ?array {
		return $this->request;
	}
}
