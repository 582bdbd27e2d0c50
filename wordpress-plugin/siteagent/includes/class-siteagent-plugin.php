<?php
/**
 * The parts of SiteAgent, put together.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Makes each part once, when it is first needed, and hands it what it depends on.
 */
final class Siteagent_Plugin {

	/** @var bool */
	private $is_network;

	/** @var array<string,object> */
	private $made = array();

	/**
	 * @param bool|null $is_network Whether this is about the connection that the sites of a network share; as it is activated when null.
	 */
	public function __construct( ?bool $is_network = null ) {
		$this->is_network = null === $is_network ? self::is_network() : $is_network;
	}

	public function keyring(): Siteagent_Keyring {
		return $this->once(
			'keyring',
			function (): Siteagent_Keyring {
				return new Siteagent_Keyring( $this->store(), Siteagent_Seal::of_this_site() );
			}
		);
	}

	public function scopes(): Siteagent_Scopes {
		return $this->once(
			'scopes',
			function (): Siteagent_Scopes {
				return new Siteagent_Scopes( $this->store() );
			}
		);
	}

	public function approvals(): Siteagent_Approvals {
		return $this->once(
			'approvals',
			function (): Siteagent_Approvals {
				return new Siteagent_Approvals( $this->store() );
			}
		);
	}

	public function change(): Siteagent_Change {
		return $this->once(
			'change',
			function (): Siteagent_Change {
				return new Siteagent_Change( $this->keyring(), $this->ledger(), $this->scopes(), $this->approvals(), new Siteagent_Probation( $this->store() ), $this->log() );
			}
		);
	}

	public function log(): Siteagent_Log {
		return $this->once(
			'log',
			function (): Siteagent_Log {
				global $wpdb;
				return new Siteagent_Log( $wpdb, $this->is_network );
			}
		);
	}

	public function strangers(): Siteagent_Strangers {
		return $this->once(
			'strangers',
			function (): Siteagent_Strangers {
				global $wpdb;
				return new Siteagent_Strangers( $wpdb, $this->is_network, $this->log() );
			}
		);
	}

	public function witness(): Siteagent_Witness {
		return $this->once(
			'witness',
			function (): Siteagent_Witness {
				global $wpdb;
				return new Siteagent_Witness( $wpdb, $this->is_network, $this->keyring(), $this->log() );
			}
		);
	}

	public function guard(): Siteagent_Replay_Guard {
		return $this->once(
			'guard',
			function (): Siteagent_Replay_Guard {
				global $wpdb;
				return new Siteagent_Replay_Guard( $wpdb, $this->is_network );
			}
		);
	}

	public function inventory(): Siteagent_Inventory {
		return $this->once(
			'inventory',
			function (): Siteagent_Inventory {
				return new Siteagent_Inventory( $this->scopes() );
			}
		);
	}

	public function pairing(): Siteagent_Pairing {
		return $this->once(
			'pairing',
			function (): Siteagent_Pairing {
				return new Siteagent_Pairing( $this->keyring(), new Siteagent_Notices(), $this->log(), $this->witness() );
			}
		);
	}

	public function moving(): Siteagent_Moving {
		return $this->once(
			'moving',
			function (): Siteagent_Moving {
				return new Siteagent_Moving( $this->keyring(), new Siteagent_Notices(), $this->log() );
			}
		);
	}

	public function ledger(): Siteagent_Ledger {
		return $this->once(
			'ledger',
			function (): Siteagent_Ledger {
				global $wpdb;
				return new Siteagent_Ledger( $wpdb, $this->is_network );
			}
		);
	}

	public function rotation(): Siteagent_Rotation {
		return $this->once(
			'rotation',
			function (): Siteagent_Rotation {
				return new Siteagent_Rotation( $this->keyring(), $this->ledger(), $this->log() );
			}
		);
	}

	public function door(): Siteagent_Door {
		return $this->once(
			'door',
			function (): Siteagent_Door {
				$operations = new Siteagent_Operations( $this->pairing(), $this->rotation(), $this->log(), array( $this, 'inventory' ), array( $this, 'change' ) );
				return new Siteagent_Door( new Siteagent_Gate( $this->keyring(), $this->guard(), $operations, $this->log(), $this->witness(), $this->strangers() ), $this->log() );
			}
		);
	}

	public function self_updates(): Siteagent_Self_Updates {
		return $this->once(
			'self_updates',
			function (): Siteagent_Self_Updates {
				return new Siteagent_Self_Updates(
					function (): ?string {
						$connection = $this->keyring()->connection();
						return null === $connection ? null : $connection['origin'];
					}
				);
			}
		);
	}

	public function screen(): Siteagent_Screen {
		return $this->once(
			'screen',
			function (): Siteagent_Screen {
				return new Siteagent_Screen( $this->keyring(), $this->pairing(), $this->inventory(), $this->log(), $this->scopes(), $this->approvals(), $this->witness() );
			}
		);
	}

	public function forms(): Siteagent_Forms {
		return $this->once(
			'forms',
			function (): Siteagent_Forms {
				$consent = new Siteagent_Consent( $this->keyring(), $this->scopes(), $this->approvals(), new Siteagent_Notices(), $this->log() );
				return new Siteagent_Forms( $this->keyring(), $this->pairing(), $this->moving(), $consent, $this->witness(), $this->log_file() );
			}
		);
	}

	public function reminders(): Siteagent_Reminders {
		return $this->once(
			'reminders',
			function (): Siteagent_Reminders {
				return new Siteagent_Reminders( $this->keyring(), $this->approvals(), $this->witness() );
			}
		);
	}

	public function site_health(): Siteagent_Site_Health {
		return $this->once(
			'site_health',
			function (): Siteagent_Site_Health {
				return new Siteagent_Site_Health( $this->keyring() );
			}
		);
	}

	public function log_file(): Siteagent_Log_File {
		return new Siteagent_Log_File( $this->log(), $this->witness(), $this->keyring() );
	}

	public function cli(): Siteagent_Cli {
		return new Siteagent_Cli( $this->log(), $this->log_file() );
	}

	public function privacy(): Siteagent_Privacy {
		return $this->once(
			'privacy',
			function (): Siteagent_Privacy {
				return new Siteagent_Privacy( $this->inventory(), $this->log() );
			}
		);
	}

	/**
	 * The tables, made on activation.
	 */
	public function create_tables(): void {
		$this->guard()->create_table();
		$this->log()->create_table();
		$this->ledger()->create_table();
		$this->witness()->create_table();
	}

	/**
	 * Whether the sites of a network share one connection: when SiteAgent was activated for all of them.
	 */
	public static function is_network(): bool {
		if ( ! is_multisite() ) {
			return false;
		}
		$active = get_site_option( 'active_sitewide_plugins' );
		return is_array( $active ) && isset( $active[ plugin_basename( SITEAGENT_FILE ) ] );
	}

	private function store(): Siteagent_Store {
		return $this->once(
			'store',
			function (): Siteagent_Store {
				global $wpdb;
				return new Siteagent_Store( $wpdb, $this->is_network );
			}
		);
	}

	private function once( string $name, callable $make ): object {
		if ( ! isset( $this->made[ $name ] ) ) {
			$this->made[ $name ] = $make();
		}
		return $this->made[ $name ];
	}
}
