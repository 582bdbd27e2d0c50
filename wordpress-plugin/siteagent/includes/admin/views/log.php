<?php
/**
 * Tab "Activity log": the site's own log, newest first.
 *
 * @package SiteAgent
 * @var array $data entries (at, what, detail, technical, who, seq, event, hash), words (search), kind, kinds (kind =>
 *      label), counts (kind => entries), verified (ok, checked, broken_at), pages, page, now.
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
<nav aria-label="<?php esc_attr_e( 'Kinds of entries', 'siteagent' ); ?>">
	<ul class="subsubsub siteagent-kinds">
		<?php foreach ( $data['kinds'] as $siteagent_kind => $siteagent_label ) : ?>
			<li><a href="<?php echo esc_url( Siteagent_Activity_Log_Tab::url( $siteagent_kind, $data['words'] ) ); ?>"<?php echo $siteagent_kind === $data['kind'] ? ' class="current" aria-current="page"' : ''; ?>><?php echo esc_html( $siteagent_label ); ?> <span class="count">(<?php echo esc_html( number_format_i18n( $data['counts'][ $siteagent_kind ] ) ); ?>)</span></a></li>
		<?php endforeach; ?>
	</ul>
</nav>
<form method="get" action="<?php echo esc_url( Siteagent_Settings_Page::url() ); ?>" role="search">
	<input type="hidden" name="page" value="<?php echo esc_attr( Siteagent_Settings_Page::PAGE ); ?>">
	<input type="hidden" name="tab" value="log">
	<p class="search-box">
		<label for="siteagent-words" class="screen-reader-text"><?php esc_html_e( 'Search the log', 'siteagent' ); ?></label>
		<input type="search" id="siteagent-words" name="words" value="<?php echo esc_attr( $data['words'] ); ?>" maxlength="<?php echo esc_attr( (string) Siteagent_Activity_Log_Tab::MAX_SEARCH_CHARS ); ?>">
		<button type="submit" class="button"><?php esc_html_e( 'Search the log', 'siteagent' ); ?></button>
	</p>
</form>
<?php if ( array() === $data['entries'] && 0 === $data['verified']['checked'] ) : ?>
	<p class="siteagent-empty"><?php esc_html_e( 'No entries yet. Accept a pairing token to connect this site.', 'siteagent' ); ?></p>
<?php elseif ( array() === $data['entries'] ) : ?>
	<p class="siteagent-empty"><?php esc_html_e( 'No entries found.', 'siteagent' ); ?></p>
<?php else : ?>
	<?php require __DIR__ . '/log-pages.php'; ?>
	<table class="widefat striped siteagent-log">
		<thead><tr>
			<th scope="col" class="siteagent-when"><?php esc_html_e( 'When', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'What', 'siteagent' ); ?></th>
			<th scope="col" class="siteagent-who"><?php esc_html_e( 'Who', 'siteagent' ); ?></th>
		</tr></thead>
		<tbody>
			<?php foreach ( $data['entries'] as $siteagent_entry ) : ?>
				<tr>
					<td class="siteagent-when"><?php echo esc_html( wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $siteagent_entry['at'] ) ); ?></td>
					<td>
						<?php echo esc_html( $siteagent_entry['what'] ); ?>
						<?php if ( '' !== $siteagent_entry['detail'] ) : ?>
							<span class="siteagent-minor"><?php echo esc_html( $siteagent_entry['detail'] ); ?></span>
						<?php endif; ?>
						<details class="siteagent-technical">
							<summary><?php esc_html_e( 'Technical details', 'siteagent' ); ?></summary>
							<dl>
								<div><dt><?php esc_html_e( 'Number', 'siteagent' ); ?></dt><dd><?php echo esc_html( number_format_i18n( $siteagent_entry['seq'] ) ); ?></dd></div>
								<div><dt><?php esc_html_e( 'Event', 'siteagent' ); ?></dt><dd><?php echo esc_html( $siteagent_entry['event'] ); ?></dd></div>
								<div><dt><?php esc_html_e( 'Time (UTC)', 'siteagent' ); ?></dt><dd><?php echo esc_html( gmdate( 'Y-m-d H:i:s', $siteagent_entry['at'] ) ); ?></dd></div>
								<?php foreach ( $siteagent_entry['technical'] as $siteagent_label => $siteagent_value ) : ?>
									<div><dt><?php echo esc_html( $siteagent_label ); ?></dt><dd><?php echo esc_html( $siteagent_value ); ?></dd></div>
								<?php endforeach; ?>
								<div><dt><?php esc_html_e( 'Hash of the entry', 'siteagent' ); ?></dt><dd><?php echo esc_html( $siteagent_entry['hash'] ); ?></dd></div>
							</dl>
						</details>
					</td>
					<td class="siteagent-who" data-colname="<?php esc_attr_e( 'Who', 'siteagent' ); ?>"><?php echo esc_html( $siteagent_entry['who'] ); ?></td>
				</tr>
			<?php endforeach; ?>
		</tbody>
	</table>
	<?php require __DIR__ . '/log-pages.php'; ?>
<?php endif; ?>
<form class="siteagent-actions" method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
	<input type="hidden" name="action" value="siteagent_export_log">
	<?php wp_nonce_field( 'siteagent_export_log' ); ?>
	<button type="submit" class="button" name="form" value="jsonl"><?php esc_html_e( 'Export for verification (JSON Lines)', 'siteagent' ); ?></button>
	<button type="submit" class="button" name="form" value="csv"><?php esc_html_e( 'Export as table (CSV)', 'siteagent' ); ?></button>
</form>
