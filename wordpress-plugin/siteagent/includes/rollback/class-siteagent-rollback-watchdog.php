<?php
/**
 * Plugin Name: SiteAgent watchdog
 * Description: Watches one update: puts the previous version back if the new one breaks this site, and removes itself afterwards.
 *
 * While an update runs, this file is a must-use plugin, together with class-siteagent-filesystem.php,
 * class-siteagent-fatal-error.php and one line that names the update. It needs no other file of SiteAgent, so it
 * still works when they do not.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- WP_Filesystem needs credentials on some hosts and is missing after a fatal error.
// phpcs:disable WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- a call that fails returns false; a warning could end up in a page.

/**
 * Watches one component. The state of the run is kept in files only, because they survive every process. A lock on
 * one of them shows whether the process that runs the update is still alive.
 */
final class Siteagent_Rollback_Watchdog {

	/** Locked by the process that runs the update, as long as it lives. */
	const LOCK = 'run.lock';

	/** Names the host of that process, and is touched at every step, for hosts that do not see its lock. */
	const HEARTBEAT = 'beat';

	/** The backup of the component, under names that no server executes (Siteagent_Filesystem::convert_name()). */
	const BACKUP = 'kept';

	/** The backup under its real names, just before it is moved into place. */
	const STAGED = 'next';

	/** The version that the backup replaced. */
	const REPLACED = 'broken';

	/** Result of the site's pages before the update. */
	const STATE_BEFORE = 'before';

	/** Exists once the new version is complete. Errors of requests that began before say nothing about it. */
	const INSTALLED = 'installed';

	/** Exists where PHP may still run old compiled code. */
	const STALE = 'stale';

	/** Exists once the run has reported its result. Holds the time until which the component is watched. */
	const SETTLED = 'settled';

	/** Key of a run whose new version has to be confirmed. Without confirmation the backup is restored. */
	const NEEDS_CONFIRMATION = 'needs_confirmation';

	/** Exists once the backup was restored. Holds the run, the time and the reason. */
	const RESTORED = 'restored.json';

	/** Folder that serves as a lock, so that only one request restores. */
	const RESTORING           = 'restoring';
	const RESTORING_TIMEOUT_S = 60;

	/** Touched at each attempt to restore what the run has left, so that not every request of a broken site makes one. */
	const ATTEMPT = 'attempt';

	/** State of a run's lock. */
	const HELD    = 'held';
	const FREE    = 'free';
	const UNKNOWN = 'unknown';

	/** Where the lock is not visible, a run without a heartbeat for this long counts as dead. */
	const HEARTBEAT_TIMEOUT_S = 300;

	/** @var string Path of this must-use plugin. */
	private $file;

	/** @var array{op_id:string,folder:string,target:string,needs_confirmation:bool} */
	private $run;

	/**
	 * @param string $file Path of this must-use plugin.
	 * @param array  $run  op_id; folder: folder of the run; target: folder of the component;
	 *                     needs_confirmation: whether the backup is restored when the watch ends without it.
	 */
	public function __construct( string $file, array $run ) {
		$this->file = $file;
		$this->run  = $run;
	}

	/**
	 * Checks the state of the run, and watches the rest of this request.
	 */
	public function watch(): void {
		// Other processes may have moved folders since.
		clearstatcache( true );
		$is_probe = $this->bypass_opcode_cache();
		$is_alive = self::is_alive( $this->run['folder'] );
		if ( is_file( $this->path( self::RESTORED ) ) || ! is_dir( $this->run['folder'] ) ) {
			$is_alive || $this->remove_self();
			return;
		}
		if ( is_file( $this->path( self::SETTLED ) ) ) {
			$until = (int) file_get_contents( $this->path( self::SETTLED ) );
			if ( 0 !== $until && time() > $until ) {
				$this->stop_watching();
				return;
			}
		} elseif ( ! $is_alive ) {
			// The process was killed midway, so the files may be a mix of both versions.
			$this->restore_until_done( 'interrupted' );
			return;
		}
		if ( $is_probe ) {
			// The process that sent this request judges it, and restores if needed.
			return;
		}
		register_shutdown_function( array( $this, 'on_shutdown' ) );
		// Runs first, in case another shutdown function ends the process.
		add_filter( 'wp_php_error_args', array( $this, 'on_error_page' ), 0 );
	}

	/**
	 * Disables the opcode cache for this request, where PHP might run old compiled code.
	 *
	 * @return bool Whether the site sent this request to itself. The response then says that the code came from disk.
	 */
	private function bypass_opcode_cache(): bool {
		$is_probe = Siteagent_Fatal_Error::is_loopback_request();
		if ( ! $is_probe && ! is_file( $this->path( self::STALE ) ) ) {
			return false;
		}
		$is_skipped = ! extension_loaded( 'Zend OPcache' ) || false !== ini_set( 'opcache.enable', '0' ); // phpcs:ignore WordPress.PHP.IniSet -- the new version must not run from stale opcodes.
		if ( $is_skipped && $is_probe && ! headers_sent() ) {
			header( 'X-SiteAgent-Code: disk' );
		}
		return $is_probe;
	}

	/**
	 * Checks at the end of the request whether the component caused a fatal error.
	 */
	public function on_shutdown(): void {
		$last  = error_get_last();
		$error = new Siteagent_Fatal_Error( is_array( $last ) ? $last : array(), $this->run['folder'], $this->run['target'] );
		if ( ! is_file( $this->path( self::INSTALLED ) ) ) {
			// This request began with the old version, or mixed it with the new one.
			$error->record_known_error();
		} elseif ( $error->proves_failure() ) {
			$this->restore( 'fatal', $last );
		}
	}

	/**
	 * Does the same while WordPress composes its error page (filter `wp_php_error_args`).
	 *
	 * @param mixed $passed The filtered value.
	 * @return mixed
	 */
	public function on_error_page( $passed ) {
		$this->on_shutdown();
		return $passed;
	}

	/**
	 * Restores the backup, once. The backup itself is kept.
	 *
	 * @param string $reason Reason, for the record.
	 * @param array  $error  As from error_get_last().
	 * @return bool Whether it is restored, now or by an earlier request.
	 */
	public function restore( string $reason, array $error = array() ): bool {
		if ( ! is_dir( $this->run['folder'] ) || ! $this->lock_restore() ) {
			return false;
		}
		try {
			// An earlier request left a record.
			return is_file( $this->path( self::RESTORED ) ) || ( is_dir( $this->path( self::BACKUP ) ) && $this->swap_folders( $reason, $error ) );
		} finally {
			@rmdir( $this->path( self::RESTORING ) );
		}
	}

	/**
	 * Restores the backup, and removes this file only once that is done. Another request may be restoring now, and may be
	 * killed like the run itself, so a later request tries again.
	 *
	 * @param string $reason Reason, for the record.
	 */
	private function restore_until_done( string $reason ): void {
		$attempt = $this->path( self::ATTEMPT );
		if ( is_file( $attempt ) && filemtime( $attempt ) >= time() - self::RESTORING_TIMEOUT_S ) {
			return;
		}
		@touch( $attempt );
		if ( $this->restore( $reason ) || ! is_dir( $this->path( self::BACKUP ) ) ) {
			$this->remove_self();
		}
	}

	/**
	 * Returns whether a living process holds the lock of a run.
	 *
	 * A lock that cannot be opened says nothing. One that seems free counts only on the host of the run, because
	 * shared storage may not share locks between web servers.
	 *
	 * @return string HELD, FREE or UNKNOWN.
	 */
	public static function lock_state( string $folder ): string {
		if ( ! is_dir( $folder ) ) {
			return self::FREE;
		}
		$handle = function_exists( 'flock' ) ? @fopen( $folder . '/' . self::LOCK, 'rb' ) : false;
		if ( false === $handle ) {
			return self::UNKNOWN;
		}
		if ( ! flock( $handle, LOCK_SH | LOCK_NB, $would_block ) ) {
			return 1 === $would_block ? self::HELD : self::UNKNOWN;
		}
		$host = @file_get_contents( $folder . '/' . self::HEARTBEAT );
		return self::host_name() === $host && @is_file( self::local_marker( $folder ) ) ? self::FREE : self::UNKNOWN;
	}

	/**
	 * Whether the process of a run is alive: by its lock, or by its last heartbeat where the lock says nothing.
	 */
	public static function is_alive( string $folder ): bool {
		$state = self::lock_state( $folder );
		if ( self::UNKNOWN !== $state ) {
			return self::HELD === $state;
		}
		$heartbeat = is_file( $folder . '/' . self::HEARTBEAT ) ? $folder . '/' . self::HEARTBEAT : $folder;
		return time() - (int) @filemtime( $heartbeat ) <= self::HEARTBEAT_TIMEOUT_S;
	}

	/**
	 * Returns the name of this host; empty where PHP may not tell.
	 */
	public static function host_name(): string {
		return function_exists( 'php_uname' ) ? php_uname( 'n' ) : '';
	}

	/**
	 * Returns a file outside the site's storage that shows a process that it is on the host of the run. Hosts may forbid
	 * its folder, with a warning (open_basedir).
	 */
	public static function local_marker( string $folder ): string {
		return sys_get_temp_dir() . '/siteagent-' . substr( hash( 'sha256', $folder ), 0, 24 );
	}

	public static function remove_local_marker( string $folder ): void {
		@unlink( self::local_marker( $folder ) );
	}

	/**
	 * Removes the maintenance page of this run. Keeps any other, and brings back one that this run replaced.
	 */
	public static function end_maintenance( string $op_id ): void {
		$file = ABSPATH . '.maintenance';
		$text = is_readable( $file ) ? (string) file_get_contents( $file ) : '';
		if ( '' === $op_id || false === strpos( $text, $op_id ) ) {
			return;
		}
		if ( ! is_file( $file . '.siteagent' ) || ! @rename( $file . '.siteagent', $file ) ) {
			@unlink( $file );
		}
	}

	/**
	 * Puts the backup in place of the broken version, and writes a record.
	 */
	private function swap_folders( string $reason, array $error ): bool {
		$target = $this->run['target'];
		$next   = $this->path( self::STAGED );
		Siteagent_Filesystem::remove( $next );
		Siteagent_Filesystem::remove( $this->path( self::REPLACED ) );
		$is_ready = Siteagent_Filesystem::copy( $this->path( self::BACKUP ), $next, Siteagent_Filesystem::SHOW );
		$is_free  = ! file_exists( $target ) || @rename( $target, $this->path( self::REPLACED ) ) || Siteagent_Filesystem::remove( $target );
		Siteagent_Filesystem::remove( $this->path( self::REPLACED ) );
		$is_back = $is_free && ( ( $is_ready && @rename( $next, $target ) ) || Siteagent_Filesystem::copy( $this->path( self::BACKUP ), $target, Siteagent_Filesystem::SHOW ) );
		Siteagent_Filesystem::remove( $next );
		if ( $is_back ) {
			$record = array(
				'op_id' => $this->run['op_id'],
				'at'    => time(),
				// Without INSTALLED the record says nothing about the new version.
				'installed' => is_file( $this->path( self::INSTALLED ) ),
				'reason'    => $reason,
				'message'   => isset( $error['message'] ) ? (string) strtok( (string) $error['message'], "\n" ) : '',
				'file'      => isset( $error['file'] ) ? str_replace( ABSPATH, '', (string) $error['file'] ) : '',
				'line'      => isset( $error['line'] ) ? (int) $error['line'] : 0,
				'type'      => isset( $error['type'] ) ? (int) $error['type'] : E_ERROR,
			);
			Siteagent_Filesystem::write_atomically( $this->path( self::RESTORED ), (string) json_encode( $record, JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE ) );
			Siteagent_Filesystem::invalidate_opcache( $target );
			self::end_maintenance( $this->run['op_id'] );
		}
		return $is_back;
	}

	/**
	 * Ends the watch when its time is over and nothing has happened.
	 */
	private function stop_watching(): void {
		if ( $this->run[ self::NEEDS_CONFIRMATION ] ) {
			// A confirmation would have ended the run.
			$this->restore_until_done( 'not_confirmed' );
			return;
		}
		$this->remove_self();
		Siteagent_Filesystem::remove( $this->run['folder'] );
		self::remove_local_marker( $this->run['folder'] );
	}

	/**
	 * Takes the lock for restoring. A lock of a process that died is removed after a while.
	 */
	private function lock_restore(): bool {
		$lock_folder = $this->path( self::RESTORING );
		if ( is_dir( $lock_folder ) && filemtime( $lock_folder ) < time() - self::RESTORING_TIMEOUT_S ) {
			@rmdir( $lock_folder );
		}
		return @mkdir( $lock_folder );
	}

	private function remove_self(): void {
		@unlink( $this->file );
	}

	private function path( string $name ): string {
		return $this->run['folder'] . '/' . $name;
	}
}
