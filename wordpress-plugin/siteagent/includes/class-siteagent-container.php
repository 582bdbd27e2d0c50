<?php
/**
 * The objects of SiteAgent.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Creates each object once, when it is first needed, with what it depends on.
 */
final class Siteagent_Container {

	/** @var wpdb */
	private $db;

	/** @var bool */
	private $is_network;

	/** @var array<string,object> */
	private $services = array();

	/**
	 * @param bool|null $is_network Whether the sites of a network share one connection; null for the present
	 *                              activation.
	 */
	public function __construct( ?bool $is_network = null ) {
		global $wpdb;
		$this->db         = $wpdb;
		$this->is_network = null === $is_network ? self::is_network() : $is_network;
	}

	public function connection_store(): Siteagent_Connection_Store {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Connection_Store( $this->option_store(), $this->encryption() ) );
	}

	public function pending_pairing(): Siteagent_Pending_Pairing {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Pending_Pairing( $this->option_store(), $this->encryption() ) );
	}

	public function disconnection(): Siteagent_Disconnection {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Disconnection( $this->option_store(), $this->encryption() ) );
	}

	public function site_identity(): Siteagent_Site_Identity {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Site_Identity( $this->option_store(), $this->encryption() ) );
	}

	public function permissions(): Siteagent_Permissions {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Permissions( $this->option_store() ) );
	}

	public function update_limits(): Siteagent_Update_Limits {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Update_Limits( $this->option_store(), $this->release_sights() ) );
	}

	public function release_sights(): Siteagent_Release_Sights {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Release_Sights() );
	}

	public function limit_decisions(): Siteagent_Limit_Decisions {
		return new Siteagent_Limit_Decisions( $this->option_store(), $this->update_limits(), $this->permissions_notice(), $this->audit_log() );
	}

	public function pending_approvals(): Siteagent_Pending_Approvals {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Pending_Approvals( $this->option_store() ) );
	}

	public function update_controller(): Siteagent_Update_Controller {
		return $this->shared(
			__FUNCTION__,
			fn() => new Siteagent_Update_Controller(
				$this->connection_store(),
				$this->site_identity(),
				$this->operation_store(),
				$this->permissions(),
				$this->update_limits(),
				$this->pending_approvals(),
				$this->rollback(),
				$this->audit_log(),
				$this->run_recovery(),
				$this->kept_copies()
			)
		);
	}

	public function run_recovery(): Siteagent_Run_Recovery {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Run_Recovery( $this->connection_store(), $this->operation_store(), $this->rollback(), $this->audit_log() ) );
	}

	public function kept_copies(): Siteagent_Kept_Copies {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Kept_Copies( $this->audit_log(), $this->audit_log_reader() ) );
	}

	public function copy_restorer(): Siteagent_Copy_Restorer {
		return new Siteagent_Copy_Restorer( $this->kept_copies(), $this->rollback(), $this->run_recovery(), $this->audit_log() );
	}

	public function update_revert(): Siteagent_Update_Revert {
		return new Siteagent_Update_Revert(
			$this->connection_store(),
			$this->site_identity(),
			$this->operation_store(),
			new Siteagent_Plan_Requirements( $this->connection_store(), $this->permissions(), $this->update_limits() ),
			$this->copy_restorer(),
			$this->run_recovery(),
			$this->audit_log()
		);
	}

	public function restore_action(): Siteagent_Restore_Action {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Restore_Action( $this->kept_copies(), $this->copy_restorer() ) );
	}

	public function audit_log(): Siteagent_Audit_Log {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Audit_Log( $this->db, $this->is_network ) );
	}

	public function audit_log_reader(): Siteagent_Audit_Log_Reader {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Audit_Log_Reader( $this->db, $this->audit_log() ) );
	}

	public function audit_log_verifier(): Siteagent_Audit_Log_Verifier {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Audit_Log_Verifier( $this->db, $this->audit_log() ) );
	}

	public function rejected_requests(): Siteagent_Rejected_Requests {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Rejected_Requests( $this->db, $this->is_network, $this->audit_log() ) );
	}

	public function checkpoint_store(): Siteagent_Checkpoint_Store {
		return $this->shared(
			__FUNCTION__,
			fn() => new Siteagent_Checkpoint_Store(
				$this->db,
				$this->is_network,
				$this->connection_store(),
				$this->site_identity(),
				$this->audit_log()
			)
		);
	}

	public function notification_queue(): Siteagent_Notification_Queue {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Notification_Queue( $this->option_store() ) );
	}

	public function email_notifications(): Siteagent_Email_Notifications {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Email_Notifications( $this->notification_queue(), $this->pending_approvals() ) );
	}

	public function unseen_activity(): Siteagent_Unseen_Activity {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Unseen_Activity( $this->audit_log(), $this->audit_log_reader() ) );
	}

	public function nonce_store(): Siteagent_Nonce_Store {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Nonce_Store( $this->db, $this->is_network ) );
	}

	public function report(): Siteagent_Report {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Report( $this->permissions(), $this->update_limits() ) );
	}

	public function pairing(): Siteagent_Pairing {
		return $this->shared(
			__FUNCTION__,
			fn() => new Siteagent_Pairing(
				$this->connection_store(),
				$this->pending_pairing(),
				$this->disconnection(),
				$this->site_identity(),
				new Siteagent_Dashboard_Client(),
				$this->audit_log(),
				$this->checkpoint_store()
			)
		);
	}

	public function address_change(): Siteagent_Address_Change {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Address_Change( $this->connection_store(), new Siteagent_Dashboard_Client(), $this->audit_log() ) );
	}

	public function operation_store(): Siteagent_Operation_Store {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Operation_Store( $this->db, $this->is_network ) );
	}

	public function key_rotation(): Siteagent_Key_Rotation {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Key_Rotation( $this->connection_store(), $this->site_identity(), $this->operation_store(), $this->audit_log() ) );
	}

	public function rest_controller(): Siteagent_REST_Controller {
		return $this->shared(
			__FUNCTION__,
			function (): Siteagent_REST_Controller {
				$operations      = new Siteagent_Operation_Registry(
					$this->pairing(),
					$this->key_rotation(),
					$this->audit_log_reader(),
					array( $this, 'report' ),
					array( $this, 'update_controller' ),
					array( $this, 'update_revert' ),
					new Siteagent_Last_Report( $this->db, $this->permissions(), $this->update_limits() )
				);
				$request_handler = new Siteagent_Request_Handler(
					$this->connection_store(),
					$this->pending_pairing(),
					$this->disconnection(),
					$this->nonce_store(),
					$operations,
					$this->audit_log(),
					$this->checkpoint_store(),
					$this->rejected_requests()
				);
				return new Siteagent_REST_Controller( $request_handler, $this->audit_log() );
			}
		);
	}

	public function self_update(): Siteagent_Self_Update {
		return $this->shared(
			__FUNCTION__,
			function (): Siteagent_Self_Update {
				return new Siteagent_Self_Update(
					function (): ?string {
						$connection = $this->connection_store()->connection();
						return null === $connection ? null : $connection['origin'];
					}
				);
			}
		);
	}

	public function admin_menu(): Siteagent_Admin_Menu {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Admin_Menu( $this->pending_approvals(), array( $this, 'settings_page' ) ) );
	}

	public function settings_page(): Siteagent_Settings_Page {
		return $this->shared(
			__FUNCTION__,
			fn() => new Siteagent_Settings_Page(
				$this->connection_store(),
				$this->pending_pairing(),
				$this->disconnection(),
				$this->pairing(),
				$this->report(),
				new Siteagent_Activity_Log_Tab( $this->audit_log_reader(), $this->audit_log_verifier() ),
				new Siteagent_Update_History_Tab( $this->audit_log_reader(), $this->kept_copies() ),
				$this->permissions(),
				$this->pending_approvals(),
				$this->checkpoint_store(),
				$this->notification_queue(),
				$this->unseen_activity(),
				new Siteagent_Limits_Tab( $this->update_limits() )
			)
		);
	}

	public function limits_actions(): Siteagent_Limits_Actions {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Limits_Actions( $this->limit_decisions(), new Siteagent_Limits_Tab( $this->update_limits() ) ) );
	}

	public function settings_actions(): Siteagent_Settings_Actions {
		return $this->shared(
			__FUNCTION__,
			function (): Siteagent_Settings_Actions {
				$permission_decisions = new Siteagent_Permission_Decisions(
					$this->permissions(),
					$this->pending_approvals(),
					$this->permissions_notice(),
					$this->notification_queue(),
					$this->audit_log()
				);
				return new Siteagent_Settings_Actions(
					$this->connection_store(),
					$this->pending_pairing(),
					$this->pairing(),
					$this->address_change(),
					$permission_decisions,
					$this->checkpoint_store(),
					$this->audit_log_export()
				);
			}
		);
	}

	public function admin_notices(): Siteagent_Admin_Notices {
		return $this->shared(
			__FUNCTION__,
			fn() => new Siteagent_Admin_Notices(
				$this->connection_store(),
				$this->pending_approvals(),
				$this->checkpoint_store(),
				$this->unseen_activity()
			)
		);
	}

	public function site_health(): Siteagent_Site_Health {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Site_Health( $this->connection_store() ) );
	}

	public function audit_log_export(): Siteagent_Audit_Log_Export {
		return new Siteagent_Audit_Log_Export( $this->audit_log(), $this->audit_log_reader(), $this->checkpoint_store(), $this->site_identity() );
	}

	public function cli_command(): Siteagent_CLI_Command {
		return new Siteagent_CLI_Command( $this->audit_log(), $this->audit_log_reader(), $this->audit_log_verifier(), $this->audit_log_export() );
	}

	public function updates_command(): Siteagent_Updates_Command {
		return new Siteagent_Updates_Command( $this->update_limits(), $this->limit_decisions() );
	}

	public function privacy_policy(): Siteagent_Privacy_Policy {
		return new Siteagent_Privacy_Policy();
	}

	public function privacy(): Siteagent_Privacy {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Privacy( $this->audit_log_reader() ) );
	}

	/**
	 * Creates the tables, on activation.
	 */
	public function create_tables(): void {
		$this->nonce_store()->create_table();
		$this->audit_log()->create_table();
		$this->operation_store()->create_table();
		$this->checkpoint_store()->create_table();
	}

	/**
	 * Whether the sites of a network share one connection, which is so when SiteAgent was activated for the network.
	 */
	public static function is_network(): bool {
		if ( ! is_multisite() ) {
			return false;
		}
		$active = get_site_option( 'active_sitewide_plugins' );
		return is_array( $active ) && isset( $active[ plugin_basename( SITEAGENT_FILE ) ] );
	}

	private function rollback(): Siteagent_Rollback {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Rollback( $this->option_store() ) );
	}

	private function option_store(): Siteagent_Option_Store {
		return $this->shared( __FUNCTION__, fn() => new Siteagent_Option_Store( $this->db, $this->is_network ) );
	}

	private function permissions_notice(): Siteagent_Permissions_Notice {
		return new Siteagent_Permissions_Notice( $this->connection_store(), new Siteagent_Dashboard_Client() );
	}

	private function encryption(): Siteagent_Encryption {
		return $this->shared( __FUNCTION__, fn() => Siteagent_Encryption::for_site() );
	}

	private function shared( string $name, callable $factory ): object {
		if ( ! isset( $this->services[ $name ] ) ) {
			$this->services[ $name ] = $factory();
		}
		return $this->services[ $name ];
	}
}
