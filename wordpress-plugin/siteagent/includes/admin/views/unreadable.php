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
<div class="notice notice-error inline" role="alert"><p><strong><?php esc_html_e( 'The saved keys cannot be read, so the dashboard gets no answers.', 'siteagent' ); ?></strong></p></div>
<div class="card">
	<h2><?php esc_html_e( 'Connect this site again', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'The keys are locked with the secret keys in wp-config.php, and those have changed since this site was connected. Some security plugins and hosts change them, and so does copying a site to another server.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'If you still have the former secret keys, put them back into wp-config.php: the connection works again at once. To keep it working when they change, define SITEAGENT_KEY as shown below while they are in place.', 'siteagent' ); ?></p>
	<?php require __DIR__ . '/own-key.php'; ?>
	<p><?php esc_html_e( 'Otherwise nobody can unlock the old keys now, so they are of no use to anyone. Delete them here, revoke this site in the dashboard, and connect with a new token. On a copy of a site, deleting is enough.', 'siteagent' ); ?></p>
	<div class="siteagent-actions">
		<a class="button button-primary" href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'step' => 'disconnect' ) ) ); ?>"><?php esc_html_e( 'Delete the unreadable connection …', 'siteagent' ); ?></a>
	</div>
</div>
