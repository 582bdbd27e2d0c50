<?php
/**
 * Title, tabs and notice of every page. Opens the wrapper that the page closes.
 *
 * @package SiteAgent
 * @var array $data tab, notice (kind, text) or null, and paused (text) or null.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_tabs = array(
	'connection'  => __( 'Connection', 'siteagent' ),
	'permissions' => __( 'Permissions', 'siteagent' ),
	'limits'      => __( 'Pause and limits', 'siteagent' ),
	'data'        => __( 'Shared data', 'siteagent' ),
	'history'     => __( 'Update history', 'siteagent' ),
	'log'         => __( 'Activity log', 'siteagent' ),
);
?>
<div class="wrap siteagent">
	<h1>SiteAgent</h1>
	<nav class="nav-tab-wrapper" aria-label="<?php esc_attr_e( 'SiteAgent', 'siteagent' ); ?>">
		<?php foreach ( $siteagent_tabs as $siteagent_tab => $siteagent_title ) : ?>
			<a href="<?php echo esc_url( Siteagent_Settings_Page::url( 'connection' === $siteagent_tab ? array() : array( 'tab' => $siteagent_tab ) ) ); ?>"
				class="nav-tab<?php echo $siteagent_tab === $data['tab'] ? ' nav-tab-active' : ''; ?>"<?php echo $siteagent_tab === $data['tab'] ? ' aria-current="page"' : ''; ?>><?php echo esc_html( $siteagent_title ); ?></a>
		<?php endforeach; ?>
	</nav>
	<?php if ( null !== $data['notice'] ) : ?>
		<div class="notice notice-<?php echo esc_attr( $data['notice']['kind'] ); ?> inline" role="status"><p><?php echo esc_html( $data['notice']['text'] ); ?></p></div>
	<?php endif; ?>
	<?php if ( null !== $data['paused'] ) : ?>
		<div class="notice notice-warning inline"><p>
			<?php echo esc_html( $data['paused'] ); ?>
			<a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'limits' ) ) ); ?>"><?php esc_html_e( 'Pause and limits', 'siteagent' ); ?></a>
		</p></div>
	<?php endif; ?>
