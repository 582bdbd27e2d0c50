<?php
/**
 * Tab "Activity log": the site's own log, newest first.
 *
 * @package SiteAgent
 * @var array $data entries (at, what, detail, who, seq), words (search), verified (ok, checked, broken_at), pages,
 *      page, now.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<h2><?php esc_html_e( 'Activity log', 'siteagent' ); ?></h2>
<div class="siteagent-narrow">
	<p><?php esc_html_e( 'All requests of the dashboard, and everything done on this page. The connected dashboard reads the entries since it was connected and compares them with its own. The log identifies accounts by number.', 'siteagent' ); ?></p>
	<?php if ( $data['verified']['ok'] && 0 < $data['verified']['checked'] ) : ?>
		<?php /* translators: %s: number of entries */ ?>
		<p><span class="dashicons dashicons-lock" aria-hidden="true"></span> <?php echo esc_html( sprintf( _n( 'Log verified: %s entry, no tampering detected.', 'Log verified: %s entries, no tampering detected.', $data['verified']['checked'], 'siteagent' ), number_format_i18n( $data['verified']['checked'] ) ) ); ?></p>
	<?php elseif ( ! $data['verified']['ok'] ) : ?>
		<?php /* translators: %s: number of an entry */ ?>
		<div class="notice notice-error inline"><p><strong><?php echo esc_html( sprintf( __( 'Log verification failed at entry %s.', 'siteagent' ), number_format_i18n( (int) $data['verified']['broken_at'] ) ) ); ?></strong> <?php esc_html_e( 'This entry was altered, inserted or removed outside SiteAgent, or an old database backup was partly restored. Find out which before you rely on this log.', 'siteagent' ); ?></p></div>
	<?php endif; ?>
</div>
<div class="siteagent-actions">
	<form method="get" action="<?php echo esc_url( Siteagent_Settings_Page::url() ); ?>" role="search">
		<input type="hidden" name="page" value="<?php echo esc_attr( Siteagent_Settings_Page::PAGE ); ?>">
		<input type="hidden" name="tab" value="log">
		<label for="siteagent-words"><?php esc_html_e( 'Search the log', 'siteagent' ); ?></label>
		<input type="search" id="siteagent-words" name="words" value="<?php echo esc_attr( $data['words'] ); ?>" maxlength="200">
		<button type="submit" class="button"><?php esc_html_e( 'Search', 'siteagent' ); ?></button>
	</form>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_export_log">
		<?php wp_nonce_field( 'siteagent_export_log' ); ?>
		<button type="submit" class="button" name="form" value="jsonl"><?php esc_html_e( 'Export for verification (JSON Lines)', 'siteagent' ); ?></button>
		<button type="submit" class="button" name="form" value="csv"><?php esc_html_e( 'Export as table (CSV)', 'siteagent' ); ?></button>
	</form>
</div>
<?php if ( array() === $data['entries'] && '' !== $data['words'] ) : ?>
	<p><?php esc_html_e( 'No entries found.', 'siteagent' ); ?></p>
<?php elseif ( array() === $data['entries'] ) : ?>
	<p><?php esc_html_e( 'No entries yet. Accept a pairing token to connect this site.', 'siteagent' ); ?></p>
<?php else : ?>
	<table class="widefat striped">
		<thead><tr>
			<th scope="col" class="siteagent-when"><?php esc_html_e( 'When', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'What', 'siteagent' ); ?></th>
			<th scope="col" class="siteagent-who"><?php esc_html_e( 'Who', 'siteagent' ); ?></th>
		</tr></thead>
		<tbody>
			<?php foreach ( $data['entries'] as $siteagent_entry ) : ?>
				<tr>
					<td class="siteagent-when"><?php echo esc_html( wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $siteagent_entry['at'] ) ); ?></td>
					<td><?php echo esc_html( $siteagent_entry['what'] ); ?><?php if ( '' !== $siteagent_entry['detail'] ) : ?><span class="siteagent-minor"><?php echo esc_html( $siteagent_entry['detail'] ); ?></span><?php endif; ?></td>
					<td class="siteagent-who"><?php echo esc_html( $siteagent_entry['who'] ); ?></td>
				</tr>
			<?php endforeach; ?>
		</tbody>
	</table>
	<?php if ( 1 < $data['pages'] ) : ?>
		<nav class="siteagent-actions" aria-label="<?php esc_attr_e( 'Pages of the log', 'siteagent' ); ?>">
			<?php if ( 1 < $data['page'] ) : ?>
				<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url( array_filter( array( 'tab' => 'log', 'paged' => $data['page'] - 1, 'words' => rawurlencode( $data['words'] ) ) ) ) ); ?>"><?php esc_html_e( 'Newer', 'siteagent' ); ?></a>
			<?php endif; ?>
			<?php /* translators: 1: page, 2: number of pages */ ?>
			<span><?php echo esc_html( sprintf( __( 'Page %1$s of %2$s', 'siteagent' ), number_format_i18n( $data['page'] ), number_format_i18n( $data['pages'] ) ) ); ?></span>
			<?php if ( $data['page'] < $data['pages'] ) : ?>
				<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url( array_filter( array( 'tab' => 'log', 'paged' => $data['page'] + 1, 'words' => rawurlencode( $data['words'] ) ) ) ) ); ?>"><?php esc_html_e( 'Older', 'siteagent' ); ?></a>
			<?php endif; ?>
		</nav>
	<?php endif; ?>
<?php endif; ?>
