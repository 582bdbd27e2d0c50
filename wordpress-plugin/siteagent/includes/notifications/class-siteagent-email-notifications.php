<?php
/**
 * E-mail to the owner of the site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Notifies the owner when an update waits for approval, ran or was rolled back, and when the connection or its
 * permissions change.
 *
 * Sends from WP-Cron, because a mail server may be slow and the dashboard is waiting for its answer. Events of a few
 * minutes share one e-mail.
 */
final class Siteagent_Email_Notifications {

	/** The WP-Cron hook that sends. */
	const HOOK = 'siteagent_send_email';

	/** How long events are collected, so that ten updates make one e-mail. What waits for the owner is sent sooner. */
	const COLLECT_S           = 300;
	const COLLECT_APPROVALS_S = 60;

	/** When to try again after the site could not send, and how long. Afterwards only wp-admin and the log show the events. */
	const RETRY_S       = HOUR_IN_SECONDS;
	const RETRY_UNTIL_S = DAY_IN_SECONDS;

	/** The queued event of an update that waits for approval. It is not in the log: the update is shown instead. */
	const APPROVAL_REQUESTED = 'approval_requested';

	/** Logged events that the owner is notified of. */
	const LOGGED = array(
		'permissions_changed',
		'updates_paused',
		'updates_resumed',
		'update_window_changed',
		'min_age_changed',
		'exclusions_changed',
		'connected',
		'disconnected',
		'revoked',
		'notifications_changed',
		'checkpoint_refused',
	);

	/** Outcomes of updates and of restored copies that the owner is notified of. */
	const OUTCOMES = array( 'succeeded', 'rolled_back', 'failed' );

	/** @var Siteagent_Notification_Queue */
	private $queue;

	/** @var Siteagent_Pending_Approvals */
	private $approvals;

	public function __construct( Siteagent_Notification_Queue $queue, Siteagent_Pending_Approvals $approvals ) {
		$this->queue     = $queue;
		$this->approvals = $approvals;
	}

	/**
	 * Returns the address that e-mails are sent to: of the network's administrator on a network, because only they may
	 * decide about updates there.
	 */
	public static function recipient(): string {
		return (string) ( is_multisite() ? get_site_option( 'admin_email' ) : get_option( 'admin_email' ) );
	}

	/**
	 * Queues a logged event if the owner is to hear of it (action `siteagent_logged`).
	 */
	public function queue_logged( string $event, array $facts, string $actor ): void {
		$is_outcome = in_array( $event, array( 'update_answered', 'update_settled', 'restore_ended' ), true ) && isset( $facts['outcome'] ) && in_array( $facts['outcome'], self::OUTCOMES, true );
		if ( $is_outcome || in_array( $event, self::LOGGED, true ) ) {
			$this->enqueue( $event, $facts, $actor, self::COLLECT_S );
		}
	}

	/**
	 * Queues an update that now waits for approval (action `siteagent_approval_requested`).
	 */
	public function queue_approval_request(): void {
		$this->enqueue( self::APPROVAL_REQUESTED, array(), 'dashboard', self::COLLECT_APPROVALS_S );
	}

	/**
	 * Sends what is queued (WP-Cron hook `siteagent_send_email`).
	 */
	public function send( int $now ): void {
		$events  = $this->queue->take();
		$waiting = $this->approvals->waiting( $now );
		$logged  = array_filter(
			$events,
			static function ( array $event ): bool {
				return self::APPROVAL_REQUESTED !== $event['event'];
			}
		);
		$is_new  = count( $logged ) < count( $events );
		if ( array() === $logged && ( ! $is_new || array() === $waiting ) ) {
			return;
		}
		/**
		 * Filters an e-mail of SiteAgent before it is sent.
		 *
		 * @param array $email   to, subject and body.
		 * @param array $logged  The events it is about, each event, facts, actor and at.
		 * @param array $waiting The updates that wait for approval.
		 */
		$email = apply_filters( 'siteagent_notification_email', $this->compose( $logged, $waiting, $now ), $logged, $waiting );
		if ( ! wp_mail( $email['to'], $email['subject'], $email['body'] ) ) {
			$this->send_later( $events, $now );
		}
	}

	/**
	 * Queues events again that could not be sent, unless they are too old.
	 *
	 * @param array[] $events The events, oldest first.
	 * @param int     $now    Unix time in seconds.
	 */
	private function send_later( array $events, int $now ): void {
		$recent = array_filter(
			$events,
			static function ( array $event ) use ( $now ): bool {
				return $event['at'] > $now - self::RETRY_UNTIL_S;
			}
		);
		if ( array() !== $recent ) {
			$this->queue->put_back( array_values( $recent ) );
			wp_schedule_single_event( $now + self::RETRY_S, self::HOOK );
		}
	}

	/**
	 * @return array{to:string,subject:string,body:string}
	 */
	private function compose( array $logged, array $waiting, int $now ): array {
		$site  = wp_specialchars_decode( (string) get_option( 'blogname' ), ENT_QUOTES );
		$count = count( $waiting );
		/* translators: %s: number of updates */
		$subject = sprintf( _n( '%s update is waiting for your approval', '%s updates are waiting for your approval', $count, 'siteagent' ), number_format_i18n( $count ) );
		$subject = 0 === $count ? __( 'Activity on your site', 'siteagent' ) : $subject;
		$body    = array();
		if ( 0 < $count ) {
			$body[] = $subject . ':';
			foreach ( $waiting as $plan ) {
				/* translators: 1: an update, 2: date and time */
				$body[] = '* ' . sprintf( __( '%1$s (expires %2$s)', 'siteagent' ), Siteagent_Messages::update_label( $plan ), Siteagent_Messages::format_time( $plan['not_after'], $now ) );
			}
			$body[] = __( 'Approve or refuse:', 'siteagent' ) . ' ' . Siteagent_Settings_Page::url( array( 'tab' => 'permissions' ) );
			$body[] = '';
		}
		if ( array() !== $logged ) {
			/* translators: %s: address of this site */
			$body[] = sprintf( __( 'What happened on %s:', 'siteagent' ), home_url() );
			foreach ( $logged as $event ) {
				$body[] = '* ' . $this->describe( $event );
			}
			$body[] = __( 'Activity log:', 'siteagent' ) . ' ' . Siteagent_Settings_Page::url( array( 'tab' => 'log' ) );
			$body[] = '';
		}
		$body[] = __( 'SiteAgent sends these e-mails to the administrator’s address of this site.', 'siteagent' );
		$body[] = __( 'Turn them off:', 'siteagent' ) . ' ' . Siteagent_Settings_Page::url( array( 'tab' => 'permissions' ) );
		return array(
			'to'      => self::recipient(),
			/* translators: 1: name of the site, 2: what happened */
			'subject' => sprintf( __( '[%1$s] SiteAgent: %2$s', 'siteagent' ), $site, $subject ),
			'body'    => implode( "\n", $body ) . "\n",
		);
	}

	/**
	 * Returns an event in one line.
	 */
	private function describe( array $event ): string {
		$formatted = Siteagent_Log_Formatter::format( $event + array( 'seq' => 0 ) );
		$when      = (string) wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $event['at'] );
		$text      = trim( $formatted['what'] . ' ' . $formatted['detail'] );
		/* translators: 1: date and time, 2: what happened, 3: an account, or "Dashboard" */
		return sprintf( __( '%1$s: %2$s (%3$s)', 'siteagent' ), $when, $text, $formatted['who'] );
	}

	/**
	 * Queues an event and schedules an e-mail. Never throws: an update must not fail because of an e-mail about it.
	 *
	 * @param string $event   Name of the event.
	 * @param array  $facts   What the log holds about it.
	 * @param string $actor   Who acted, as in the log.
	 * @param int    $delay_s When to send, in seconds from now.
	 */
	private function enqueue( string $event, array $facts, string $actor, int $delay_s ): void {
		try {
			if ( ! $this->queue->is_enabled() ) {
				return;
			}
			$this->queue->add(
				array(
					'event' => $event,
					'facts' => $facts,
					'actor' => $actor,
					'at'    => time(),
				)
			);
			wp_schedule_single_event( time() + $delay_s, self::HOOK );
		} catch ( Throwable $error ) {
			error_log( 'SiteAgent: no e-mail was scheduled: ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
		}
	}
}
