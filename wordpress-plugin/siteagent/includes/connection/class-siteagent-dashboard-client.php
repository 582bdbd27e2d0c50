<?php
/**
 * Notices that this site sends to its dashboard.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Sends a signed notice once and returns whether it was delivered. A lost notice costs time, never correctness.
 */
final class Siteagent_Dashboard_Client {

	const PATH      = '/agent/notice';
	const TIMEOUT_S = 5;

	/** Reasons for which the dashboard rejects a token. */
	const REASONS = array( 'used', 'expired', 'cancelled' );

	/**
	 * Notifies the dashboard that an administrator accepted its token.
	 *
	 * @return string 'delivered'; 'used', 'expired' or 'cancelled' when the dashboard says so; otherwise 'failed'.
	 */
	public function notify_token_accepted( string $origin, string $pid, string $auth, string $home ): string {
		$key      = Siteagent_Key_Derivation::token_key( $auth, 'note' );
		$document = array(
			'v'    => Siteagent_HTTP_Signature::VERSION,
			'op'   => 'pair.ready',
			'pid'  => $pid,
			'home' => $home,
		);
		$request  = $this->sign( $origin, $document, $key, 'p_' . $pid );
		$reply    = $this->post_verified( $request, $key );
		if ( isset( $reply->ok ) && true === $reply->ok ) {
			return 'delivered';
		}
		$reason = isset( $reply->error->reason ) ? $reply->error->reason : '';
		return in_array( $reason, self::REASONS, true ) ? $reason : 'failed';
	}

	/**
	 * Asks the dashboard to follow this site to another address.
	 *
	 * @param string                                $origin Origin of the dashboard.
	 * @param string                                $kid    Key id.
	 * @param string                                $key    HMAC key, raw bytes.
	 * @param array{home:string,endpoints:string[]} $move   Where the site is now.
	 * @return string 'delivered' or 'failed'.
	 */
	public function notify_moved( string $origin, string $kid, string $key, array $move ): string {
		$document = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'op' => 'moved',
		);
		$reply    = $this->post_verified( $this->sign( $origin, $document + $move, $key, $kid ), $key );
		return isset( $reply->ok ) && true === $reply->ok ? 'delivered' : 'failed';
	}

	/**
	 * Notifies the dashboard that its permissions have changed. The notice carries no permission: the dashboard then
	 * requests a report.
	 *
	 * @return string 'delivered' or 'failed'.
	 */
	public function notify_permissions_changed( string $origin, string $kid, string $key ): string {
		$document = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'op' => 'permissions_changed',
		);
		$reply    = $this->post_verified( $this->sign( $origin, $document, $key, $kid ), $key );
		return isset( $reply->ok ) && true === $reply->ok ? 'delivered' : 'failed';
	}

	/**
	 * Notifies the dashboard that this site ended the connection.
	 *
	 * The response is not signed, because no key is left here to verify it with.
	 *
	 * @param string $origin  Origin of the dashboard.
	 * @param string $kid     Key id.
	 * @param string $key     HMAC key, raw bytes.
	 * @param string $disconnect The proof, raw bytes.
	 * @return string 'delivered' or 'failed'.
	 */
	public function notify_disconnected( string $origin, string $kid, string $key, string $disconnect ): string {
		$document = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'op' => 'disconnect',
			'g'  => Siteagent_HTTP_Signature::base64url_encode( $disconnect ),
		);
		$response = $this->post( $this->sign( $origin, $document, $key, $kid ) );
		$reply    = null === $response || 200 !== $response['status'] ? null : json_decode( $response['body'], true );
		return is_array( $reply ) && isset( $reply['ok'], $reply['op'] ) && true === $reply['ok'] && 'disconnect' === $reply['op'] ? 'delivered' : 'failed';
	}

	/**
	 * Sends a notice and returns the verified response; null when there was none.
	 */
	private function post_verified( array $request, string $key ): ?stdClass {
		$response = $this->post( $request );
		if ( null === $response ) {
			return null;
		}
		try {
			Siteagent_HTTP_Signature::verify_response( $request, $response['status'], $response['headers'], $response['body'], $key );
			return Siteagent_Canonical_JSON::parse( $response['body'] );
		} catch ( Siteagent_Exception $exception ) {
			return null;
		}
	}

	private function sign( string $origin, array $document, string $key, string $keyid ): array {
		$body    = Siteagent_Canonical_JSON::encode( $document );
		$request = Siteagent_HTTP_Signature::sign_request( $origin . self::PATH, $body, $key, $keyid, time(), Siteagent_HTTP_Signature::new_nonce(), Siteagent_HTTP_Signature::NOTICE_TAG );
		return array( 'body' => $body ) + $request;
	}

	/**
	 * @return array{status:int,headers:array,body:string}|null
	 */
	private function post( array $request ): ?array {
		// Not the "safe" variant, which rejects private addresses: a dashboard in the agency's own network is legitimate,
		// and an administrator has agreed to this address.
		return self::parse_response(
			wp_remote_post(
				$request['url'],
				array(
					'headers'             => $request['headers'],
					'body'                => $request['body'],
					'timeout'             => self::TIMEOUT_S,
					'redirection'         => 0,
					'limit_response_size' => Siteagent_HTTP_Signature::MAX_REQUEST_BYTES,
					'user-agent'          => 'SiteAgent/' . SITEAGENT_VERSION,
				)
			)
		);
	}

	/**
	 * Returns a response with the headers that sign it; null when the request failed.
	 *
	 * @param array|WP_Error $response As WordPress returned it.
	 * @return array{status:int,headers:array,body:string}|null
	 */
	public static function parse_response( $response ): ?array {
		if ( is_wp_error( $response ) ) {
			return null;
		}
		$headers = array();
		foreach ( Siteagent_HTTP_Signature::SIGNED_FIELDS as $name ) {
			$value = wp_remote_retrieve_header( $response, $name );
			if ( is_string( $value ) && '' !== $value ) {
				$headers[ $name ] = $value;
			}
		}
		return array(
			'status'  => (int) wp_remote_retrieve_response_code( $response ),
			'headers' => $headers,
			'body'    => wp_remote_retrieve_body( $response ),
		);
	}
}
