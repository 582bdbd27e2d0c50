<?php
/**
 * Keeps the site as it is now ("keep"), or puts it back into the state that was kept ("reset").
 *
 * Both cover the database and every file a test may change. Asks nothing of WordPress, which may
 * be broken. Prints as JSON what a reset had to put back.
 */

declare( strict_types=1 );

const KEPT     = __DIR__ . '/kept';
const MANIFEST = __DIR__ . '/kept.json';
const COVERED  = array(
	'/srv/debug.log',
	'/srv/wordpress.org',
	'/tmp/fault_injection',
	'/var/www/wordpress/.htaccess',
	'/var/www/wordpress/.maintenance',
	'/var/www/wordpress/wp-config.php',
	'/var/www/wordpress/wp-content',
);
const QUIET_CHECKS  = 5;
const QUIET_SECONDS = 20;

$question = require __DIR__ . '/guard.php';

set_time_limit( 120 );
ini_set( 'memory_limit', '512M' );
mysqli_report( MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT );
$database = new mysqli( 'localhost', 'test_site', 'reachable-by-socket-only', 'test_site', 0, '/run/mysqld/mysqld.sock' );
$database->set_charset( 'utf8mb4' );
$database->query( 'SET SESSION foreign_key_checks = 0' );

/** Everything at and below these paths: the kind, its permissions, what it holds, when it was written. */
function look( array $paths ): array {
	$found = array();
	for ( $next = 0; isset( $paths[ $next ] ); $next++ ) {
		$path = $paths[ $next ];
		$stat = @lstat( $path );
		if ( ! $stat ) {
			continue;
		}
		$mode = $stat['mode'] & 07777;
		if ( is_link( $path ) ) {
			$found[ $path ] = array( 'link', 0, readlink( $path ), 0 );
		} elseif ( is_dir( $path ) ) {
			$found[ $path ] = array( 'folder', $mode, '', 0 );
			if ( 0700 !== ( $mode & 0700 ) ) {
				@chmod( $path, 0700 | $mode );
			}
			foreach ( array_diff( scandir( $path ), array( '.', '..' ) ) as $name ) {
				$paths[] = "$path/$name";
			}
		} else {
			if ( 0400 !== ( $mode & 0400 ) ) {
				@chmod( $path, 0400 | $mode );
			}
			$found[ $path ] = array( 'file', $mode, @md5_file( $path ), $stat['mtime'] );
		}
	}
	return $found;
}

function remove( string $path ): void {
	if ( is_dir( $path ) && ! is_link( $path ) ) {
		rmdir( $path );
	} else {
		unlink( $path );
	}
}

function keep_files(): void {
	$now = look( COVERED );
	foreach ( $now as $path => $about ) {
		if ( 'folder' === $about[0] ) {
			mkdir( KEPT . $path, 0755, true );
		} elseif ( 'file' === $about[0] ) {
			is_dir( dirname( KEPT . $path ) ) || mkdir( dirname( KEPT . $path ), 0755, true );
			copy( $path, KEPT . $path );
		}
	}
	file_put_contents( MANIFEST, json_encode( $now, JSON_THROW_ON_ERROR ) );
}

/** The paths that were put back. */
function reset_files(): array {
	$kept    = json_decode( file_get_contents( MANIFEST ), true, 8, JSON_THROW_ON_ERROR );
	$now     = look( COVERED );
	$wrong   = array();
	$differs = static function ( string $path ) use ( $kept, $now ): bool {
		return ( $kept[ $path ] ?? null ) !== ( $now[ $path ] ?? null );
	};
	// The deepest first: a folder is empty when its turn comes.
	foreach ( array_reverse( array_keys( $now ) ) as $path ) {
		if ( ! isset( $kept[ $path ] ) || $kept[ $path ][0] !== $now[ $path ][0] ) {
			remove( $path );
			$wrong[] = $path;
			unset( $now[ $path ] );
		}
	}
	foreach ( array_filter( array_keys( $kept ), $differs ) as $path ) {
		[ $kind, $mode, $content, $written ] = $kept[ $path ];
		if ( 'link' === $kind ) {
			isset( $now[ $path ] ) && unlink( $path );
			symlink( $content, $path );
		} elseif ( 'folder' === $kind ) {
			is_dir( $path ) || mkdir( $path );
		} else {
			// A file of root's can be replaced here and not written.
			isset( $now[ $path ] ) && unlink( $path );
			copy( KEPT . $path, $path );
			touch( $path, $written );
		}
		$wrong[] = $path;
	}
	clearstatcache();
	foreach ( array_reverse( $kept ) as $path => [ $kind, $mode ] ) {
		if ( 'link' !== $kind && ( fileperms( $path ) & 07777 ) !== $mode ) {
			chmod( $path, $mode );
		}
	}
	foreach ( preg_grep( '/\.php$/', $wrong ) as $path ) {
		function_exists( 'opcache_invalidate' ) && opcache_invalidate( $path, true );
	}
	return $wrong;
}

/** The tables of a database, each with what it holds and how it is made. */
function tables( mysqli $database, string $of ): array {
	$made = array();
	foreach ( $database->query( "SHOW TABLES IN $of" )->fetch_all() as [ $name ] ) {
		$create        = $database->query( "SHOW CREATE TABLE $of.`$name`" )->fetch_row()[1];
		$checksum      = $database->query( "CHECKSUM TABLE $of.`$name`" )->fetch_row()[1];
		$made[ $name ] = array( $create, $checksum );
	}
	return $made;
}

function copy_table( mysqli $database, string $name, string $from, string $to ): void {
	$database->query( "DROP TABLE IF EXISTS $to.`$name`" );
	$database->query( "CREATE TABLE $to.`$name` LIKE $from.`$name`" );
	$database->query( "INSERT INTO $to.`$name` SELECT * FROM $from.`$name`" );
	// What a site had counted up to is part of its state.
	$counted = $database->query( "SELECT AUTO_INCREMENT FROM information_schema.tables WHERE table_schema = '$from' AND table_name = '$name'" )->fetch_row()[0];
	if ( null !== $counted ) {
		$database->query( "ALTER TABLE $to.`$name` AUTO_INCREMENT = $counted" );
	}
}

function keep_database( mysqli $database ): void {
	foreach ( array_keys( tables( $database, 'test_site' ) ) as $name ) {
		copy_table( $database, $name, 'test_site', 'kept_site' );
	}
}

/** The tables that were put back. */
function reset_database( mysqli $database ): array {
	wait_until_quiet( $database );
	$kept  = tables( $database, 'kept_site' );
	$now   = tables( $database, 'test_site' );
	$wrong = array();
	foreach ( array_keys( array_diff_key( $now, $kept ) ) as $name ) {
		$database->query( "DROP TABLE test_site.`$name`" );
		$wrong[] = $name;
	}
	foreach ( $kept as $name => $about ) {
		if ( ( $now[ $name ] ?? null ) !== $about ) {
			copy_table( $database, $name, 'kept_site', 'test_site' );
			$wrong[] = $name;
		}
	}
	return $wrong;
}

/** Scheduled work may still run, and would write down what the tests before left. */
function wait_until_quiet( mysqli $database ): void {
	$others = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'test_site'";
	$until  = microtime( true ) + QUIET_SECONDS;
	// More than once, because a request that was just sent has not asked the database yet.
	for ( $quiet = 0; $quiet < QUIET_CHECKS && microtime( true ) < $until; $quiet++ ) {
		if ( $database->query( $others )->num_rows ) {
			$quiet = -1;
		}
		usleep( 20000 );
	}
	foreach ( $database->query( $others )->fetch_all() as [ $id ] ) {
		$database->query( "KILL $id" );
	}
}

if ( 'keep' === $question['do'] ) {
	keep_database( $database );
	keep_files();
	$answer = array();
} else {
	$answer = array( 'tables' => reset_database( $database ), 'files' => reset_files() );
}
header( 'Content-Type: application/json' );
echo json_encode( $answer, JSON_THROW_ON_ERROR );
