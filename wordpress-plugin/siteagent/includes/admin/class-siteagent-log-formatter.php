<?php
/**
 * Texts for entries of the audit log.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Describes what an entry records and who acted: in words first, and what only a developer needs apart from them.
 */
final class Siteagent_Log_Formatter {

	/** Events about one update or restored copy, with its kind, id, versions and outcome. */
	const UPDATE_EVENTS = array( 'update_approved', 'update_refused', 'update_answered', 'update_settled', 'restore_ended' );

	/**
	 * Returns an entry as text.
	 *
	 * @param array $entry As Siteagent_Audit_Log_Reader::recent() returned it.
	 * @return array{seq:int,at:int,what:string,detail:string,technical:array<string,string>,who:string} `technical` has
	 *         values by label.
	 */
	public static function format( array $entry ): array {
		$detail = self::details( $entry['event'], $entry['facts'] );
		return array(
			'seq'       => $entry['seq'],
			'at'        => $entry['at'],
			'what'      => self::sentence( $entry['event'], $entry['facts'] ),
			'detail'    => implode( ' · ', array_filter( $detail['parts'] ) ),
			'technical' => self::technical( array_diff_key( $entry['facts'], array_flip( $detail['used'] ) ) ),
			'who'       => self::actor_name( $entry['actor'] ),
		);
	}

	/**
	 * Returns the details of a formatted entry, also the technical ones, in one line.
	 */
	public static function one_line( array $formatted ): string {
		$parts = '' === $formatted['detail'] ? array() : array( $formatted['detail'] );
		foreach ( $formatted['technical'] as $label => $value ) {
			$parts[] = $label . ': ' . $value;
		}
		return implode( ' · ', $parts );
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
			'updates_paused'           => __( 'Paused updates.', 'siteagent' ),
			'updates_resumed'          => __( 'Resumed updates.', 'siteagent' ),
			'update_window_changed'    => __( 'Changed when updates may start.', 'siteagent' ),
			'min_age_changed'          => __( 'Changed how old a release has to be.', 'siteagent' ),
			'exclusions_changed'       => __( 'Changed which plugins and themes are updated.', 'siteagent' ),
			'notifications_changed'    => __( 'Changed the e-mail notifications.', 'siteagent' ),
			'update_approved'          => __( 'Approved an update.', 'siteagent' ),
			'update_refused'           => __( 'Refused an update.', 'siteagent' ),
			'update_answered'          => __( 'Responded to an update request.', 'siteagent' ),
			'update_settled'           => __( 'Recorded the result of an interrupted update.', 'siteagent' ),
			'copy_kept'                => __( 'Kept a copy of the version that an update replaced.', 'siteagent' ),
			'copy_not_kept'            => __( 'Kept no copy of the version that an update replaced.', 'siteagent' ),
			'restore_ended'            => __( 'Restored a former version.', 'siteagent' ),
			'checkpoint_refused'       => __( 'Rejected the dashboard’s history: it is shorter than before or differs from what this site recorded.', 'siteagent' ),
			'checkpoint_accepted'      => __( 'Accepted the dashboard’s current history.', 'siteagent' ),
			'log_trimmed'              => __( 'Removed the oldest requests from the log. Decisions and updates are kept.', 'siteagent' ),
		);
	}

	/**
	 * Returns what an entry records. An update is described by its outcome, a request by what was asked for.
	 */
	private static function sentence( string $event, array $facts ): string {
		$requests = array(
			'ping'          => __( 'Answered a connection test.', 'siteagent' ),
			'report'        => __( 'Sent the site report.', 'siteagent' ),
			'log'           => __( 'Sent the activity log.', 'siteagent' ),
			'keys.rotate'   => __( 'Answered a request for new keys.', 'siteagent' ),
			'change.check'  => __( 'Answered a pre-check of an update.', 'siteagent' ),
			'change.run'    => __( 'Answered a request to install an update.', 'siteagent' ),
			'agent.update'  => __( 'Answered a request to update SiteAgent.', 'siteagent' ),
			'change.revert' => __( 'Answered a request to revert an update.', 'siteagent' ),
			'change.status' => __( 'Sent the result of an update.', 'siteagent' ),
		);
		$request  = 'answered' === $event && isset( $facts['operation'] ) ? $facts['operation'] : '';
		if ( is_string( $request ) && isset( $requests[ $request ] ) ) {
			return $requests[ $request ];
		}
		$outcome  = isset( $facts['outcome'] ) && is_string( $facts['outcome'] ) ? $facts['outcome'] : '';
		$outcomes = self::outcomes( $event );
		if ( isset( $outcomes[ $outcome ] ) ) {
			return $outcomes[ $outcome ];
		}
		$labels = self::event_labels();
		return isset( $labels[ $event ] ) ? $labels[ $event ] : ucfirst( str_replace( array( '_', '.' ), ' ', $event ) );
	}

	/**
	 * Returns the sentences of an update or a restored copy, by its outcome.
	 *
	 * @return array<string,string>
	 */
	private static function outcomes( string $event ): array {
		if ( 'restore_ended' === $event ) {
			return array(
				'succeeded'   => __( 'Restored a former version.', 'siteagent' ),
				'rolled_back' => __( 'Undid the restoring of a former version: it did not work.', 'siteagent' ),
				'failed'      => __( 'Restoring a former version failed.', 'siteagent' ),
				'refused'     => __( 'Did not restore a former version. Nothing was changed.', 'siteagent' ),
			);
		}
		return ! in_array( $event, array( 'update_answered', 'update_settled' ), true ) ? array() : array(
			'succeeded'   => __( 'Installed an update.', 'siteagent' ),
			'rolled_back' => __( 'Rolled back an update: the new version did not work.', 'siteagent' ),
			'failed'      => __( 'An update failed.', 'siteagent' ),
			'refused'     => __( 'Rejected an update request. Nothing was changed.', 'siteagent' ),
			'waiting'     => __( 'Received an update that needs approval on this site.', 'siteagent' ),
		);
	}

	/**
	 * Returns what the owner of the site wants to know about an entry.
	 *
	 * @return array{parts:string[],used:string[]} Texts, and the names of the facts they contain.
	 */
	private static function details( string $event, array $facts ): array {
		$is_update = in_array( $event, self::UPDATE_EVENTS, true );
		$parts     = array();
		$used      = array();
		if ( $is_update && self::has_texts( $facts, array( 'kind', 'id', 'from', 'to' ) ) ) {
			$parts[] = Siteagent_Messages::update_label( $facts );
			$used    = array( 'kind', 'from', 'to', 'outcome' );
			if ( isset( $facts['outcome'] ) && 'waiting' === $facts['outcome'] ) {
				$used[] = 'reason'; // The sentence says it.
			}
		}
		if ( in_array( $event, array( 'copy_kept', 'copy_not_kept' ), true ) && self::has_texts( $facts, array( 'kind', 'id', 'version' ) ) ) {
			$parts[] = Siteagent_Messages::component_label( $facts['kind'], $facts['id'], $facts['version'] );
			$used    = array( 'kind', 'version' );
		}
		if ( 'permissions_changed' === $event && isset( $facts['after']['granted'], $facts['after']['approval_on_site'] ) && is_string( $facts['after']['granted'] ) ) {
			$parts[] = self::permissions_text( $facts['after'] );
			$used    = array( 'after' );
		}
		if ( 'update_window_changed' === $event && isset( $facts['after'] ) && is_array( $facts['after'] ) ) {
			$parts[] = Siteagent_Limits_Texts::window( $facts['after'] );
			$used    = array( 'after' );
		}
		if ( 'min_age_changed' === $event && isset( $facts['hours'] ) && is_int( $facts['hours'] ) ) {
			$parts[] = Siteagent_Limits_Texts::min_age( $facts['hours'] );
		}
		if ( 'exclusions_changed' === $event && isset( $facts['changed'] ) && is_array( $facts['changed'] ) ) {
			$parts[] = Siteagent_Limits_Texts::exclusions( $facts['changed'] );
		}
		if ( 'answered' === $event && self::event_labels()['answered'] !== self::sentence( $event, $facts ) ) {
			$used = array( 'operation' ); // The sentence says it.
		}
		if ( isset( $facts['more'], $facts['since'] ) && is_string( $facts['since'] ) ) {
			/* translators: 1: number of requests, 2: date and time */
			$parts[] = sprintf( _n( '%1$d more request in the hour from %2$s', '%1$d more requests in the hour from %2$s', (int) $facts['more'], 'siteagent' ), (int) $facts['more'], self::format_date( $facts['since'] ) );
			$used    = array( 'more', 'since' );
		}
		foreach ( self::fact_labels( $is_update ) as $name => $label ) {
			if ( isset( $facts[ $name ] ) && is_scalar( $facts[ $name ] ) && '' !== $facts[ $name ] && ! in_array( $name, $used, true ) ) {
				$parts[] = $label . ': ' . self::value( $name, (string) $facts[ $name ] );
				$used[]  = $name;
			}
		}
		return array(
			'parts' => $parts,
			'used'  => $used,
		);
	}

	/**
	 * Whether these facts are texts. In an entry that was altered they may be anything.
	 *
	 * @param array    $facts The facts.
	 * @param string[] $names Names of those that are needed.
	 */
	public static function has_texts( array $facts, array $names ): bool {
		foreach ( $names as $name ) {
			if ( ! isset( $facts[ $name ] ) || ! is_string( $facts[ $name ] ) ) {
				return false;
			}
		}
		return true;
	}

	/**
	 * Returns the labels of facts that are shown in words.
	 *
	 * @return array<string,string> By the name of the fact.
	 */
	private static function fact_labels( bool $is_update ): array {
		return array(
			'operation'    => __( 'Request', 'siteagent' ),
			'by'           => $is_update ? __( 'Approved in the dashboard by', 'siteagent' ) : __( 'Requested by', 'siteagent' ),
			'dashboard'    => __( 'Dashboard', 'siteagent' ),
			'fingerprint'  => __( 'Fingerprint', 'siteagent' ),
			'expires_at'   => __( 'Expires', 'siteagent' ),
			'was'          => __( 'Previous address', 'siteagent' ),
			'is'           => __( 'Present address', 'siteagent' ),
			'home'         => __( 'New address', 'siteagent' ),
			'notice'       => __( 'Dashboard notified', 'siteagent' ),
			'reason'       => __( 'Reason', 'siteagent' ),
			'pause_reason' => __( 'Reason', 'siteagent' ),
			'at'           => __( 'Printed by', 'siteagent' ),
			'email'        => __( 'E-mail', 'siteagent' ),
		);
	}

	/**
	 * Returns the value of a fact in words.
	 */
	private static function value( string $name, string $value ): string {
		$words = array(
			'operation'  => array(
				'ping'          => __( 'connection test', 'siteagent' ),
				'report'        => __( 'site report', 'siteagent' ),
				'log'           => __( 'activity log', 'siteagent' ),
				'pair.hello'    => __( 'pairing', 'siteagent' ),
				'pair.confirm'  => __( 'pairing', 'siteagent' ),
				'keys.rotate'   => __( 'new keys', 'siteagent' ),
				'change.check'  => __( 'pre-check of an update', 'siteagent' ),
				'change.run'    => __( 'installing an update', 'siteagent' ),
				'agent.update'  => __( 'updating SiteAgent', 'siteagent' ),
				'change.revert' => __( 'reverting an update', 'siteagent' ),
				'change.status' => __( 'result of an update', 'siteagent' ),
				'revoke'        => __( 'ending the connection', 'siteagent' ),
			),
			'notice'     => array(
				'delivered' => __( 'yes', 'siteagent' ),
				'failed'    => __( 'no, it could not be reached', 'siteagent' ),
				'not_tried' => __( 'no', 'siteagent' ),
			),
			'email'      => array(
				'1' => __( 'on', 'siteagent' ),
				''  => __( 'off', 'siteagent' ),
			),
			'expires_at' => array( $value => self::format_date( $value ) ),
			'reason'     => array( $value => Siteagent_Update_Reasons::label( $value ) ),
		);
		return isset( $words[ $name ][ $value ] ) ? $words[ $name ][ $value ] : $value;
	}

	/**
	 * Returns permissions as the log holds them in one sentence.
	 *
	 * @param array{granted:string,approval_on_site:bool} $permissions Names, separated by commas.
	 */
	private static function permissions_text( array $permissions ): string {
		$names  = array_column( array_intersect_key( Siteagent_Messages::permissions(), array_flip( explode( ', ', $permissions['granted'] ) ) ), 0 );
		$listed = array() === $names ? __( 'nothing', 'siteagent' ) : implode( wp_get_list_item_separator(), $names );
		if ( $permissions['approval_on_site'] ) {
			/* translators: %s: list of kinds of updates, such as "Translations, Plugins" */
			return sprintf( __( 'Allowed: %s. Each update needs approval on this site.', 'siteagent' ), $listed );
		}
		/* translators: %s: list of kinds of updates, such as "Translations, Plugins" */
		return sprintf( __( 'Allowed: %s.', 'siteagent' ), $listed );
	}

	/**
	 * Returns facts for developers.
	 *
	 * @return array<string,string> Values by label.
	 */
	private static function technical( array $facts ): array {
		$labels = array(
			'op_id'      => __( 'Operation ID', 'siteagent' ),
			'id'         => __( 'ID', 'siteagent' ),
			'plan'       => __( 'Digest of the plan', 'siteagent' ),
			'nonce'      => __( 'Nonce of the request', 'siteagent' ),
			'checkpoint' => __( 'Dashboard’s history', 'siteagent' ),
			'sign_d'     => __( 'Signing key of the dashboard', 'siteagent' ),
			'generation' => __( 'Generation of the keys', 'siteagent' ),
			'through'    => __( 'Removed up to entry', 'siteagent' ),
			'n'          => __( 'Entry', 'siteagent' ),
			'hash'       => __( 'Hash', 'siteagent' ),
			'held_n'     => __( 'Entry recorded before', 'siteagent' ),
			'held_hash'  => __( 'Hash recorded before', 'siteagent' ),
			'why'        => __( 'Reason', 'siteagent' ),
			'copy'       => __( 'Name of the copy', 'siteagent' ),
			'sha256'     => __( 'SHA-256 of the copy', 'siteagent' ),
			'bytes'      => __( 'Size in bytes', 'siteagent' ),
			'version'    => __( 'Version afterwards', 'siteagent' ),
			'active'     => __( 'Active afterwards', 'siteagent' ),
			'probe'      => __( 'Check of the site’s pages', 'siteagent' ),
			'before'     => __( 'Before', 'siteagent' ),
			'after'      => __( 'After', 'siteagent' ),
			'changed'    => __( 'Changed', 'siteagent' ),
		);
		$shown  = array();
		foreach ( $facts as $name => $value ) {
			if ( 'checkpoint' === $name && isset( $value['n'] ) ) {
				// The hashes are in the export. Here the number is enough.
				/* translators: %d: number of an entry */
				$value = sprintf( __( 'up to entry %d', 'siteagent' ), (int) $value['n'] );
			} elseif ( is_array( $value ) ) {
				$value = wp_json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
			} elseif ( is_bool( $value ) ) {
				$value = $value ? __( 'yes', 'siteagent' ) : __( 'no', 'siteagent' );
			}
			if ( null !== $value && '' !== $value ) {
				$shown[ isset( $labels[ $name ] ) ? $labels[ $name ] : ucfirst( str_replace( '_', ' ', (string) $name ) ) ] = (string) $value;
			}
		}
		return $shown;
	}

	/**
	 * Returns a UTC time of the log in this site's format and time zone.
	 */
	private static function format_date( string $utc ): string {
		$at = strtotime( $utc );
		return false === $at ? $utc : (string) wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $at );
	}

	/**
	 * Returns who acted: the login name of an account, or its id when it was deleted.
	 */
	public static function actor_name( string $actor ): string {
		$names = array(
			'dashboard' => __( 'Dashboard', 'siteagent' ),
			'site'      => __( 'SiteAgent', 'siteagent' ),
			'terminal'  => __( 'WP-CLI', 'siteagent' ),
			'stranger'  => __( 'Unknown sender', 'siteagent' ),
		);
		if ( isset( $names[ $actor ] ) ) {
			return $names[ $actor ];
		}
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
