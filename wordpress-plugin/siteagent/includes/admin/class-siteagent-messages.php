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
			'cancelled'        => array( 'success', __( 'Cancelled. The token is forgotten here and nothing was connected.', 'siteagent' ) ),
			'told_delivered'   => array( 'success', __( 'Disconnected. The keys are deleted, and the dashboard has confirmed that it was told.', 'siteagent' ) ),
			'told_failed'      => array( 'warning', __( 'Disconnected. The keys are deleted and the dashboard has no access any more. It could not be reached just now; it will learn of this the next time it calls.', 'siteagent' ) ),
			'told_not_tried'   => array( 'success', __( 'Disconnected. The keys are deleted and the dashboard has no access any more. It will learn of this the next time it calls.', 'siteagent' ) ),
			'forgotten'        => array( 'success', __( 'Connection removed from this copy. The original site stays connected.', 'siteagent' ) ),
			'follow_delivered' => array( 'success', __( 'The dashboard was asked to follow. Someone must confirm the new address in the dashboard. Until then, SiteAgent stays paused.', 'siteagent' ) ),
			'follow_failed'    => array( 'warning', __( 'The dashboard could not be reached, so it was not asked. Try again, or tell the people who run it.', 'siteagent' ) ),
			'follow_not_tried' => array( 'info', __( 'The address of this site is the one it was connected under. There is nothing to ask for.', 'siteagent' ) ),
			'stays_silent'     => array( 'success', __( 'SiteAgent stays paused under this address and will not remind you again.', 'siteagent' ) ),
			'trail_accepted'   => array( 'success', __( 'SiteAgent goes on with the dashboard’s record as it is now. That you decided so stands in the log.', 'siteagent' ) ),
			'trail_whole'      => array( 'info', __( 'The dashboard’s record is not refused (any more), so nothing was changed.', 'siteagent' ) ),
			'scopes_told'      => array( 'success', __( 'Permissions saved. They apply now, and the dashboard was notified.', 'siteagent' ) ),
			'scopes_saved'     => array( 'success', __( 'Permissions saved. They apply now. The dashboard could not be reached; it sees them in its next report, within the hour.', 'siteagent' ) ),
			'scopes_same'      => array( 'info', __( 'No changes to save.', 'siteagent' ) ),
			'may_not_allow'    => array( 'error', __( 'Nothing was saved: your account is not allowed to install such updates on this site, so it cannot allow them to the dashboard.', 'siteagent' ) ),
			'not_saved'        => array( 'error', __( 'An error occurred, and this may not have been saved. Check below, and look into the error log of this site.', 'siteagent' ) ),
			'other_token'      => array( 'warning', __( 'You have pasted another token meanwhile, perhaps in another tab. Nothing was connected. This is the dashboard of the newest token.', 'siteagent' ) ),
			'accepted_unlogged' => array( 'warning', __( 'The token was accepted, but this could not be written to the log. Look into the error log of this site.', 'siteagent' ) ),
			'ended_unlogged'   => array( 'warning', __( 'Disconnected: the keys are deleted and the dashboard has no access. This could not be written to the log. Look into the error log of this site.', 'siteagent' ) ),
			'nobody_to_allow'  => array( 'warning', __( 'No dashboard is connected, so nothing was saved.', 'siteagent' ) ),
			'change_approved'  => array( 'success', __( 'Approved. The change runs when the dashboard asks for it again, within minutes.', 'siteagent' ) ),
			'change_refused'   => array( 'success', __( 'Refused. The change will not be made, and the dashboard is told so when it asks again.', 'siteagent' ) ),
			'change_gone'      => array( 'info', __( 'That change does not wait any more: it was decided about already, or its time has passed.', 'siteagent' ) ),
			'nothing_to_end'   => array( 'info', __( 'There was no connection to end.', 'siteagent' ) ),
			'draft_gone'       => array( 'warning', __( 'The token you pasted is no longer at hand, because too much time went by or you signed in again. Please paste it once more.', 'siteagent' ) ),
			'not_accepted'     => array( 'error', __( 'The token could not be saved, so nothing was connected. Please try again; if it happens once more, look into the error log of this site.', 'siteagent' ) ),
			'not_disconnected' => array( 'error', __( 'The connection could not be deleted, so it still exists. Please try again; if it happens once more, deactivate SiteAgent and look into the error log of this site.', 'siteagent' ) ),
		);
		if ( ! isset( $notices[ $code ] ) ) {
			return null;
		}
		return array(
			'kind' => $notices[ $code ][0],
			'text' => $notices[ $code ][1],
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
				__( 'Nothing was pasted.', 'siteagent' ),
				__( 'Copy the whole token from your dashboard and paste it into the field below.', 'siteagent' ),
			),
			'not_a_token'   => array(
				__( 'This is not a pairing token.', 'siteagent' ),
				__( 'A token is one long line that begins with “SA1.”. Copy it from your dashboard with its Copy button and paste it here.', 'siteagent' ),
			),
			'damaged'       => array(
				__( 'This token is incomplete or was changed on the way.', 'siteagent' ),
				__( 'Usually a few characters at one end were not copied. Copy the whole line again and replace the text below.', 'siteagent' ),
			),
			'expired'       => array(
				__( 'This token has expired.', 'siteagent' ),
				__( 'A token works for 30 minutes. Make a new one in your dashboard and paste that. If the token is new, check that the clock of this server is right.', 'siteagent' ),
			),
			'wrong_site'    => array(
				__( 'This token was made for another site.', 'siteagent' ),
				__( 'Paste it into the wp-admin of the site it was made for, or make a new token for this site in your dashboard.', 'siteagent' ),
			),
			'already_used'  => array(
				__( 'This token was used already.', 'siteagent' ),
				__( 'Each token connects once. Make a new one in your dashboard and paste that.', 'siteagent' ),
			),
			'must_replace'  => array(
				__( 'This site is connected already, and you have not agreed to replace that connection.', 'siteagent' ),
				__( 'Tick the box below if the new connection should take its place, or cancel to keep the present one.', 'siteagent' ),
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
	 * Returns the result of notifying the dashboard of an accepted token.
	 *
	 * @return array{kind:string,title:string,next:string}|null
	 */
	public static function pairing_status( string $notice ): ?array {
		$statuses = array(
			'used'      => array( 'error', __( 'The dashboard says that this token was used already.', 'siteagent' ), __( 'Somebody has connected a site with it. If that was not you, tell the people who run the dashboard. Cancel here, make a new token there and paste that.', 'siteagent' ) ),
			'expired'   => array( 'error', __( 'The dashboard says that this token has expired.', 'siteagent' ), __( 'Cancel here, make a new token in the dashboard and paste that.', 'siteagent' ) ),
			'cancelled' => array( 'error', __( 'The dashboard says that this token was cancelled there.', 'siteagent' ), __( 'Cancel here, make a new token in the dashboard and paste that.', 'siteagent' ) ),
			'delivered' => array( 'info', __( 'The dashboard knows that you agreed.', 'siteagent' ), __( 'It will call this site within seconds.', 'siteagent' ) ),
			'failed'    => array( 'info', __( 'The dashboard could not be told from here.', 'siteagent' ), __( 'That is no problem: it looks here by itself every few seconds while its page is open. Leave that page open, or choose “I pasted it” there.', 'siteagent' ) ),
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
	public static function scopes(): array {
		return array(
			'translations' => array( __( 'Translations.', 'siteagent' ), __( 'Texts of what is installed.', 'siteagent' ) ),
			'plugins'      => array( __( 'Plugins.', 'siteagent' ), __( 'A copy is kept until the new version has shown that it works.', 'siteagent' ) ),
			'themes'       => array( __( 'Themes.', 'siteagent' ), __( 'The same; changes somebody made to a theme’s own files are lost, as with every update.', 'siteagent' ) ),
			'core_minor'   => array( __( 'WordPress, minor releases.', 'siteagent' ), __( 'They usually close security holes. There is no copy of WordPress to go back to.', 'siteagent' ) ),
			'core_major'   => array( __( 'WordPress, major releases.', 'siteagent' ), __( 'They bring new functions and should be tested first. There is no copy of WordPress to go back to.', 'siteagent' ) ),
			'siteagent'    => array( __( 'SiteAgent itself.', 'siteagent' ), __( 'This plugin, in signed releases from your dashboard. The previous version is restored if the new one does not answer the dashboard.', 'siteagent' ) ),
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
			'siteagent'   => __( 'SiteAgent itself from %2$s to %3$s', 'siteagent' ),
		);
		$name      = 'plugin' === $item['kind'] && '.' !== dirname( $item['id'] ) ? dirname( $item['id'] ) : $item['id'];
		return sprintf( $labels[ $item['kind'] ], $name, '' === $item['from'] ? __( 'none', 'siteagent' ) : $item['from'], $item['to'] );
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
			'updates'    => __( 'Offered updates', 'siteagent' ),
			'health'     => __( 'Health', 'siteagent' ),
			'agent'      => __( 'What SiteAgent may do', 'siteagent' ),
		);
		$first  = (string) strtok( $path, '.[' );
		return isset( $groups[ $first ] ) ? $groups[ $first ] : __( 'The report itself', 'siteagent' );
	}

	/**
	 * Returns the type of a field as text.
	 */
	public static function field_type( array $field ): string {
		$kinds = array(
			'string'  => __( 'text', 'siteagent' ),
			'integer' => __( 'whole number', 'siteagent' ),
			'boolean' => __( 'yes or no', 'siteagent' ),
			'object'  => __( 'several values', 'siteagent' ),
		);
		$kind  = isset( $field['enum'] ) ? implode( ', ', $field['enum'] ) : $kinds[ $field['type'] ];
		/* translators: %s: a kind of value, for example "text" */
		return empty( $field['null'] ) ? $kind : sprintf( __( '%s, or nothing', 'siteagent' ), $kind );
	}
}
