<?php
/**
 * Where a request for SiteAgent enters WordPress, and where its answer leaves.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Answers at the earliest moment that suffices.
 *
 * A request to the REST address is recognised when plugins have loaded, and answered there if its
 * operation needs no more. What needs all of WordPress is verified there and answered once
 * WordPress has loaded, before its REST server begins: plugins that close or decorate the REST API
 * for visitors are not in the way. The registered route makes the address a known one, and stands
 * in where the early look did not recognise it.
 */
final class Siteagent_REST_Controller {

	const NAMESPACE = 'siteagent/v1';
	const ROUTE     = '/rpc';

	/** @var Siteagent_Request_Handler */
	private $request_handler;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var array|null What was admitted and waits for all of WordPress. */
	private $authenticated = null;

	/** @var Siteagent_Response|null What the registered route has to send. */
	private $response = null;

	public function __construct( Siteagent_Request_Handler $request_handler, Siteagent_Audit_Log $log ) {
		$this->request_handler = $request_handler;
		$this->log  = $log;
	}

	/**
	 * Plugins have loaded, nothing else has.
	 */
	public function handle_early(): void {
		$authenticated = $this->authenticate( false );
		if ( $authenticated instanceof Siteagent_Response ) {
			$this->send_and_exit( $authenticated );
		}
		if ( 'everything' !== $authenticated['operation']['needs'] ) {
			$this->send_and_exit( $this->respond( $authenticated ) );
		}
		$this->authenticated = $authenticated;
		add_action( 'wp_loaded', array( $this, 'handle_when_loaded' ), PHP_INT_MAX );
	}

	/**
	 * All of WordPress has loaded, and nobody has routed the request yet.
	 */
	public function handle_when_loaded(): void {
		if ( null !== $this->authenticated ) {
			$this->send_and_exit( $this->respond( $this->authenticated ) );
		}
	}

	/**
	 * The route's permission callback: only what the gate admits is called.
	 *
	 * WordPress asks again while it lists the allowed methods; a request is admitted once.
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
	 * The route's callback.
	 */
	public function handle_rest_request(): WP_REST_Response {
		if ( null === $this->response && null !== $this->authenticated ) {
			$this->response = $this->respond( $this->authenticated );
		}
		return new WP_REST_Response( null, null === $this->response ? 401 : $this->response->status() );
	}

	/**
	 * Sends the exact bytes that were signed, in place of WordPress's own encoding of them.
	 *
	 * @param bool $served As WordPress passes it.
	 */
	public function serve_response( $served ): bool {
		if ( null === $this->response ) {
			return (bool) $served;
		}
		$this->send_response( $this->response );
		return true;
	}

	/**
	 * Plugins that close the REST API for visitors answer here. The gate does not know visitors:
	 * it judges each request by its signature.
	 *
	 * @param mixed $result As WordPress passes it.
	 * @return mixed
	 */
	public function clear_authentication_error( $result ) {
		$route = isset( $GLOBALS['wp']->query_vars['rest_route'] ) ? $GLOBALS['wp']->query_vars['rest_route'] : '';
		return is_wp_error( $result ) && Siteagent_Site_Address::ROUTE === $route ? null : $result;
	}

	public function register_route(): void {
		add_filter( 'rest_authentication_errors', array( $this, 'clear_authentication_error' ), PHP_INT_MAX );
		add_filter( 'rest_pre_serve_request', array( $this, 'serve_response' ), PHP_INT_MAX );
		register_rest_route(
			self::NAMESPACE,
			self::ROUTE,
			array(
				'methods'             => 'POST',
				'callback'            => array( $this, 'handle_rest_request' ),
				'permission_callback' => array( $this, 'check_permission' ),
				'show_in_index'       => false,
			)
		);
	}

	/**
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
	 * Whatever broke, the door stays shut.
	 */
	private function fail_closed( Throwable $error ): Siteagent_Response {
		error_log( 'SiteAgent: ' . $error->getMessage() . ' in ' . $error->getFile() . ':' . $error->getLine() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
		return Siteagent_Response::unauthorized();
	}

	/**
	 * Nothing may run after this: themes and other plugins would add to the answer.
	 *
	 * @return never
	 */
	private function send_and_exit( Siteagent_Response $response ): void {
		$this->send_response( $response );
		exit;
	}

	private function send_response( Siteagent_Response $response ): void {
		$output_started_at = $response->send();
		if ( '' !== $output_started_at ) {
			// Without its headers nobody can verify the answer; the log says who printed first.
			$this->log->append( 'output_started', array( 'at' => $output_started_at ), 'site' );
		}
	}
}
