<?php
/**
 * Plugin Name: SiteAgent watchdog
 * Description: Watches one update: puts the previous version back if the new one breaks this site, and removes itself afterwards.
 *
 * While an update is under way, this file is a must-use plugin, together with class-siteagent-filesystem.php,
 * class-siteagent-fatal-error.php and one line that names the update. It needs none of SiteAgent's
 * other files, so it still works when they do not.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Watches one component. Files alone say how far the run is: they outlive every process, and
 * the lock on one of them says whether the process that runs the update is still alive.
 */
final class Siteagent_Rollback_Watchdog {

	/** Locked by the process that runs the update, for as long as it lives. */
	const LOCK = 'run.lock';

	/** Names the machine of that process; touched at every step, for machines on which its lock does not show. */
	const HEARTBEAT = 'beat';

	/** The component as it was, under names that no server executes (Siteagent_Filesystem::convert_name()). */
	const BACKUP = 'kept';

	/** The same under its real names, just before it takes its place again. */
	const STAGED = 'next';

	/** What was replaced by it. */
	const REPLACED = 'broken';

	/** What the site's pages answered before the update. */
	const STATE_BEFORE = 'before';

	/** There from the moment the new version is complete: an error of a request that began before says nothing about it. */
	const INSTALLED = 'installed';

	/** There where PHP may go on running code it compiled before, although other code is on disk. */
	const STALE = 'stale';

	/** There once the run has reported its outcome, with the moment until which watching goes on. */
	const SETTLED = 'settled';

	/** A run that says so waits for an answer of the new version; without any the copy goes back. */
	const NEEDS_CONFIRMATION = 'needs_word';

	/** There once the kept copy is back: the run, the moment and the reason. */
	const RESTORED = 'restored.json';

	/** Held by the request that restores; of several at once one does. */
	const RESTORING   = 'restoring';
	const RESTORING_TIMEOUT_S = 60;

	/** Whether the process of a run holds its lock. */
	const HELD    = 'held';
	const FREE    = 'free';
	const UNKNOWN = 'unknown';

	/** Where its lock does not show, a run counts as dead after so long without a sign of life. */
	const HEARTBEAT_TIMEOUT_S = 300;

	/** @var string This file among the must-use plugins. */
	private $file;

	/** @var array{op_id:string,folder:string,target:string,needs_word:bool} */
	private $run;

	/**
	 * @param string $file The path of this file among the must-use plugins.
	 * @param array  $run  op_id; folder: what belongs to the run; target: the component's own folder;
	 *                     needs_word: whether a new version goes back when the watch is over and its run was not settled.
	 */
	public function __construct( string $file, array $run ) {
		$this->file = $file;
		$this->run  = $run;
	}

	/**
	 * Judge how far the run is, and watch the rest of this request.
	 */
	public function watch(): void {
		// Other processes have moved folders since this one looked at them.
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
			// The process was killed midway: what it left behind may be half of each version.
			$this->restore( 'interrupted' );
			$this->remove_self();
			return;
		}
		if ( $is_probe ) {
			// Whoever asked judges it, and restores.
			return;
		}
		register_shutdown_function( array( $this, 'on_shutdown' ) );
		// Comes first where another shutdown function ends the process.
		add_filter( 'wp_php_error_args', array( $this, 'on_error_page' ), 0 );
	}

	/**
	 * Have PHP compile what is on disk for this request, where it might run what it compiled before.
	 *
	 * @return bool Whether this is a request by which the site asks itself; it reads that the code came from disk.
	 */
	private function bypass_opcode_cache(): bool {
		$is_probe = Siteagent_Fatal_Error::is_loopback_request();
		if ( ! $is_probe && ! is_file( $this->path( self::STALE ) ) ) {
			return false;
		}
		$is_skipped = ! extension_loaded( 'Zend OPcache' ) || false !== ini_set( 'opcache.enable', '0' ); // phpcs:ignore WordPress.PHP.IniSet
		if ( $is_skipped && $is_probe && ! headers_sent() ) {
			header( 'X-SiteAgent-Code: disk' );
		}
		return $is_probe;
	}

	/**
	 * Look, at the end of the request, whether the component ended it.
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
	 * Do the same while WordPress composes its page about the error.
	 *
	 * @param mixed $passed As WordPress passes it.
	 * @return mixed
	 */
	public function on_error_page( $passed ) {
		$this->on_shutdown();
		return $passed;
	}

	/**
	 * Put the kept copy back. Once, however many ask; the copy itself stays.
	 *
	 * @return bool Whether it is back, now or since before.
	 */
	public function restore( string $reason, array $error = array() ): bool {
		if ( ! is_dir( $this->run['folder'] ) || ! $this->lock_restore() ) {
			return false;
		}
		try {
			// Whoever was faster has left a note.
			return is_file( $this->path( self::RESTORED ) ) || ( is_dir( $this->path( self::BACKUP ) ) && $this->swap_folders( $reason, $error ) );
		} finally {
			@rmdir( $this->path( self::RESTORING ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
	}

	/**
	 * Say whether a living process holds the lock of this run.
	 *
	 * A lock that cannot be opened says nothing, and one that seems free says something only on the
	 * machine of the run: on shared storage locks need not travel from one web server to another.
	 *
	 * @return string HELD, FREE or UNKNOWN.
	 */
	public static function lock_state( string $folder ): string {
		if ( ! is_dir( $folder ) ) {
			return self::FREE;
		}
		$handle = function_exists( 'flock' ) ? @fopen( $folder . '/' . self::LOCK, 'rb' ) : false; // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		if ( false === $handle ) {
			return self::UNKNOWN;
		}
		if ( ! flock( $handle, LOCK_SH | LOCK_NB, $would_block ) ) {
			return 1 === $would_block ? self::HELD : self::UNKNOWN;
		}
		$host = @file_get_contents( $folder . '/' . self::HEARTBEAT ); // phpcs:ignore WordPress.PHP.NoSilencedErrors
		return self::host_name() === $host && is_file( self::local_marker( $folder ) ) ? self::FREE : self::UNKNOWN;
	}

	/**
	 * Say whether the process of a run counts as living: by its lock, or by its last sign of life where the lock says nothing.
	 */
	public static function is_alive( string $folder ): bool {
		$state = self::lock_state( $folder );
		if ( self::UNKNOWN !== $state ) {
			return self::HELD === $state;
		}
		$heartbeat = is_file( $folder . '/' . self::HEARTBEAT ) ? $folder . '/' . self::HEARTBEAT : $folder;
		return time() - (int) @filemtime( $heartbeat ) <= self::HEARTBEAT_TIMEOUT_S; // phpcs:ignore WordPress.PHP.NoSilencedErrors
	}

	/**
	 * The name of the machine this process runs on; empty where a host does not say.
	 */
	public static function host_name(): string {
		return function_exists( 'php_uname' ) ? php_uname( 'n' ) : '';
	}

	/**
	 * The file outside of the site's own storage by which a process knows that it is on the machine of the run.
	 */
	public static function local_marker( string $folder ): string {
		return sys_get_temp_dir() . '/siteagent-' . substr( hash( 'sha256', $folder ), 0, 24 );
	}

	/**
	 * Take away the maintenance page this run put up; any other stays, and one that ours replaced comes back.
	 */
	public static function end_maintenance( string $op_id ): void {
		$file = ABSPATH . '.maintenance';
		$text = is_readable( $file ) ? (string) file_get_contents( $file ) : '';
		if ( '' === $op_id || false === strpos( $text, $op_id ) ) {
			return;
		}
		if ( ! is_file( $file . '.siteagent' ) || ! @rename( $file . '.siteagent', $file ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
			@unlink( $file ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
	}

	/**
	 * Put the kept copy in the place of the broken version, and leave a note of it.
	 */
	private function swap_folders( string $reason, array $error ): bool {
		$target = $this->run['target'];
		$next   = $this->path( self::STAGED );
		Siteagent_Filesystem::remove( $next );
		Siteagent_Filesystem::remove( $this->path( self::REPLACED ) );
		$is_ready = Siteagent_Filesystem::copy( $this->path( self::BACKUP ), $next, Siteagent_Filesystem::SHOW );
		$is_free  = ! file_exists( $target ) || @rename( $target, $this->path( self::REPLACED ) ) || Siteagent_Filesystem::remove( $target ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions -- must work without WordPress's filesystem classes.
		Siteagent_Filesystem::remove( $this->path( self::REPLACED ) );
		$is_back = $is_free && ( ( $is_ready && @rename( $next, $target ) ) || Siteagent_Filesystem::copy( $this->path( self::BACKUP ), $target, Siteagent_Filesystem::SHOW ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		Siteagent_Filesystem::remove( $next );
		if ( $is_back ) {
			$record = array(
				'op_id'     => $this->run['op_id'],
				'at'        => time(),
				// Written before the new version was complete, it says nothing about that version.
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
	 * End the watch: nothing has happened until the moment that was set.
	 */
	private function stop_watching(): void {
		if ( $this->run[ self::NEEDS_CONFIRMATION ] ) {
			// Whoever had heard from it would have ended the run.
			$this->restore( 'no_word' );
			$this->remove_self();
			return;
		}
		$this->remove_self();
		Siteagent_Filesystem::remove( $this->run['folder'] );
		@unlink( self::local_marker( $this->run['folder'] ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	/**
	 * Begin to exchange folders, which one of many may; one that died over it is not waited for.
	 */
	private function lock_restore(): bool {
		$lock_folder = $this->path( self::RESTORING );
		if ( is_dir( $lock_folder ) && filemtime( $lock_folder ) < time() - self::RESTORING_TIMEOUT_S ) {
			@rmdir( $lock_folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
		return @mkdir( $lock_folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	private function remove_self(): void {
		@unlink( $this->file ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	private function path( string $name ): string {
		return $this->run['folder'] . '/' . $name;
	}
}
