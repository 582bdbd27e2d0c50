<?php
/**
 * Number of entries and links to the other pages of the activity log, above and below its table.
 *
 * @package SiteAgent
 * @var array $data kind, words, counts (kind => entries), pages, page.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_count = $data['counts'][ $data['kind'] ];
?>
<div class="tablenav siteagent-tablenav">
	<div class="tablenav-pages">
		<?php /* translators: %s: number of entries */ ?>
		<span class="displaying-num"><?php echo esc_html( sprintf( _n( '%s entry', '%s entries', $siteagent_count, 'siteagent' ), number_format_i18n( $siteagent_count ) ) ); ?></span>
		<?php if ( 1 < $data['pages'] ) : ?>
			<span class="pagination-links">
				<?php if ( 1 < $data['page'] ) : ?>
					<a class="button" href="<?php echo esc_url( Siteagent_Activity_Log_Tab::url( $data['kind'], $data['words'], $data['page'] - 1 ) ); ?>"><?php esc_html_e( 'Newer', 'siteagent' ); ?></a>
				<?php endif; ?>
				<?php /* translators: 1: page, 2: number of pages */ ?>
				<span class="paging-input"><?php echo esc_html( sprintf( __( 'Page %1$s of %2$s', 'siteagent' ), number_format_i18n( $data['page'] ), number_format_i18n( $data['pages'] ) ) ); ?></span>
				<?php if ( $data['page'] < $data['pages'] ) : ?>
					<a class="button" href="<?php echo esc_url( Siteagent_Activity_Log_Tab::url( $data['kind'], $data['words'], $data['page'] + 1 ) ); ?>"><?php esc_html_e( 'Older', 'siteagent' ); ?></a>
				<?php endif; ?>
			</span>
		<?php endif; ?>
	</div>
</div>
