<?php
/**
 * Tab "Permissions": what the dashboard may update, and updates that wait for approval.
 *
 * @package SiteAgent
 * @var array $data connection or null, scopes (name => granted), can_allow_any, can_allow (name => bool),
 *      requires_approval, waiting (digest => plan), now.
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<?php if ( null === $data['connection'] ) : ?>
	<div class="card">
		<h2><?php esc_html_e( 'What it may do', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'No dashboard is connected, so nobody may do anything. After connecting one, you choose here what it may change; at first that is nothing.', 'siteagent' ); ?></p>
	</div>
	<?php return; ?>
<?php endif; ?>
<?php if ( ! $data['is_theirs'] ) : ?>
	<div class="card">
		<h2><?php esc_html_e( 'What it may do', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'On a network all sites share plugins, themes and WordPress itself, so a network administrator chooses here what the dashboard may change.', 'siteagent' ); ?></p>
	</div>
	<?php return; ?>
<?php endif; ?>
<?php if ( $data['asks_here'] || array() !== $data['waiting'] ) : ?>
	<h2><?php esc_html_e( 'Changes that wait for you', 'siteagent' ); ?></h2>
	<?php if ( array() === $data['waiting'] ) : ?>
		<p><?php esc_html_e( 'None. When the dashboard wants to change something, it stands here first.', 'siteagent' ); ?></p>
	<?php else : ?>
		<table class="widefat striped siteagent-plans">
			<thead><tr>
				<th scope="col"><?php esc_html_e( 'What', 'siteagent' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Approved in the dashboard by', 'siteagent' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Until', 'siteagent' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Your decision', 'siteagent' ); ?></th>
			</tr></thead>
			<tbody>
				<?php foreach ( $data['waiting'] as $siteagent_digest => $siteagent_plan ) : ?>
					<tr>
						<td><?php echo esc_html( Siteagent_Messages::update_label( $siteagent_plan ) ); ?><span class="siteagent-minor"><?php echo esc_html( $siteagent_plan['id'] ); ?></span></td>
						<td><?php echo esc_html( $siteagent_plan['by'] ); ?></td>
						<td><?php echo esc_html( Siteagent_Messages::format_time( $siteagent_plan['not_after'], $data['now'] ) ); ?></td>
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
	<h2><?php esc_html_e( 'What it may do', 'siteagent' ); ?></h2>
	<?php /* translators: %s: address of a dashboard */ ?>
	<p><?php echo esc_html( sprintf( __( '%s may read the report and end the connection. Beyond that it may install updates that WordPress offers here, of the kinds you tick, each after somebody there has approved it.', 'siteagent' ), $data['connection']['origin'] ) ); ?></p>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_scopes">
		<?php wp_nonce_field( 'siteagent_scopes' ); ?>
		<fieldset class="siteagent-scopes">
			<legend><?php esc_html_e( 'It may update', 'siteagent' ); ?></legend>
			<?php foreach ( Siteagent_Messages::scopes() as $siteagent_scope => $siteagent_words ) : ?>
				<label for="siteagent-scope-<?php echo esc_attr( $siteagent_scope ); ?>">
					<input type="checkbox" id="siteagent-scope-<?php echo esc_attr( $siteagent_scope ); ?>" name="scopes[]" value="<?php echo esc_attr( $siteagent_scope ); ?>"<?php echo $data['scopes'][ $siteagent_scope ] ? ' checked' : ''; ?><?php echo $data['scopes'][ $siteagent_scope ] || $data['may_allow'][ $siteagent_scope ] ? '' : ' disabled'; ?>>
					<span><strong><?php echo esc_html( $siteagent_words[0] ); ?></strong> <?php echo esc_html( $siteagent_words[1] ); ?></span>
				</label>
			<?php endforeach; ?>
			<?php if ( in_array( false, $data['may_allow'], true ) ) : ?>
				<p class="description"><?php esc_html_e( 'Your account is not allowed to install some kinds of updates on this site, so it cannot allow those to the dashboard.', 'siteagent' ); ?></p>
			<?php endif; ?>
		</fieldset>
		<fieldset class="siteagent-scopes">
			<legend><?php esc_html_e( 'And each time', 'siteagent' ); ?></legend>
			<label for="siteagent-approval-here">
				<input type="checkbox" id="siteagent-approval-here" name="approval_here" value="1"<?php echo $data['asks_here'] ? ' checked' : ''; ?>>
				<span><strong><?php esc_html_e( 'Every change also needs approval here.', 'siteagent' ); ?></strong> <?php esc_html_e( 'It waits on this page until an administrator of this site approves it.', 'siteagent' ); ?></span>
			</label>
		</fieldset>
		<p class="description"><?php esc_html_e( 'The dashboard cannot change these choices. It can never install a plugin or theme that is not there yet, upload code, or switch components on or off.', 'siteagent' ); ?></p>
		<div class="siteagent-actions">
			<button type="submit" class="button button-primary"><?php esc_html_e( 'Save', 'siteagent' ); ?></button>
		</div>
	</form>
</div>
