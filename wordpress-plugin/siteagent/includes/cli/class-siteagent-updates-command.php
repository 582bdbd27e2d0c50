<?php
/**
 * The WP-CLI commands wp siteagent pause, resume and status.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Pauses and resumes updates by the dashboard.
 */
final class Siteagent_Updates_Command {

	/** @var Siteagent_Update_Limits */
	private $limits;

	/** @var Siteagent_Limit_Decisions */
	private $decisions;

	public function __construct( Siteagent_Update_Limits $limits, Siteagent_Limit_Decisions $decisions ) {
		$this->limits    = $limits;
		$this->decisions = $decisions;
	}

	/**
	 * Pauses all updates by the dashboard. Reports go on.
	 *
	 * ## OPTIONS
	 *
	 * [--reason=<text>]
	 * : Why. The dashboard shows it.
	 *
	 * ## EXAMPLES
	 *
	 *     wp siteagent pause --reason="Summer sale until Sunday"
	 *
	 * @param string[] $arguments None.
	 * @param string[] $options   By name.
	 */
	public function pause( array $arguments, array $options ): void {
		$reason = isset( $options['reason'] ) ? (string) $options['reason'] : '';
		if ( Siteagent_Limit_Decisions::UNCHANGED === $this->decisions->pause( $reason, self::actor() ) ) {
			WP_CLI::warning( __( 'Updates were paused already.', 'siteagent' ) );
			return;
		}
		WP_CLI::success( __( 'Updates paused.', 'siteagent' ) );
	}

	/**
	 * Resumes updates by the dashboard.
	 *
	 * ## EXAMPLES
	 *
	 *     wp siteagent resume
	 */
	public function resume(): void {
		if ( Siteagent_Update_Limits::is_read_only() ) {
			WP_CLI::error( Siteagent_Limits_Texts::read_only() );
		}
		if ( Siteagent_Limit_Decisions::UNCHANGED === $this->decisions->resume( self::actor() ) ) {
			WP_CLI::warning( __( 'Updates were not paused.', 'siteagent' ) );
			return;
		}
		WP_CLI::success( __( 'Updates resumed.', 'siteagent' ) );
	}

	/**
	 * Shows whether updates are paused, when they may start, and how old a release has to be. Exits with status 1 while they are paused.
	 *
	 * ## EXAMPLES
	 *
	 *     wp siteagent status
	 */
	public function status(): void {
		$pause = $this->limits->pause();
		WP_CLI::line( null === $pause ? __( 'Updates are not paused.', 'siteagent' ) : Siteagent_Limits_Texts::pause( $pause, time() ) );
		if ( null !== $pause && '' !== $pause['reason'] ) {
			/* translators: %s: text of the person who paused updates */
			WP_CLI::line( sprintf( __( 'Reason: %s', 'siteagent' ), $pause['reason'] ) );
		}
		$window = $this->limits->window();
		/* translators: %s: days and hours, or "any time" */
		WP_CLI::line( sprintf( __( 'Updates may start: %s', 'siteagent' ), Siteagent_Limits_Texts::window( null === $window ? array() : $window->to_array() ) ) );
		/* translators: %s: a number of hours, or "any age" */
		WP_CLI::line( sprintf( __( 'Releases have to be known for: %s', 'siteagent' ), Siteagent_Limits_Texts::min_age( $this->limits->min_age_hours() ) ) );
		if ( null !== $pause ) {
			WP_CLI::halt( 1 );
		}
	}

	/**
	 * Returns who acts: the account in --user, or else the person at the terminal.
	 */
	private static function actor(): string {
		return 0 < get_current_user_id() ? 'user:' . get_current_user_id() : 'terminal';
	}
}
