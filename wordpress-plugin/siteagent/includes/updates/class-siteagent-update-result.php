<?php
/**
 * The result of an update: outcome, reason and evidence.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Collects evidence while an update runs. It has the same fields for every outcome.
 */
final class Siteagent_Update_Result {

	/** @var array */
	private $evidence;

	/**
	 * @param array|null $before version, active, probe; null when nothing was checked.
	 */
	public function __construct( ?array $before = null ) {
		$before         = null === $before ? self::state( null, null, null ) : self::state( $before['version'], $before['active'], $before['probe'] );
		$this->evidence = array(
			'before'         => $before,
			'during'         => null,
			'after'          => $before,
			'package_sha256' => null,
			'package_host'   => null,
			'tree_sha256'    => null,
			'took_ms'        => 0,
			'messages'       => array(),
			'kept_copy'      => false,
			'watched_until'  => null,
			'stale_code'     => false,
		);
	}

	/**
	 * @param string $name  One of the fields above.
	 * @param mixed  $value Its value.
	 */
	public function set( string $name, $value ): void {
		$this->evidence[ $name ] = $value;
	}

	/**
	 * Sets the state of the component at the end, read from disk and database.
	 */
	public function set_after( Siteagent_Component $component, ?string $probe ): void {
		$this->evidence['after'] = self::state( $component->version(), $component->is_active(), $probe );
	}

	/**
	 * Sets the state of the component with the new version, when that was rolled back.
	 *
	 * @param string|null $version Version on disk.
	 * @param bool|null   $active  Whether it was active.
	 * @param string|null $probe   Result of the site's pages.
	 * @param string      $error   The error of a page; empty without one.
	 */
	public function set_during( ?string $version, ?bool $active, ?string $probe, string $error ): void {
		$this->evidence['during'] = self::state( $version, $active, $probe ) + array( 'error' => '' === $error ? null : $error );
	}

	/**
	 * @return array{version:?string,active:?bool,probe:?string}
	 */
	public function after(): array {
		return $this->evidence['after'];
	}

	/**
	 * @return array{version:?string,active:?bool,probe:?string}
	 */
	public function before(): array {
		return $this->evidence['before'];
	}

	/**
	 * Returns the answer of change.run.
	 *
	 * @return array{outcome:string,reason:?string,evidence:array}
	 */
	public function to_array( string $outcome, ?string $reason ): array {
		return array(
			'outcome'  => $outcome,
			'reason'   => $reason,
			'evidence' => $this->evidence,
		);
	}

	private static function state( ?string $version, ?bool $active, ?string $probe ): array {
		return array(
			'version' => $version,
			'active'  => $active,
			'probe'   => $probe,
		);
	}
}
