<?php
/**
 * A signed request of the site to its own SiteAgent.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Sends a ping over loopback with the connection's keys. Every site holds both of them; they authorize reading
 * only. The response counts if it is signed and names the version on disk.
 */
final class Siteagent_Self_Ping {

	const ACTOR     = 'SiteAgent on this site';
	const TIMEOUT_S = 10;

	/** Each address is tried again, because the host may just be busy; the time is limited, because the dashboard waits. */
	const ATTEMPTS      = 2;
	const TIME_BUDGET_S = 15;

	/** How many of the URLs of the endpoint are tried. */
	const MAX_ADDRESSES = 4;

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Component */
	private $component;

	/** @var string[] The one that answered last comes first. */
	private $addresses;

	public function __construct( Siteagent_Connection_Store $connection_store, Siteagent_Component $component ) {
		$this->connection_store = $connection_store;
		$this->component        = $component;
		$this->addresses        = array_slice( $connection_store->endpoints(), 0, self::MAX_ADDRESSES );
	}

	/**
	 * Whether the version on disk answers.
	 */
	public function is_answered(): bool {
		$until = microtime( true ) + self::TIME_BUDGET_S;
		for ( $attempt = 0; $attempt < self::ATTEMPTS; $attempt++ ) {
			foreach ( $this->addresses as $address ) {
				if ( microtime( true ) < $until && $this->component->version() === $this->answering_version( $address ) ) {
					$this->addresses = array_unique( array_merge( array( $address ), $this->addresses ) );
					return true;
				}
			}
		}
		return false;
	}

	/**
	 * Returns the version that answers at a URL; empty without a verified response.
	 */
	private function answering_version( string $address ): string {
		$connection = $this->connection_store->connection();
		$keys       = null === $connection ? null : $this->connection_store->channel( $connection['kid'] );
		if ( null === $keys ) {
			return '';
		}
		$body     = Siteagent_Canonical_JSON::encode( array( 'v' => Siteagent_HTTP_Signature::VERSION, 'op' => 'ping', 'by' => self::ACTOR ) );
		$request  = Siteagent_HTTP_Signature::sign_request( $address, $body, $keys['d2s'], $connection['kid'], time(), Siteagent_HTTP_Signature::new_nonce(), Siteagent_HTTP_Signature::REQUEST_TAG );
		$response = Siteagent_Dashboard_Client::parse_response(
			wp_remote_post(
				$address,
				array(
					'headers'             => $request['headers'],
					'body'                => $body,
					'timeout'             => self::TIMEOUT_S,
					'redirection'         => 0,
					'limit_response_size' => Siteagent_HTTP_Signature::MAX_REQUEST_BYTES,
					/** This filter is documented in wp-includes/class-wp-http-streams.php */
					'sslverify'           => apply_filters( 'https_local_ssl_verify', false ),
				)
			)
		);
		if ( null === $response ) {
			return '';
		}
		try {
			Siteagent_HTTP_Signature::verify_response( $request, $response['status'], $response['headers'], $response['body'], $keys['s2d'] );
			$reply = Siteagent_Canonical_JSON::parse( $response['body'] );
		} catch ( Siteagent_Exception $exception ) {
			return '';
		}
		return isset( $reply->ok, $reply->plugin ) && true === $reply->ok && is_string( $reply->plugin ) ? $reply->plugin : '';
	}
}
