<?php
/**
 * The days and hours in which updates may start.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Hours of some days of the week, on the clocks of this site. The dashboard reads them the same way
 * (app/domain/changes/change_times.py).
 */
final class Siteagent_Update_Window {

	/** @var int[] */
	private $days;

	/** @var int */
	private $from_hour;

	/** @var int */
	private $to_hour;

	/**
	 * @param int[] $days      1 (Monday) to 7.
	 * @param int   $from_hour The first hour, 0 to 23.
	 * @param int   $to_hour   The hour at which it ends, 1 to 24. If it is not after the first one, the hours cross
	 *                         midnight and belong to the day on which they begin.
	 * @throws InvalidArgumentException When these are no days and hours.
	 */
	public function __construct( array $days, int $from_hour, int $to_hour ) {
		$days = array_values( array_unique( $days ) );
		sort( $days );
		if ( array() === $days || array() !== array_diff( $days, range( 1, 7 ) ) || $from_hour < 0 || $from_hour > 23 || $to_hour < 1 || $to_hour > 24 || $from_hour === $to_hour ) {
			throw new InvalidArgumentException( 'These are no days and hours.' );
		}
		$this->days      = $days;
		$this->from_hour = $from_hour;
		$this->to_hour   = $to_hour;
	}

	/**
	 * Whether an update may start at this time.
	 *
	 * When clocks are put forward, hours that do not exist are left out. When they are put back, an hour that occurs
	 * twice is open twice, unless it is the end.
	 *
	 * @param int          $now  Unix time in seconds.
	 * @param DateTimeZone $zone The zone of the site.
	 */
	public function is_open( int $now, DateTimeZone $zone ): bool {
		$today = ( new DateTimeImmutable( '@' . $now ) )->setTimezone( $zone );
		foreach ( array( $today, $today->modify( '-1 day' ) ) as $day ) {
			if ( ! in_array( (int) $day->format( 'N' ), $this->days, true ) ) {
				continue;
			}
			$last_day = $this->to_hour > $this->from_hour ? $day : $day->modify( '+1 day' );
			if ( self::at_hour( $day, $this->from_hour ) <= $now && $now < self::at_hour( $last_day, $this->to_hour ) ) {
				return true;
			}
		}
		return false;
	}

	/**
	 * @return array{days:int[],from_hour:int,to_hour:int}
	 */
	public function to_array(): array {
		return array(
			'days'      => $this->days,
			'from_hour' => $this->from_hour,
			'to_hour'   => $this->to_hour,
		);
	}

	/**
	 * Returns the first moment at which a clock shows this hour; 24 is the next midnight.
	 */
	private static function at_hour( DateTimeImmutable $day, int $hour ): int {
		$zone = $day->getTimezone();
		$at   = ( new DateTimeImmutable( $day->format( 'Y-m-d' ) . sprintf( ' %02d:00', $hour ), $zone ) )->getTimestamp();
		// PHP's versions differ in which of two equal hours they find when clocks are put back.
		return self::clock_at( $at - 3600, $zone ) === self::clock_at( $at, $zone ) ? $at - 3600 : $at;
	}

	/**
	 * Returns the day and the hour that a clock shows.
	 */
	private static function clock_at( int $at, DateTimeZone $zone ): string {
		return ( new DateTimeImmutable( '@' . $at ) )->setTimezone( $zone )->format( 'Y-m-d H' );
	}
}
