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

	/** @var bool */
	private $is_network;

	/** @var array<string,object> */
	private $services = array();

	/**
	 * @param bool|null $is_network Whether the sites of a network share one connection; null for the present
	 *                              activation.
	 */
	public function __construct( ?bool $is_network = null ) {
		$this->is_network = null === $is_network ? self::is_network() : $is_network;
	}

	public function connection_store(): Siteagent_Connection_Store {
		return $this->shared(
			'connection_store',
			function (): Siteagent_Connection_Store {
				return new Siteagent_Connection_Store( $this->option_store(), Siteagent_Encryption::for_site() );
			}
		);
	}

	public function permissions(): Siteagent_Permissions {
		return $this->shared(
			'permissions',
			function (): Siteagent_Permissions {
				return new Siteagent_Permissions( $this->option_store() );
			}
		);
	}

	public function pending_approvals(): Siteagent_Pending_Approvals {
		return $this->shared(
			'pending_approvals',
			function (): Siteagent_Pending_Approvals {
				return new Siteagent_Pending_Approvals( $this->option_store() );
			}
		);
	}

	public function update_controller(): Siteagent_Update_Controller {
		return $this->shared(
			'update_controller',
			function (): Siteagent_Update_Controller {
				return new Siteagent_Update_Controller(
					$this->connection_store(),
					$this->operation_store(),
					$this->permissions(),
					$this->pending_approvals(),
					new Siteagent_Rollback( $this->option_store() ),
					$this->audit_log()
				);
			}
		);
	}

	public function audit_log(): Siteagent_Audit_Log {
		return $this->shared(
			'audit_log',
			function (): Siteagent_Audit_Log {
				global $wpdb;
				return new Siteagent_Audit_Log( $wpdb, $this->is_network );
			}
		);
	}

	public function audit_log_reader(): Siteagent_Audit_Log_Reader {
		return $this->shared(
			'audit_log_reader',
			function (): Siteagent_Audit_Log_Reader {
				global $wpdb;
				return new Siteagent_Audit_Log_Reader( $wpdb, $this->audit_log() );
			}
		);
	}

	public function audit_log_verifier(): Siteagent_Audit_Log_Verifier {
		return $this->shared(
			'audit_log_verifier',
			function (): Siteagent_Audit_Log_Verifier {
				global $wpdb;
				return new Siteagent_Audit_Log_Verifier( $wpdb, $this->audit_log() );
			}
		);
	}

	public function rejected_requests(): Siteagent_Rejected_Requests {
		return $this->shared(
			'rejected_requests',
			function (): Siteagent_Rejected_Requests {
				global $wpdb;
				return new Siteagent_Rejected_Requests( $wpdb, $this->is_network, $this->audit_log() );
			}
		);
	}

	public function checkpoint_store(): Siteagent_Checkpoint_Store {
		return $this->shared(
			'checkpoint_store',
			function (): Siteagent_Checkpoint_Store {
				global $wpdb;
				return new Siteagent_Checkpoint_Store( $wpdb, $this->is_network, $this->connection_store(), $this->audit_log() );
			}
		);
	}

	public function nonce_store(): Siteagent_Nonce_Store {
		return $this->shared(
			'nonce_store',
			function (): Siteagent_Nonce_Store {
				global $wpdb;
				return new Siteagent_Nonce_Store( $wpdb, $this->is_network );
			}
		);
	}

	public function report(): Siteagent_Report {
		return $this->shared(
			'report',
			function (): Siteagent_Report {
				return new Siteagent_Report( $this->permissions() );
			}
		);
	}

	public function pairing(): Siteagent_Pairing {
		return $this->shared(
			'pairing',
			function (): Siteagent_Pairing {
				return new Siteagent_Pairing( $this->connection_store(), new Siteagent_Dashboard_Client(), $this->audit_log(), $this->checkpoint_store() );
			}
		);
	}

	public function address_change(): Siteagent_Address_Change {
		return $this->shared(
			'address_change',
			function (): Siteagent_Address_Change {
				return new Siteagent_Address_Change( $this->connection_store(), new Siteagent_Dashboard_Client(), $this->audit_log() );
			}
		);
	}

	public function operation_store(): Siteagent_Operation_Store {
		return $this->shared(
			'operation_store',
			function (): Siteagent_Operation_Store {
				global $wpdb;
				return new Siteagent_Operation_Store( $wpdb, $this->is_network );
			}
		);
	}

	public function key_rotation(): Siteagent_Key_Rotation {
		return $this->shared(
			'key_rotation',
			function (): Siteagent_Key_Rotation {
				return new Siteagent_Key_Rotation( $this->connection_store(), $this->operation_store(), $this->audit_log() );
			}
		);
	}

	public function rest_controller(): Siteagent_REST_Controller {
		return $this->shared(
			'rest_controller',
			function (): Siteagent_REST_Controller {
				$operations      = new Siteagent_Operation_Registry(
					$this->pairing(),
					$this->key_rotation(),
					$this->audit_log_reader(),
					array( $this, 'report' ),
					array( $this, 'update_controller' )
				);
				$request_handler = new Siteagent_Request_Handler(
					$this->connection_store(),
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
			'self_update',
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

	public function settings_page(): Siteagent_Settings_Page {
		return $this->shared(
			'settings_page',
			function (): Siteagent_Settings_Page {
				return new Siteagent_Settings_Page(
					$this->connection_store(),
					$this->pairing(),
					$this->report(),
					$this->audit_log_reader(),
					$this->audit_log_verifier(),
					$this->permissions(),
					$this->pending_approvals(),
					$this->checkpoint_store()
				);
			}
		);
	}

	public function settings_actions(): Siteagent_Settings_Actions {
		return $this->shared(
			'settings_actions',
			function (): Siteagent_Settings_Actions {
				$permission_decisions = new Siteagent_Permission_Decisions(
					$this->connection_store(),
					$this->permissions(),
					$this->pending_approvals(),
					new Siteagent_Dashboard_Client(),
					$this->audit_log()
				);
				return new Siteagent_Settings_Actions(
					$this->connection_store(),
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
			'admin_notices',
			function (): Siteagent_Admin_Notices {
				return new Siteagent_Admin_Notices( $this->connection_store(), $this->pending_approvals(), $this->checkpoint_store() );
			}
		);
	}

	public function site_health(): Siteagent_Site_Health {
		return $this->shared(
			'site_health',
			function (): Siteagent_Site_Health {
				return new Siteagent_Site_Health( $this->connection_store() );
			}
		);
	}

	public function audit_log_export(): Siteagent_Audit_Log_Export {
		return new Siteagent_Audit_Log_Export( $this->audit_log(), $this->audit_log_reader(), $this->checkpoint_store(), $this->connection_store() );
	}

	public function cli_command(): Siteagent_CLI_Command {
		return new Siteagent_CLI_Command( $this->audit_log(), $this->audit_log_reader(), $this->audit_log_verifier(), $this->audit_log_export() );
	}

	public function privacy(): Siteagent_Privacy {
		return $this->shared(
			'privacy',
			function (): Siteagent_Privacy {
				return new Siteagent_Privacy( $this->report(), $this->audit_log_reader() );
			}
		);
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

	private function option_store(): Siteagent_Option_Store {
		return $this->shared(
			'option_store',
			function (): Siteagent_Option_Store {
				global $wpdb;
				return new Siteagent_Option_Store( $wpdb, $this->is_network );
			}
		);
	}

	private function shared( string $name, callable $factory ): object {
		if ( ! isset( $this->services[ $name ] ) ) {
			$this->services[ $name ] = $factory();
		}
		return $this->services[ $name ];
	}
}
