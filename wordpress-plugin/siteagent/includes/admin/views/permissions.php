<?php
/**
 * Tab "Permissions": what the dashboard may update, and updates that wait for approval.
 *
 * @package SiteAgent
 * @var array $data connection or null, permissions (name => granted), can_allow_any, can_allow (name => bool),
 *      requires_approval, emails (whether they are sent), recipient (their address), waiting (digest => plan), now.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<?php if ( null === $data['connection'] ) : ?>
	<div class="card">
		<h2><?php esc_html_e( 'Permissions', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'No dashboard is connected. After connecting one, you choose here what it can update. At first it can update nothing.', 'siteagent' ); ?></p>
	</div>
	<?php return; ?>
<?php endif; ?>
<?php if ( ! $data['can_allow_any'] ) : ?>
	<div class="card">
		<h2><?php esc_html_e( 'Permissions', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'On a network all sites share plugins, themes and WordPress, so a network administrator sets the permissions.', 'siteagent' ); ?></p>
	</div>
	<?php return; ?>
<?php endif; ?>
<?php if ( $data['requires_approval'] || array() !== $data['waiting'] ) : ?>
	<h2><?php esc_html_e( 'Updates waiting for approval', 'siteagent' ); ?></h2>
	<?php if ( array() === $data['waiting'] ) : ?>
		<p><?php esc_html_e( 'No updates are waiting for your approval.', 'siteagent' ); ?></p>
	<?php else : ?>
		<table class="widefat striped siteagent-plans">
			<thead><tr>
				<th scope="col"><?php esc_html_e( 'What', 'siteagent' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Approved in the dashboard by', 'siteagent' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Expires', 'siteagent' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Your decision', 'siteagent' ); ?></th>
			</tr></thead>
			<tbody>
				<?php foreach ( $data['waiting'] as $siteagent_digest => $siteagent_plan ) : ?>
					<tr>
						<td><?php echo esc_html( Siteagent_Messages::update_label( $siteagent_plan ) ); ?><span class="siteagent-minor"><?php echo esc_html( $siteagent_plan['id'] ); ?></span></td>
						<td data-colname="<?php esc_attr_e( 'Approved in the dashboard by', 'siteagent' ); ?>"><?php echo esc_html( $siteagent_plan['by'] ); ?></td>
						<td data-colname="<?php esc_attr_e( 'Expires', 'siteagent' ); ?>"><?php echo esc_html( Siteagent_Messages::format_time( $siteagent_plan['not_after'], $data['now'] ) ); ?></td>
						<td>
							<form class="siteagent-actions" method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
								<input type="hidden" name="action" value="siteagent_decide">
								<input type="hidden" name="plan" value="<?php echo esc_attr( $siteagent_digest ); ?>">
								<?php wp_nonce_field( 'siteagent_decide' ); ?>
								<button type="submit" name="verdict" value="approved" class="button button-primary"><?php esc_html_e( 'Approve', 'siteagent' ); ?></button>
								<button type="submit" name="verdict" value="refused" class="button"><?php esc_html_e( 'Refuse', 'siteagent' ); ?></button>
							</form>
						</td>
					</tr>
				<?php endforeach; ?>
			</tbody>
		</table>
	<?php endif; ?>
<?php endif; ?>
<div class="card">
	<h2><?php esc_html_e( 'Permissions', 'siteagent' ); ?></h2>
	<?php /* translators: %s: address of a dashboard */ ?>
	<p><?php echo esc_html( sprintf( __( '%s can read the report and the activity log, and end the connection.', 'siteagent' ), $data['connection']['origin'] ) ); ?></p>
	<p><?php esc_html_e( 'It can also install updates of the kinds you select here. Each update must first be approved in the dashboard.', 'siteagent' ); ?></p>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_permissions">
		<?php wp_nonce_field( 'siteagent_permissions' ); ?>
		<fieldset class="siteagent-permissions">
			<legend><?php esc_html_e( 'The dashboard can update', 'siteagent' ); ?></legend>
			<?php foreach ( Siteagent_Messages::permissions() as $siteagent_permission => $siteagent_text ) : ?>
				<label for="siteagent-permission-<?php echo esc_attr( $siteagent_permission ); ?>">
					<input type="checkbox" id="siteagent-permission-<?php echo esc_attr( $siteagent_permission ); ?>" name="permissions[]" value="<?php echo esc_attr( $siteagent_permission ); ?>"<?php echo $data['permissions'][ $siteagent_permission ] ? ' checked' : ''; ?><?php echo $data['permissions'][ $siteagent_permission ] || $data['can_allow'][ $siteagent_permission ] ? '' : ' disabled'; ?>>
					<span><strong><?php echo esc_html( $siteagent_text[0] ); ?></strong><br><?php echo esc_html( $siteagent_text[1] ); ?></span>
				</label>
			<?php endforeach; ?>
			<?php if ( in_array( false, $data['can_allow'], true ) ) : ?>
				<p class="description"><?php esc_html_e( 'You are not allowed to install some kinds of updates on this site, so you cannot allow the dashboard to install them.', 'siteagent' ); ?></p>
			<?php endif; ?>
		</fieldset>
		<fieldset class="siteagent-permissions">
			<legend><?php esc_html_e( 'Approval', 'siteagent' ); ?></legend>
			<label for="siteagent-approval-here">
				<input type="checkbox" id="siteagent-approval-here" name="approval_on_site" value="1"<?php echo $data['requires_approval'] ? ' checked' : ''; ?>>
				<span><strong><?php esc_html_e( 'Require approval on this site for every update', 'siteagent' ); ?></strong><br><?php esc_html_e( 'Each update waits on this page until an administrator of this site approves it.', 'siteagent' ); ?></span>
			</label>
		</fieldset>
		<p class="description"><?php esc_html_e( 'The dashboard cannot change these settings. It can never install new plugins or themes, upload code, or activate or deactivate anything.', 'siteagent' ); ?></p>
		<div class="siteagent-actions">
			<button type="submit" class="button button-primary"><?php esc_html_e( 'Save Changes', 'siteagent' ); ?></button>
		</div>
	</form>
</div>
<div class="card">
	<h2><?php esc_html_e( 'E-mail notifications', 'siteagent' ); ?></h2>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_notifications">
		<?php wp_nonce_field( 'siteagent_notifications' ); ?>
		<div class="siteagent-permissions">
			<label for="siteagent-email">
				<input type="checkbox" id="siteagent-email" name="email" value="1"<?php echo $data['emails'] ? ' checked' : ''; ?>>
				<?php /* translators: %s: e-mail address */ ?>
				<span><strong><?php echo esc_html( sprintf( __( 'Send e-mail to %s', 'siteagent' ), $data['recipient'] ) ); ?></strong><br><?php esc_html_e( 'When an update is waiting for approval, was installed, failed or was rolled back, and when the permissions, the limits or the connection change.', 'siteagent' ); ?></span>
			</label>
		</div>
		<div class="siteagent-actions">
			<button type="submit" class="button"><?php esc_html_e( 'Save notifications', 'siteagent' ); ?></button>
		</div>
	</form>
</div>
