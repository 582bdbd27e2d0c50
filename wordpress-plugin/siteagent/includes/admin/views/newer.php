<?php
/**
 * Shown when the stored data was written by a newer SiteAgent.
 *
 * @package SiteAgent
 * @var array $data Empty.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<div class="notice notice-error inline" role="alert"><p><strong><?php esc_html_e( 'This SiteAgent is older than the one that ran here before, so the dashboard gets no answers.', 'siteagent' ); ?></strong></p></div>
<div class="card">
	<h2><?php esc_html_e( 'Install the newer version again', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'A newer version has stored the connection in a form that this one cannot read. Nothing of it was changed or deleted: with the newer version it works as before.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'To begin anew with this version instead, delete SiteAgent under Plugins and install it again.', 'siteagent' ); ?></p>
</div>
