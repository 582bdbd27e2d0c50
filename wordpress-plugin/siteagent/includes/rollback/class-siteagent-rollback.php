<?php
/**
 * Rollback of an update: the run, its marker, its folder and its lock.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- WP_Filesystem needs credentials on some hosts and is missing after a fatal error.

/**
 * Allows one run at a time. A marker in the database names it. A lock on a file shows whether its process is
 * alive, because the system releases it however the process ends.
 */
final class Siteagent_Rollback {

	/** Folder below wp-content. Exists only while an update runs or is watched. */
	const FOLDER = 'siteagent-probation';

	/** Suffix of a folder until its lock is held. */
	const PARTIAL_SUFFIX = '.part';

	/** A run without a heartbeat for this long is dead. */
	const RUN_TIMEOUT_S = 900;

	/** How long a new version is watched when the site could not reach itself. */
	const WATCH_DURATION_S = 600;

	/** Exists in the folder of a run whose component could not be restored, because a person may still need the backup. */
	const KEEP_BACKUP   = 'needed';
	const KEEP_BACKUP_S = 30 * DAY_IN_SECONDS;

	const MARKER = 'run';

	/** Pattern of the name of a run's folder. */
	const FOLDER_PATTERN = '/^[0-9A-Za-z-]{1,64}-[0-9a-f]{16}\z/D';

	/** PHP functions that an update needs. Some hosts disable them. */
	const REQUIRED_FUNCTIONS = array( 'flock', 'rename', 'copy', 'touch', 'mkdir', 'rmdir', 'unlink', 'scandir', 'fopen', 'file_put_contents' );

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var resource|null Released by the system when this process ends. */
	private $lock = null;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Returns the folder that holds the folders of all runs.
	 */
	public static function base_folder(): string {
		return WP_CONTENT_DIR . '/' . self::FOLDER;
	}

	/**
	 * Whether a component of this kind can be backed up and watched on this site.
	 *
	 * @param string $kind      Kind of the component.
	 * @param string $separator The directory separator of this system.
	 */
	public static function is_available( string $kind, string $separator = DIRECTORY_SEPARATOR ): bool {
		// On Windows a folder with an open file cannot be renamed.
		if ( '\\' === $separator || array() !== self::missing_functions() ) {
			return false;
		}
		if ( in_array( $kind, array( 'core', 'database' ), true ) || ! wp_is_writable( WP_CONTENT_DIR ) || ! wp_is_file_mod_allowed( 'siteagent_change' ) || 'direct' !== get_filesystem_method() ) {
			return false;
		}
		// A translation is text. It is backed up, but needs no watchdog.
		return 'translation' === $kind || wp_is_writable( is_dir( WPMU_PLUGIN_DIR ) ? WPMU_PLUGIN_DIR : dirname( WPMU_PLUGIN_DIR ) );
	}

	/**
	 * Returns the required functions that this host has disabled.
	 *
	 * @return string[]
	 */
	public static function missing_functions(): array {
		$is_missing = static function ( string $name ): bool {
			return ! function_exists( $name );
		};
		return array_values( array_filter( self::REQUIRED_FUNCTIONS, $is_missing ) );
	}

	/**
	 * Returns the run that is marked, alive or not; null when there is none.
	 */
	public function current_run(): ?array {
		return self::parse_marker( $this->store->read() );
	}

	/**
	 * Marks a run as started. False when another one exists, or WordPress is updating itself.
	 */
	public function begin_run( string $op_id, array $facts, int $now ): bool {
		if ( Siteagent_Update_Lock::is_core_updating( $now ) || $this->is_other_site_watched() ) {
			return false;
		}
		$folder    = $op_id . '-' . bin2hex( random_bytes( 8 ) );
		$marker    = array(
			'op_id'    => $op_id,
			'folder'   => $folder,
			'stage'    => 'checking',
			'started'  => $now,
			'deadline' => $now + self::RUN_TIMEOUT_S,
		) + $facts;
		$is_marked = $this->store->change(
			static function ( array $data ) use ( $marker ): ?array {
				return isset( $data[ self::MARKER ] ) ? null : array( self::MARKER => $marker ) + $data;
			}
		);
		if ( ! $is_marked ) {
			return false;
		}
		$lock_holder = Siteagent_Update_Lock::acquire( self::RUN_TIMEOUT_S );
		if ( '' === $lock_holder ) {
			$this->delete_marker( $op_id );
			return false;
		}
		$this->set_stage( $op_id, 'checking', array( 'core_lock' => $lock_holder ) );
		$this->acquire_lock( self::base_folder() . '/' . $folder );
		return true;
	}

	/**
	 * Stores the stage of a run.
	 */
	public function set_stage( string $op_id, string $stage, array $facts = array() ): void {
		$this->store->change(
			static function ( array $data ) use ( $op_id, $stage, $facts ): ?array {
				if ( ! isset( $data[ self::MARKER ] ) || $op_id !== $data[ self::MARKER ]['op_id'] ) {
					return null;
				}
				$data[ self::MARKER ] = array( 'stage' => $stage ) + $facts + $data[ self::MARKER ];
				return $data;
			}
		);
		$run = $this->current_run();
		if ( null === $run || ! is_dir( $run['folder'] ) ) {
			return;
		}
		$this->heartbeat( $run );
		if ( 'installing' === $stage && isset( $facts['before']['probe'] ) ) {
			Siteagent_Filesystem::write_atomically( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::STATE_BEFORE, $facts['before']['probe'] );
		}
		if ( 'installed' === $stage ) {
			touch( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::INSTALLED );
		}
	}

	/**
	 * Updates the heartbeat, for hosts that do not see the lock of this run.
	 */
	public function heartbeat( array $run ): void {
		if ( is_file( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::HEARTBEAT ) ) {
			touch( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::HEARTBEAT );
		}
	}

	/**
	 * Whether this process may continue the run: no other process has taken it for dead, ended it or restored the
	 * backup.
	 */
	public function is_current_run( array $run ): bool {
		clearstatcache( true );
		$current = null;
		$this->store->change(
			static function ( array $data ) use ( &$current ): ?array {
				$current = self::parse_marker( $data );
				return null;
			}
		);
		return null !== $current && $run['op_id'] === $current['op_id'] && $run['folder'] === $current['folder'] && $run['stage'] === $current['stage']
			&& ! is_file( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::RESTORED )
			&& ! is_dir( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::RESTORING );
	}

	/**
	 * Whether the process of this run is alive.
	 */
	public function is_running( array $run, int $now ): bool {
		clearstatcache( true );
		return is_dir( $run['folder'] ) ? Siteagent_Rollback_Watchdog::is_alive( $run['folder'] ) : $now <= $run['deadline'];
	}

	/**
	 * Installs the watchdog of this run.
	 */
	public function install_watchdog( array $run, Siteagent_Component $component ): bool {
		$is_new = ! is_dir( WPMU_PLUGIN_DIR );
		if ( ! $component->owns_folder() || ! wp_mkdir_p( WPMU_PLUGIN_DIR ) ) {
			return false;
		}
		if ( $is_new ) {
			$this->set_stage( $run['op_id'], $run['stage'], array( 'made_mu_plugins' => true ) );
		}
		return Siteagent_Watchdog_Installer::install( $run, $component );
	}

	/**
	 * Returns the record of the watchdog that restored the backup; null when it did not.
	 *
	 * @return array{installed:bool,reason:string,message:string,file:string,line:int}|null
	 */
	public function restore_record( array $run ): ?array {
		$record_file = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::RESTORED;
		$record      = is_readable( $record_file ) ? json_decode( (string) file_get_contents( $record_file ), true ) : null;
		$is_of_run   = is_array( $record ) && isset( $record['op_id'], $record['reason'] ) && $run['op_id'] === $record['op_id'];
		$defaults    = array(
			'installed' => false,
			'message'   => '',
			'file'      => '',
			'line'      => 0,
		);
		return $is_of_run ? $record + $defaults : null;
	}

	/**
	 * Deletes a record that no longer matches the disk, because files were replaced after restoring.
	 */
	public function delete_restore_record( array $run ): void {
		$record_file = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::RESTORED;
		if ( is_file( $record_file ) ) {
			wp_delete_file( $record_file );
		}
	}

	/**
	 * Stores the final result. From here on nothing is restored any more, whatever happens to this process.
	 */
	public function save_decision( array $run, array $answer ): void {
		$this->set_stage( $run['op_id'], 'decided', array( 'answer' => $answer ) );
		Siteagent_Watchdog_Installer::remove( $run['op_id'] );
	}

	/**
	 * Stores the result and keeps the watchdog until the given time.
	 *
	 * @param array                             $run    The run.
	 * @param array                             $answer The result.
	 * @param int                               $until  Unix time in seconds.
	 * @param array{look_at:?int,fresh_at:?int} $times  When the site checks itself again, null when it cannot; and
	 *                                                  when PHP runs the new code, null when unknown.
	 */
	public function keep_watching( array $run, array $answer, int $until, array $times ): void {
		$this->set_stage( $run['op_id'], 'watched', array( 'answer' => $answer, 'deadline' => $until ) + $times );
		Siteagent_Filesystem::write_atomically( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::SETTLED, (string) $until );
		$this->release_lock( $run );
	}

	/**
	 * Ends a run and removes everything of it, except the backup of a component that is neither as approved nor as
	 * before.
	 */
	public function end_run( array $run, Siteagent_Component $component, array $answer ): void {
		// Before the lock is released, because the run would look dead in between. Of two processes that end the same run
		// only one continues, so that the other cannot remove files of a later run.
		if ( ! $this->delete_marker( $run['op_id'] ) ) {
			return;
		}
		Siteagent_Watchdog_Installer::remove( $run['op_id'] );
		Siteagent_Rollback_Watchdog::end_maintenance( $run['op_id'] );
		if ( 'watched' !== $run['stage'] ) {
			$this->release_lock( $run );
		}
		Siteagent_Package_File::remove_leftovers( $run['op_id'] );
		if ( 'failed' === $answer['outcome'] && ! Siteagent_Backup::matches( $run['folder'], $component ) ) {
			touch( $run['folder'] . '/' . self::KEEP_BACKUP );
		} else {
			self::remove_run_folder( $run['folder'] );
		}
		if ( ! empty( $run['made_mu_plugins'] ) && ! is_link( WPMU_PLUGIN_DIR ) && array() === Siteagent_Filesystem::list_entries( WPMU_PLUGIN_DIR ) ) {
			Siteagent_Filesystem::remove( WPMU_PLUGIN_DIR );
		}
	}

	/**
	 * Removes folders that belong to no run, left by processes that were killed at their end.
	 */
	public function remove_orphaned_folders( int $now ): void {
		$run = $this->current_run();
		foreach ( Siteagent_Filesystem::list_entries( self::base_folder() ) as $name ) {
			$folder = self::base_folder() . '/' . $name;
			$is_run = 1 === preg_match( self::FOLDER_PATTERN, basename( $name, self::PARTIAL_SUFFIX ) );
			if ( ! $is_run || ( null !== $run && 0 === strpos( $folder, $run['folder'] ) )
				|| Siteagent_Rollback_Watchdog::HELD === Siteagent_Rollback_Watchdog::lock_state( $folder )
				|| self::is_watched( $folder ) ) {
				continue;
			}
			$needed = $folder . '/' . self::KEEP_BACKUP;
			if ( is_file( $needed ) ? (int) filemtime( $needed ) < $now - self::KEEP_BACKUP_S : (int) filemtime( $folder ) < $now - self::RUN_TIMEOUT_S ) {
				self::remove_run_folder( $folder );
			}
		}
	}

	/**
	 * Removes the folder of a run, and the base folder when it is empty. Keeps a link that an owner made instead of
	 * it.
	 */
	public static function remove_run_folder( string $folder ): void {
		Siteagent_Filesystem::remove( $folder );
		Siteagent_Filesystem::remove( $folder . self::PARTIAL_SUFFIX );
		Siteagent_Rollback_Watchdog::remove_local_marker( $folder );
		if ( ! is_link( self::base_folder() ) && array() === array_diff( Siteagent_Filesystem::list_entries( self::base_folder() ), array( 'index.php', '.htaccess' ) ) ) {
			Siteagent_Filesystem::remove( self::base_folder() );
		}
	}

	/**
	 * Returns the marker with the full path of its folder. Only the name of the folder is trusted.
	 */
	private static function parse_marker( array $data ): ?array {
		if ( ! isset( $data[ self::MARKER ] ) ) {
			return null;
		}
		$run           = $data[ self::MARKER ];
		$name          = basename( (string) $run['folder'] );
		$run['folder'] = self::base_folder() . '/' . ( 1 === preg_match( self::FOLDER_PATTERN, $name ) ? $name : 'unknown' );
		return $run;
	}

	/**
	 * Creates the folder of the run and locks it. Without them a run still works; its end is then noticed at its
	 * deadline.
	 *
	 * The folder gets its final name once the lock is held. Otherwise another process could take this run for dead, or
	 * take its lock.
	 */
	private function acquire_lock( string $folder ): void {
		$partial = $folder . self::PARTIAL_SUFFIX;
		if ( ! wp_mkdir_p( $partial ) ) {
			return;
		}
		// Deny access by URL.
		foreach ( array( 'index.php' => "<?php\n// Silence is golden.\n", '.htaccess' => "Require all denied\n" ) as $name => $text ) {
			file_put_contents( self::base_folder() . '/' . $name, $text );
		}
		$lock = fopen( $partial . '/' . Siteagent_Rollback_Watchdog::LOCK, 'cb' );
		if ( false !== $lock && flock( $lock, LOCK_EX | LOCK_NB ) ) {
			$this->lock = $lock;
		}
		file_put_contents( $partial . '/' . Siteagent_Rollback_Watchdog::HEARTBEAT, Siteagent_Rollback_Watchdog::host_name() );
		@touch( Siteagent_Rollback_Watchdog::local_marker( $folder ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- without it the lock alone says less.
		// At once, or not at all.
		rename( $partial, $folder );
	}

	private function release_lock( array $run ): void {
		if ( null !== $this->lock ) {
			fclose( $this->lock );
			$this->lock = null;
		}
		Siteagent_Update_Lock::release( isset( $run['core_lock'] ) ? $run['core_lock'] : '' );
	}

	/**
	 * Whether an update of another site of this network is still watched and may be rolled back.
	 */
	private function is_other_site_watched(): bool {
		if ( ! is_multisite() ) {
			return false;
		}
		foreach ( Siteagent_Filesystem::list_entries( self::base_folder() ) as $name ) {
			if ( 1 === preg_match( self::FOLDER_PATTERN, $name ) && self::is_watched( self::base_folder() . '/' . $name ) ) {
				return true;
			}
		}
		return false;
	}

	private static function is_watched( string $folder ): bool {
		$settled = $folder . '/' . Siteagent_Rollback_Watchdog::SETTLED;
		return is_file( $settled ) && (int) file_get_contents( $settled ) > time();
	}

	private function delete_marker( string $op_id ): bool {
		return $this->store->change(
			static function ( array $data ) use ( $op_id ): ?array {
				if ( ! isset( $data[ self::MARKER ] ) || $op_id !== $data[ self::MARKER ]['op_id'] ) {
					return null;
				}
				unset( $data[ self::MARKER ] );
				return $data;
			}
		);
	}
}
