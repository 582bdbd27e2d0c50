<?php
/**
 * Three choices for a site whose address has changed.
 *
 * @package SiteAgent
 * @var array $data moved (was, is); connection with move (home) if the dashboard was asked to follow.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_is_announced = isset( $data['connection']['move'] ) && Siteagent_Site_Address::is_same_site( $data['connection']['move']['home'], $data['moved']['is'] );
$siteagent_choices      = array(
	'later' => array( __( 'Decide later', 'siteagent' ), __( 'Nothing changes. SiteAgent stays paused, and responds again once the site is back at its old address.', 'siteagent' ) ),
	'moved' => array( __( 'This site has moved', 'siteagent' ), __( 'The dashboard is asked to follow. Someone must confirm the new address there. Then both sides create new keys, and the old ones stop working.', 'siteagent' ) ),
	'copy'  => array( __( 'This is a copy, for example a staging site', 'siteagent' ), __( 'The connection is removed from this copy, and the dashboard is not notified. The original site stays connected.', 'siteagent' ) ),
);
?>
<div class="notice notice-error inline" role="alert">
	<p><strong><?php esc_html_e( 'This site’s address has changed, so SiteAgent is paused.', 'siteagent' ); ?></strong></p>
	<?php /* translators: 1: address at pairing, 2: present address */ ?>
	<p><?php echo esc_html( sprintf( __( 'It was connected as %1$s and is now %2$s. A copy must not act for the original, so SiteAgent is paused until you choose.', 'siteagent' ), $data['moved']['was'], $data['moved']['is'] ) ); ?></p>
	<?php if ( $siteagent_is_announced ) : ?>
		<p><?php esc_html_e( 'The dashboard was asked to follow. Someone must confirm the new address there.', 'siteagent' ); ?></p>
	<?php endif; ?>
</div>
<div class="card">
	<h2><?php esc_html_e( 'What is this site?', 'siteagent' ); ?></h2>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_moved">
		<?php wp_nonce_field( 'siteagent_moved' ); ?>
		<fieldset class="siteagent-permissions">
			<legend class="screen-reader-text"><?php esc_html_e( 'What is this site?', 'siteagent' ); ?></legend>
			<?php foreach ( $siteagent_choices as $siteagent_choice => $siteagent_text ) : ?>
				<label for="siteagent-choice-<?php echo esc_attr( $siteagent_choice ); ?>">
					<input type="radio" id="siteagent-choice-<?php echo esc_attr( $siteagent_choice ); ?>" name="choice" value="<?php echo esc_attr( $siteagent_choice ); ?>"<?php checked( 'later', $siteagent_choice ); ?>>
					<span><strong><?php echo esc_html( $siteagent_text[0] ); ?></strong><br><?php echo esc_html( $siteagent_text[1] ); ?></span>
				</label>
			<?php endforeach; ?>
		</fieldset>
		<div class="siteagent-actions">
			<button type="submit" class="button button-primary"><?php esc_html_e( 'Continue', 'siteagent' ); ?></button>
		</div>
	</form>
</div>
