<?php
/**
 * The exception of SiteAgent.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Carries an error code of the protocol. The request handler decides whether the caller may see the code.
 */
final class Siteagent_Exception extends Exception {

	/** @var string */
	private $error_code;

	/** @var array */
	private $facts;

	/** @var array|null */
	private $request;

	/**
	 * @param string     $error_code One of Siteagent_HTTP_Signature::CODES, or an error of a pairing token
	 *                               (Siteagent_Pairing_Token).
	 * @param string     $detail     A few words for the site's own log.
	 * @param array      $facts      Fields sent beside the code to the holder of the key.
	 * @param array|null $request    The verified request, or null before its signature was verified. With a request,
	 *                               the response is signed.
	 */
	public function __construct( string $error_code, string $detail = '', array $facts = array(), ?array $request = null ) {
		parent::__construct( '' === $detail ? $error_code : "$error_code: $detail" );
		$this->error_code = $error_code;
		$this->facts      = $facts;
		$this->request    = $request;
	}

	public function code(): string {
		return $this->error_code;
	}

	public function facts(): array {
		return $this->facts;
	}

	public function request(): ?array {
		return $this->request;
	}
}
