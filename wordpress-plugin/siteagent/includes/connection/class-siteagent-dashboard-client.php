<?php
/**
 * What this site tells its dashboard of its own accord: four hints, signed.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Sends a notice once and says what became of it. Losing one costs seconds, never correctness.
 */
final class Siteagent_Dashboard_Client {

	const PATH      = '/agent/notice';
	const TIMEOUT_S = 5;

	/** What the dashboard may say of a token that is closed. */
	const REASONS = array( 'used', 'expired', 'cancelled' );

	/**
	 * An administrator agreed to this token.
	 *
	 * @return string 'delivered'; 'used', 'expired' or 'cancelled' when the dashboard says so; else 'failed'.
	 */
	public function notify_token_accepted( string $origin, string $pid, string $auth, string $home ): string {
		$key      = Siteagent_Key_Derivation::token_key( $auth, 'note' );
		$document = array(
			'v'    => Siteagent_HTTP_Signature::VERSION,
			'op'   => 'pair.ready',
			'pid'  => $pid,
			'home' => $home,
		);
		$request     = $this->sign( $origin, $document, $key, 'p_' . $pid );
		$reply     = $this->post_verified( $request, $key );
		if ( isset( $reply->ok ) && true === $reply->ok ) {
			return 'delivered';
		}
		$reason = isset( $reply->error->reason ) ? $reply->error->reason : '';
		return in_array( $reason, self::REASONS, true ) ? $reason : 'failed';
	}

	/**
	 * An administrator asks the dashboard to follow this site to another address.
	 *
	 * @param array{home:string,endpoints:string[]} $move Where the site is now.
	 * @return string 'delivered' or 'failed'.
	 */
	public function notify_moved( string $origin, string $kid, string $key, array $move ): string {
		$document = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'op' => 'moved',
		);
		$reply     = $this->post_verified( $this->sign( $origin, $document + $move, $key, $kid ), $key );
		return isset( $reply->ok ) && true === $reply->ok ? 'delivered' : 'failed';
	}

	/**
	 * An administrator changed what the dashboard may do. Carries no permission: the dashboard asks for a report.
	 *
	 * @return string 'delivered' or 'failed'.
	 */
	public function notify_permissions_changed( string $origin, string $kid, string $key ): string {
		$document = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'op' => 'permissions_changed',
		);
		$reply     = $this->post_verified( $this->sign( $origin, $document, $key, $kid ), $key );
		return isset( $reply->ok ) && true === $reply->ok ? 'delivered' : 'failed';
	}

	/**
	 * This site has ended the connection; $goodbye proves it.
	 *
	 * The dashboard's answer is not signed, as no key is left here to check it with.
	 *
	 * @return string 'delivered' or 'failed'.
	 */
	public function notify_disconnected( string $origin, string $kid, string $key, string $goodbye ): string {
		$document = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'op' => 'goodbye',
			'g'  => Siteagent_HTTP_Signature::base64url_encode( $goodbye ),
		);
		$response   = $this->post( $this->sign( $origin, $document, $key, $kid ) );
		$reply     = null === $response || 200 !== $response['status'] ? null : json_decode( $response['body'], true );
		return is_array( $reply ) && isset( $reply['ok'], $reply['op'] ) && true === $reply['ok'] && 'goodbye' === $reply['op'] ? 'delivered' : 'failed';
	}

	/**
	 * What the dashboard answered, if it was the dashboard; null otherwise.
	 */
	private function post_verified( array $request, string $key ): ?stdClass {
		$response = $this->post( $request );
		if ( null === $response ) {
			return null;
		}
		try {
			Siteagent_HTTP_Signature::verify_response( $request, $response['status'], $response['headers'], $response['body'], $key );
			return Siteagent_HTTP_Signature::parse_json( $response['body'] );
		} catch ( Siteagent_Exception $exception ) {
			return null;
		}
	}

	private function sign( string $origin, array $document, string $key, string $keyid ): array {
		$body = Siteagent_HTTP_Signature::canonical_json( $document );
		$request = Siteagent_HTTP_Signature::sign_request( $origin . self::PATH, $body, $key, $keyid, time(), Siteagent_HTTP_Signature::new_nonce(), Siteagent_HTTP_Signature::NOTICE_TAG );
		return array( 'body' => $body ) + $request;
	}

	/**
	 * @return array{status:int,headers:array,body:string}|null
	 */
	private function post( array $request ): ?array {
		// Not the "safe" variant: a dashboard in the agency's own network is no attack, and an
		// administrator has agreed to this very address.
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
	 * An answer with the headers that sign it; null when there was none.
	 *
	 * @param array|WP_Error $response As WordPress gave it.
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
