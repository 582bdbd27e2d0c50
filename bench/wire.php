<?php
/**
 * What signing and verifying a message of 2 kB costs in PHP, and the hashing that is always needed.
 *
 * Returns seconds for each, the median of rounds taken in turns. Runs inside WordPress, with SiteAgent loaded.
 */

declare( strict_types=1 );

$times   = 200;
$rounds  = 50;
$url     = 'https://shop.example.test/wp-json/siteagent/v1/rpc';
$key     = str_repeat( 'k', 32 );
$keyid   = 'bench.1';
$body    = '{"by":"Ben","op":"ping","padding":"' . str_repeat( 'x', 2000 ) . '","v":1}';
$now     = time();
$tag     = Siteagent_HTTP_Signature::REQUEST_TAG;
$sent    = Siteagent_HTTP_Signature::sign_request( $url, $body, $key, $keyid, $now, Siteagent_HTTP_Signature::new_nonce(), $tag );
$key_for = static function ( string $asked ) use ( $key, $keyid ): ?string {
	return $asked === $keyid ? $key : null;
};
$request = Siteagent_HTTP_Signature::verify_request( 'POST', array( $url ), $sent['headers'], $body, $key_for, $now, $tag );

$work  = array(
	'floor'  => static function () use ( $body, $key ): void {
		hash( 'sha256', $body, true );
		hash_hmac( 'sha256', substr( $body, 0, 600 ), $key, true );
	},
	'sign'   => static function () use ( $request, $body, $key, $now ): void {
		Siteagent_HTTP_Signature::sign_response( $request, 200, $body, $key, $now );
	},
	'verify' => static function () use ( $url, $sent, $body, $key_for, $now, $tag ): void {
		Siteagent_HTTP_Signature::verify_request( 'POST', array( $url ), $sent['headers'], $body, $key_for, $now, $tag );
	},
);
$taken = array();
for ( $round = 0; $round < $rounds; $round++ ) {
	foreach ( $work as $name => $do ) {
		$began = hrtime( true );
		for ( $time = 0; $time < $times; $time++ ) {
			$do();
		}
		$taken[ $name ][] = ( hrtime( true ) - $began ) / $times / 1e9;
	}
}
return array_map(
	static function ( array $seconds ): float {
		sort( $seconds );
		return $seconds[ intdiv( count( $seconds ), 2 ) ];
	},
	$taken
);
