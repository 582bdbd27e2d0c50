<?php
/**
 * Texts of the settings page.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Turns codes into sentences. An unknown code has no sentence, so that no code is ever shown.
 */
final class Siteagent_Messages {

	/**
	 * Returns the notice after a form was submitted.
	 *
	 * @return array{kind:string,text:string}|null
	 */
	public static function notice( string $code ): ?array {
		$notices = array(
			'activated'                  => array( 'success', __( 'SiteAgent is active. Paste the pairing token from your dashboard to connect this site.', 'siteagent' ) ),
			'cancelled'                  => array( 'success', __( 'Pairing canceled. The token was deleted and nothing was connected.', 'siteagent' ) ),
			'disconnected_delivered'     => array( 'success', __( 'Disconnected. The keys were deleted, and the dashboard has confirmed it.', 'siteagent' ) ),
			'disconnected_failed'        => array( 'warning', __( 'Disconnected. The keys were deleted and the dashboard no longer has access. It could not be reached and will find out with its next request.', 'siteagent' ) ),
			'disconnected_not_tried'     => array( 'success', __( 'Disconnected. The keys were deleted and the dashboard no longer has access. It will find out with its next request.', 'siteagent' ) ),
			'forgotten'                  => array( 'success', __( 'Connection removed from this copy. The original site stays connected.', 'siteagent' ) ),
			'follow_delivered'           => array( 'success', __( 'The dashboard was asked to follow. Someone must confirm the new address in the dashboard. Until then, SiteAgent stays paused.', 'siteagent' ) ),
			'follow_failed'              => array( 'warning', __( 'The dashboard could not be reached. Try again, or contact the agency that runs it.', 'siteagent' ) ),
			'follow_not_tried'           => array( 'info', __( 'This site’s address is the one it was connected with, so there is nothing to do.', 'siteagent' ) ),
			'kept_paused'                => array( 'success', __( 'SiteAgent stays paused at this address. You will not be reminded again.', 'siteagent' ) ),
			'audit_log_accepted'         => array( 'success', __( 'The dashboard’s current history was accepted. Your decision has been logged.', 'siteagent' ) ),
			'audit_log_consistent'       => array( 'info', __( 'There is no history conflict to resolve.', 'siteagent' ) ),
			'permissions_saved_and_sent' => array( 'success', __( 'Permissions saved. They apply now, and the dashboard was notified.', 'siteagent' ) ),
			'permissions_saved'          => array( 'success', __( 'Permissions saved. They apply now. The dashboard could not be reached; it will see them in its next report, within an hour.', 'siteagent' ) ),
			'permissions_unchanged'      => array( 'info', __( 'No changes to save.', 'siteagent' ) ),
			'updates_paused_and_sent'    => array( 'success', __( 'Updates paused. The dashboard was notified.', 'siteagent' ) ),
			'updates_paused'             => array( 'success', __( 'Updates paused. No dashboard was notified; it will see this in its next report.', 'siteagent' ) ),
			'updates_resumed_and_sent'   => array( 'success', __( 'Updates resumed. The dashboard was notified.', 'siteagent' ) ),
			'updates_resumed'            => array( 'success', __( 'Updates resumed. No dashboard was notified; it will see this in its next report.', 'siteagent' ) ),
			'limits_saved_and_sent'      => array( 'success', __( 'Limits saved. They apply now, and the dashboard was notified.', 'siteagent' ) ),
			'limits_saved'               => array( 'success', __( 'Limits saved. They apply now. No dashboard was notified; it will see them in its next report.', 'siteagent' ) ),
			/* translators: %d: a number of hours */
			'min_age_invalid'            => array( 'error', sprintf( __( 'Age not saved: enter 0 to %d hours.', 'siteagent' ), Siteagent_Update_Limits::MAX_AGE_HOURS ) ),
			'window_invalid'             => array( 'error', __( 'Hours not saved: the first and the last hour must be different.', 'siteagent' ) ),
			'read_only'                  => array( 'error', Siteagent_Limits_Texts::read_only() ),
			'notifications_saved'        => array( 'success', __( 'E-mail notifications saved.', 'siteagent' ) ),
			'not_allowed_to_approve'     => array( 'error', __( 'Permissions not saved: you are not allowed to install such updates on this site, so you cannot allow the dashboard to install them.', 'siteagent' ) ),
			'not_saved'                  => array( 'error', __( 'An error occurred, and your change may not have been saved. Check the settings below and the error log of this site.', 'siteagent' ) ),
			'other_token'                => array( 'warning', __( 'Nothing was connected, because a newer token was pasted meanwhile, for example in another tab. Check the dashboard below: it belongs to the newer token.', 'siteagent' ) ),
			'accepted_unlogged'          => array( 'warning', __( 'The token was accepted, but this could not be logged. Check the error log of this site.', 'siteagent' ) ),
			'ended_unlogged'             => array( 'warning', __( 'Disconnected. The keys were deleted and the dashboard no longer has access. This could not be logged. Check the error log of this site.', 'siteagent' ) ),
			'no_dashboard'               => array( 'warning', __( 'Nothing saved: no dashboard is connected.', 'siteagent' ) ),
			'change_approved'            => array( 'success', __( 'Update approved. It is installed within minutes, when the dashboard requests it again.', 'siteagent' ) ),
			'change_refused'             => array( 'success', __( 'Update refused. The dashboard is notified when it requests the update again.', 'siteagent' ) ),
			'change_gone'                => array( 'info', __( 'This update is no longer pending. It was already approved or refused, or it expired.', 'siteagent' ) ),
			'nothing_to_end'             => array( 'info', __( 'This site is not connected.', 'siteagent' ) ),
			'draft_gone'                 => array( 'warning', __( 'Your token is no longer available. Please paste it again.', 'siteagent' ) ),
			'not_accepted'               => array( 'error', __( 'The token could not be saved, so nothing was connected. Try again. If it fails again, check the error log of this site.', 'siteagent' ) ),
			'not_disconnected'           => array( 'error', __( 'The connection could not be deleted and still exists. Try again. If it fails again, deactivate SiteAgent and check the error log of this site.', 'siteagent' ) ),
		);
		if ( ! isset( $notices[ $code ] ) ) {
			return self::restore_notice( $code );
		}
		return array(
			'kind' => $notices[ $code ][0],
			'text' => $notices[ $code ][1],
		);
	}

	/**
	 * Returns the notice after restoring a kept copy.
	 *
	 * @param string $code Outcome, a dot, and the reason or nothing.
	 * @return array{kind:string,text:string}|null
	 */
	private static function restore_notice( string $code ): ?array {
		list( $outcome, $reason ) = explode( '.', $code . '.' );
		$notices                  = array(
			'restore_succeeded'   => array( 'success', __( 'The former version was restored, and the site’s pages work as before. Its database was not changed.', 'siteagent' ) ),
			'restore_watched'     => array( 'warning', __( 'The former version was restored. This site could not check its own pages, so it is watched for a while: if its pages end with errors of this version, the replaced version is put back.', 'siteagent' ) ),
			'restore_unchecked'   => array( 'warning', __( 'The former version was restored. This site could not check its own pages, so look at them yourself.', 'siteagent' ) ),
			/* translators: %s: a reason, such as "the new version caused a fatal error" */
			'restore_rolled_back' => array( 'warning', __( 'The former version did not work (%s), so the version from before is in place again.', 'siteagent' ) ),
			/* translators: %s: a reason, such as "the installation failed" */
			'restore_failed'      => array( 'error', __( 'Restoring failed: %s. Check this site. If the plugin or theme does not work, install it by hand or restore a backup of your host.', 'siteagent' ) ),
			/* translators: %s: a reason, such as "another update was running" */
			'restore_refused'     => array( 'error', __( 'Nothing was restored, and nothing on this site was changed: %s.', 'siteagent' ) ),
			'restore_not_allowed' => array( 'error', __( 'Nothing was restored: you are not allowed to update plugins and themes on this site. Ask an administrator who is.', 'siteagent' ) ),
		);
		return ! isset( $notices[ $outcome ] ) ? null : array(
			'kind' => $notices[ $outcome ][0],
			'text' => sprintf( $notices[ $outcome ][1], Siteagent_Update_Reasons::label( $reason ) ),
		);
	}

	/**
	 * Returns what is wrong with a token and what to do next; null for a usable token.
	 *
	 * @return array{title:string,next:string}|null
	 */
	public static function token_error( string $code ): ?array {
		$errors = array(
			'empty'         => array(
				__( 'No token entered.', 'siteagent' ),
				__( 'Copy the whole token from your dashboard and paste it below.', 'siteagent' ),
			),
			'not_a_token'   => array(
				__( 'This is not a pairing token.', 'siteagent' ),
				__( 'A token is one long line that begins with “SA1.”. Copy it from your dashboard with the Copy button and paste it here.', 'siteagent' ),
			),
			'damaged'       => array(
				__( 'This token is incomplete or was altered.', 'siteagent' ),
				__( 'Usually a few characters at one end were not copied. Copy the whole line again and replace the text below.', 'siteagent' ),
			),
			'expired'       => array(
				__( 'This token has expired.', 'siteagent' ),
				__( 'A token is valid for 30 minutes. Create a new one in your dashboard and paste it. If the token is new, check the clock of this server.', 'siteagent' ),
			),
			'wrong_site'    => array(
				__( 'This token is for another site.', 'siteagent' ),
				__( 'Paste it into wp-admin of that site, or create a new token for this site in your dashboard.', 'siteagent' ),
			),
			'already_used'  => array(
				__( 'This token has already been used.', 'siteagent' ),
				__( 'Each token works once. Create a new one in your dashboard and paste it.', 'siteagent' ),
			),
			'must_replace'  => array(
				__( 'This site is already connected, and you have not agreed to replace that connection.', 'siteagent' ),
				__( 'Check the box below to replace it, or cancel to keep the current connection.', 'siteagent' ),
			),
		);
		if ( '' === $code ) {
			return null;
		}
		$error = isset( $errors[ $code ] ) ? $errors[ $code ] : $errors['not_a_token'];
		return array(
			'title' => $error[0],
			'next'  => $error[1],
		);
	}

	/**
	 * Returns the same for a token of another address, with both addresses. Usually one of them is spelled differently.
	 *
	 * @param string $token_url The address in the token.
	 * @param string $home      The address of this site.
	 * @return array{title:string,next:string}
	 */
	public static function wrong_site_error( string $token_url, string $home ): array {
		/* translators: 1: address in the token, 2: address of this site */
		$next = __( 'It was created for %1$s, but the address of this site is %2$s. If you meant this site, add it to your dashboard as %2$s and create a new token there. Otherwise, paste the token into wp-admin of the other site.', 'siteagent' );
		return array(
			'title' => __( 'This token is for another site.', 'siteagent' ),
			'next'  => sprintf( $next, $token_url, $home ),
		);
	}

	/**
	 * Returns the result of notifying the dashboard of an accepted token.
	 *
	 * @return array{kind:string,title:string,next:string}|null
	 */
	public static function pairing_status( string $notice ): ?array {
		$statuses = array(
			'used'      => array( 'error', __( 'The dashboard reports that this token has already been used.', 'siteagent' ), __( 'Another site was connected with it. If that was not you, contact the agency that runs the dashboard. Cancel here, create a new token in the dashboard and paste it.', 'siteagent' ) ),
			'expired'   => array( 'error', __( 'The dashboard reports that this token has expired.', 'siteagent' ), __( 'Cancel here, create a new token in the dashboard and paste it.', 'siteagent' ) ),
			'cancelled' => array( 'error', __( 'The dashboard reports that this token was canceled.', 'siteagent' ), __( 'Cancel here, create a new token in the dashboard and paste it.', 'siteagent' ) ),
			'delivered' => array( 'info', __( 'The dashboard was notified.', 'siteagent' ), __( 'It connects to this site within seconds.', 'siteagent' ) ),
			'failed'    => array( 'info', __( 'The dashboard could not be reached from here.', 'siteagent' ), __( 'This is no problem: it checks this site every few seconds while its page is open. Keep that page open, or choose “Connect now” there.', 'siteagent' ) ),
		);
		if ( ! isset( $statuses[ $notice ] ) ) {
			return null;
		}
		return array(
			'kind'  => $statuses[ $notice ][0],
			'title' => $statuses[ $notice ][1],
			'next'  => $statuses[ $notice ][2],
		);
	}

	/**
	 * Returns a time in this site's format and time zone, with the difference to now.
	 */
	public static function format_time( int $at, int $now ): string {
		$full = wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $at );
		if ( $at > $now ) {
			/* translators: 1: date and time, 2: a span of time such as "5 mins" */
			return sprintf( __( '%1$s (in %2$s)', 'siteagent' ), $full, human_time_diff( $now, $at ) );
		}
		/* translators: 1: date and time, 2: a span of time such as "5 mins" */
		return sprintf( __( '%1$s (%2$s ago)', 'siteagent' ), $full, human_time_diff( $at, $now ) );
	}

	/**
	 * Returns the permissions in the order of the page.
	 *
	 * @return array<string,array{0:string,1:string}> Name and explanation.
	 */
	public static function permissions(): array {
		return array(
			'translations' => array( __( 'Translations', 'siteagent' ), __( 'Texts of WordPress, plugins and themes.', 'siteagent' ) ),
			'plugins'      => array( __( 'Plugins', 'siteagent' ), __( 'A backup is kept until the new version has been tested.', 'siteagent' ) ),
			'themes'       => array( __( 'Themes', 'siteagent' ), __( 'A backup is kept as well. Changes to a theme’s own files are lost, as with every update.', 'siteagent' ) ),
			'core_minor'   => array( __( 'WordPress minor releases', 'siteagent' ), __( 'They usually close security holes. WordPress itself cannot be rolled back.', 'siteagent' ) ),
			'core_major'   => array( __( 'WordPress major releases', 'siteagent' ), __( 'They bring new features and should be tested first. WordPress itself cannot be rolled back.', 'siteagent' ) ),
			'database'     => array( __( 'Upgrade of WordPress’s database', 'siteagent' ), __( 'WordPress’s own upgrade, where it waits after an update. The database cannot be rolled back, so make a backup first.', 'siteagent' ) ),
			'siteagent'    => array( __( 'SiteAgent itself', 'siteagent' ), __( 'Signed releases from your dashboard. The previous version is restored if the new one does not respond to the dashboard.', 'siteagent' ) ),
		);
	}

	/**
	 * Returns an update as text.
	 *
	 * @param array $item kind, id, from, to.
	 */
	public static function update_label( array $item ): string {
		$labels = array(
			/* translators: 1: component, 2: version it has, 3: version it gets */
			'plugin'      => __( 'Plugin %1$s from %2$s to %3$s', 'siteagent' ),
			/* translators: 1: component, 2: version it has, 3: version it gets */
			'theme'       => __( 'Theme %1$s from %2$s to %3$s', 'siteagent' ),
			/* translators: 1: component, 2: version it has, 3: version it gets */
			'translation' => __( 'Translation %1$s from %2$s to %3$s', 'siteagent' ),
			/* translators: 2: version it has, 3: version it gets */
			'core'        => __( 'WordPress from %2$s to %3$s', 'siteagent' ),
			/* translators: 2: version it has, 3: version it gets */
			'database'    => __( 'WordPress’s database from %2$s to %3$s', 'siteagent' ),
			/* translators: 2: version it has, 3: version it gets */
			'siteagent'   => __( 'SiteAgent from %2$s to %3$s', 'siteagent' ),
		);
		if ( ! isset( $labels[ $item['kind'] ] ) ) {
			return '';
		}
		$name = 'plugin' === $item['kind'] && '.' !== dirname( $item['id'] ) ? dirname( $item['id'] ) : $item['id'];
		return sprintf( $labels[ $item['kind'] ], $name, '' === $item['from'] ? __( 'none', 'siteagent' ) : $item['from'], $item['to'] );
	}

	/**
	 * Returns one version of a plugin or theme as text.
	 */
	public static function component_label( string $kind, string $id, string $version ): string {
		$labels = array(
			/* translators: 1: folder of a plugin, 2: version */
			'plugin' => __( 'Plugin %1$s %2$s', 'siteagent' ),
			/* translators: 1: folder of a theme, 2: version */
			'theme'  => __( 'Theme %1$s %2$s', 'siteagent' ),
		);
		return ! isset( $labels[ $kind ] ) ? '' : sprintf( $labels[ $kind ], 'plugin' === $kind && '.' !== dirname( $id ) ? dirname( $id ) : $id, $version );
	}

	/**
	 * Returns the heading of a group of fields.
	 */
	public static function field_group( string $path ): string {
		$groups = array(
			'wordpress'  => __( 'WordPress', 'siteagent' ),
			'php'        => __( 'Server', 'siteagent' ),
			'database'   => __( 'Server', 'siteagent' ),
			'server'     => __( 'Server', 'siteagent' ),
			'plugins'    => __( 'Plugins', 'siteagent' ),
			'themes'     => __( 'Themes', 'siteagent' ),
			'mu_plugins' => __( 'Must-use plugins and drop-ins', 'siteagent' ),
			'dropins'    => __( 'Must-use plugins and drop-ins', 'siteagent' ),
			'updates'    => __( 'Available updates', 'siteagent' ),
			'health'     => __( 'Health', 'siteagent' ),
			'integrity'  => __( 'Changed files', 'siteagent' ),
			'agent'      => __( 'Permissions', 'siteagent' ),
		);
		$first  = (string) strtok( $path, '.[' );
		return isset( $groups[ $first ] ) ? $groups[ $first ] : __( 'Report', 'siteagent' );
	}

	/**
	 * Returns the type of a field as text.
	 */
	public static function field_type( array $field ): string {
		$kinds = array(
			'string'  => __( 'text', 'siteagent' ),
			'integer' => __( 'number', 'siteagent' ),
			'boolean' => __( 'yes or no', 'siteagent' ),
			'object'  => __( 'multiple values', 'siteagent' ),
		);
		$kind  = isset( $field['enum'] ) ? implode( ', ', $field['enum'] ) : $kinds[ $field['type'] ];
		/* translators: %s: a kind of value, for example "text" */
		return empty( $field['null'] ) ? $kind : sprintf( __( '%s or empty', 'siteagent' ), $kind );
	}
}
