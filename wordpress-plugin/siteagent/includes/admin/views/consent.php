<?php
/**
 * Consent page: which dashboard asks, what it can access and what it can never access.
 *
 * @package SiteAgent
 * @var array $data pid, origin, expires_at, now, connection or null, error (title, next) or null.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<?php if ( null !== $data['error'] ) : ?>
	<div class="notice notice-error inline" role="alert"><p><strong><?php echo esc_html( $data['error']['title'] ); ?></strong> <?php echo esc_html( $data['error']['next'] ); ?></p></div>
<?php endif; ?>
<div class="card">
	<h2><?php esc_html_e( 'Connect this site to this dashboard?', 'siteagent' ); ?></h2>
	<p class="siteagent-origin"><?php echo esc_html( $data['origin'] ); ?></p>
	<?php if ( 0 !== strpos( $data['origin'], 'https://' ) ) : ?>
		<div class="notice notice-warning inline"><p><?php esc_html_e( 'This address is not encrypted (http). Connect only if you trust the dashboard’s computer or network.', 'siteagent' ); ?></p></div>
	<?php endif; ?>
	<p><?php esc_html_e( 'Is this the dashboard you copied the token from? If you did not request this token, cancel.', 'siteagent' ); ?></p>
	<?php /* translators: %s: date and time with how far away it is */ ?>
	<p><?php echo esc_html( sprintf( __( 'The token is for this site and expires at %s.', 'siteagent' ), Siteagent_Messages::format_time( $data['expires_at'], $data['now'] ) ) ); ?></p>
	<div class="siteagent-columns">
		<div>
			<h3><?php esc_html_e( 'What it can access', 'siteagent' ); ?></h3>
			<ul class="siteagent-list">
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'The report: versions, plugins, themes, available updates and health signals.', 'siteagent' ); ?> <a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'data' ) ) ); ?>" target="_blank"><?php esc_html_e( 'Preview the report (opens in a new tab)', 'siteagent' ); ?></a></span></li>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'SiteAgent’s activity log since it was connected, to compare it with its own. The log identifies accounts by number.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'Ending the connection', 'siteagent' ); ?></span></li>
			</ul>
			<p><?php esc_html_e( 'It can change nothing unless you allow it: all permissions are off at first.', 'siteagent' ); ?></p>
		</div>
		<div>
			<h3><?php esc_html_e( 'What it can never access', 'siteagent' ); ?></h3>
			<ul class="siteagent-list">
				<li><span class="dashicons dashicons-no-alt" aria-hidden="true"></span><span><?php esc_html_e( 'WordPress accounts, logins and passwords', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-no-alt" aria-hidden="true"></span><span><?php esc_html_e( 'Posts, pages, media, comments, orders or form entries', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-no-alt" aria-hidden="true"></span><span><?php esc_html_e( 'User names, e-mail addresses or visitors’ IP addresses', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-no-alt" aria-hidden="true"></span><span><?php esc_html_e( 'The keys in wp-config.php, file paths, or anything else from the database', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-no-alt" aria-hidden="true"></span><span><?php esc_html_e( 'Uploading code, installing anything new, deleting or running anything', 'siteagent' ); ?></span></li>
			</ul>
		</div>
	</div>
	<p><?php esc_html_e( 'You can disconnect on this page at any time.', 'siteagent' ); ?></p>
	<form id="siteagent-accept" method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_accept">
		<input type="hidden" name="pid" value="<?php echo esc_attr( $data['pid'] ); ?>">
		<?php wp_nonce_field( 'siteagent_accept' ); ?>
		<?php if ( null !== $data['connection'] ) : ?>
			<div class="siteagent-replace">
				<label for="siteagent-replace"><input type="checkbox" id="siteagent-replace" name="replace" value="1"> <strong><?php esc_html_e( 'Replace the existing connection', 'siteagent' ); ?></strong></label>
				<?php /* translators: %s: address of a dashboard */ ?>
				<p><?php echo esc_html( sprintf( __( '%s is disconnected immediately and notified. If you do not complete the new pairing, this site stays disconnected.', 'siteagent' ), $data['connection']['origin'] ) ); ?></p>
			</div>
		<?php endif; ?>
	</form>
	<div class="siteagent-actions">
		<button type="submit" form="siteagent-accept" class="button button-primary"><?php esc_html_e( 'Connect', 'siteagent' ); ?></button>
		<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
			<input type="hidden" name="action" value="siteagent_cancel">
			<?php wp_nonce_field( 'siteagent_cancel' ); ?>
			<button type="submit" class="button"><?php esc_html_e( 'Cancel', 'siteagent' ); ?></button>
		</form>
	</div>
</div>
