<?php
/**
 * How the owner of this site limits updates by the dashboard.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * A pause of all updates, the time in which they may start, exclusions of single plugins and themes, and how old a
 * release has to be.
 *
 * They come on top of the permissions and can only refuse. They are kept apart from the connection, so that a new
 * pairing does not lift them. Only wp-admin and the terminal set them (Siteagent_Limit_Decisions), never an
 * operation.
 */
final class Siteagent_Update_Limits {

	/** Where they are stored. */
	const KEY = 'limits';

	/** Which updates of a plugin or theme may be installed, from the least strict to the strictest. */
	const ALL_RELEASES  = 'all';
	const PATCH_ONLY    = 'patch';
	const NONE          = 'none';
	const RELEASE_RULES = array( self::ALL_RELEASES, self::PATCH_ONLY, self::NONE );

	/** Kinds of components that can be excluded. */
	const KINDS = array( 'plugin', 'theme' );

	/** Reasons of a refusal, as in docs/PROTOCOL.md section 3.3. */
	const PAUSED          = 'paused_by_owner';
	const OUTSIDE_HOURS   = 'outside_owner_window';
	const EXCLUDED        = 'excluded_by_owner';
	const NOT_A_PATCH     = 'not_a_patch_release';
	const RELEASE_UNCLEAR = 'release_unclear';
	const TOO_NEW         = 'release_too_new';

	/** The greatest age that a release can be required to have. */
	const MAX_AGE_HOURS = 90 * 24;

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var Siteagent_Release_Sights */
	private $sights;

	public function __construct( Siteagent_Option_Store $store, Siteagent_Release_Sights $sights ) {
		$this->store  = $store;
		$this->sights = $sights;
	}

	/**
	 * Whether wp-config.php pauses updates, so that neither wp-admin nor the terminal can resume them.
	 */
	public static function is_read_only(): bool {
		return defined( 'SITEAGENT_READ_ONLY' ) && SITEAGENT_READ_ONLY;
	}

	/**
	 * Returns the pause; null while updates may run.
	 *
	 * @return array{at:int|null,by:string,reason:string}|null When, by whom as in the log, and why. A pause by
	 *         wp-config.php has none of these.
	 */
	public function pause(): ?array {
		return self::pause_in( $this->store->read() );
	}

	/**
	 * Returns when updates may start; null for any time.
	 */
	public function window(): ?Siteagent_Update_Window {
		return self::window_in( $this->store->read() );
	}

	/**
	 * Returns the rules that were set in wp-admin.
	 *
	 * @return array<string,array<string,string>> PATCH_ONLY or NONE, by kind and id.
	 */
	public function exclusions(): array {
		return self::exclusions_in( $this->store->read() );
	}

	/**
	 * Returns which updates of a component may be installed.
	 *
	 * @param string $kind Kind of the component.
	 * @param string $id   Its id.
	 * @return string ALL_RELEASES, PATCH_ONLY or NONE.
	 */
	public function release_rule( string $kind, string $id ): string {
		return self::rule_in( $this->store->read(), $kind, $id );
	}

	/**
	 * Returns how old a release has to be, in hours, since this site first saw it; 0 for any age.
	 */
	public function min_age_hours(): int {
		return self::min_age_in( $this->store->read() );
	}

	/**
	 * Returns when this site first saw each release.
	 */
	public function sights(): Siteagent_Release_Sights {
		return $this->sights;
	}

	/**
	 * Returns what forbids an update in all hours of the day; null if nothing does.
	 *
	 * @param Siteagent_Update_Item $item The update.
	 * @param int                   $now  Unix time in seconds.
	 */
	public function lasting_reason( Siteagent_Update_Item $item, int $now ): ?string {
		$data = $this->store->read_now();
		if ( null !== self::pause_in( $data ) ) {
			return self::PAUSED;
		}
		$reason = self::exclusion_reason( $data, $item );
		return null === $reason ? $this->age_reason( $data, $item, $now ) : $reason;
	}

	/**
	 * Returns what forbids an update now; null if nothing does. Reads the database again, because the owner may have
	 * decided a moment ago.
	 *
	 * @param Siteagent_Update_Item $item The update.
	 * @param int                   $now  Unix time in seconds.
	 */
	public function refusal_reason( Siteagent_Update_Item $item, int $now ): ?string {
		$data   = $this->store->read_now();
		$window = self::window_in( $data );
		if ( null !== self::pause_in( $data ) ) {
			return self::PAUSED;
		}
		if ( null !== $window && ! $window->is_open( $now, wp_timezone() ) ) {
			return self::OUTSIDE_HOURS;
		}
		$reason = self::exclusion_reason( $data, $item );
		return null === $reason ? $this->age_reason( $data, $item, $now ) : $reason;
	}

	/**
	 * Returns "limits" of the report. Nothing in it depends on the time.
	 */
	public function for_report(): array {
		$pause  = $this->pause();
		$window = $this->window();
		return array(
			'paused'        => null !== $pause,
			'read_only'     => self::is_read_only(),
			'paused_at'     => null === $pause ? null : $pause['at'],
			'reason'        => null === $pause ? '' : $pause['reason'],
			'min_age_hours' => $this->min_age_hours(),
			'window'        => ( null === $window ? array() : $window->to_array() ) + array( 'time_zone' => wp_timezone_string() ),
		);
	}

	private static function pause_in( array $data ): ?array {
		if ( self::is_read_only() ) {
			return array(
				'at'     => null,
				'by'     => '',
				'reason' => '',
			);
		}
		return isset( $data[ self::KEY ]['pause'] ) ? $data[ self::KEY ]['pause'] : null;
	}

	private static function window_in( array $data ): ?Siteagent_Update_Window {
		if ( ! isset( $data[ self::KEY ]['window'] ) ) {
			return null;
		}
		$window = $data[ self::KEY ]['window'];
		return new Siteagent_Update_Window( $window['days'], $window['from_hour'], $window['to_hour'] );
	}

	private static function min_age_in( array $data ): int {
		return isset( $data[ self::KEY ]['min_age'] ) ? (int) $data[ self::KEY ]['min_age'] : 0;
	}

	private static function exclusions_in( array $data ): array {
		return ( isset( $data[ self::KEY ]['exclusions'] ) ? $data[ self::KEY ]['exclusions'] : array() ) + array_fill_keys( self::KINDS, array() );
	}

	private static function rule_in( array $data, string $kind, string $id ): string {
		if ( ! in_array( $kind, self::KINDS, true ) ) {
			return self::ALL_RELEASES;
		}
		$exclusions = self::exclusions_in( $data );
		$set        = isset( $exclusions[ $kind ][ $id ] ) ? $exclusions[ $kind ][ $id ] : self::ALL_RELEASES;
		/**
		 * Filters which updates of a plugin or theme the dashboard may install. The stricter of this and what was set in
		 * wp-admin applies.
		 *
		 * @param string $rule 'all', 'patch' (patch releases only) or 'none', as set in wp-admin. Any other result counts
		 *                     as 'none'.
		 * @param string $kind 'plugin' or 'theme'.
		 * @param string $id   The plugin's file, such as "akismet/akismet.php", or the theme's folder.
		 */
		$filtered = apply_filters( 'siteagent_release_rule', $set, $kind, $id );
		$strength = array_flip( self::RELEASE_RULES );
		$filtered = is_string( $filtered ) && isset( $strength[ $filtered ] ) ? $filtered : self::NONE;
		return self::RELEASE_RULES[ max( $strength[ $set ], $strength[ $filtered ] ) ];
	}

	/**
	 * Refuses a release that is younger than the owner demands, or that this site has never seen. What the plan says
	 * about its age does not count.
	 */
	private function age_reason( array $data, Siteagent_Update_Item $item, int $now ): ?string {
		$hours = self::min_age_in( $data );
		if ( 0 === $hours || ! isset( Siteagent_Release_Sights::TRANSIENTS[ $item->kind() ] ) ) {
			return null;
		}
		$seen = $this->sights->first_seen( $item->kind(), $item->id(), $item->to() );
		return null !== $seen && $now >= $seen + $hours * HOUR_IN_SECONDS ? null : self::TOO_NEW;
	}

	private static function exclusion_reason( array $data, Siteagent_Update_Item $item ): ?string {
		$rule = self::rule_in( $data, $item->kind(), $item->id() );
		if ( self::ALL_RELEASES === $rule ) {
			return null;
		}
		if ( self::NONE === $rule ) {
			return self::EXCLUDED;
		}
		$is_patch = Siteagent_Release_Type::is_patch( $item->from(), $item->to() );
		if ( null === $is_patch ) {
			return self::RELEASE_UNCLEAR;
		}
		return $is_patch ? null : self::NOT_A_PATCH;
	}
}
