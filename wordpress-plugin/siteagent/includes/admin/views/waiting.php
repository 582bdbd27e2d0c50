<?php
/**
 * Shown after a token was accepted, until the dashboard calls.
 *
 * @package SiteAgent
 * @var array $data pending (origin, expires_at, notice), now, answer (kind, title, next) or null, stopped (whether the
 *      page no longer refreshes automatically).
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_is_over = $data['pending']['expires_at'] <= $data['now'];
$siteagent_stopped = null !== $data['answer'] && 'error' === $data['answer']['kind'];
?>
<?php if ( $siteagent_stopped ) : ?>
	<div class="notice notice-error inline" role="alert"><p><strong><?php echo esc_html( $data['answer']['title'] ); ?></strong> <?php echo esc_html( $data['answer']['next'] ); ?></p></div>
<?php elseif ( $siteagent_is_over ) : ?>
	<div class="notice notice-error inline" role="alert"><p><strong><?php esc_html_e( 'The token has expired and the dashboard did not connect.', 'siteagent' ); ?></strong> <?php esc_html_e( 'Cancel here, create a new token in the dashboard and paste it. If it happens again, the dashboard’s page for this site shows the cause.', 'siteagent' ); ?></p></div>
<?php endif; ?>
<div class="card">
	<h2><?php echo esc_html( $siteagent_stopped || $siteagent_is_over ? __( 'Not connected to', 'siteagent' ) : __( 'Waiting for', 'siteagent' ) ); ?></h2>
	<p class="siteagent-origin"><?php echo esc_html( $data['pending']['origin'] ); ?></p>
	<?php if ( ! $siteagent_stopped && ! $siteagent_is_over ) : ?>
		<ul class="siteagent-list">
			<li><span class="dashicons dashicons-yes-alt" aria-hidden="true"></span><span><?php esc_html_e( 'You accepted the connection.', 'siteagent' ); ?></span></li>
			<?php if ( null !== $data['answer'] ) : ?>
				<li><span class="dashicons <?php echo 'delivered' === $data['pending']['notice'] ? 'dashicons-yes-alt' : 'dashicons-info'; ?>" aria-hidden="true"></span><span><?php echo esc_html( $data['answer']['title'] . ' ' . $data['answer']['next'] ); ?></span></li>
			<?php endif; ?>
			<li><span class="dashicons dashicons-clock" aria-hidden="true"></span><span><?php esc_html_e( 'The dashboard connects to this site and both agree on keys. Then both show the same fingerprint.', 'siteagent' ); ?></span></li>
		</ul>
		<?php /* translators: %s: date and time with how far away it is */ ?>
		<p><?php echo esc_html( sprintf( __( 'The token expires at %s.', 'siteagent' ), Siteagent_Messages::format_time( $data['pending']['expires_at'], $data['now'] ) ) ); ?></p>
		<?php if ( $data['stopped'] ) : ?>
			<p class="description"><?php esc_html_e( 'This page no longer refreshes automatically.', 'siteagent' ); ?> <a href="<?php echo esc_url( Siteagent_Settings_Page::url() ); ?>"><?php esc_html_e( 'Refresh automatically', 'siteagent' ); ?></a></p>
		<?php else : ?>
			<p class="description"><?php esc_html_e( 'This page refreshes every five seconds.', 'siteagent' ); ?> <a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'refresh' => 'off' ) ) ); ?>"><?php esc_html_e( 'Stop refreshing', 'siteagent' ); ?></a></p>
		<?php endif; ?>
	<?php endif; ?>
	<div class="siteagent-actions">
		<?php if ( ! $siteagent_stopped && ! $siteagent_is_over ) : ?>
			<a class="button button-primary" href="<?php echo esc_url( Siteagent_Settings_Page::url( $data['stopped'] ? array( 'refresh' => 'off' ) : array() ) ); ?>"><?php esc_html_e( 'Refresh', 'siteagent' ); ?></a>
		<?php endif; ?>
		<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
			<input type="hidden" name="action" value="siteagent_cancel">
			<?php wp_nonce_field( 'siteagent_cancel' ); ?>
			<button type="submit" class="button"><?php esc_html_e( 'Cancel this token', 'siteagent' ); ?></button>
		</form>
	</div>
</div>
