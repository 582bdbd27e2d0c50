<?php
/**
 * Copies of the versions that updates have replaced.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- see class-siteagent-filesystem.php.

/**
 * Keeps the former version of a plugin or theme for two weeks after an update, so that an administrator can restore it.
 *
 * The folder is the list of the copies, and the audit log says what each of them is. So no restored database, and
 * no one who can only write files makes a file look like a copy: its SHA-256 has to be in the log.
 */
final class Siteagent_Kept_Copies {

	/** Folder below wp-content. The archives are in a folder with a random name below it. */
	const FOLDER = 'siteagent-copies';

	const MAX_PER_COMPONENT = 3;
	const LIFETIME_S        = 14 * DAY_IN_SECONDS;

	/** All copies together, unless SITEAGENT_COPIES_MAX_MB says otherwise. */
	const MAX_MEGABYTES = 256;

	/** What stays free on the disk. */
	const SPACE_MARGIN = 67108864;

	/** The WP-Cron hook that removes expired copies. */
	const HOOK = 'siteagent_remove_expired_copies';

	/** Hash of the component, and a random part. */
	const NAME_PATTERN = '/^[0-9a-f]{16}-[0-9a-f]{32}\z/D';

	const FOLDER_PATTERN = '/^[0-9a-f]{32}\z/D';

	/** More copies are not listed. */
	const MAX_LISTED = 500;

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	public function __construct( Siteagent_Audit_Log $log, Siteagent_Audit_Log_Reader $log_reader ) {
		$this->log        = $log;
		$this->log_reader = $log_reader;
	}

	/**
	 * Keeps the version that a successful run has replaced: an archive of the run's own backup. Logs the copy, or why
	 * there is none. Never throws, because the update has succeeded.
	 *
	 * @param array               $run       The marker of the run, whose result is stored already.
	 * @param Siteagent_Component $component The component.
	 */
	public function keep( array $run, Siteagent_Component $component ): void {
		if ( ! in_array( $component->kind(), array( 'plugin', 'theme' ), true ) ) {
			return;
		}
		$facts = array(
			'kind'    => $component->kind(),
			'id'      => $component->id(),
			'version' => $run['before']['version'],
			'op_id'   => $run['op_id'],
		);
		try {
			$kept = $this->archive( $run['folder'] . '/' . Siteagent_Rollback_Watchdog::BACKUP, $component );
			if ( is_string( $kept ) ) {
				$this->log->append( 'copy_not_kept', $facts + array( 'reason' => $kept ), 'site' );
				return;
			}
			$this->log->append( 'copy_kept', $facts + $kept, 'site' );
			self::remove_expired( time() );
			wp_schedule_single_event( time() + self::LIFETIME_S + HOUR_IN_SECONDS, self::HOOK );
			/**
			 * Fires after SiteAgent has kept a copy of the version that an update replaced.
			 *
			 * @param array $copy kind, id, version, op_id, and copy, sha256 and bytes of the archive.
			 */
			do_action( 'siteagent_copy_kept', $facts + $kept );
		} catch ( Throwable $error ) {
			error_log( 'SiteAgent: no copy was kept: ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- an operator looks in the log of the server.
		}
	}

	/**
	 * Returns the copies that can be restored, by the id of the update that replaced them.
	 *
	 * @return array<string,array{kind:string,id:string,version:string,op_id:string,copy:string,sha256:string,bytes:int}>
	 */
	public function all( int $now ): array {
		$copies = array();
		foreach ( $this->log_reader->entries_since( 0, $now - self::LIFETIME_S, Siteagent_Audit_Log_Reader::COPIES, self::MAX_LISTED ) as $entry ) {
			$facts = $entry['facts'];
			if ( 'copy_kept' === $entry['event'] && isset( $facts['op_id'], $facts['copy'] ) && null !== self::path( (string) $facts['copy'] ) ) {
				$copies[ $facts['op_id'] ] = $facts;
			}
		}
		return $copies;
	}

	/**
	 * Returns a copy that can be restored; null when it does not exist (any more).
	 *
	 * @param string $op_id Id of the update that replaced it.
	 */
	public function find( string $op_id, int $now ): ?array {
		$all = $this->all( $now );
		return isset( $all[ $op_id ] ) ? $all[ $op_id ] : null;
	}

	/**
	 * Returns the path of an archive; null when there is no such file.
	 */
	public static function path( string $copy ): ?string {
		foreach ( 1 === preg_match( self::NAME_PATTERN, $copy ) ? self::folders() : array() as $folder ) {
			if ( is_file( "$folder/$copy.zip" ) && ! is_link( "$folder/$copy.zip" ) ) {
				return "$folder/$copy.zip";
			}
		}
		return null;
	}

	/**
	 * Removes copies that are too old, too many for their component, or together too large: the oldest ones first.
	 */
	public static function remove_expired( int $now ): void {
		$archives = array();
		foreach ( self::folders() as $folder ) {
			foreach ( Siteagent_Filesystem::list_entries( $folder ) as $name ) {
				$is_archive = '.zip' === substr( $name, -4 ) && 1 === preg_match( self::NAME_PATTERN, substr( $name, 0, -4 ) );
				if ( $is_archive ) {
					$archives[ "$folder/$name" ] = (int) filemtime( "$folder/$name" );
				} elseif ( 'index.php' !== $name && (int) filemtime( "$folder/$name" ) < $now - HOUR_IN_SECONDS ) {
					Siteagent_Filesystem::remove( "$folder/$name" ); // Left by a process that was killed.
				}
			}
		}
		arsort( $archives );
		$counts = array();
		$bytes  = 0;
		foreach ( $archives as $file => $kept_at ) {
			$component            = substr( basename( $file ), 0, 16 );
			$counts[ $component ] = 1 + ( isset( $counts[ $component ] ) ? $counts[ $component ] : 0 );
			$bytes               += (int) filesize( $file );
			if ( $kept_at < $now - self::LIFETIME_S || self::MAX_PER_COMPONENT < $counts[ $component ] || self::max_bytes() < $bytes ) {
				wp_delete_file( $file );
			}
		}
	}

	/**
	 * Removes all copies, when SiteAgent is deleted.
	 */
	public static function remove_all(): void {
		Siteagent_Filesystem::remove( self::base_folder() );
	}

	public static function base_folder(): string {
		return WP_CONTENT_DIR . '/' . self::FOLDER;
	}

	/**
	 * Returns how many bytes all copies together may have. With 0 none is kept.
	 */
	public static function max_bytes(): int {
		$megabytes = defined( 'SITEAGENT_COPIES_MAX_MB' ) ? (int) constant( 'SITEAGENT_COPIES_MAX_MB' ) : self::MAX_MEGABYTES;
		/**
		 * Filters how many bytes all kept copies of former versions may have together.
		 *
		 * @param int $bytes Default 256 MB, or what SITEAGENT_COPIES_MAX_MB says. With 0 none is kept.
		 */
		return max( 0, (int) apply_filters( 'siteagent_copies_max_bytes', $megabytes * MB_IN_BYTES ) );
	}

	/**
	 * Archives a backup.
	 *
	 * @return array{copy:string,sha256:string,bytes:int}|string The archive, or the reason why there is none.
	 */
	private function archive( string $backup, Siteagent_Component $component ) {
		$name  = basename( $component->folder() );
		$files = is_dir( $backup ) ? Siteagent_Kept_Archive::files( $backup, $name ) : array();
		$bytes = (int) array_sum( array_map( 'filesize', array_keys( (array) $files ) ) );
		if ( null === $files ) {
			return 'has_links';
		}
		if ( array() === $files || ! Siteagent_Kept_Archive::is_available() ) {
			return array() === $files ? 'no_backup' : 'no_zlib';
		}
		// By the size before compressing, so that no update waits for an archive that is then thrown away.
		if ( $bytes > self::max_bytes() ) {
			return 'too_large';
		}
		if ( min( Siteagent_Filesystem::free_bytes( WP_CONTENT_DIR ), Siteagent_Filesystem::free_bytes( self::base_folder() ) ) < $bytes + self::SPACE_MARGIN ) {
			return 'disk_full';
		}
		$folder = self::create_folder();
		$copy   = substr( hash( 'sha256', $component->kind() . ':' . $component->id() ), 0, 16 ) . '-' . bin2hex( random_bytes( 16 ) );
		$file   = "$folder/$copy.part";
		if ( null === $folder || ! Siteagent_Kept_Archive::write( $file, $files ) || ! Siteagent_Kept_Archive::is_safe( $file, $name ) || ! rename( $file, "$folder/$copy.zip" ) ) {
			Siteagent_Filesystem::remove( $file );
			return 'filesystem';
		}
		return array(
			'copy'   => $copy,
			'sha256' => (string) hash_file( 'sha256', "$folder/$copy.zip" ),
			'bytes'  => (int) filesize( "$folder/$copy.zip" ),
		);
	}

	/**
	 * Returns the folder for a new archive; null when it cannot be created.
	 *
	 * No one can guess its name, and no server lists it, so an archive cannot be downloaded even where the server does
	 * not read .htaccess. It may contain the code of commercial plugins.
	 */
	private static function create_folder(): ?string {
		foreach ( self::folders() as $folder ) {
			return $folder;
		}
		$folder = self::base_folder() . '/' . bin2hex( random_bytes( 16 ) );
		if ( is_link( self::base_folder() ) || ! wp_mkdir_p( $folder ) ) {
			return null;
		}
		$index = "<?php\n// Silence is golden.\n";
		file_put_contents( self::base_folder() . '/index.php', $index );
		file_put_contents( self::base_folder() . '/.htaccess', "Require all denied\n" );
		file_put_contents( $folder . '/index.php', $index );
		return $folder;
	}

	/**
	 * @return string[] The folders with archives. One, unless two were created at once.
	 */
	private static function folders(): array {
		$folders = array();
		foreach ( is_link( self::base_folder() ) ? array() : Siteagent_Filesystem::list_entries( self::base_folder() ) as $name ) {
			if ( 1 === preg_match( self::FOLDER_PATTERN, $name ) && is_dir( self::base_folder() . '/' . $name ) && ! is_link( self::base_folder() . '/' . $name ) ) {
				$folders[] = self::base_folder() . '/' . $name;
			}
		}
		return $folders;
	}
}
