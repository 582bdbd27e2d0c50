<?php
/**
 * Does one thing with the files of a run, without WordPress. The argument is {"do": name, "folder": path, ...} as
 * JSON; prints the result as JSON.
 */

declare( strict_types=1 );

$question = json_decode( $argv[1], true, 64, JSON_THROW_ON_ERROR );
$folder   = $question['folder'];
define( 'ABSPATH', dirname( $folder ) . '/' );
define( 'WP_CONTENT_DIR', dirname( $folder ) );
define( 'WP_PLUGIN_DIR', dirname( $folder ) . '/plugins' );
define( 'WPMU_PLUGIN_DIR', dirname( $folder ) . '/mu-plugins' );
define( 'DAY_IN_SECONDS', 86400 );
$includes = dirname( __DIR__, 2 ) . '/wordpress-plugin/siteagent/includes';
$classes  = require "$includes/class-map.php";
spl_autoload_register(
	static function ( string $name ) use ( $includes, $classes ): void {
		require "$includes/{$classes[ $name ]}";
	}
);

/** The marker of a run, which is not in a database here. */
final class Siteagent_Option_Store {
	public function read(): array {
		return array();
	}
	public function change( callable $change ): bool {
		return null !== $change( array() );
	}
}

/** WordPress's own lock against two updates at once. */
final class Siteagent_Update_Lock {
	public static function release(): void {}
}

function add_filter(): void {}
function wp_is_writable(): bool {
	return true;
}
function wp_is_file_mod_allowed(): bool {
	return true;
}
function get_filesystem_method(): string {
	return 'direct';
}
function wp_strip_all_tags( string $text ): string {
	return trim( strip_tags( $text ) );
}

$run = array(
	'op_id'                                           => 'run',
	'folder'                                          => $folder,
	'target'                                          => "$folder-target",
	Siteagent_Rollback_Watchdog::NEEDS_CONFIRMATION => ! empty( $question['needs_confirmation'] ),
);
switch ( $question['do'] ) {
	case 'watch':
		( new Siteagent_Rollback_Watchdog( "$folder-watchdog.php", $run ) )->watch();
		$answer = null;
		break;
	case 'settle':
		// A request that began to read the file goes on reading while the result is written.
		$handle = fopen( $folder . '/' . Siteagent_Rollback_Watchdog::SETTLED, 'r' );
		( new Siteagent_Rollback( new Siteagent_Option_Store() ) )->keep_watching( $run, array(), $question['until'], array() );
		$answer = stream_get_contents( $handle );
		break;
	case 'state':
		$answer = Siteagent_Rollback_Watchdog::lock_state( $folder );
		break;
	case 'remove':
		Siteagent_Rollback::remove_run_folder( $folder );
		$answer = null;
		break;
	case 'record error':
		$error = array( 'type' => E_ERROR, 'message' => 'Uncaught Error: gone()', 'file' => $question['file'] );
		( new Siteagent_Fatal_Error( $error, $folder, $run['target'] ) )->record_known_error();
		$answer = is_file( $folder . '/' . Siteagent_Fatal_Error::KNOWN_ERRORS_FILE );
		break;
	case 'redact':
		$answer = Siteagent_Upgrader::redact( $question['text'] );
		break;
	case 'invalidate':
		Siteagent_Filesystem::invalidate_opcache( $run['target'] );
		$answer = null;
		break;
	case 'write':
		$answer = Siteagent_Filesystem::write_atomically( $question['file'], 'text' );
		break;
	default:
		$answer = Siteagent_Rollback::is_available( $question['kind'], $question['separator'] );
}
echo json_encode( $answer );
