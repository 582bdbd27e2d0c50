<?php
/**
 * Reads gathered arrays as JSON lines, prints what the manifest lets through, one line each.
 */

declare( strict_types=1 );

define( 'ABSPATH', __DIR__ . '/' );
$plugin = dirname( __DIR__, 2 ) . '/wordpress-plugin/siteagent';
require $plugin . '/includes/report/class-siteagent-report-schema.php';

$manifest = new Siteagent_Report_Schema( $argv[1] ?? $plugin . '/manifest.json' );
while ( false !== ( $line = fgets( STDIN ) ) ) {
	// Bytes that are no UTF-8 cannot stand in JSON: the caller writes them as "hex:...".
	$gathered = json_decode( $line, true, 64, JSON_THROW_ON_ERROR );
	array_walk_recursive(
		$gathered,
		static function ( &$value ): void {
			if ( is_string( $value ) && 0 === strpos( $value, 'hex:' ) ) {
				$value = hex2bin( substr( $value, 4 ) );
			}
		}
	);
	echo json_encode( $manifest->project( $gathered ), JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE ), "\n";
}
