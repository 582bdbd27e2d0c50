<?php
/**
 * The REST route of SiteAgent.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Answers requests to the endpoint, as early as possible.
 *
 * A request is recognized when plugins have loaded. If its operation needs no more than the database, it is
 * answered at once. Otherwise it is verified then, and answered when WordPress has loaded, before the REST server
 * starts. So plugins that close or change the REST API for visitors do not get in the way. The registered route
 * announces the address, and handles requests that were not recognized early.
 */
final class Siteagent_REST_Controller {

	/** @var Siteagent_Request_Handler */
	private $request_handler;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var array|null An authenticated request that waits until WordPress has loaded. */
	private $authenticated = null;

	/** @var Siteagent_Response|null The response of the registered route. */
	private $response = null;

	public function __construct( Siteagent_Request_Handler $request_handler, Siteagent_Audit_Log $log ) {
		$this->request_handler = $request_handler;
		$this->log             = $log;
	}

	/**
	 * Handles a request on `plugins_loaded`.
	 */
	public function handle_early(): void {
		$authenticated = $this->authenticate( false );
		if ( $authenticated instanceof Siteagent_Response ) {
			$this->send_and_exit( $authenticated );
		}
		if ( ! $this->request_handler->needs_everything( $authenticated, time() ) ) {
			$this->send_and_exit( $this->respond( $authenticated ) );
		}
		$this->authenticated = $authenticated;
		add_action( 'wp_loaded', array( $this, 'handle_when_loaded' ), PHP_INT_MAX );
	}

	/**
	 * Handles an authenticated request on `wp_loaded`, before WordPress routes it.
	 */
	public function handle_when_loaded(): void {
		if ( null !== $this->authenticated ) {
			$this->send_and_exit( $this->respond( $this->authenticated ) );
		}
	}

	/**
	 * Permission callback of the route: only authenticated requests pass.
	 *
	 * WordPress calls this again while it lists the allowed methods, so the result is kept.
	 *
	 * @return true|WP_Error
	 */
	public function check_permission() {
		if ( null === $this->authenticated && null === $this->response ) {
			$authenticated = $this->authenticate( true );
			if ( $authenticated instanceof Siteagent_Response ) {
				$this->response = $authenticated;
			} else {
				$this->authenticated = $authenticated;
			}
		}
		return null !== $this->authenticated ? true : new WP_Error( 'siteagent_refused', 'Refused.', array( 'status' => $this->response->status() ) );
	}

	/**
	 * Callback of the route.
	 */
	public function handle_rest_request(): WP_REST_Response {
		if ( null === $this->response && null !== $this->authenticated ) {
			$this->response = $this->respond( $this->authenticated );
		}
		return new WP_REST_Response( null, null === $this->response ? 401 : $this->response->status() );
	}

	/**
	 * Sends the exact bytes that were signed, instead of WordPress's own encoding (filter `rest_pre_serve_request`).
	 *
	 * @param bool $served Whether the response was sent already.
	 */
	public function serve_response( $served ): bool {
		if ( null === $this->response ) {
			return (bool) $served;
		}
		$this->send_response( $this->response );
		return true;
	}

	/**
	 * Lets requests to the endpoint pass where a plugin has closed the REST API for visitors (filter
	 * `rest_authentication_errors`). Each request is judged by its signature.
	 *
	 * @param mixed $result Result of other filters.
	 * @return mixed
	 */
	public function clear_authentication_error( $result ) {
		$route = isset( $GLOBALS['wp']->query_vars['rest_route'] ) ? $GLOBALS['wp']->query_vars['rest_route'] : '';
		return is_wp_error( $result ) && Siteagent_Site_Address::ROUTE === $route ? null : $result;
	}

	/**
	 * Verifies the current request.
	 *
	 * @param bool $is_slashed Whether WordPress has added slashes to $_SERVER yet.
	 * @return array|Siteagent_Response
	 */
	private function authenticate( bool $is_slashed ) {
		try {
			return $this->request_handler->authenticate( Siteagent_Request::from_globals( $is_slashed ), time() );
		} catch ( Throwable $error ) {
			return $this->fail_closed( $error );
		}
	}

	private function respond( array $authenticated ): Siteagent_Response {
		try {
			return $this->request_handler->respond( $authenticated, time() );
		} catch ( Throwable $error ) {
			return $this->fail_closed( $error );
		}
	}

	/**
	 * Logs an unexpected error and rejects the request.
	 */
	private function fail_closed( Throwable $error ): Siteagent_Response {
		error_log( 'SiteAgent: ' . $error->getMessage() . ' in ' . $error->getFile() . ':' . $error->getLine() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
		return Siteagent_Response::unauthorized();
	}

	/**
	 * Sends a response and ends the process, because themes and other plugins would add to the output.
	 *
	 * @return never
	 */
	private function send_and_exit( Siteagent_Response $response ): void {
		$this->send_response( $response );
		exit;
	}

	private function send_response( Siteagent_Response $response ): void {
		$output_started_at = $response->send();
		// The dashboard cannot verify a response without its headers, so log which file printed first. Requests of strangers
		// leave no entry here, or anyone could fill the log.
		if ( '' !== $output_started_at && $response->is_signed() ) {
			$this->log->append( 'output_started', array( 'at' => $output_started_at ), 'site' );
		}
	}
}
