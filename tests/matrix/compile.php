<?php
/**
 * Compiles every file that is named and runs none of them, as `php -l` does with one.
 */

declare( strict_types=1 );

foreach ( array_slice( $argv, 1 ) as $file ) {
	if ( ! opcache_compile_file( $file ) ) {
		fwrite( STDERR, "$file does not compile\n" );
		exit( 1 );
	}
}
echo count( $argv ) - 1;
