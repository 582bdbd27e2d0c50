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
<h2><?php esc_html_e( 'Shared data', 'siteagent' ); ?></h2>
<div class="siteagent-narrow">
	<?php if ( '' === $data['origin'] ) : ?>
		<p><strong><?php esc_html_e( 'No dashboard is connected, so no data leaves this site.', 'siteagent' ); ?></strong> <?php esc_html_e( 'A connected dashboard receives this report on request:', 'siteagent' ); ?></p>
	<?php else : ?>
		<?php /* translators: %s: address of a dashboard */ ?>
		<p><?php echo esc_html( sprintf( __( '%s receives this report on request, the activity log since it was connected, and the result of each update it installs, as listed below.', 'siteagent' ), $data['origin'] ) ); ?></p>
	<?php endif; ?>
	<p><?php esc_html_e( 'While connecting, the dashboard also receives this site’s endpoint addresses, the versions of WordPress, PHP and SiteAgent, and a random ID of this site. SiteAgent sends nothing to anyone else.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'Every day, SiteAgent compares the files of WordPress, plugins and themes with their releases. It asks WordPress.org for the public checksums. The report contains the names of files that differ, never their content.', 'siteagent' ); ?></p>
	<p><?php esc_html_e( 'Before an update is approved, the dashboard can ask whether it can be installed. The response contains the versions, the download server, what prevents the update, and the public changelog from WordPress.org.', 'siteagent' ); ?></p>
</div>
<?php /* translators: %d: number of fields */ ?>
<h2><?php echo esc_html( sprintf( _n( '%d field and its purpose', '%d fields and their purposes', $data['count'], 'siteagent' ), $data['count'] ) ); ?></h2>
<p class="siteagent-narrow"><?php esc_html_e( 'The report contains only the fields in this list. It is followed by the fields of a log entry and of the result of an update. The activity log shows the entries themselves.', 'siteagent' ); ?></p>
<?php foreach ( $data['groups'] as $siteagent_title => $siteagent_fields ) : ?>
	<h3><?php echo esc_html( $siteagent_title ); ?></h3>
	<table class="widefat striped">
		<thead><tr>
			<th scope="col" class="siteagent-field"><?php esc_html_e( 'Field', 'siteagent' ); ?></th>
			<th scope="col" class="siteagent-kind"><?php esc_html_e( 'Type', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'Purpose', 'siteagent' ); ?></th>
		</tr></thead>
		<tbody>
			<?php foreach ( $siteagent_fields as $siteagent_field ) : ?>
				<tr>
					<td class="siteagent-field"><code><?php echo esc_html( $siteagent_field['path'] ); ?></code></td>
					<td class="siteagent-kind"><?php echo esc_html( Siteagent_Messages::field_type( $siteagent_field ) ); ?></td>
					<td><?php echo esc_html( translate( $siteagent_field['why'], 'siteagent' ) ); ?></td>
				</tr>
			<?php endforeach; ?>
		</tbody>
	</table>
<?php endforeach; ?>
<h2><?php esc_html_e( 'Report preview', 'siteagent' ); ?></h2>
<?php if ( null === $data['json'] ) : ?>
	<div class="notice notice-error inline"><p><?php esc_html_e( 'The report could not be created because of an error on this site. Check the error log for details.', 'siteagent' ); ?></p></div>
<?php else : ?>
	<?php /* translators: %s: size such as "4 KB" */ ?>
	<p class="description"><?php echo esc_html( sprintf( __( 'Created just now, %s.', 'siteagent' ), size_format( strlen( $data['json'] ) ) ) ); ?></p>
	<pre class="siteagent-json" tabindex="0" aria-label="<?php esc_attr_e( 'The report as JSON', 'siteagent' ); ?>"><?php echo esc_html( $data['json'] ); ?></pre>
<?php endif; ?>
