<?php
/**
 * Handling of requests to the endpoint (docs/PROTOCOL.md section 1.1).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Authenticates a request, runs the operation and signs the response. Fails closed.
 *
 * An unauthenticated caller learns nothing: the reason of a rejection goes to the site's own log, and to the
 * holder of a key in the signed response. The catch of Throwable in respond() is deliberate: without it a bug
 * would be answered with WordPress's error page.
 */
final class Siteagent_Request_Handler {

	/** HTTP status of a signed rejection. Codes that are not listed use 400. */
	const STATUS = array(
		'expired'                 => 401,
		'clock_skew'              => 401,
		'replayed'                => 401,
		'not_permitted'           => 403,
		'pairing_closed'          => 409,
		'wrong_site'              => 409,
		'identity_changed'        => 409,
		'audit_log_forked'        => 409,
		'internal_error'          => 500,
		'nonce_store_unavailable' => 503,
	);

	/** @var Siteagent_Connection_Store */
	private $connection_store;

	/** @var Siteagent_Pending_Pairing */
	private $pending_pairing;

	/** @var Siteagent_Disconnection */
	private $disconnection;

	/** @var Siteagent_Nonce_Store */
	private $nonce_store;

	/** @var Siteagent_Operation_Registry */
	private $operations;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	/** @var Siteagent_Rejected_Requests */
	private $rejected_requests;

	public function __construct(
		Siteagent_Connection_Store $connection_store,
		Siteagent_Pending_Pairing $pending_pairing,
		Siteagent_Disconnection $disconnection,
		Siteagent_Nonce_Store $nonce_store,
		Siteagent_Operation_Registry $operations,
		Siteagent_Audit_Log $log,
		Siteagent_Checkpoint_Store $checkpoint_store,
		Siteagent_Rejected_Requests $rejected_requests
	) {
		$this->connection_store  = $connection_store;
		$this->pending_pairing   = $pending_pairing;
		$this->disconnection     = $disconnection;
		$this->nonce_store       = $nonce_store;
		$this->operations        = $operations;
		$this->log               = $log;
		$this->checkpoint_store  = $checkpoint_store;
		$this->rejected_requests = $rejected_requests;
	}

	/**
	 * Verifies a request and marks its nonce as used.
	 *
	 * @return array|Siteagent_Response The input of respond(), or the response of a rejected request.
	 */
	public function authenticate( Siteagent_Request $request, int $now ) {
		try {
			if ( ! $request->is_body_only() ) {
				throw new Siteagent_Exception( 'malformed', 'query or method override' );
			}
			$verified = Siteagent_HTTP_Signature::verify_request(
				$request->method(),
				$this->connection_store->endpoints(),
				$request->headers(),
				$request->body(),
				function ( string $keyid ): ?string {
					$channel = $this->channel( $keyid );
					return null === $channel ? null : $channel['d2s'];
				},
				$now,
				Siteagent_HTTP_Signature::REQUEST_TAG
			);
			$this->nonce_store->claim_nonce( $verified, $now );
			return $this->authorize_operation( $request->body(), $verified, $now );
		} catch ( Siteagent_Exception $exception ) {
			return null === $exception->request()
				? $this->respond_unauthenticated( $request, $exception, $now )
				: $this->signed_refusal( $exception, $exception->request(), $this->operation_name( $request->body() ), $now );
		}
	}

	/**
	 * Whether the operation of an authenticated request needs more of WordPress than its database.
	 *
	 * @param array $authenticated As authenticate() returned it.
	 * @param int   $now           Unix time in seconds.
	 */
	public function needs_everything( array $authenticated, int $now ): bool {
		return $this->operations->needs_everything( $authenticated['operation'], $authenticated['document'], $now );
	}

	/**
	 * Runs the operation of an authenticated request and signs the response.
	 *
	 * @param array $authenticated As authenticate() returned it.
	 * @param int   $now           Unix time in seconds.
	 */
	public function respond( array $authenticated, int $now ): Siteagent_Response {
		$operation = $authenticated['operation'];
		$document  = $authenticated['document'];
		$request   = $authenticated['request'];
		try {
			$checkpoint = $this->check_checkpoint( $authenticated, $now );
			$answer     = $this->run_operation( $authenticated, $checkpoint, $now );
			$body       = Siteagent_Pairing::success_body( $operation['name'], $answer + $this->checkpoint_fields( $authenticated, $checkpoint ) );
		} catch ( Siteagent_Exception $exception ) {
			return $this->signed_refusal( $exception, $request, $operation['name'], $now, $authenticated['s2d'] );
		} catch ( Throwable $error ) {
			error_log( 'SiteAgent: ' . $error->getMessage() . ' in ' . $error->getFile() . ':' . $error->getLine() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
			$exception = new Siteagent_Exception( 'internal_error', get_class( $error ) );
			return $this->signed_refusal( $exception, $request, $operation['name'], $now, $authenticated['s2d'] );
		}
		return Siteagent_Response::signed( $request, 200, $body, $authenticated['s2d'], $now );
	}

	/**
	 * Checks the dashboard's checkpoint. Operations that change something need one. While the dashboard's audit log
	 * conflicts with what this site has seen of it, only read-only operations run.
	 *
	 * @return array|null As Siteagent_Checkpoint_Store::check() returns it; null for pairing and revoking, where no
	 *         checkpoint is checked.
	 * @throws Siteagent_Exception invalid_arguments, audit_log_forked.
	 */
	private function check_checkpoint( array $authenticated, int $now ): ?array {
		$operation = $authenticated['operation'];
		if ( 'connection' !== $authenticated['role'] || in_array( $operation['permission'], array( 'pair', 'leave' ), true ) ) {
			return null;
		}
		$checkpoint = $this->checkpoint_store->check( $authenticated['document'], $now );
		if ( null !== $checkpoint['refused'] && ! $operation['nature']['readonly'] ) {
			$facts = array(
				'seen_n'    => $checkpoint['seen']['n'],
				'seen_hash' => $checkpoint['seen']['hash'],
			);
			throw new Siteagent_Exception( 'audit_log_forked', $operation['name'], $facts );
		}
		if ( ! isset( $authenticated['document']->checkpoint ) && ! $operation['nature']['readonly'] ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'no checkpoint', array( 'argument' => 'checkpoint' ) );
		}
		return $checkpoint;
	}

	/**
	 * Runs the operation and logs it.
	 *
	 * @throws Siteagent_Exception When the operation rejects the request.
	 */
	private function run_operation( array $authenticated, ?array $checkpoint, int $now ): array {
		$name = $authenticated['operation']['name'];
		if ( 'log' === $name ) {
			// Log first, so that the entries sent include this request and end at the checkpoint.
			$this->log_request( $authenticated, $checkpoint, $now );
		}
		$answer = $this->operations->run_operation( $name, $authenticated['document'], $authenticated['body'], $authenticated['request'], $now );
		if ( 'log' !== $name ) {
			$this->log_request( $authenticated, $checkpoint, $now );
		}
		return $answer;
	}

	/**
	 * Logs an operation of the connection. Pairing and revoking write their own entries.
	 */
	private function log_request( array $authenticated, ?array $checkpoint, int $now ): void {
		if ( null === $checkpoint ) {
			return;
		}
		$this->connection_store->record_contact( $now );
		if ( Siteagent_Encryption::has_own_key() ) {
			$this->connection_store->reencrypt();
		}
		$facts = array(
			'operation' => $authenticated['operation']['name'],
			'by'        => $authenticated['document']->by,
			'nonce'     => $authenticated['request']['nonce'],
		);
		if ( null !== $checkpoint['noted'] ) {
			$facts['checkpoint'] = $checkpoint['noted'];
		}
		$this->log->append( 'answered', $facts, 'dashboard' );
	}

	/**
	 * Returns this site's checkpoint, whether this log continues from the one the dashboard saw, and the dashboard's
	 * newest checkpoint known here.
	 */
	private function checkpoint_fields( array $authenticated, ?array $checkpoint ): array {
		if ( null === $checkpoint ) {
			return array();
		}
		$requested = isset( $authenticated['document']->log ) ? $authenticated['document']->log : null;
		$held      = $checkpoint['seen'];
		$fields    = array(
			'checkpoint' => $this->checkpoint_store->own_checkpoint( $this->log->head() ),
			'knows'      => null === $requested ? null : $this->log->contains( $requested->n, $requested->hash ),
			// With the dashboard's own signature: without it this site could claim anything.
			'seen'  => null === $held ? null : array(
				'body' => Siteagent_HTTP_Signature::base64url_encode( $held['body'] ),
				'sig'  => $held['sig'],
			),
		);
		return null === $checkpoint['refused'] ? $fields : $fields + array( 'checkpoint_refused' => true );
	}

	/**
	 * Looks up the operation and checks that these keys may request it.
	 *
	 * @return array The input of respond().
	 * @throws Siteagent_Exception Carries the request, because its signature was verified.
	 */
	private function authorize_operation( string $body, array $verified, int $now ): array {
		$channel = $this->channel( $verified['keyid'] );
		if ( null === $channel ) {
			// The connection ended between the two reads of the keys.
			throw new Siteagent_Exception( 'unknown_key', $verified['keyid'] );
		}
		$role = 'next' === $channel['role'] ? 'connection' : $channel['role'];
		try {
			$document  = Siteagent_Canonical_JSON::parse( $body );
			$operation = Siteagent_Operation_Registry::validate( $document, $role );
		} catch ( Siteagent_Exception $exception ) {
			$code = 'malformed' === $exception->code() ? 'invalid_arguments' : $exception->code();
			throw new Siteagent_Exception( $code, $exception->getMessage(), $exception->facts(), $verified );
		}
		$moved = $this->connection_store->address_change( $verified['keyid'] );
		if ( null !== $moved && ! $operation['moved'] ) {
			$facts = array(
				'paired' => $moved['was'],
				'now'    => $moved['is'],
			);
			throw new Siteagent_Exception( 'identity_changed', $moved['is'], $facts, $verified );
		}
		if ( 'next' === $channel['role'] && $this->connection_store->promote_next_keys( $verified['keyid'], $now ) ) {
			$facts = array( 'generation' => Siteagent_Key_Derivation::generation( $verified['keyid'] ) );
			$this->log->append( 'keys_rotated', $facts, 'dashboard' );
		}
		return array(
			'operation' => $operation,
			'document'  => $document,
			'body'      => $body,
			'request'   => $verified,
			'role'      => $role,
			's2d'       => $channel['s2d'],
		);
	}

	/**
	 * Returns a signed response with the exact error code.
	 */
	private function signed_refusal(
		Siteagent_Exception $exception,
		array $request,
		string $name,
		int $now,
		?string $key = null
	): Siteagent_Response {
		if ( null === $key ) {
			$channel = $this->channel( $request['keyid'] );
			if ( null === $channel ) {
				return Siteagent_Response::unauthorized();
			}
			$key = $channel['s2d'];
		}
		$code = $exception->code();
		$this->log_refusal( $name, $exception, $request['nonce'] );
		if ( 'unauthorized' === $code ) {
			return Siteagent_Response::unauthorized();
		}
		$body = Siteagent_Canonical_JSON::encode(
			array(
				'v'     => Siteagent_HTTP_Signature::VERSION,
				'ok'    => false,
				'op'    => $name,
				'error' => array( 'code' => $code ) + $exception->facts(),
			)
		);
		return Siteagent_Response::signed( $request, isset( self::STATUS[ $code ] ) ? self::STATUS[ $code ] : 400, $body, $key, $now );
	}

	/**
	 * Logs a rejection. A database that cannot be written to must not hide the reason from the dashboard, so this
	 * never throws.
	 */
	private function log_refusal( string $name, Siteagent_Exception $exception, string $nonce ): void {
		$facts = array(
			'operation' => $name,
			'reason'    => $exception->getMessage(),
			'nonce'     => $nonce,
		);
		try {
			$this->log->append( 'refused', $facts, 'dashboard' );
		} catch ( RuntimeException $error ) {
			error_log( 'SiteAgent: ' . $error->getMessage() . '; refused ' . $name ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
		}
	}

	/**
	 * Answers a request without a valid signature: with the proof of disconnection if the connection has ended,
	 * otherwise with the same short rejection for every reason.
	 */
	private function respond_unauthenticated(
		Siteagent_Request $request,
		Siteagent_Exception $exception,
		int $now
	): Siteagent_Response {
		if ( 'too_large' === $exception->code() ) {
			return Siteagent_Response::too_large();
		}
		$revoked = $this->revoke_unsigned( $request, $now );
		if ( null !== $revoked ) {
			return $revoked;
		}
		$facts        = $exception->facts();
		$disconnected = isset( $facts['keyid'] ) ? $this->disconnected_response( $facts['keyid'] ) : null;
		if ( null !== $disconnected ) {
			return $disconnected;
		}
		$this->rejected_requests->record( $exception->getMessage(), $now );
		$is_unreadable = isset( $facts['keyid'] ) && $this->connection_store->is_unreadable( $facts['keyid'] );
		return $is_unreadable ? Siteagent_Response::keys_unreadable() : Siteagent_Response::unauthorized();
	}

	/**
	 * Runs `revoke` without a signature. Its secret is the proof, and it can do nothing but end the connection.
	 */
	private function revoke_unsigned( Siteagent_Request $request, int $now ): ?Siteagent_Response {
		if ( 'POST' !== $request->method() || false === strpos( $request->body(), '"revoke"' ) ) {
			return null;
		}
		try {
			$document = Siteagent_Canonical_JSON::parse( $request->body() );
			$name     = Siteagent_Operation_Registry::validate( $document, 'connection' )['name'];
			$answer   = 'revoke' === $name ? $this->operations->run_operation( $name, $document, $request->body(), array(), $now ) : null;
		} catch ( Siteagent_Exception $exception ) {
			return isset( $document->kid ) && is_string( $document->kid ) ? $this->disconnected_response( $document->kid ) : null;
		}
		$head = array(
			'v'  => Siteagent_HTTP_Signature::VERSION,
			'ok' => true,
			'op' => 'revoke',
		);
		return null === $answer ? null : Siteagent_Response::unsigned( 200, $head + $answer );
	}

	/**
	 * Returns the keys of a key id and their role, of the connection or of the token that is pending.
	 *
	 * @return array{role:string,d2s:string,s2d:string}|null
	 */
	private function channel( string $keyid ): ?array {
		return $this->connection_store->channel( $keyid ) ?? $this->pending_pairing->channel( $keyid );
	}

	/**
	 * Returns the name of the operation in a request body, or an empty string.
	 */
	private function operation_name( string $body ): string {
		$document = json_decode( $body );
		$name     = $document instanceof stdClass && isset( $document->op ) ? $document->op : '';
		return is_string( $name ) && isset( Siteagent_Operation_Registry::ALL[ $name ] ) ? $name : '';
	}

	/**
	 * Returns the response that proves that this site ended the connection; null when it did not.
	 */
	private function disconnected_response( string $kid ): ?Siteagent_Response {
		$proof = $this->disconnection->proof( $kid );
		return null === $proof ? null : Siteagent_Response::disconnected( $proof );
	}
}
