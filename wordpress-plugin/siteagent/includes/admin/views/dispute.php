<?php
/**
 * Conflicting histories of the dashboard and this site, which an administrator can resolve.
 *
 * @package SiteAgent
 * @var array $data dispute (refused and seen, each n, hash, at), connection, now.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_seen    = $data['dispute']['seen'];
$siteagent_refused = $data['dispute']['refused'];
?>
<div class="notice notice-error inline" role="alert">
	<p><strong><?php esc_html_e( 'The dashboard’s history does not match this site’s records.', 'siteagent' ); ?></strong></p>
	<p><?php esc_html_e( 'With each request, the dashboard signs how long its history is. In its last request the history was shorter than before, or different. It may have been shortened, altered, or restored from a backup. Until you decide, the dashboard can read the report but cannot install updates.', 'siteagent' ); ?></p>
</div>
<div class="card">
	<h2><?php esc_html_e( 'Conflicting histories', 'siteagent' ); ?></h2>
	<dl class="siteagent-facts">
		<div><dt><?php esc_html_e( 'Recorded before', 'siteagent' ); ?></dt>
		<?php /* translators: 1: number of an entry, 2: a date */ ?>
		<dd><?php echo esc_html( sprintf( __( 'Entry %1$s, %2$s', 'siteagent' ), number_format_i18n( $siteagent_seen['n'] ), Siteagent_Messages::format_time( $siteagent_seen['at'], $data['now'] ) ) ); ?> <code><?php echo esc_html( substr( $siteagent_seen['hash'], 0, 16 ) ); ?></code></dd></div>
		<div><dt><?php esc_html_e( 'Rejected', 'siteagent' ); ?></dt>
		<?php /* translators: 1: number of an entry, 2: a date */ ?>
		<dd><?php echo esc_html( sprintf( __( 'Entry %1$s, %2$s', 'siteagent' ), number_format_i18n( $siteagent_refused['n'] ), Siteagent_Messages::format_time( $siteagent_refused['at'], $data['now'] ) ) ); ?> <code><?php echo esc_html( substr( $siteagent_refused['hash'], 0, 16 ) ); ?></code></dd></div>
	</dl>
	<p><?php esc_html_e( 'Ask your agency what happened. If it restored a backup, it can tell you when. This site’s records are kept in the activity log.', 'siteagent' ); ?></p>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_accept_audit_log">
		<?php wp_nonce_field( 'siteagent_accept_audit_log' ); ?>
		<button type="submit" class="button"><?php esc_html_e( 'Accept the current history', 'siteagent' ); ?></button>
		<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'step' => 'disconnect' ) ) ); ?>"><?php esc_html_e( 'Disconnect …', 'siteagent' ); ?></a>
	</form>
</div>
