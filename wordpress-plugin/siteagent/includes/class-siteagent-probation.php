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
final class Siteagent_Probation {

	/** Below wp-content, there only while something is on probation. */
	const FOLDER = 'siteagent-probation';

	const WATCHDOG = 'siteagent-watchdog.php';

	/** What a folder is called by until its lock is held, after its own name. */
	const UNNAMED = '.part';

	/** A run that gives no sign of life for so long is dead. */
	const RUN_S = 900;

	/** How long a new version is watched when the site could not ask itself. */
	const WATCH_S = 600;

	const MARKER = 'run';

	/** WordPress's own automatic updates wait while this is held. */
	const CORE_LOCK = 'auto_updater';

	/** @var Siteagent_Store */
	private $store;

	/** @var resource|null Closed by the system when this process ends. */
	private $lock = null;

	public function __construct( Siteagent_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Where everything of a run is kept.
	 */
	public static function place(): string {
		return WP_CONTENT_DIR . '/' . self::FOLDER;
	}

	/**
	 * Whether a copy of this kind of component can be kept here and a watchdog put beside it.
	 */
	public static function is_possible( string $kind ): bool {
		if ( 'core' === $kind || ! wp_is_writable( WP_CONTENT_DIR ) || ! wp_is_file_mod_allowed( 'siteagent_change' ) || 'direct' !== get_filesystem_method() ) {
			return false;
		}
		// A translation is text: it is kept, and nothing of it has to be watched.
		return 'translation' === $kind || wp_is_writable( is_dir( WPMU_PLUGIN_DIR ) ? WPMU_PLUGIN_DIR : dirname( WPMU_PLUGIN_DIR ) );
	}

	/**
	 * The run that is marked, whether it lives or not; null when there is none.
	 */
	public function marked(): ?array {
		$data = $this->store->read();
		return isset( $data[ self::MARKER ] ) ? $data[ self::MARKER ] : null;
	}

	/**
	 * Mark a run as under way. False when another one is, or WordPress is updating something by itself.
	 */
	public function begin( string $op_id, array $facts, int $now ): bool {
		if ( Siteagent_Preconditions::is_wordpress_busy( $now ) ) {
			return false;
		}
		$folder = self::place() . '/' . $op_id . '-' . bin2hex( random_bytes( 8 ) );
		$marker = array(
			'op_id'    => $op_id,
			'folder'   => $folder,
			'stage'    => 'checking',
			'started'  => $now,
			'deadline' => $now + self::RUN_S,
		) + $facts;
		$begun  = $this->store->change(
			static function ( array $data ) use ( $marker ): ?array {
				return isset( $data[ self::MARKER ] ) ? null : array( self::MARKER => $marker ) + $data;
			}
		);
		if ( ! $begun ) {
			return false;
		}
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		if ( ! WP_Upgrader::create_lock( self::CORE_LOCK, self::RUN_S ) ) {
			$this->forget( $op_id );
			return false;
		}
		$this->take( $folder );
		return true;
	}

	/**
	 * How far the run is.
	 */
	public function reach( string $op_id, string $stage, array $facts = array() ): void {
		$this->store->change(
			static function ( array $data ) use ( $op_id, $stage, $facts ): ?array {
				if ( ! isset( $data[ self::MARKER ] ) || $op_id !== $data[ self::MARKER ]['op_id'] ) {
					return null;
				}
				$data[ self::MARKER ] = array( 'stage' => $stage ) + $facts + $data[ self::MARKER ];
				return $data;
			}
		);
		$marked = $this->marked();
		if ( 'installed' === $stage && null !== $marked && is_dir( $marked['folder'] ) ) {
			touch( $marked['folder'] . '/' . Siteagent_Watchdog::INSTALLED ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- read without WordPress.
		}
	}

	/**
	 * Whether the process of this run still works on it.
	 */
	public function lives( array $marked, int $now ): bool {
		$lock = $marked['folder'] . '/' . Siteagent_Watchdog::LOCK;
		return $now <= $marked['deadline'] && ( is_file( $lock ) ? Siteagent_Watchdog::is_held( $lock ) : ! is_dir( $marked['folder'] ) );
	}

	/**
	 * The file this run holds a lock on; empty where none could be made.
	 */
	public function lock_of( array $marked ): string {
		$lock = $marked['folder'] . '/' . Siteagent_Watchdog::LOCK;
		return is_file( $lock ) ? $lock : '';
	}

	/**
	 * Keep a copy of the component as it is. True when the copy is whole.
	 */
	public function keep( array $marked, Siteagent_Component $component ): bool {
		$kept = $marked['folder'] . '/' . Siteagent_Watchdog::KEPT;
		if ( ! is_dir( $marked['folder'] ) ) {
			return false;
		}
		if ( $component->owns_folder() ) {
			$is_whole = Siteagent_Watchdog::copy( $component->folder(), $kept . '.part' );
		} else {
			$is_whole = 'translation' === $component->kind() && $this->keep_files( ( new Siteagent_Language( $component->id() ) )->files(), $kept . '.part' );
		}
		// Half a copy must never be taken for one.
		return $is_whole && rename( $kept . '.part', $kept ); // phpcs:ignore WordPress.WP.AlternativeFunctions
	}

	/**
	 * Put the watchdog beside the component.
	 */
	public function watch( array $marked, Siteagent_Component $component ): bool {
		if ( ! $component->owns_folder() || ! wp_mkdir_p( WPMU_PLUGIN_DIR ) ) {
			return false;
		}
		$file   = WPMU_PLUGIN_DIR . '/' . self::WATCHDOG;
		$facts  = $this->watched( $marked, $component );
		$source = (string) file_get_contents( __DIR__ . '/class-siteagent-watchdog.php' );
		// Under a name of its own: a new SiteAgent on probation comes with a watchdog class that may be another one.
		$own  = Siteagent_Watchdog::class . '_' . substr( hash( 'sha256', $marked['op_id'] ), 0, 16 );
		$line = sprintf( "\n( new Siteagent_Watchdog( __FILE__, %s ) )->stand_by();\n", var_export( $facts, true ) ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- writes PHP.
		// Another request must never read half of it.
		$is_there = false !== file_put_contents( $file . '.part', str_replace( Siteagent_Watchdog::class, $own, $source . $line ) ) && rename( $file . '.part', $file ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		if ( $is_there ) {
			Siteagent_Watchdog::forget_compiled( dirname( $file ) );
		}
		return $is_there;
	}

	/**
	 * Put the kept copy back, unless the watchdog has.
	 */
	public function restore( array $marked, Siteagent_Component $component, string $reason ): bool {
		if ( 'translation' === $component->kind() ) {
			return $this->restore_files( $marked, new Siteagent_Language( $component->id() ) );
		}
		$watchdog = new Siteagent_Watchdog( WPMU_PLUGIN_DIR . '/' . self::WATCHDOG, $this->watched( $marked, $component ) );
		return $component->owns_folder() && $watchdog->restore( $reason );
	}

	/**
	 * What the watchdog wrote down when it put the copy back; null when it did not.
	 *
	 * @return array{reason:string,message:string,file:string,line:int}|null
	 */
	public function restored( array $marked ): ?array {
		$note = $marked['folder'] . '/' . Siteagent_Watchdog::RESTORED;
		$told = is_readable( $note ) ? json_decode( (string) file_get_contents( $note ), true ) : null;
		return is_array( $told ) ? $told : null;
	}

	/**
	 * The outcome is decided: whatever happens to this process now, it stands, and nothing is taken back any more.
	 */
	public function decide( array $marked, array $answer ): void {
		$this->reach( $marked['op_id'], 'decided', array( 'answer' => $answer ) );
		$this->call_off( $marked['op_id'] );
	}

	/**
	 * The outcome is told, and the watchdog stays until the given moment.
	 */
	public function go_on_watching( array $marked, array $answer, int $until ): void {
		$this->reach( $marked['op_id'], 'watched', array( 'answer' => $answer, 'deadline' => $until ) );
		file_put_contents( $marked['folder'] . '/' . Siteagent_Watchdog::SETTLED, (string) $until ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		$this->let_go();
	}

	/**
	 * The run is over: nothing of it stays.
	 */
	public function end( array $marked ): void {
		// Before the lock is let go: the run would look dead to whoever asks between the two. And of two that end
		// the same run one does, so that the other takes nothing from a run that has begun since.
		if ( ! $this->forget( $marked['op_id'] ) ) {
			return;
		}
		$this->call_off( $marked['op_id'] );
		Siteagent_Watchdog::end_maintenance( $marked['op_id'] );
		if ( 'watched' !== $marked['stage'] ) {
			$this->let_go();
		}
		self::clear( $marked['folder'] );
	}

	/**
	 * Remove what a run kept, and the place itself when nothing else is in it.
	 */
	public static function clear( string $folder ): void {
		Siteagent_Watchdog::remove( $folder );
		Siteagent_Watchdog::remove( $folder . self::UNNAMED );
		if ( array() === array_diff( Siteagent_Watchdog::entries( self::place() ), array( 'index.php', '.htaccess' ) ) ) {
			Siteagent_Watchdog::remove( self::place() );
		}
		if ( is_dir( WPMU_PLUGIN_DIR ) && array() === Siteagent_Watchdog::entries( WPMU_PLUGIN_DIR ) ) {
			Siteagent_Watchdog::remove( WPMU_PLUGIN_DIR );
		}
	}

	private function call_off( string $op_id ): void {
		$file = WPMU_PLUGIN_DIR . '/' . self::WATCHDOG;
		if ( is_readable( $file ) && false !== strpos( (string) file_get_contents( $file ), $op_id ) ) {
			wp_delete_file( $file );
		}
	}

	private function watched( array $marked, Siteagent_Component $component ): array {
		return array(
			'op_id'    => $marked['op_id'],
			'folder'   => $marked['folder'],
			'target'   => $component->folder(),
			'deadline' => $marked['deadline'],
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
	private function take( string $folder ): void {
		$unnamed = $folder . self::UNNAMED;
		if ( ! wp_mkdir_p( $unnamed ) ) {
			return;
		}
		// Nobody calls a kept copy by its address.
		foreach ( array( 'index.php' => "<?php\n// Silence is golden.\n", '.htaccess' => "Require all denied\n" ) as $name => $text ) {
			file_put_contents( self::place() . '/' . $name, $text ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		}
		$lock = fopen( $unnamed . '/' . Siteagent_Watchdog::LOCK, 'cb' ); // phpcs:ignore WordPress.WP.AlternativeFunctions
		if ( false !== $lock && flock( $lock, LOCK_EX | LOCK_NB ) ) {
			$this->lock = $lock;
		}
		rename( $unnamed, $folder ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- at once, or not at all.
	}

	private function let_go(): void {
		if ( null !== $this->lock ) {
			fclose( $this->lock ); // phpcs:ignore WordPress.WP.AlternativeFunctions
			$this->lock = null;
		}
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		WP_Upgrader::release_lock( self::CORE_LOCK );
	}

	private function forget( string $op_id ): bool {
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

	private function keep_files( array $files, string $folder ): bool {
		foreach ( $files as $file ) {
			if ( ! wp_mkdir_p( $folder ) || ! copy( $file, $folder . '/' . basename( $file ) ) ) {
				return false;
			}
		}
		return wp_mkdir_p( $folder );
	}

	private function restore_files( array $marked, Siteagent_Language $language ): bool {
		$kept = $marked['folder'] . '/' . Siteagent_Watchdog::KEPT;
		if ( ! is_dir( $kept ) ) {
			return false;
		}
		foreach ( $language->files() as $file ) {
			wp_delete_file( $file );
		}
		$is_back = Siteagent_Watchdog::copy( $kept, $language->folder() );
		Siteagent_Watchdog::forget_compiled( $language->folder() );
		return $is_back;
	}
}
