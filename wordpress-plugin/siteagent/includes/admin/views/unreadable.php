<?php
/**
 * Shown when the stored keys cannot be decrypted.
 *
 * @package SiteAgent
 * @var array $data Empty.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<div class="notice notice-error inline" role="alert"><p><strong><?php esc_html_e( 'SiteAgent cannot read its saved keys, so it cannot respond to the dashboard.', 'siteagent' ); ?></strong></p></div>
<div class="card">
	<h2><?php esc_html_e( 'Connect this site again', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'The keys are encrypted with the secret keys in wp-config.php, which have changed since this site was connected. Some security plugins and hosts change them, and so does copying a site to another server.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'If you still have the previous secret keys, restore them in wp-config.php, and the connection works again. Then add SITEAGENT_KEY as shown below, so that the connection survives the next change.', 'siteagent' ); ?></p>
	<?php require __DIR__ . '/own-key.php'; ?>
	<p><?php esc_html_e( 'Otherwise the old keys can no longer be used by anyone. Delete them here, revoke access for this site in the dashboard, and connect with a new token. On a copy of a site, deleting them is enough.', 'siteagent' ); ?></p>
	<div class="siteagent-actions">
		<a class="button button-primary" href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'step' => 'disconnect' ) ) ); ?>"><?php esc_html_e( 'Delete the unreadable connection …', 'siteagent' ); ?></a>
	</div>
</div>
