<?php
/**
 * What makes a change one that can be taken back: the marker of the run, the kept copy and the watchdog.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * One run at a time. The marker says which; the lock on a file says whether its process still lives,
 * as the system gives it back however the process ends.
 */
final class Siteagent_Rollback {

	/** Below wp-content, there only while something is on probation. */
	const FOLDER = 'siteagent-probation';

	/** What a watchdog is called among the must-use plugins, before the dash and the hash of its op_id. */
	const WATCHDOG = 'siteagent-watchdog';

	/** Classes that the watchdog takes along. */
	const WATCHDOG_PARTS = array( Siteagent_Filesystem::class, Siteagent_Fatal_Error::class, Siteagent_Rollback_Watchdog::class );

	/** What a folder is called by until its lock is held, after its own name. */
	const PARTIAL_SUFFIX = '.part';

	/** A run that gives no sign of life for so long is dead. */
	const RUN_TIMEOUT_S = 900;

	/** How long a new version is watched when the site could not ask itself. */
	const WATCH_DURATION_S = 600;

	/** There in the folder of a run whose component could not be put back: a person may still need the copy. */
	const KEEP_BACKUP   = 'needed';
	const KEEP_BACKUP_S = 30 * DAY_IN_SECONDS;

	const MARKER = 'run';

	/** What the name of a run's folder looks like. */
	const FOLDER_PATTERN = '/^[0-9A-Za-z-]{1,64}-[0-9a-f]{16}\z/D';

	/** Functions of PHP without which nothing can be exchanged and put back; hosts switch them off. */
	const REQUIRED_FUNCTIONS = array( 'flock', 'rename', 'copy', 'touch', 'mkdir', 'rmdir', 'unlink', 'scandir', 'fopen', 'file_put_contents' );

	/** @var Siteagent_Option_Store */
	private $store;

	/** @var resource|null Closed by the system when this process ends. */
	private $lock = null;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Where everything of a run is kept.
	 */
	public static function base_folder(): string {
		return WP_CONTENT_DIR . '/' . self::FOLDER;
	}

	/**
	 * Whether a copy of this kind of component can be kept here and a watchdog put beside it.
	 */
	public static function is_available( string $kind ): bool {
		// On Windows a folder that holds an open file cannot be renamed.
		if ( '\\' === DIRECTORY_SEPARATOR || array() !== self::missing_functions() ) {
			return false;
		}
		if ( 'core' === $kind || ! wp_is_writable( WP_CONTENT_DIR ) || ! wp_is_file_mod_allowed( 'siteagent_change' ) || 'direct' !== get_filesystem_method() ) {
			return false;
		}
		// A translation is text: it is kept, and nothing of it has to be watched.
		return 'translation' === $kind || wp_is_writable( is_dir( WPMU_PLUGIN_DIR ) ? WPMU_PLUGIN_DIR : dirname( WPMU_PLUGIN_DIR ) );
	}

	/**
	 * The functions an update needs that this host has switched off.
	 *
	 * @return string[]
	 */
	public static function missing_functions(): array {
		return array_values( array_filter( self::REQUIRED_FUNCTIONS, static function ( string $name ): bool { return ! function_exists( $name ); } ) );
	}

	/**
	 * The run that is marked, whether it lives or not; null when there is none.
	 */
	public function current_run(): ?array {
		return self::parse_marker( $this->store->read() );
	}

	/**
	 * Mark a run as under way. False when another one is, or WordPress is updating something by itself.
	 */
	public function begin_run( string $op_id, array $facts, int $now ): bool {
		if ( Siteagent_Update_Lock::is_core_updating( $now ) || $this->is_other_site_watched() ) {
			return false;
		}
		$folder = $op_id . '-' . bin2hex( random_bytes( 8 ) );
		$marker = array(
			'op_id'    => $op_id,
			'folder'   => $folder,
			'stage'    => 'checking',
			'started'  => $now,
			'deadline' => $now + self::RUN_TIMEOUT_S,
		) + $facts;
		$is_marked  = $this->store->change(
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
	 * How far the run is.
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
			touch( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::INSTALLED ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- read without WordPress.
		}
	}

	/**
	 * Give a sign of life, for machines on which the lock of this run does not show.
	 */
	public function heartbeat( array $run ): void {
		if ( is_file( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::HEARTBEAT ) ) {
			touch( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::HEARTBEAT ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		}
	}

	/**
	 * Whether this run is still this process's to carry out: nobody has taken it for dead, ended it or put the copy back.
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
	 * Whether the process of this run still works on it.
	 */
	public function is_running( array $run, int $now ): bool {
		clearstatcache( true );
		return is_dir( $run['folder'] ) ? Siteagent_Rollback_Watchdog::is_alive( $run['folder'] ) : $now <= $run['deadline'];
	}

	/**
	 * Keep a copy of the component as it is. True when the copy is whole.
	 */
	public function create_backup( array $run, Siteagent_Component $component ): bool {
		$kept = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::BACKUP;
		if ( ! is_dir( $run['folder'] ) ) {
			return false;
		}
		if ( $component->owns_folder() ) {
			$is_whole = Siteagent_Filesystem::copy( $component->folder(), $kept . '.part', Siteagent_Filesystem::HIDE );
		} else {
			$is_whole = 'translation' === $component->kind() && $this->back_up_files( ( new Siteagent_Translation( $component->id() ) )->files(), $kept . '.part' );
		}
		// Half a copy must never be taken for one.
		return $is_whole && rename( $kept . '.part', $kept ); // phpcs:ignore WordPress.WP.AlternativeFunctions
	}

	/**
	 * Whether the component is on disk as the kept copy has it. Where nothing was kept, nothing was exchanged.
	 */
	public function matches_backup( array $run, Siteagent_Component $component ): bool {
		$kept = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::BACKUP;
		return ! $component->owns_folder() || ! is_dir( $kept ) || Siteagent_Filesystem::hashes( $kept, Siteagent_Filesystem::SHOW ) === Siteagent_Filesystem::hashes( $component->folder() );
	}

	/**
	 * Put the watchdog beside the component.
	 */
	public function install_watchdog( array $run, Siteagent_Component $component ): bool {
		$is_new = ! is_dir( WPMU_PLUGIN_DIR );
		if ( ! $component->owns_folder() || ! wp_mkdir_p( WPMU_PLUGIN_DIR ) ) {
			return false;
		}
		if ( $is_new ) {
			$this->set_stage( $run['op_id'], $run['stage'], array( 'made_mu_plugins' => true ) );
		}
		$source = '';
		foreach ( self::WATCHDOG_PARTS as $part ) {
			$text    = (string) file_get_contents( siteagent_classes()[ $part ] );
			$source .= '' === $source ? $text : substr( $text, (int) strpos( $text, "\nfinal class" ) );
		}
		// Under names of their own: a new SiteAgent on probation comes with classes that may be other ones.
		$suffix = '_' . substr( hash( 'sha256', $run['op_id'] ), 0, 16 );
		$own    = array();
		foreach ( self::WATCHDOG_PARTS as $part ) {
			$own[ $part ] = $part . $suffix;
		}
		$facts = var_export( $this->watchdog_config( $run, $component ), true ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- writes PHP.
		$line  = sprintf( "\n( new Siteagent_Rollback_Watchdog( __FILE__, %s ) )->watch();\n", $facts );
		// Another request must never read half of it.
		return Siteagent_Filesystem::write_atomically( self::watchdog_file( $run['op_id'] ), strtr( $source . $line, $own ) );
	}

	/**
	 * Put the kept copy back, unless the watchdog has.
	 */
	public function restore_backup( array $run, Siteagent_Component $component, string $reason ): bool {
		if ( 'translation' === $component->kind() ) {
			return $this->restore_files( $run, new Siteagent_Translation( $component->id() ) );
		}
		$watchdog = new Siteagent_Rollback_Watchdog( self::watchdog_file( $run['op_id'] ), $this->watchdog_config( $run, $component ) );
		return $component->owns_folder() && $watchdog->restore( $reason );
	}

	/**
	 * What the watchdog wrote down when it put the copy of this run back; null when it did not.
	 *
	 * @return array{installed:bool,reason:string,message:string,file:string,line:int}|null
	 */
	public function restore_record( array $run ): ?array {
		$record_file = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::RESTORED;
		$record = is_readable( $record_file ) ? json_decode( (string) file_get_contents( $record_file ), true ) : null;
		return is_array( $record ) && isset( $record['op_id'], $record['reason'] ) && $run['op_id'] === $record['op_id'] ? $record + array( 'installed' => false, 'message' => '', 'file' => '', 'line' => 0 ) : null;
	}

	/**
	 * Drop a note that the disk does not bear out: the copy was put back, and files were exchanged afterwards.
	 */
	public function delete_restore_record( array $run ): void {
		$record_file = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::RESTORED;
		if ( is_file( $record_file ) ) {
			wp_delete_file( $record_file );
		}
	}

	/**
	 * The outcome is decided: whatever happens to this process now, it is final, and nothing is restored any more.
	 */
	public function save_decision( array $run, array $answer ): void {
		$this->set_stage( $run['op_id'], 'decided', array( 'answer' => $answer ) );
		$this->remove_watchdog( $run['op_id'] );
	}

	/**
	 * The outcome is reported, and the watchdog stays until the given moment.
	 *
	 * @param array{look_at:?int,fresh_at:?int} $times When the site may ask itself again, null when it cannot; and
	 *                                                   when PHP has forgotten what it compiled before, null when nobody can say.
	 */
	public function keep_watching( array $run, array $answer, int $until, array $times ): void {
		$this->set_stage( $run['op_id'], 'watched', array( 'answer' => $answer, 'deadline' => $until ) + $times );
		Siteagent_Filesystem::write_atomically( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::SETTLED, (string) $until );
		$this->release_lock( $run );
	}

	/**
	 * The run is over: nothing of it stays, but a copy of a component that is neither as approved nor as before.
	 */
	public function end_run( array $run, Siteagent_Component $component, array $answer ): void {
		// Before the lock is let go: the run would look dead to whoever asks between the two. And of two that end
		// the same run one does, so that the other takes nothing from a run that has begun since.
		if ( ! $this->delete_marker( $run['op_id'] ) ) {
			return;
		}
		$this->remove_watchdog( $run['op_id'] );
		Siteagent_Rollback_Watchdog::end_maintenance( $run['op_id'] );
		if ( 'watched' !== $run['stage'] ) {
			$this->release_lock( $run );
		}
		Siteagent_Upgrader::remove_leftovers( $run['op_id'] );
		if ( 'failed' === $answer['outcome'] && ! $this->matches_backup( $run, $component ) ) {
			touch( $run['folder'] . '/' . self::KEEP_BACKUP ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		} else {
			self::remove_run_folder( $run['folder'] );
		}
		if ( ! empty( $run['made_mu_plugins'] ) && ! is_link( WPMU_PLUGIN_DIR ) && array() === Siteagent_Filesystem::list_entries( WPMU_PLUGIN_DIR ) ) {
			Siteagent_Filesystem::remove( WPMU_PLUGIN_DIR );
		}
	}

	/**
	 * Remove folders that belong to no run: of processes that were killed at their very end.
	 */
	public function remove_orphaned_folders( int $now ): void {
		$run = $this->current_run();
		foreach ( Siteagent_Filesystem::list_entries( self::base_folder() ) as $name ) {
			$folder = self::base_folder() . '/' . $name;
			$is_run = 1 === preg_match( self::FOLDER_PATTERN, basename( $name, self::PARTIAL_SUFFIX ) );
			if ( ! $is_run || ( null !== $run && 0 === strpos( $folder, $run['folder'] ) ) || Siteagent_Rollback_Watchdog::HELD === Siteagent_Rollback_Watchdog::lock_state( $folder ) || self::is_watched( $folder ) ) {
				continue;
			}
			$needed = $folder . '/' . self::KEEP_BACKUP;
			if ( is_file( $needed ) ? (int) filemtime( $needed ) < $now - self::KEEP_BACKUP_S : (int) filemtime( $folder ) < $now - self::RUN_TIMEOUT_S ) {
				self::remove_run_folder( $folder );
			}
		}
	}

	/**
	 * Remove what a run kept, and the place when nothing else is in it; a link an owner made in its stead stays.
	 */
	public static function remove_run_folder( string $folder ): void {
		Siteagent_Filesystem::remove( $folder );
		Siteagent_Filesystem::remove( $folder . self::PARTIAL_SUFFIX );
		if ( is_file( Siteagent_Rollback_Watchdog::local_marker( $folder ) ) ) {
			wp_delete_file( Siteagent_Rollback_Watchdog::local_marker( $folder ) );
		}
		if ( ! is_link( self::base_folder() ) && array() === array_diff( Siteagent_Filesystem::list_entries( self::base_folder() ), array( 'index.php', '.htaccess' ) ) ) {
			Siteagent_Filesystem::remove( self::base_folder() );
		}
	}

	/**
	 * The watchdog of one run among the must-use plugins. Each has a name of its own, which no cache of compiled code has seen.
	 */
	private static function watchdog_file( string $op_id ): string {
		return WPMU_PLUGIN_DIR . '/' . self::WATCHDOG . '-' . substr( hash( 'sha256', $op_id ), 0, 12 ) . '.php';
	}

	/**
	 * The marker as this class hands it out. Of a folder only its name is believed.
	 */
	private static function parse_marker( array $data ): ?array {
		if ( ! isset( $data[ self::MARKER ] ) ) {
			return null;
		}
		$run           = $data[ self::MARKER ];
		$name             = basename( (string) $run['folder'] );
		$run['folder'] = self::base_folder() . '/' . ( 1 === preg_match( self::FOLDER_PATTERN, $name ) ? $name : 'unknown' );
		return $run;
	}

	private function remove_watchdog( string $op_id ): void {
		$file = self::watchdog_file( $op_id );
		if ( is_file( $file ) ) {
			wp_delete_file( $file );
		}
	}

	private function watchdog_config( array $run, Siteagent_Component $component ): array {
		return array(
			'op_id'      => $run['op_id'],
			'folder'     => $run['folder'],
			'target'     => $component->folder(),
			// Nobody else can tell whether a SiteAgent is still answered to the one who asks.
			'needs_word' => $component->is_siteagent(),
		);
	}

	/**
	 * Without a folder and a lock a run still works; its death is then noticed at its deadline.
	 *
	 * The folder gets its name once the lock is held: whoever sees it without would take this run
	 * for dead, and whoever asks for the lock in between would keep it from being had.
	 */
	private function acquire_lock( string $folder ): void {
		$partial = $folder . self::PARTIAL_SUFFIX;
		if ( ! wp_mkdir_p( $partial ) ) {
			return;
		}
		// Nobody calls a kept copy by its address.
		foreach ( array( 'index.php' => "<?php\n// Silence is golden.\n", '.htaccess' => "Require all denied\n" ) as $name => $text ) {
			file_put_contents( self::base_folder() . '/' . $name, $text ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		}
		$lock = fopen( $partial . '/' . Siteagent_Rollback_Watchdog::LOCK, 'cb' ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		if ( false !== $lock && flock( $lock, LOCK_EX | LOCK_NB ) ) {
			$this->lock = $lock;
		}
		file_put_contents( $partial . '/' . Siteagent_Rollback_Watchdog::HEARTBEAT, Siteagent_Rollback_Watchdog::host_name() ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		@touch( Siteagent_Rollback_Watchdog::local_marker( $folder ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions -- without it the lock alone says less.
		rename( $partial, $folder ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- at once, or not at all.
	}

	private function release_lock( array $run ): void {
		if ( null !== $this->lock ) {
			fclose( $this->lock ); // phpcs:ignore WordPress.WP.AlternativeFunctions
			$this->lock = null;
		}
		Siteagent_Update_Lock::release( isset( $run['core_lock'] ) ? $run['core_lock'] : '' );
	}

	/**
	 * Whether an update of another site of this network is still watched: its kept copy may yet come back.
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

	private function back_up_files( array $files, string $folder ): bool {
		foreach ( $files as $file ) {
			if ( ! wp_mkdir_p( $folder ) || ! Siteagent_Filesystem::copy_file( $file, $folder . '/' . Siteagent_Filesystem::convert_name( basename( $file ), Siteagent_Filesystem::HIDE ) ) ) {
				return false;
			}
		}
		return wp_mkdir_p( $folder );
	}

	private function restore_files( array $run, Siteagent_Translation $translation ): bool {
		$kept = $run['folder'] . '/' . Siteagent_Rollback_Watchdog::BACKUP;
		if ( ! is_dir( $kept ) ) {
			return false;
		}
		foreach ( $translation->files() as $file ) {
			wp_delete_file( $file );
		}
		$mode    = is_dir( $translation->folder() ) ? fileperms( $translation->folder() ) & 0777 : 0755;
		$is_back = Siteagent_Filesystem::copy( $kept, $translation->folder(), Siteagent_Filesystem::SHOW );
		// The folder holds other languages too.
		Siteagent_Filesystem::set_mode( $translation->folder(), $mode );
		Siteagent_Filesystem::invalidate_opcache( $translation->folder() );
		return $is_back;
	}
}
