<?php
/**
 * Tab "Update history": the results of updates, newest first, with the copies that can be restored.
 *
 * @package SiteAgent
 * @var array $data entries (at, what, id, result, reason, by, update_id, copy (a version or null), until, installed,
 *      allowed, no_copy), count, pages, page, now.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<h2><?php esc_html_e( 'Update history', 'siteagent' ); ?></h2>
<p class="siteagent-narrow"><?php esc_html_e( 'All updates that a dashboard has installed or tried to install on this site. The version that an update replaces is kept for two weeks, at most three of each plugin and theme. You can restore it here.', 'siteagent' ); ?></p>
<?php if ( array() === $data['entries'] ) : ?>
	<p class="siteagent-empty"><?php esc_html_e( 'No updates yet. An update appears here once the dashboard has installed it.', 'siteagent' ); ?></p>
	<?php return; ?>
<?php endif; ?>
<table class="widefat striped">
	<thead><tr>
		<th scope="col" class="siteagent-when"><?php esc_html_e( 'When', 'siteagent' ); ?></th>
		<th scope="col"><?php esc_html_e( 'What', 'siteagent' ); ?></th>
		<th scope="col"><?php esc_html_e( 'Result', 'siteagent' ); ?></th>
		<th scope="col"><?php esc_html_e( 'Approved by', 'siteagent' ); ?></th>
		<th scope="col"><?php esc_html_e( 'Kept copy', 'siteagent' ); ?></th>
	</tr></thead>
	<tbody>
		<?php foreach ( $data['entries'] as $siteagent_entry ) : ?>
			<tr>
				<td class="siteagent-when"><?php echo esc_html( wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $siteagent_entry['at'] ) ); ?></td>
				<td><?php echo esc_html( $siteagent_entry['what'] ); ?><span class="siteagent-minor"><?php echo esc_html( $siteagent_entry['id'] ); ?></span></td>
				<td data-colname="<?php esc_attr_e( 'Result', 'siteagent' ); ?>"><?php echo esc_html( $siteagent_entry['result'] ); ?>
					<?php if ( '' !== $siteagent_entry['reason'] ) : ?>
						<span class="siteagent-minor"><?php echo esc_html( $siteagent_entry['reason'] ); ?></span>
					<?php endif; ?>
				</td>
				<td data-colname="<?php esc_attr_e( 'Approved by', 'siteagent' ); ?>"><?php echo esc_html( '' === $siteagent_entry['by'] ? __( 'Unknown', 'siteagent' ) : $siteagent_entry['by'] ); ?></td>
				<td data-colname="<?php esc_attr_e( 'Kept copy', 'siteagent' ); ?>">
					<?php if ( null === $siteagent_entry['copy'] && '' !== $siteagent_entry['no_copy'] ) : ?>
						<?php /* translators: %s: a reason, such as "there is not enough disk space" */ ?>
						<?php echo esc_html( sprintf( __( 'None: %s.', 'siteagent' ), $siteagent_entry['no_copy'] ) ); ?>
					<?php elseif ( null === $siteagent_entry['copy'] ) : ?>
						<?php esc_html_e( 'None', 'siteagent' ); ?>
					<?php elseif ( $siteagent_entry['installed'] ) : ?>
						<?php /* translators: %s: version number */ ?>
						<?php echo esc_html( sprintf( __( 'Version %s is installed', 'siteagent' ), $siteagent_entry['copy'] ) ); ?>
					<?php else : ?>
						<?php if ( $siteagent_entry['allowed'] ) : ?>
							<?php /* translators: %s: version number */ ?>
							<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'history', 'update' => $siteagent_entry['update_id'] ) ) ); ?>"><?php echo esc_html( sprintf( __( 'Restore version %s …', 'siteagent' ), $siteagent_entry['copy'] ) ); ?></a>
						<?php else : ?>
							<?php /* translators: %s: version number */ ?>
							<?php echo esc_html( sprintf( __( 'Version %s', 'siteagent' ), $siteagent_entry['copy'] ) ); ?>
						<?php endif; ?>
						<?php /* translators: %s: date */ ?>
						<span class="siteagent-minor"><?php echo esc_html( sprintf( __( 'Kept until %s', 'siteagent' ), wp_date( get_option( 'date_format' ), $siteagent_entry['until'] ) ) ); ?></span>
					<?php endif; ?>
				</td>
			</tr>
		<?php endforeach; ?>
	</tbody>
</table>
<?php if ( 1 < $data['pages'] ) : ?>
	<nav class="siteagent-actions" aria-label="<?php esc_attr_e( 'Pages of the history', 'siteagent' ); ?>">
		<?php if ( 1 < $data['page'] ) : ?>
			<a class="button" href="<?php echo esc_url( Siteagent_Update_History_Tab::url( $data['page'] - 1 ) ); ?>"><?php esc_html_e( 'Newer', 'siteagent' ); ?></a>
		<?php endif; ?>
		<?php /* translators: 1: number of the page, 2: number of pages */ ?>
		<span><?php echo esc_html( sprintf( __( 'Page %1$s of %2$s', 'siteagent' ), number_format_i18n( $data['page'] ), number_format_i18n( $data['pages'] ) ) ); ?></span>
		<?php if ( $data['page'] < $data['pages'] ) : ?>
			<a class="button" href="<?php echo esc_url( Siteagent_Update_History_Tab::url( $data['page'] + 1 ) ); ?>"><?php esc_html_e( 'Older', 'siteagent' ); ?></a>
		<?php endif; ?>
	</nav>
<?php endif; ?>
