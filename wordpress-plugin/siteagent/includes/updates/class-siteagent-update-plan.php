<?php
/**
 * The signed plan of an update (docs/PROTOCOL.md section 3.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Holds exactly what a person approved in the dashboard. Its signature was verified before.
 */
final class Siteagent_Update_Plan {

	/** Operations that run a plan. */
	const CHANGE = 'change.run';
	const UPDATE = 'agent.update';
	const NAMES  = array( self::CHANGE, self::UPDATE );

	/** Longest period of a plan. The dashboard offers two weeks. */
	const MAX_DURATION_S = 31 * 86400;

	const APPROVAL_KINDS = array( 'second_person', 'self_confirmed', 'client', 'auto_update_rule' );

	/** @var Siteagent_Signed_Plan */
	private $plan;

	/** @var Siteagent_Update_Item */
	private $item;

	/** @var string */
	private $op_id;

	/**
	 * @throws Siteagent_Exception invalid_arguments when a required field is missing or malformed.
	 */
	public function __construct( Siteagent_Signed_Plan $plan ) {
		$item        = $plan->get( 'item' );
		$environment = $plan->get( 'pre' );
		$approval    = $plan->get( 'approval' );
		$this->require_field(
			'item',
			$item instanceof stdClass
				&& $this->is_text( $item, 'package_host' )
				&& property_exists( $item, 'package_sha256' )
				&& $this->is_hash_or_null( $item->package_sha256 )
				&& $this->is_hash_or_null( self::tree_of( $item ) )
		);
		$this->require_field( 'release', null === $plan->get( 'release' ) || $this->is_release( $plan->get( 'release' ) ) );
		$this->require_field( 'pre', $environment instanceof stdClass && $this->is_text( $environment, 'wp' ) && $this->is_text( $environment, 'php' ) );
		$this->require_field( 'approval', $approval instanceof stdClass && $this->is_text( $approval, 'by' ) && isset( $approval->how ) && in_array( $approval->how, self::APPROVAL_KINDS, true ) );
		$this->require_field( 'not_before', is_int( $plan->get( 'not_before' ) ) );
		$this->require_field( 'not_after', is_int( $plan->get( 'not_after' ) ) && $plan->get( 'not_after' ) - $plan->get( 'not_before' ) <= self::MAX_DURATION_S );
		$this->require_field( 'home', is_string( $plan->get( 'home' ) ) );
		$this->plan  = $plan;
		$this->item  = new Siteagent_Update_Item( $item );
		$this->op_id = (string) $plan->get( 'op_id' );
	}

	public function op_id(): string {
		return $this->op_id;
	}

	/**
	 * Returns the operation of the plan.
	 */
	public function name(): string {
		return (string) $this->plan->get( 'do' );
	}

	/**
	 * Returns the digest that op_id and approval are bound to. Raw bytes.
	 */
	public function digest(): string {
		return Siteagent_Signed_Plan::digest( $this->plan->bytes() );
	}

	public function item(): Siteagent_Update_Item {
		return $this->item;
	}

	public function home(): string {
		return $this->plan->get( 'home' );
	}

	public function is_open( int $now ): bool {
		return $this->plan->get( 'not_before' ) <= $now && $now <= $this->plan->get( 'not_after' );
	}

	public function not_after(): int {
		return $this->plan->get( 'not_after' );
	}

	/**
	 * @return array{wp:string,php:string} Versions of the site when the plan was made.
	 */
	public function environment(): array {
		$environment = $this->plan->get( 'pre' );
		return array(
			'wp'  => $environment->wp,
			'php' => $environment->php,
		);
	}

	public function package_host(): string {
		return strtolower( $this->plan->get( 'item' )->package_host );
	}

	public function package_sha256(): ?string {
		return $this->plan->get( 'item' )->package_sha256;
	}

	/**
	 * Returns the digest of the files that the package leaves; null if the plan names none.
	 */
	public function tree_sha256(): ?string {
		return self::tree_of( $this->plan->get( 'item' ) );
	}

	/**
	 * @return mixed The field as received; dashboards that do not know it leave it out.
	 */
	private static function tree_of( stdClass $item ) {
		return isset( $item->tree_sha256 ) ? $item->tree_sha256 : null;
	}

	/**
	 * Returns who approved the plan, as the dashboard names them.
	 */
	public function approved_by(): string {
		return $this->plan->get( 'approval' )->by;
	}

	private function require_field( string $field, bool $is_valid ): void {
		if ( ! $is_valid ) {
			throw new Siteagent_Exception( 'invalid_arguments', "the plan's $field", array( 'argument' => $field ) );
		}
	}

	/**
	 * Whether this is what the dashboard knows of the age of a release. It is recorded with the plan and decides nothing:
	 * the minimum age of the owner counts from when this site saw the release.
	 *
	 * @param mixed $value The value as received. Dashboards that do not know the field leave it out.
	 */
	private function is_release( $value ): bool {
		foreach ( array( 'first_seen_at', 'released_at' ) as $field ) {
			if ( ! $value instanceof stdClass || ! property_exists( $value, $field ) || ! ( null === $value->$field || is_int( $value->$field ) ) ) {
				return false;
			}
		}
		return true;
	}

	private function is_text( stdClass $part, string $field ): bool {
		return isset( $part->$field ) && is_string( $part->$field );
	}

	/**
	 * @param mixed $value The value as received.
	 */
	private function is_hash_or_null( $value ): bool {
		return null === $value || ( is_string( $value ) && 1 === preg_match( '/^[0-9a-f]{64}\z/D', $value ) );
	}
}
