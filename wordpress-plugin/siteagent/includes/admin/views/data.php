<?php
/**
 * Tab "Shared data": the report as JSON, and every field with its reason.
 *
 * @package SiteAgent
 * @var array $data json, or null when the report could not be created; groups (title => fields); count; origin.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<h2><?php esc_html_e( 'What leaves this site', 'siteagent' ); ?></h2>
<div class="siteagent-narrow">
	<?php if ( '' === $data['origin'] ) : ?>
		<p><strong><?php esc_html_e( 'No dashboard is connected, so nothing leaves this site.', 'siteagent' ); ?></strong> <?php esc_html_e( 'A connected dashboard would get this when it asks:', 'siteagent' ); ?></p>
	<?php else : ?>
		<?php /* translators: %s: address of a dashboard */ ?>
		<p><?php echo esc_html( sprintf( __( '%s gets this when it asks, the log under “Recent requests” since it was connected, and the result of each update it installs, as listed below.', 'siteagent' ), $data['origin'] ) ); ?></p>
	<?php endif; ?>
	<p><?php esc_html_e( 'While connecting, the dashboard also learns this site’s addresses for requests, the versions of WordPress, PHP and SiteAgent, and a random number that names this site. SiteAgent sends nothing to anybody else.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'Before an update is approved, the dashboard may ask whether it could be done. The answer names the versions, the server the package would come from and what stands in the way, and repeats what the public changelog at WordPress.org says of the new version.', 'siteagent' ); ?></p>
</div>
<?php /* translators: %d: number of fields */ ?>
<h2><?php echo esc_html( sprintf( _n( '%d field, with its reason', '%d fields, each with its reason', $data['count'], 'siteagent' ), $data['count'] ) ); ?></h2>
<p class="siteagent-narrow"><?php esc_html_e( 'The report is built from this list. What is not on it cannot leave. Below it are the fields of a log entry and of the result of an update; “Recent requests” shows the entries themselves.', 'siteagent' ); ?></p>
<?php foreach ( $data['groups'] as $siteagent_title => $siteagent_fields ) : ?>
	<h3><?php echo esc_html( $siteagent_title ); ?></h3>
	<table class="widefat striped">
		<thead><tr>
			<th scope="col" class="siteagent-field"><?php esc_html_e( 'Field', 'siteagent' ); ?></th>
			<th scope="col" class="siteagent-kind"><?php esc_html_e( 'Kind of value', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'Why', 'siteagent' ); ?></th>
		</tr></thead>
		<tbody>
			<?php foreach ( $siteagent_fields as $siteagent_field ) : ?>
				<tr>
					<td class="siteagent-field"><code><?php echo esc_html( $siteagent_field['path'] ); ?></code></td>
					<td class="siteagent-kind"><?php echo esc_html( Siteagent_Messages::field_type( $siteagent_field ) ); ?></td>
					<td><?php echo esc_html( $siteagent_field['why'] ); ?></td>
				</tr>
			<?php endforeach; ?>
		</tbody>
	</table>
<?php endforeach; ?>
<h2><?php esc_html_e( 'The report, exactly as it would leave', 'siteagent' ); ?></h2>
<?php if ( null === $data['json'] ) : ?>
	<div class="notice notice-error inline"><p><?php esc_html_e( 'The report could not be taken just now: something on this site broke while it was read. The dashboard would get an error instead of a report. The error log of this site tells more.', 'siteagent' ); ?></p></div>
<?php else : ?>
	<?php /* translators: %s: size such as "4 KB" */ ?>
	<p class="description"><?php echo esc_html( sprintf( __( 'Taken just now, %s.', 'siteagent' ), size_format( strlen( $data['json'] ) ) ) ); ?></p>
	<pre class="siteagent-json" tabindex="0" aria-label="<?php esc_attr_e( 'The report as JSON', 'siteagent' ); ?>"><?php echo esc_html( $data['json'] ); ?></pre>
<?php endif; ?>
