<?php
/**
 * Texts about the limits of updates.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Describes a pause, a window and exclusions in words, for wp-admin, the activity log and the terminal.
 */
final class Siteagent_Limits_Texts {

	/**
	 * Returns the rules for a plugin or theme, from the least strict to the strictest.
	 *
	 * @return array<string,string> By rule.
	 */
	public static function release_rules(): array {
		return array(
			Siteagent_Update_Limits::ALL_RELEASES => __( 'All releases', 'siteagent' ),
			Siteagent_Update_Limits::PATCH_ONLY   => __( 'Patch releases only', 'siteagent' ),
			Siteagent_Update_Limits::NONE         => __( 'Never', 'siteagent' ),
		);
	}

	/**
	 * Returns why a pause in wp-config.php cannot be ended in wp-admin or at the terminal.
	 */
	public static function read_only(): string {
		return __( 'Updates are paused in wp-config.php. To resume them, remove the constant SITEAGENT_READ_ONLY there. They cannot be resumed here.', 'siteagent' );
	}

	/**
	 * Returns since when and by whom updates are paused.
	 *
	 * @param array $pause As Siteagent_Update_Limits::pause() returned it.
	 * @param int   $now   Unix time in seconds.
	 */
	public static function pause( array $pause, int $now ): string {
		if ( null === $pause['at'] ) {
			return self::read_only();
		}
		/* translators: 1: date and time, 2: an account, or "WP-CLI" */
		return sprintf( __( 'Updates have been paused since %1$s, by %2$s.', 'siteagent' ), Siteagent_Messages::format_time( $pause['at'], $now ), Siteagent_Log_Formatter::actor_name( $pause['by'] ) );
	}

	/**
	 * Returns when updates may start.
	 *
	 * @param array $window As Siteagent_Update_Window::to_array() returned it; empty for any time.
	 */
	public static function window( array $window ): string {
		if ( ! isset( $window['days'], $window['from_hour'], $window['to_hour'] ) || ! is_array( $window['days'] ) ) {
			return __( 'any time', 'siteagent' );
		}
		$days = count( $window['days'] ) === 7 ? __( 'every day', 'siteagent' ) : implode( wp_get_list_item_separator(), array_intersect_key( self::weekdays(), array_flip( $window['days'] ) ) );
		/* translators: 1: days of the week, 2: an hour, such as 02:00, 3: an hour, 4: a time zone */
		return sprintf( __( '%1$s, from %2$s to %3$s (%4$s)', 'siteagent' ), $days, self::hour( (int) $window['from_hour'] ), self::hour( (int) $window['to_hour'] ), self::time_zone() );
	}

	/**
	 * Returns how old a release has to be.
	 *
	 * @param int $hours 0 for any age.
	 */
	public static function min_age( int $hours ): string {
		if ( 0 === $hours ) {
			return __( 'any age', 'siteagent' );
		}
		/* translators: %d: a number of hours */
		return sprintf( _n( '%d hour', '%d hours', $hours, 'siteagent' ), $hours );
	}

	/**
	 * Returns exclusions that were changed.
	 *
	 * @param array[] $changed Each with kind, id and after.
	 */
	public static function exclusions( array $changed ): string {
		$rules = self::release_rules();
		$parts = array();
		foreach ( $changed as $change ) {
			if ( is_array( $change ) && Siteagent_Log_Formatter::has_texts( $change, array( 'kind', 'id', 'after' ) ) && isset( $rules[ $change['after'] ] ) ) {
				$parts[] = self::component_name( $change['kind'], $change['id'] ) . ': ' . $rules[ $change['after'] ];
			}
		}
		return implode( ' · ', $parts );
	}

	/**
	 * Returns the short name of a plugin or theme, without its main file.
	 */
	public static function component_name( string $kind, string $id ): string {
		return 'plugin' === $kind && '.' !== dirname( $id ) ? dirname( $id ) : $id;
	}

	/**
	 * Returns the names of the days of the week.
	 *
	 * @return array<int,string> From 1 (Monday) to 7.
	 */
	public static function weekdays(): array {
		global $wp_locale;
		$names = array();
		foreach ( range( 1, 7 ) as $day ) {
			$names[ $day ] = $wp_locale->get_weekday( $day % 7 );
		}
		return $names;
	}

	/**
	 * Returns the time zone of this site, such as "Europe/Berlin" or "UTC+05:30".
	 */
	public static function time_zone(): string {
		return (string) preg_replace( '/^(?=[+-])/', 'UTC', wp_timezone_string() );
	}

	/**
	 * Returns an hour as on a clock with 24 hours, such as 02:00.
	 */
	public static function hour( int $hour ): string {
		return sprintf( '%02d:00', $hour );
	}
}
