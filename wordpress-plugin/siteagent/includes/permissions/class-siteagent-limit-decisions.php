<?php
/**
 * Decisions of an administrator about the limits of updates.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores and logs each decision, and notifies the dashboard. No operation of the dashboard calls this.
 *
 * Each method returns UNCHANGED, or SENT if the dashboard was notified, or else SAVED.
 */
final class Siteagent_Limit_Decisions {

	const UNCHANGED = 'unchanged';
	const SAVED     = 'saved';
	const SENT      = 'sent';

	/** Longer reasons are cut. */
	const MAX_REASON = 200;

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var Siteagent_Update_Limits */
	private $limits;

	/** @var Siteagent_Permissions_Notice */
	private $notice;

	/** @var Siteagent_Audit_Log */
	private $log;

	public function __construct(
		Siteagent_Option_Store $store,
		Siteagent_Update_Limits $limits,
		Siteagent_Permissions_Notice $notice,
		Siteagent_Audit_Log $log
	) {
		$this->store  = $store;
		$this->limits = $limits;
		$this->notice = $notice;
		$this->log    = $log;
	}

	/**
	 * Pauses all updates by the dashboard.
	 *
	 * @param string $reason Shown in the dashboard. May be empty.
	 * @param string $actor  Who pauses, as stored in the log.
	 */
	public function pause( string $reason, string $actor ): string {
		$pause = array(
			'at'     => time(),
			'by'     => $actor,
			'reason' => mb_substr( sanitize_text_field( $reason ), 0, self::MAX_REASON, 'UTF-8' ),
		);
		return $this->replace(
			'pause',
			static function ( $present ) use ( $pause ): array {
				return is_array( $present ) ? $present : $pause;
			},
			function () use ( $pause, $actor ): void {
				$this->log->append( 'updates_paused', array_filter( array( 'pause_reason' => $pause['reason'] ) ), $actor );
			}
		);
	}

	/**
	 * Resumes updates. A pause in wp-config.php stays, and nothing changes then.
	 *
	 * @param string $actor Who resumes, as stored in the log.
	 */
	public function resume( string $actor ): string {
		if ( Siteagent_Update_Limits::is_read_only() ) {
			return self::UNCHANGED;
		}
		return $this->replace(
			'pause',
			'__return_null',
			function () use ( $actor ): void {
				$this->log->append( 'updates_resumed', array(), $actor );
			}
		);
	}

	/**
	 * Sets when updates may start.
	 *
	 * @param Siteagent_Update_Window|null $window Null for any time.
	 * @param string                       $actor  The administrator, as stored in the log.
	 */
	public function save_window( ?Siteagent_Update_Window $window, string $actor ): string {
		$before = $this->limits->window();
		$facts  = array(
			'before' => null === $before ? array() : $before->to_array(),
			'after'  => null === $window ? array() : $window->to_array(),
		);
		return $this->replace(
			'window',
			static function () use ( $window ): ?array {
				return null === $window ? null : $window->to_array();
			},
			function () use ( $facts, $actor ): void {
				$this->log->append( 'update_window_changed', $facts, $actor );
			}
		);
	}

	/**
	 * Sets which updates of plugins and themes may be installed.
	 *
	 * @param array<string,array<string,string>> $rules Rules by kind and id. Components that are not named keep theirs.
	 * @param string                             $actor The administrator, as stored in the log.
	 */
	public function save_exclusions( array $rules, string $actor ): string {
		$after   = array();
		$changed = array();
		foreach ( $this->limits->exclusions() as $kind => $present ) {
			$named = isset( $rules[ $kind ] ) ? array_intersect( $rules[ $kind ], Siteagent_Update_Limits::RELEASE_RULES ) : array();
			foreach ( $named as $id => $rule ) {
				$before = isset( $present[ $id ] ) ? $present[ $id ] : Siteagent_Update_Limits::ALL_RELEASES;
				if ( $rule !== $before ) {
					$changed[] = array(
						'kind'   => $kind,
						'id'     => (string) $id,
						'before' => $before,
						'after'  => $rule,
					);
				}
			}
			$after[ $kind ] = array_diff( $named + $present, array( Siteagent_Update_Limits::ALL_RELEASES ) );
			ksort( $after[ $kind ] );
		}
		return $this->replace(
			'exclusions',
			static function () use ( $after ): ?array {
				return array() === array_filter( $after ) ? null : $after;
			},
			function () use ( $changed, $actor ): void {
				$this->log->append( 'exclusions_changed', array( 'changed' => $changed ), $actor );
			}
		);
	}

	/**
	 * Sets how old a release has to be before the dashboard can install it.
	 *
	 * @param int    $hours 0 for any age, at most Siteagent_Update_Limits::MAX_AGE_HOURS.
	 * @param string $actor The administrator, as stored in the log.
	 */
	public function save_min_age( int $hours, string $actor ): string {
		$before = $this->limits->min_age_hours();
		return $this->replace(
			'min_age',
			static function () use ( $hours ): ?int {
				return 0 === $hours ? null : $hours;
			},
			function () use ( $before, $hours, $actor ): void {
				$this->log->append( 'min_age_changed', array( 'hours_before' => $before, 'hours' => $hours ), $actor );
			}
		);
	}

	/**
	 * Replaces one limit, logs that it changed and notifies the dashboard.
	 *
	 * @param string   $name Its name.
	 * @param callable $edit fn( array|int|null $present ): array|int|null. Null removes the limit.
	 * @param callable $log  fn(): void writes the log entry.
	 */
	private function replace( string $name, callable $edit, callable $log ): string {
		$is_changed = $this->store->change(
			static function ( array $data ) use ( $name, $edit ): ?array {
				$limits  = isset( $data[ Siteagent_Update_Limits::KEY ] ) ? $data[ Siteagent_Update_Limits::KEY ] : array();
				$present = isset( $limits[ $name ] ) ? $limits[ $name ] : null;
				$next    = $edit( $present );
				if ( $next === $present ) {
					return null;
				}
				$data[ Siteagent_Update_Limits::KEY ] = array_filter( array( $name => $next ) + $limits );
				return $data;
			}
		);
		if ( ! $is_changed ) {
			return self::UNCHANGED;
		}
		$log();
		return $this->notice->send() ? self::SENT : self::SAVED;
	}
}
