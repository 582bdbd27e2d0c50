<?php
/**
 * Three choices for a site whose address is not the one it was connected under.
 *
 * @package SiteAgent
 *
 * @var array $data moved (was, is); connection with move (home) if the dashboard was asked to follow.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_asked = isset( $data['connection']['move'] ) && Siteagent_Address::same_home( $data['connection']['move']['home'], $data['moved']['is'] );
?>
<div class="notice notice-error inline" role="alert">
	<p><strong><?php esc_html_e( 'The address of this site has changed, so the dashboard gets no answers.', 'siteagent' ); ?></strong></p>
	<?php /* translators: 1: address at pairing, 2: present address */ ?>
	<p><?php echo esc_html( sprintf( __( 'It was connected as %1$s and now is %2$s. A copy must not speak for the original, so SiteAgent is silent until you choose.', 'siteagent' ), $data['moved']['was'], $data['moved']['is'] ) ); ?></p>
	<?php if ( $siteagent_asked ) : ?>
		<p><?php esc_html_e( 'The dashboard was asked to follow. Somebody there has to agree.', 'siteagent' ); ?></p>
	<?php endif; ?>
</div>
<div class="card">
	<h2><?php esc_html_e( 'What is this site?', 'siteagent' ); ?></h2>
	<div class="siteagent-choices">
		<section>
			<h3><?php esc_html_e( 'A copy', 'siteagent' ); ?></h3>
			<p><?php esc_html_e( 'For example a staging site. The keys are deleted here and nobody is told; the original stays connected.', 'siteagent' ); ?></p>
			<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
				<input type="hidden" name="action" value="siteagent_disconnect">
				<?php wp_nonce_field( 'siteagent_disconnect' ); ?>
				<button type="submit" class="button button-primary"><?php esc_html_e( 'Forget the connection here', 'siteagent' ); ?></button>
			</form>
		</section>
		<section>
			<h3><?php esc_html_e( 'The site itself, moved', 'siteagent' ); ?></h3>
			<p><?php esc_html_e( 'The dashboard is asked to follow. Somebody there has to agree; then both sides make new keys and the old ones are worthless.', 'siteagent' ); ?></p>
			<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
				<input type="hidden" name="action" value="siteagent_follow">
				<?php wp_nonce_field( 'siteagent_follow' ); ?>
				<button type="submit" class="button"><?php esc_html_e( 'Ask the dashboard to follow', 'siteagent' ); ?></button>
			</form>
		</section>
		<section>
			<h3><?php esc_html_e( 'Neither, for now', 'siteagent' ); ?></h3>
			<p><?php esc_html_e( 'Nothing changes. SiteAgent stays silent under this address and answers again once the site is back under the old one.', 'siteagent' ); ?></p>
			<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
				<input type="hidden" name="action" value="siteagent_silent">
				<?php wp_nonce_field( 'siteagent_silent' ); ?>
				<button type="submit" class="button"><?php esc_html_e( 'Stay silent', 'siteagent' ); ?></button>
			</form>
		</section>
	</div>
</div>
