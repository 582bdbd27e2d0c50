<?php
/**
 * The form for a pairing token.
 *
 * @package SiteAgent
 * @var array $data text (never a usable token), error (title, next) or null, connection or null, ended or null,
 *      now.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<?php if ( null !== $data['error'] ) : ?>
	<div class="notice notice-error inline" role="alert"><p><strong><?php echo esc_html( $data['error']['title'] ); ?></strong> <?php echo esc_html( $data['error']['next'] ); ?></p></div>
<?php endif; ?>
<div class="card">
	<?php if ( null === $data['connection'] ) : ?>
		<h2><?php esc_html_e( 'Connect this site to a dashboard', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'No dashboard is connected. No data leaves this site.', 'siteagent' ); ?></p>
		<?php if ( null !== $data['ended'] ) : ?>
			<?php
			$siteagent_ended = 'dashboard' === $data['ended']['by']
				/* translators: 1: address of a dashboard, 2: date and time with how far away it is */
				? __( 'The dashboard %1$s ended the connection on %2$s. Your permissions ended too. Set them again after connecting.', 'siteagent' )
				/* translators: 1: address of a dashboard, 2: date and time with how far away it is */
				: __( 'The connection to %1$s was ended here on %2$s. Your permissions ended too.', 'siteagent' );
			?>
			<p><?php echo esc_html( sprintf( $siteagent_ended, $data['ended']['origin'], Siteagent_Messages::format_time( (int) $data['ended']['at'], $data['now'] ) ) ); ?></p>
		<?php endif; ?>
	<?php else : ?>
		<h2><?php esc_html_e( 'Connect to another dashboard', 'siteagent' ); ?></h2>
		<?php /* translators: %s: address of a dashboard */ ?>
		<p><?php echo esc_html( sprintf( __( 'This site is connected to %s. That connection is kept until you agree to replace it on the next page.', 'siteagent' ), $data['connection']['origin'] ) ); ?></p>
	<?php endif; ?>
	<p><?php esc_html_e( 'In your dashboard, add this site and copy the pairing token. A token works once and expires after 30 minutes. Before you connect, you will see which dashboard it belongs to and what it can access.', 'siteagent' ); ?></p>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_read_token">
		<?php wp_nonce_field( 'siteagent_read_token' ); ?>
		<p><label for="siteagent-token"><strong><?php esc_html_e( 'Pairing token', 'siteagent' ); ?></strong></label></p>
		<textarea id="siteagent-token" name="token" class="siteagent-token" rows="5" required autofocus autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck="false" placeholder="SA1.…"<?php echo null === $data['error'] ? '' : ' aria-invalid="true"'; ?>><?php echo esc_textarea( $data['text'] ); ?></textarea>
		<div class="siteagent-actions">
			<button type="submit" class="button button-primary"><?php esc_html_e( 'Check token', 'siteagent' ); ?></button>
			<?php if ( null !== $data['connection'] ) : ?>
				<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url() ); ?>"><?php esc_html_e( 'Keep the current connection', 'siteagent' ); ?></a>
			<?php endif; ?>
		</div>
	</form>
</div>
<div class="card">
	<h2><?php esc_html_e( 'Before you connect', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'A connected dashboard can read one report about this site: versions, plugins and themes, available updates and health signals. It can change nothing unless you allow it, and has no access to accounts, content or personal data.', 'siteagent' ); ?></p>
	<p><a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'data' ) ) ); ?>"><?php esc_html_e( 'Preview the report', 'siteagent' ); ?></a></p>
</div>
