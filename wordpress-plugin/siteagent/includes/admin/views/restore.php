<?php
/**
 * Confirms the restoring of a kept copy.
 *
 * @package SiteAgent
 * @var array $data update_id, label, version, installed (the version now), active, rollback (whether a version that
 *      does not work is replaced again).
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<div class="card">
	<h2><?php esc_html_e( 'Restore a former version', 'siteagent' ); ?></h2>
	<p class="siteagent-origin"><?php echo esc_html( $data['label'] ); ?></p>
	<div class="siteagent-columns">
		<div>
			<h3><?php esc_html_e( 'What happens', 'siteagent' ); ?></h3>
			<ul class="siteagent-list">
				<?php /* translators: 1: installed version, 2: version to restore */ ?>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php echo esc_html( sprintf( __( 'The files of version %1$s are replaced with those of version %2$s. SiteAgent first checks that the copy has not been altered.', 'siteagent' ), $data['installed'], $data['version'] ) ); ?></span></li>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php echo esc_html( $data['active'] ? __( 'It stays active. Visitors see a maintenance page for a few seconds.', 'siteagent' ) : __( 'It stays inactive.', 'siteagent' ) ); ?></span></li>
				<?php if ( $data['rollback'] ) : ?>
					<?php /* translators: %s: installed version */ ?>
					<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php echo esc_html( sprintf( __( 'SiteAgent then checks this site’s pages. If the restored version breaks them, version %s is put back.', 'siteagent' ), $data['installed'] ) ); ?></span></li>
				<?php else : ?>
					<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'SiteAgent cannot write a watchdog on this site. If the restored version breaks every page, you have to replace it by hand.', 'siteagent' ); ?></span></li>
				<?php endif; ?>
				<?php /* translators: %s: installed version */ ?>
				<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php echo esc_html( sprintf( __( 'Version %s is kept for two weeks as well, so you can go back to it.', 'siteagent' ), $data['installed'] ) ); ?></span></li>
			</ul>
		</div>
		<div>
			<h3><?php esc_html_e( 'What is not restored', 'siteagent' ); ?></h3>
			<ul class="siteagent-list">
				<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'The database. If the newer version changed it, the restored version may not work with it. A backup of your host restores both.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'Security fixes of the newer version are missing again.', 'siteagent' ); ?></span></li>
				<li><span class="dashicons dashicons-dismiss" aria-hidden="true"></span><span><?php esc_html_e( 'The newer version becomes available again. If automatic updates are on, WordPress may install it soon.', 'siteagent' ); ?></span></li>
			</ul>
		</div>
	</div>
	<p><?php esc_html_e( 'The result is logged, and the connected dashboard reads it in the activity log.', 'siteagent' ); ?></p>
	<div class="siteagent-actions">
		<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
			<input type="hidden" name="action" value="siteagent_restore">
			<input type="hidden" name="update" value="<?php echo esc_attr( $data['update_id'] ); ?>">
			<?php wp_nonce_field( 'siteagent_restore' ); ?>
			<?php /* translators: %s: version number */ ?>
			<button type="submit" class="button button-primary"><?php echo esc_html( sprintf( __( 'Restore version %s', 'siteagent' ), $data['version'] ) ); ?></button>
		</form>
		<?php /* translators: %s: installed version */ ?>
		<a class="button" href="<?php echo esc_url( Siteagent_Update_History_Tab::url() ); ?>"><?php echo esc_html( sprintf( __( 'Keep version %s', 'siteagent' ), $data['installed'] ) ); ?></a>
	</div>
</div>
