<?php
/**
 * The operations that a dashboard can request.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * A closed list of operations (docs/PROTOCOL.md section 3): their arguments, the keys they need and what they do.
 */
final class Siteagent_Operation_Registry {

	/** What comes with an approved plan and changes the site: the update, or its rollback. */
	const BY_PLAN = array(
		'schema' => array(
			'op_id' => 'uuid',
			'plan'  => 'plan',
			'sig'   => 'text',
		),
		'role'       => array( 'connection' ),
		'permission' => 'change',
		'nature'     => array( 'readonly' => false, 'destructive' => true, 'idempotent' => true ),
		'needs'      => 'everything',
		'moved'      => false,
	);

	/**
	 * Operations by name.
	 *
	 * - schema: arguments beside v, op, by, log and checkpoint, each with its type. All are required.
	 * - role: the keys that may request it: of a token, of an exchange that is being confirmed, or of the connection.
	 * - permission: what the owner of the site must have allowed: 'pair' by accepting a token, 'see' and 'keys' by
	 *   connecting, 'leave' always, 'change' by kind in wp-admin (Siteagent_Permissions).
	 * - nature: its effect on the site.
	 * - needs: how much of WordPress must have loaded: 'database' or 'everything'.
	 * - moved: whether it is answered after the site's address has changed. keys.rotate checks the address itself.
	 */
	const ALL = array(
		'ping'          => array(
			'schema'     => array(),
			'role'       => array( 'connection' ),
			'permission' => 'see',
			'nature'     => array( 'readonly' => true, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'database',
			'moved'      => false,
		),
		'report'        => array(
			'schema'     => array( 'have' => 'hash_or_null' ),
			'role'       => array( 'connection' ),
			'permission' => 'see',
			'nature'     => array( 'readonly' => true, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'everything',
			'moved'      => false,
		),
		'log'           => array(
			'schema'     => array( 'after' => 'number' ),
			'role'       => array( 'connection' ),
			'permission' => 'see',
			'nature'     => array( 'readonly' => true, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'database',
			'moved'      => false,
		),
		'pair.hello'    => array(
			'schema' => array(
				'pid'    => 'text',
				'e_d'    => 'key',
				'sign_d' => 'key',
				'dash'   => 'object',
				'url'    => 'text',
			),
			'role'       => array( 'token' ),
			'permission' => 'pair',
			'nature'     => array( 'readonly' => false, 'destructive' => false, 'idempotent' => false ),
			'needs'      => 'database',
			'moved'      => false,
		),
		'pair.confirm'  => array(
			'schema'     => array( 'th' => 'hash' ),
			'role'       => array( 'exchange', 'connection' ),
			'permission' => 'pair',
			'nature'     => array( 'readonly' => false, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'database',
			'moved'      => false,
		),
		'keys.rotate'   => array(
			'schema' => array(
				'op_id'    => 'uuid',
				'plan'     => 'text',
				'sig'      => 'text',
				'sig_next' => 'text_or_null',
			),
			'role'       => array( 'connection' ),
			'permission' => 'keys',
			'nature'     => array( 'readonly' => false, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'database',
			'moved'      => true,
		),
		'change.check'  => array(
			'schema'     => array( 'item' => 'object' ),
			'role'       => array( 'connection' ),
			'permission' => 'see',
			'nature'     => array( 'readonly' => true, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'everything',
			'moved'      => false,
		),
		'change.run'    => self::BY_PLAN,
		'agent.update'  => self::BY_PLAN,
		'change.revert' => self::BY_PLAN,
		'change.status' => array(
			'schema'     => array( 'op_id' => 'uuid' ),
			'role'       => array( 'connection' ),
			'permission' => 'see',
			'nature'     => array( 'readonly' => true, 'destructive' => false, 'idempotent' => true ),
			'needs'      => 'everything',
			'moved'      => false,
		),
		'revoke'        => array(
			'schema' => array(
				'kid' => 'text',
				'r'   => 'key',
			),
			'role'       => array( 'connection' ),
			'permission' => 'leave',
			'nature'     => array( 'readonly' => false, 'destructive' => true, 'idempotent' => true ),
			'needs'      => 'database',
			'moved'      => true,
		),
	);

	/** @var Siteagent_Pairing */
	private $pairing;

	/** @var Siteagent_Key_Rotation */
	private $rotation;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	/** @var callable fn(): Siteagent_Report, called only when a report is built. */
	private $make_report;

	/** @var Siteagent_Last_Report */
	private $last_report;

	/** @var callable fn(): Siteagent_Update_Controller, called only when an update is requested. */
	private $make_controller;

	/** @var callable fn(): Siteagent_Update_Revert, called only when an update is reverted. */
	private $make_revert;

	public function __construct(
		Siteagent_Pairing $pairing,
		Siteagent_Key_Rotation $rotation,
		Siteagent_Audit_Log_Reader $log_reader,
		callable $make_report,
		callable $make_controller,
		callable $make_revert,
		Siteagent_Last_Report $last_report
	) {
		$this->pairing         = $pairing;
		$this->rotation        = $rotation;
		$this->log_reader      = $log_reader;
		$this->make_report     = $make_report;
		$this->make_controller = $make_controller;
		$this->make_revert     = $make_revert;
		$this->last_report     = $last_report;
	}

	/**
	 * Returns the definition of the requested operation, after checking the keys and the arguments.
	 *
	 * @param stdClass $document The request body.
	 * @param string   $role     The role of the keys that signed it.
	 * @throws Siteagent_Exception unknown_operation, not_permitted, invalid_arguments.
	 */
	public static function validate( stdClass $document, string $role ): array {
		$name = isset( $document->op ) && is_string( $document->op ) ? $document->op : '';
		if ( ! isset( self::ALL[ $name ] ) ) {
			throw new Siteagent_Exception( 'unknown_operation', substr( $name, 0, 40 ) );
		}
		$operation = self::ALL[ $name ];
		if ( ! in_array( $role, $operation['role'], true ) ) {
			throw new Siteagent_Exception( 'not_permitted', "$name with the keys of a $role" );
		}
		$given = array_diff( array_keys( get_object_vars( $document ) ), array( 'v', 'op', 'by', 'log', 'checkpoint' ) );
		$known = array_keys( $operation['schema'] );
		sort( $given );
		sort( $known );
		if ( $given !== $known || ! isset( $document->v, $document->by ) || Siteagent_HTTP_Signature::VERSION !== $document->v || ! self::matches_type( $document->by, 'text' )
			|| ! self::matches_type( isset( $document->log ) ? $document->log : null, 'head_or_null' )
			|| ! self::matches_type( isset( $document->checkpoint ) ? $document->checkpoint : null, 'object_or_null' ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', $name );
		}
		foreach ( $operation['schema'] as $argument => $kind ) {
			if ( ! self::matches_type( $document->$argument, $kind ) ) {
				throw new Siteagent_Exception( 'invalid_arguments', "$name $argument", array( 'argument' => $argument ) );
			}
		}
		return array( 'name' => $name ) + $operation;
	}

	/**
	 * Whether the operation needs more of WordPress than its database.
	 *
	 * @param array    $operation As validate() returned it.
	 * @param stdClass $document  The request body.
	 * @param int      $now       Unix time in seconds.
	 */
	public function needs_everything( array $operation, stdClass $document, int $now ): bool {
		return 'everything' === $operation['needs'] && ! ( 'report' === $operation['name'] && $this->last_report->is_current( $document->have, $now ) );
	}

	/**
	 * Runs an operation. The request was verified and validated before.
	 *
	 * @param string   $name     Name of the operation.
	 * @param stdClass $document The request body.
	 * @param string   $body     The exact bytes of the request body.
	 * @param array    $request  The verified request.
	 * @param int      $now      Unix time in seconds.
	 * @return array Response fields beside v, ok and op.
	 * @throws Siteagent_Exception When the operation rejects the request.
	 */
	public function run_operation( string $name, stdClass $document, string $body, array $request, int $now ): array {
		switch ( $name ) {
			case 'ping':
				return $this->answer_ping( $now );
			case 'report':
				Siteagent_File_Check::schedule_if_due( $now );
				return $this->answer_report( $document, $now ) + array( 'files_checked_at' => Siteagent_File_Check::checked_at() );
			case 'log':
				return $this->log_reader->entries_after( $document->after );
			case 'pair.hello':
				return $this->pairing->handle_hello( $document, $body, $now );
			case 'pair.confirm':
				return $this->pairing->handle_confirm( $request['keyid'], $document, $now );
			case 'keys.rotate':
				return $this->rotation->rotate( $document, $now );
			case 'revoke':
				return $this->pairing->handle_revoke( $document, $now );
		}
		return $this->run_update_operation( $name, $document, $request, $now );
	}

	/**
	 * Runs an operation about an update.
	 *
	 * @throws Siteagent_Exception When the operation rejects the request.
	 */
	private function run_update_operation( string $name, stdClass $document, array $request, int $now ): array {
		switch ( $name ) {
			case 'change.check':
				return ( $this->make_controller )()->check( $document, $now );
			case Siteagent_Update_Plan::CHANGE:
			case Siteagent_Update_Plan::UPDATE:
				return ( $this->make_controller )()->run( $name, $document, $request['created'], $now );
			case 'change.revert':
				return ( $this->make_revert )()->revert( $document, $request['created'], $now );
			case 'change.status':
				return ( $this->make_controller )()->status( $document, $now );
		}
		throw new Siteagent_Exception( 'unknown_operation', $name );
	}

	/**
	 * Answers a ping, and reports output that recently spoiled a response. That response itself could not say so.
	 */
	private function answer_ping( int $now ): array {
		$output = $this->log_reader->latest( 'output_started', HOUR_IN_SECONDS, $now );
		$answer = array(
			'time'   => $now,
			'plugin' => SITEAGENT_VERSION,
		);
		return null === $output ? $answer : $answer + array( 'output_started' => (string) $output['facts']['at'] );
	}

	/**
	 * Returns the report, or only its digest when the dashboard has the same one already.
	 */
	private function answer_report( stdClass $document, int $now ): array {
		if ( $this->last_report->is_current( $document->have, $now ) ) {
			return array(
				'digest'    => $document->have,
				'unchanged' => true,
			);
		}
		Siteagent_Report::load_admin_includes();
		$before   = $this->last_report->current_state();
		$reporter = ( $this->make_report )();
		$report   = $reporter->build();
		$digest   = $reporter->digest( $report );
		$this->last_report->store( $digest, $before, $now );
		if ( $digest === $document->have ) {
			return array(
				'digest'    => $digest,
				'unchanged' => true,
			);
		}
		return array(
			'digest' => $digest,
			'report' => $report,
		);
	}

	/**
	 * Whether a value has the given type.
	 *
	 * @param mixed  $value The value that was sent.
	 * @param string $kind  Name of the type.
	 */
	private static function matches_type( $value, string $kind ): bool {
		switch ( $kind ) {
			case 'hash_or_null':
				return null === $value || self::matches_type( $value, 'hash' );
			case 'hash':
				return is_string( $value ) && 1 === preg_match( '/^[0-9a-f]{64}\z/D', $value );
			case 'key':
				return is_string( $value ) && 1 === preg_match( '/^[A-Za-z0-9_-]{43}\z/D', $value );
			case 'text_or_null':
				return null === $value || self::matches_type( $value, 'text' );
			case 'text':
				return is_string( $value ) && strlen( $value ) <= 2100;
			case 'plan':
				return is_string( $value ) && strlen( $value ) <= 16000;
			case 'uuid':
				return is_string( $value ) && 1 === preg_match( '/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z/D', $value );
			case 'number':
				return is_int( $value ) && 0 <= $value;
			case 'object':
				return $value instanceof stdClass;
			case 'object_or_null':
				return null === $value || $value instanceof stdClass;
			case 'head_or_null':
				return null === $value || ( $value instanceof stdClass && isset( $value->n, $value->hash ) && is_int( $value->n ) && 0 <= $value->n && self::matches_type( $value->hash, 'hash' ) );
		}
		return false;
	}
}
