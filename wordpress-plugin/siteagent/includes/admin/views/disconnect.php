<?php
/**
 * Confirmation page before disconnecting.
 *
 * @package SiteAgent
 * @var array $data connection or null (keys unreadable), moved or null.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<div class="card">
	<?php if ( null === $data['connection'] ) : ?>
		<h2><?php esc_html_e( 'Delete the unreadable connection?', 'siteagent' ); ?></h2>
	<?php else : ?>
		<h2><?php esc_html_e( 'Disconnect this site from', 'siteagent' ); ?></h2>
		<p class="siteagent-origin"><?php echo esc_html( $data['connection']['origin'] ); ?></p>
	<?php endif; ?>
	<div class="siteagent-columns">
		<div>
			<h3><?php esc_html_e( 'What stops', 'siteagent' ); ?></h3>
			<ul class="siteagent-list">
				<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'The keys are deleted immediately. All later requests are rejected.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'The dashboard receives no more reports, so your agency does not see when this site needs an update.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'This cannot be undone. Connecting again requires a new token.', 'siteagent' ); ?></span></li>
			</ul>
		</div>
		<div>
			<h3><?php esc_html_e( 'What stays', 'siteagent' ); ?></h3>
			<ul class="siteagent-list">
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'The site, its content, plugins and settings are not changed.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'The activity log is kept until you delete SiteAgent.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'The dashboard keeps the last report. Ask your agency if you want it deleted.', 'siteagent' ); ?></span></li>
			</ul>
		</div>
	</div>
	<?php if ( null !== $data['connection'] && null === $data['moved'] ) : ?>
		<p><?php esc_html_e( 'The dashboard is notified immediately. If it cannot be reached, it finds out with its next request.', 'siteagent' ); ?></p>
	<?php endif; ?>
	<div class="siteagent-actions">
		<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
			<input type="hidden" name="action" value="siteagent_disconnect">
			<?php wp_nonce_field( 'siteagent_disconnect' ); ?>
			<button type="submit" class="button siteagent-danger"><?php esc_html_e( 'Disconnect now', 'siteagent' ); ?></button>
		</form>
		<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url() ); ?>"><?php echo esc_html( null === $data['connection'] ? __( 'Back', 'siteagent' ) : __( 'Keep the connection', 'siteagent' ) ); ?></a>
	</div>
</div>
