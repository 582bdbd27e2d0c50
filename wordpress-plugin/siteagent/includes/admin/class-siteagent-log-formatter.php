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
		$event  = $entry['event'];
		$what   = isset( $labels[ $event ] ) ? $labels[ $event ] : ucfirst( str_replace( array( '_', '.' ), ' ', $event ) );
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
			'token_accepted'           => __( 'Accepted a pairing token.', 'siteagent' ),
			'token_cancelled'          => __( 'Canceled the pairing token before the dashboard connected.', 'siteagent' ),
			'connected'                => __( 'Connected to the dashboard.', 'siteagent' ),
			'disconnected'             => __( 'Disconnected this site and deleted the keys.', 'siteagent' ),
			'revoked'                  => __( 'The dashboard ended the connection. The keys were deleted.', 'siteagent' ),
			'key_rotation_agreed'      => __( 'Agreed on new keys with the dashboard.', 'siteagent' ),
			'keys_rotated'             => __( 'Replaced the old keys with the new ones.', 'siteagent' ),
			'address_change_announced' => __( 'Asked the dashboard to follow this site to its new address.', 'siteagent' ),
			'kept_paused'              => __( 'Kept SiteAgent paused at another address.', 'siteagent' ),
			'answered'                 => __( 'Responded to a request from the dashboard.', 'siteagent' ),
			'refused'                  => __( 'Rejected a signed request.', 'siteagent' ),
			'unauthenticated_refused'  => __( 'Blocked unauthenticated requests.', 'siteagent' ),
			'output_started'           => __( 'A response could not be verified because something on this site printed output before it.', 'siteagent' ),
			'permissions_changed'      => __( 'Changed the permissions.', 'siteagent' ),
			'update_approved'          => __( 'Approved an update.', 'siteagent' ),
			'update_refused'           => __( 'Refused an update.', 'siteagent' ),
			'update_answered'          => __( 'Responded to an update request.', 'siteagent' ),
			'update_settled'           => __( 'Recorded the result of an interrupted update.', 'siteagent' ),
			'checkpoint_refused'       => __( 'Rejected the dashboard’s history: it is shorter than before or differs from what this site recorded.', 'siteagent' ),
			'checkpoint_accepted'      => __( 'Accepted the dashboard’s current history.', 'siteagent' ),
			'log_trimmed'              => __( 'Removed the oldest requests from the log. Decisions and updates are kept.', 'siteagent' ),
		);
	}

	/**
	 * Returns the facts of an entry in one line.
	 */
	private static function format_facts( array $facts ): string {
		$parts = array();
		foreach ( $facts as $name => $value ) {
			if ( 'checkpoint' === $name && isset( $value['n'] ) ) {
				// The hashes are in the export. Here the number is enough.
				/* translators: %d: number of an entry */
				$parts[] = sprintf( __( 'dashboard’s history up to entry %d', 'siteagent' ), (int) $value['n'] );
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
