<?php
/**
 * A line for wp-config.php that makes the connection independent of WordPress's secret keys.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<?php if ( ! Siteagent_Encryption::has_own_key() ) : ?>
	<details class="siteagent-own-key">
		<summary><?php esc_html_e( 'Keep the connection when WordPress’s secret keys change', 'siteagent' ); ?></summary>
		<p><?php esc_html_e( 'SiteAgent encrypts its keys with the secret keys in wp-config.php, which some security plugins change. Add this line to wp-config.php, above “That’s all, stop editing!”. SiteAgent uses it from the dashboard’s next request on. Do not change it afterwards.', 'siteagent' ); ?></p>
		<pre class="siteagent-json" tabindex="0"><?php echo esc_html( sprintf( "define( 'SITEAGENT_KEY', '%s' );", bin2hex( random_bytes( 32 ) ) ) ); ?></pre>
	</details>
<?php endif; ?>
