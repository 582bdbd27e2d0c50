<?php
/**
 * Plugin Name: SiteAgent watchdog
 * Description: Stands by while one update is on probation: puts the kept copy back if the new version breaks this site, and removes itself afterwards.
 *
 * For the time of a change this very file, with one line added that says which, is a must-use
 * plugin. It needs none of SiteAgent's other files, so it still works when they do not.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Watches one component. Files alone tell it how far the run is: they outlive every process, and
 * the lock on one of them tells whether the process that runs the change is still alive.
 */
final class Siteagent_Watchdog {

	/** Locked by the process that runs the change, for as long as it lives. */
	const LOCK = 'run.lock';

	/** The component as it was. */
	const KEPT = 'kept';

	/** What was taken away in favour of it. */
	const BROKEN = 'broken';

	/** There from the moment the new version is complete: an error of a request that began before says nothing about it. */
	const INSTALLED = 'installed';

	/** There once the run has told its outcome, with the moment until which watching goes on. */
	const SETTLED = 'settled';

	/** A run that says so waits for word of the new version; without any the copy goes back. */
	const NEEDS_WORD = 'needs_word';

	/** There once the kept copy is back, with the reason. */
	const RESTORED = 'restored.json';

	/** The one who puts it back holds this; of several failing requests at once one does. */
	const RESTORING   = 'restoring';
	const RESTORING_S = 60;

	const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

	/** @var string This file among the must-use plugins. */
	private $file;

	/** @var array{op_id:string,folder:string,target:string,deadline:int,needs_word:bool} */
	private $run;

	/**
	 * @param string $file Where it stands among the must-use plugins.
	 * @param array  $run  op_id; folder: what belongs to the run; target: the component's own folder; deadline: when a run counts as dead that gives no other sign;
	 *                     needs_word: whether a new version that was settled goes back when the time is over and its run still stands.
	 */
	public function __construct( string $file, array $run ) {
		$this->file = $file;
		$this->run  = $run;
	}

	/**
	 * Judge how far the run is, and watch the rest of this request.
	 */
	public function stand_by(): void {
		$is_alive = self::is_held( $this->run['folder'] . '/' . self::LOCK );
		if ( is_file( $this->at( self::RESTORED ) ) || ! is_dir( $this->run['folder'] ) ) {
			$is_alive || $this->leave();
			return;
		}
		if ( is_file( $this->at( self::SETTLED ) ) ) {
			if ( time() > (int) file_get_contents( $this->at( self::SETTLED ) ) ) {
				$this->end_watching();
				return;
			}
		} elseif ( ! $is_alive || time() > $this->run['deadline'] ) {
			// The process was killed midway: what it left behind may be half of each version.
			$this->restore( 'interrupted' );
			$this->leave();
			return;
		}
		if ( ! is_file( $this->at( self::INSTALLED ) ) ) {
			// This request has begun with the old version; what mixes it with the new one proves nothing.
			return;
		}
		register_shutdown_function( array( $this, 'look_back' ) );
		// Comes first where somebody else's shutdown function ends the process.
		add_filter( 'wp_php_error_args', array( $this, 'look_back_early' ), 0 );
	}

	/**
	 * The request is over: did the component end it?
	 */
	public function look_back(): void {
		$error = error_get_last();
		if ( is_array( $error ) && 0 !== ( $error['type'] & self::FATAL ) && $this->concerns( $error ) ) {
			$this->restore( 'fatal', $error );
		}
	}

	/**
	 * The same, while WordPress composes its page about the error.
	 *
	 * @param mixed $passed As WordPress passes it.
	 * @return mixed
	 */
	public function look_back_early( $passed ) {
		$this->look_back();
		return $passed;
	}

	/**
	 * Put the kept copy back. Once, however many ask.
	 *
	 * @return bool Whether it is back, now or since before.
	 */
	public function restore( string $reason, array $error = array() ): bool {
		if ( ! is_dir( $this->run['folder'] ) || ! $this->begin() ) {
			return false;
		}
		try {
			// Whoever was faster has left a note.
			return is_file( $this->at( self::RESTORED ) ) || ( is_dir( $this->at( self::KEPT ) ) && $this->exchange( $reason, $error ) );
		} finally {
			@rmdir( $this->at( self::RESTORING ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
	}

	/**
	 * Whether some living process holds this lock. Where locks do not work nobody is declared dead.
	 */
	public static function is_held( string $lock ): bool {
		$handle = is_file( $lock ) ? @fopen( $lock, 'rb' ) : false; // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		return false !== $handle && ! flock( $handle, LOCK_SH | LOCK_NB );
	}

	/**
	 * Copy a folder, file for file. False as soon as one could not be copied.
	 */
	public static function copy( string $from, string $to ): bool {
		if ( ! is_dir( $to ) && ! @mkdir( $to, 0755, true ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
			return false;
		}
		foreach ( self::entries( $from ) as $name ) {
			$is_folder = is_dir( "$from/$name" ) && ! is_link( "$from/$name" );
			if ( $is_folder ? ! self::copy( "$from/$name", "$to/$name" ) : ! @copy( "$from/$name", "$to/$name" ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors
				return false;
			}
			if ( ! $is_folder ) {
				@touch( "$to/$name", (int) filemtime( "$from/$name" ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
			}
		}
		return true;
	}

	/**
	 * Remove a folder with everything in it. True also when it was not there.
	 */
	public static function remove( string $folder ): bool {
		if ( ! is_dir( $folder ) || is_link( $folder ) ) {
			return ! file_exists( $folder ) || @unlink( $folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
		foreach ( self::entries( $folder ) as $name ) {
			self::remove( "$folder/$name" );
		}
		return @rmdir( $folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	/**
	 * PHP may go on running what it compiled before, for seconds or for ever.
	 */
	public static function forget_compiled( string $folder ): void {
		clearstatcache( true );
		if ( ! function_exists( 'opcache_invalidate' ) ) {
			return;
		}
		foreach ( self::entries( $folder ) as $name ) {
			if ( is_dir( "$folder/$name" ) ) {
				self::forget_compiled( "$folder/$name" );
			} elseif ( '.php' === substr( $name, -4 ) ) {
				@opcache_invalidate( "$folder/$name", true ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- hosts forbid it with a warning.
			}
		}
	}

	/**
	 * Take away the maintenance page this run put up; anybody else's stays.
	 */
	public static function end_maintenance( string $op_id ): void {
		$file = ABSPATH . '.maintenance';
		$text = is_readable( $file ) ? (string) file_get_contents( $file ) : '';
		if ( false !== strpos( $text, $op_id ) ) {
			@unlink( $file ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
	}

	/**
	 * @return string[] Names.
	 */
	public static function entries( string $folder ): array {
		$found = is_dir( $folder ) ? scandir( $folder ) : false;
		return false === $found ? array() : array_values( array_diff( $found, array( '.', '..' ) ) );
	}

	/**
	 * The broken one out of the way, the kept one in its place, and a note of it.
	 */
	private function exchange( string $reason, array $error ): bool {
		$target = $this->run['target'];
		$kept   = $this->at( self::KEPT );
		self::remove( $this->at( self::BROKEN ) );
		$is_free = ! file_exists( $target ) || @rename( $target, $this->at( self::BROKEN ) ) || self::remove( $target ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions -- must work without WordPress's filesystem classes.
		$is_back = $is_free && ( @rename( $kept, $target ) || self::copy( $kept, $target ) ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		if ( $is_back ) {
			$note = array(
				'reason'  => $reason,
				'message' => isset( $error['message'] ) ? (string) strtok( (string) $error['message'], "\n" ) : '',
				'file'    => isset( $error['file'] ) ? str_replace( ABSPATH, '', (string) $error['file'] ) : '',
				'line'    => isset( $error['line'] ) ? (int) $error['line'] : 0,
			);
			file_put_contents( $this->at( self::RESTORED ), json_encode( $note, JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE ) ); // phpcs:ignore WordPress.WP.AlternativeFunctions
			self::forget_compiled( $target );
			self::end_maintenance( $this->run['op_id'] );
		}
		return $is_back;
	}

	/**
	 * An error thrown deeper down still names the component in its trace.
	 */
	private function concerns( array $error ): bool {
		$folder = rtrim( $this->run['target'], '/' ) . '/';
		return false !== strpos( (string) $error['file'], $folder ) || false !== strpos( (string) $error['message'], $folder );
	}

	/**
	 * Nothing has happened until the moment that was set.
	 */
	private function end_watching(): void {
		if ( $this->run[ self::NEEDS_WORD ] ) {
			// Whoever had word of it would have ended the run.
			$this->restore( 'no_word' );
			$this->leave();
			return;
		}
		$this->leave();
		self::remove( $this->run['folder'] );
	}

	/**
	 * Only one of many may exchange folders; one who died over it is not waited for.
	 */
	private function begin(): bool {
		$mark = $this->at( self::RESTORING );
		if ( is_dir( $mark ) && filemtime( $mark ) < time() - self::RESTORING_S ) {
			@rmdir( $mark ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
		}
		return @mkdir( $mark ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	private function leave(): void {
		@unlink( $this->file ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions
	}

	private function at( string $name ): string {
		return $this->run['folder'] . '/' . $name;
	}
}
