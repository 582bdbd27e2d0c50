<?php
/**
 * Tab "Pause and limits": the pause, when updates may start, and exclusions of plugins and themes.
 *
 * @package SiteAgent
 * @var array $data can_allow_any, paused (text or null), reason, read_only, window (days, from_hour, to_hour), is_open,
 *      min_age_hours, components (each with kind, id, name, version, field, rule, effective).
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;
?>
<?php if ( ! $data['can_allow_any'] ) : ?>
	<div class="card">
		<h2><?php esc_html_e( 'Pause and limits', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'On a network all sites share plugins, themes and WordPress, so a network administrator sets the limits.', 'siteagent' ); ?></p>
	</div>
	<?php return; ?>
<?php endif; ?>
<div class="card">
	<?php if ( null === $data['paused'] ) : ?>
		<h2><?php esc_html_e( 'Pause updates', 'siteagent' ); ?></h2>
		<p><?php esc_html_e( 'While updates are paused, the dashboard can change nothing on this site. It can still read the report and the activity log. Updates that were approved and have not started wait until you resume, or expire. Updates that you or WordPress start are not affected.', 'siteagent' ); ?></p>
		<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
			<input type="hidden" name="action" value="siteagent_pause">
			<?php wp_nonce_field( 'siteagent_pause' ); ?>
			<p>
				<label for="siteagent-pause-reason"><?php esc_html_e( 'Reason (optional, shown in the dashboard)', 'siteagent' ); ?></label><br>
				<input type="text" id="siteagent-pause-reason" name="reason" class="large-text" maxlength="<?php echo esc_attr( (string) Siteagent_Limit_Decisions::MAX_REASON ); ?>">
			</p>
			<div class="siteagent-actions">
				<button type="submit" class="button button-primary"><?php esc_html_e( 'Pause updates', 'siteagent' ); ?></button>
			</div>
		</form>
	<?php else : ?>
		<h2><?php esc_html_e( 'Updates are paused', 'siteagent' ); ?></h2>
		<p><strong><?php echo esc_html( $data['paused'] ); ?></strong></p>
		<?php if ( '' !== $data['reason'] ) : ?>
			<?php /* translators: %s: text of the person who paused updates */ ?>
			<p><?php echo esc_html( sprintf( __( 'Reason: %s', 'siteagent' ), $data['reason'] ) ); ?></p>
		<?php endif; ?>
		<p><?php esc_html_e( 'The dashboard can change nothing on this site, whatever was approved there. It can still read the report and the activity log.', 'siteagent' ); ?></p>
		<?php if ( ! $data['read_only'] ) : ?>
			<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
				<input type="hidden" name="action" value="siteagent_resume">
				<?php wp_nonce_field( 'siteagent_resume' ); ?>
				<p><?php esc_html_e( 'After you resume, updates that were approved in the dashboard and have not expired start.', 'siteagent' ); ?></p>
				<div class="siteagent-actions">
					<button type="submit" class="button button-primary"><?php esc_html_e( 'Resume updates', 'siteagent' ); ?></button>
				</div>
			</form>
		<?php endif; ?>
	<?php endif; ?>
</div>
<div class="card">
	<h2><?php esc_html_e( 'When updates may start', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'An update starts only on these days and in these hours, and only in the time for which it was approved. Without a day, updates may start at any time.', 'siteagent' ); ?></p>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_window">
		<?php wp_nonce_field( 'siteagent_window' ); ?>
		<fieldset class="siteagent-days">
			<legend><?php esc_html_e( 'Days', 'siteagent' ); ?></legend>
			<?php foreach ( Siteagent_Limits_Texts::weekdays() as $siteagent_day => $siteagent_name ) : ?>
				<label><input type="checkbox" name="days[]" value="<?php echo esc_attr( (string) $siteagent_day ); ?>"<?php checked( in_array( $siteagent_day, $data['window']['days'], true ) ); ?>> <?php echo esc_html( $siteagent_name ); ?></label>
			<?php endforeach; ?>
		</fieldset>
		<p class="siteagent-hours">
			<label for="siteagent-from-hour"><?php esc_html_e( 'From', 'siteagent' ); ?></label>
			<select id="siteagent-from-hour" name="from_hour">
				<?php foreach ( range( 0, 23 ) as $siteagent_hour ) : ?>
					<option value="<?php echo esc_attr( (string) $siteagent_hour ); ?>"<?php selected( $siteagent_hour, $data['window']['from_hour'] ); ?>><?php echo esc_html( Siteagent_Limits_Texts::hour( $siteagent_hour ) ); ?></option>
				<?php endforeach; ?>
			</select>
			<label for="siteagent-to-hour"><?php esc_html_e( 'to', 'siteagent' ); ?></label>
			<select id="siteagent-to-hour" name="to_hour">
				<?php foreach ( range( 1, 24 ) as $siteagent_hour ) : ?>
					<option value="<?php echo esc_attr( (string) $siteagent_hour ); ?>"<?php selected( $siteagent_hour, $data['window']['to_hour'] ); ?>><?php echo esc_html( Siteagent_Limits_Texts::hour( $siteagent_hour ) ); ?></option>
				<?php endforeach; ?>
			</select>
		</p>
		<p class="description">
			<?php /* translators: %s: a time zone, such as Europe/Berlin */ ?>
			<?php echo esc_html( sprintf( __( 'Hours are in the time zone of this site, %s. Hours past midnight belong to the day on which they begin.', 'siteagent' ), Siteagent_Limits_Texts::time_zone() ) ); ?>
			<?php if ( ! $data['is_open'] ) : ?>
				<strong><?php esc_html_e( 'No update may start now.', 'siteagent' ); ?></strong>
			<?php endif; ?>
		</p>
		<div class="siteagent-actions">
			<button type="submit" class="button"><?php esc_html_e( 'Save hours', 'siteagent' ); ?></button>
		</div>
	</form>
</div>
<div class="card">
	<h2><?php esc_html_e( 'How old a release has to be', 'siteagent' ); ?></h2>
	<p><?php esc_html_e( 'The dashboard can install a release of a plugin, a theme or WordPress only when this site has known it for this long. A harmful release is usually withdrawn within days. Until then an urgent security update has to be installed here, in wp-admin.', 'siteagent' ); ?></p>
	<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
		<input type="hidden" name="action" value="siteagent_min_age">
		<?php wp_nonce_field( 'siteagent_min_age' ); ?>
		<p>
			<label for="siteagent-min-age"><?php esc_html_e( 'Hours (0 for any age, 48 for two days)', 'siteagent' ); ?></label><br>
			<input type="number" id="siteagent-min-age" name="hours" class="small-text" min="0" max="<?php echo esc_attr( (string) Siteagent_Update_Limits::MAX_AGE_HOURS ); ?>" step="1" value="<?php echo esc_attr( (string) $data['min_age_hours'] ); ?>">
		</p>
		<div class="siteagent-actions">
			<button type="submit" class="button"><?php esc_html_e( 'Save age', 'siteagent' ); ?></button>
		</div>
	</form>
</div>
<h2><?php esc_html_e( 'Plugins and themes', 'siteagent' ); ?></h2>
<p class="siteagent-narrow"><?php esc_html_e( 'Choose which releases the dashboard can install. A patch release changes only the third or fourth number of a version, such as 9.4.1 to 9.4.2. Pre-releases are refused. These rules are not about translations.', 'siteagent' ); ?></p>
<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
	<input type="hidden" name="action" value="siteagent_exclusions">
	<?php wp_nonce_field( 'siteagent_exclusions' ); ?>
	<table class="widefat striped siteagent-exclusions">
		<thead><tr>
			<th scope="col"><?php esc_html_e( 'Name', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'Kind', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'Version', 'siteagent' ); ?></th>
			<th scope="col"><?php esc_html_e( 'The dashboard can install', 'siteagent' ); ?></th>
		</tr></thead>
		<tbody>
			<?php foreach ( $data['components'] as $siteagent_component ) : ?>
				<tr>
					<td><label for="siteagent-<?php echo esc_attr( $siteagent_component['field'] ); ?>"><?php echo esc_html( $siteagent_component['name'] ); ?></label><span class="siteagent-minor"><?php echo esc_html( $siteagent_component['id'] ); ?></span></td>
					<td data-colname="<?php esc_attr_e( 'Kind', 'siteagent' ); ?>"><?php echo esc_html( 'plugin' === $siteagent_component['kind'] ? __( 'Plugin', 'siteagent' ) : __( 'Theme', 'siteagent' ) ); ?></td>
					<td data-colname="<?php esc_attr_e( 'Version', 'siteagent' ); ?>"><?php echo esc_html( '' === $siteagent_component['version'] ? __( 'not installed', 'siteagent' ) : $siteagent_component['version'] ); ?></td>
					<td>
						<select id="siteagent-<?php echo esc_attr( $siteagent_component['field'] ); ?>" name="rules[<?php echo esc_attr( $siteagent_component['field'] ); ?>]">
							<?php foreach ( Siteagent_Limits_Texts::release_rules() as $siteagent_rule => $siteagent_text ) : ?>
								<option value="<?php echo esc_attr( $siteagent_rule ); ?>"<?php selected( $siteagent_rule, $siteagent_component['rule'] ); ?>><?php echo esc_html( $siteagent_text ); ?></option>
							<?php endforeach; ?>
						</select>
						<?php if ( $siteagent_component['rule'] !== $siteagent_component['effective'] ) : ?>
							<?php /* translators: %s: a rule, such as "Never" */ ?>
							<span class="siteagent-minor"><?php echo esc_html( sprintf( __( 'Code on this site allows less: %s', 'siteagent' ), Siteagent_Limits_Texts::release_rules()[ $siteagent_component['effective'] ] ) ); ?></span>
						<?php endif; ?>
					</td>
				</tr>
			<?php endforeach; ?>
		</tbody>
	</table>
	<p class="description"><?php esc_html_e( 'The dashboard cannot change any of these settings.', 'siteagent' ); ?></p>
	<div class="siteagent-actions">
		<button type="submit" class="button button-primary"><?php esc_html_e( 'Save rules', 'siteagent' ); ?></button>
	</div>
</form>
