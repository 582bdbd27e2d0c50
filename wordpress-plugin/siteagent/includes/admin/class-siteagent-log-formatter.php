<?php
/**
 * Texts for entries of the audit log.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Describes what an entry records and who acted.
 */
final class Siteagent_Log_Formatter {

	/**
	 * @param array $entry As Siteagent_Audit_Log::recent() returned it.
	 * @return array{seq:int,at:int,what:string,detail:string,who:string}
	 */
	public static function format( array $entry ): array {
		$labels = self::event_labels();
		$event     = $entry['event'];
		$what      = isset( $labels[ $event ] ) ? $labels[ $event ] : ucfirst( str_replace( array( '_', '.' ), ' ', $event ) );
		return array(
			'seq'    => $entry['seq'],
			'at'     => $entry['at'],
			'what'   => $what,
			'detail' => self::format_facts( $entry['facts'] ),
			'who'    => self::actor_name( $entry['actor'] ),
		);
	}

	private static function event_labels(): array {
		return array(
			'token_accepted'   => __( 'Agreed to connect this site.', 'siteagent' ),
			'token_cancelled'  => __( 'Cancelled the token before the dashboard called.', 'siteagent' ),
			'connected'        => __( 'Connected: both sides have the same keys.', 'siteagent' ),
			'disconnected'     => __( 'Disconnected this site; the keys were deleted.', 'siteagent' ),
			'revoked'          => __( 'The dashboard ended the connection; the keys were deleted.', 'siteagent' ),
			'rotation_agreed'  => __( 'Agreed with the dashboard on new keys.', 'siteagent' ),
			'keys_rotated'     => __( 'The new keys are in use; the old ones were deleted.', 'siteagent' ),
			'move_announced'   => __( 'Asked the dashboard to follow this site to its new address.', 'siteagent' ),
			'stays_silent'     => __( 'Chose to keep SiteAgent paused under another address.', 'siteagent' ),
			'answered'         => __( 'Answered a request of the dashboard.', 'siteagent' ),
			'refused'          => __( 'Rejected a signed request.', 'siteagent' ),
			'stranger_refused' => __( 'Blocked calls without a valid signature.', 'siteagent' ),
			'output_started'   => __( 'Something on this site printed before the answer, so the dashboard could not verify it.', 'siteagent' ),
			'scopes_changed'   => __( 'Changed what the dashboard may do.', 'siteagent' ),
			'change_allowed'   => __( 'Approved a change here.', 'siteagent' ),
			'change_denied'    => __( 'Refused a change here.', 'siteagent' ),
			'change_answered'  => __( 'Answered a request to change a component.', 'siteagent' ),
			'change_settled'   => __( 'Recorded the result of an interrupted update.', 'siteagent' ),
			'mark_refused'     => __( 'Refused the dashboard’s record: it goes back, or tells another past than before.', 'siteagent' ),
			'mark_accepted'    => __( 'Decided to go on with the dashboard’s record as it is now.', 'siteagent' ),
			'log_trimmed'      => __( 'The oldest requests were removed; decisions and changes stay.', 'siteagent' ),
		);
	}

	/**
	 * Returns the facts of an entry in one line.
	 */
	private static function format_facts( array $facts ): string {
		$parts = array();
		foreach ( $facts as $name => $value ) {
			if ( 'mark' === $name && isset( $value['n'] ) ) {
				// The hashes are in the export. Here the number is enough.
				/* translators: %d: number of an entry */
				$parts[] = sprintf( __( 'dashboard’s record up to entry %d', 'siteagent' ), (int) $value['n'] );
				continue;
			}
			if ( is_array( $value ) ) {
				$value = wp_json_encode( $value );
			} elseif ( is_bool( $value ) ) {
				$value = $value ? __( 'yes', 'siteagent' ) : __( 'no', 'siteagent' );
			}
			if ( null !== $value && '' !== $value ) {
				$parts[] = str_replace( '_', ' ', (string) $name ) . ': ' . $value;
			}
		}
		return implode( ' · ', $parts );
	}

	/**
	 * Returns the login name of an account, or its id when it was deleted.
	 */
	private static function actor_name( string $actor ): string {
		if ( 1 !== preg_match( '/^user:([0-9]+)$/D', $actor, $found ) ) {
			return $actor;
		}
		$user = get_userdata( (int) $found[1] );
		if ( false === $user ) {
			/* translators: %s: number of a WordPress account */
			return sprintf( __( 'account %s (deleted)', 'siteagent' ), $found[1] );
		}
		return $user->user_login;
	}
}
