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
<div class="notice notice-error inline" role="alert"><p><strong><?php esc_html_e( 'This SiteAgent is older than the one that ran here before, so it cannot respond to the dashboard.', 'siteagent' ); ?></strong></p></div>
<div class="card">
	<h2><?php esc_html_e( 'Install the newer version again', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'A newer version stored the connection in a format that this version cannot read. Nothing was changed or deleted: it works again with the newer version.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'To start over with this version, delete SiteAgent under Plugins and install it again.', 'siteagent' ); ?></p>
</div>
