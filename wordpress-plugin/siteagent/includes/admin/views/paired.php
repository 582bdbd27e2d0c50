<?php
/**
 * The present connection.
 *
 * @package SiteAgent
 * @var array $data connection, permissions (name => granted), waiting, now, moved (was, is) or null, dispute (refused,
 *      seen) or null.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

$siteagent_last    = $data['connection']['last_contact_at'];
$siteagent_granted = array_intersect_key( Siteagent_Messages::permissions(), array_filter( $data['permissions'] ) );
?>
<?php if ( null !== $data['moved'] ) : ?>
	<?php require __DIR__ . '/moved.php'; ?>
<?php endif; ?>
<?php if ( null !== $data['dispute'] ) : ?>
	<?php require __DIR__ . '/dispute.php'; ?>
<?php endif; ?>
<?php if ( array() !== $data['waiting'] ) : ?>
	<div class="notice notice-warning inline"><p>
		<?php /* translators: %s: number of updates */ ?>
		<strong><?php echo esc_html( sprintf( _n( '%s update is waiting for your approval.', '%s updates are waiting for your approval.', count( $data['waiting'] ), 'siteagent' ), number_format_i18n( count( $data['waiting'] ) ) ) ); ?></strong>
		<a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'permissions' ) ) ); ?>"><?php esc_html_e( 'Review', 'siteagent' ); ?></a>
	</p></div>
<?php endif; ?>
<div class="card">
	<h2><?php esc_html_e( 'Connected to', 'siteagent' ); ?></h2>
	<p class="siteagent-origin"><?php echo esc_html( $data['connection']['origin'] ); ?></p>
	<dl class="siteagent-facts">
		<div><dt><?php esc_html_e( 'Fingerprint', 'siteagent' ); ?></dt><dd><code class="siteagent-fingerprint"><?php echo esc_html( $data['connection']['fingerprint'] ); ?></code><?php esc_html_e( 'The dashboard shows the same fingerprint. If they differ, disconnect.', 'siteagent' ); ?></dd></div>
		<div><dt><?php esc_html_e( 'Connected since', 'siteagent' ); ?></dt><dd><?php echo esc_html( Siteagent_Messages::format_time( (int) $data['connection']['paired_at'], $data['now'] ) ); ?></dd></div>
		<div><dt><?php esc_html_e( 'Last request', 'siteagent' ); ?></dt><dd><?php echo esc_html( null === $siteagent_last ? __( 'None yet', 'siteagent' ) : Siteagent_Messages::format_time( (int) $siteagent_last, $data['now'] ) ); ?></dd></div>
		<div><dt><?php esc_html_e( 'Permissions', 'siteagent' ); ?></dt><dd><?php esc_html_e( 'Can read the report and the activity log, and end the connection.', 'siteagent' ); ?>
			<?php if ( array() === $siteagent_granted ) : ?>
				<?php esc_html_e( 'It can change nothing unless you allow it.', 'siteagent' ); ?>
			<?php else : ?>
				<?php /* translators: %s: list of kinds of updates, such as "Translations, Plugins" */ ?>
				<?php echo esc_html( sprintf( __( 'Can update: %s.', 'siteagent' ), implode( wp_get_list_item_separator(), array_column( $siteagent_granted, 0 ) ) ) ); ?>
			<?php endif; ?>
			<a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'permissions' ) ) ); ?>"><?php esc_html_e( 'Edit permissions', 'siteagent' ); ?></a> · <a href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'tab' => 'data' ) ) ); ?>"><?php esc_html_e( 'Shared data', 'siteagent' ); ?></a></dd></div>
	</dl>
	<?php require __DIR__ . '/own-key.php'; ?>
	<div class="siteagent-actions">
		<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'step' => 'disconnect' ) ) ); ?>"><?php esc_html_e( 'Disconnect …', 'siteagent' ); ?></a>
		<a class="button" href="<?php echo esc_url( Siteagent_Settings_Page::url( array( 'step' => 'token' ) ) ); ?>"><?php esc_html_e( 'Connect to another dashboard …', 'siteagent' ); ?></a>
	</div>
</div>
