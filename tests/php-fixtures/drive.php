<?php
/**
 * Answers questions about the plugin's pure classes, one JSON line each way. No WordPress is loaded.
 *
 * A question is {"do": name, ...}; bytes travel as standard base64 in fields that end in _b64.
 * The answer is {"ok": value} or {"refused": code}.
 */

declare( strict_types=1 );

define( 'ABSPATH', __DIR__ . '/' );
$includes = dirname( __DIR__, 2 ) . '/wordpress-plugin/siteagent/includes';
$classes  = require "$includes/class-map.php";
spl_autoload_register(
	static function ( string $name ) use ( $includes, $classes ): void {
		if ( isset( $classes[ $name ] ) ) {
			require "$includes/{$classes[ $name ]}";
		}
	}
);
// Where PHP has no sodium extension, WordPress brings sodium_compat; its autoloader is the first argument.
if ( isset( $argv[1] ) && ! extension_loaded( 'sodium' ) ) {
	require $argv[1];
}

$known = array(
	'about'           => static function (): array {
		return array(
			'php'    => PHP_VERSION,
			'sodium' => extension_loaded( 'sodium' ),
			'codes'  => Siteagent_HTTP_Signature::CODES,
		);
	},
	'digest'          => static function ( array $q ): string {
		return Siteagent_HTTP_Signature::content_digest( base64_decode( $q['body_b64'], true ) );
	},
	'sign_request'    => static function ( array $q ): array {
		return Siteagent_HTTP_Signature::sign_request( $q['url'], base64_decode( $q['body_b64'], true ), base64_decode( $q['key_b64'], true ), $q['keyid'], $q['created'], $q['nonce'], $q['tag'] );
	},
	'sign_response'   => static function ( array $q ): array {
		return Siteagent_HTTP_Signature::sign_response( $q['request'], $q['status'], base64_decode( $q['body_b64'], true ), base64_decode( $q['key_b64'], true ), $q['created'] );
	},
	'request_base'    => static function ( array $q ): string {
		return Siteagent_HTTP_Signature::request_base( $q['url'], $q['digest'], $q['parameters'] );
	},
	'response_base'   => static function ( array $q ): string {
		return Siteagent_HTTP_Signature::response_base( $q['status'], $q['digest'], $q['url'], $q['asked'], $q['parameters'] );
	},
	'verify_request'  => static function ( array $q ): array {
		$key_for = static function ( string $keyid ) use ( $q ): ?string {
			return isset( $q['keys'][ $keyid ] ) ? base64_decode( $q['keys'][ $keyid ], true ) : null;
		};
		return Siteagent_HTTP_Signature::verify_request( $q['method'], $q['urls'], $q['headers'], base64_decode( $q['body_b64'], true ), $key_for, $q['now'], $q['tag'] );
	},
	'verify_response' => static function ( array $q ): bool {
		$sent = array( 'digest' => $q['request']['content_digest'] ) + $q['request'];
		Siteagent_HTTP_Signature::verify_response( $sent, $q['status'], $q['headers'], base64_decode( $q['body_b64'], true ), base64_decode( $q['key_b64'], true ) );
		return true;
	},
	'canonical'       => static function ( array $q ): string {
		return base64_encode( Siteagent_Canonical_JSON::encode( Siteagent_Canonical_JSON::parse( base64_decode( $q['raw_b64'], true ) ) ) );
	},
	'token'           => static function ( array $q ): array {
		$token = Siteagent_Pairing_Token::parse( $q['text'] );
		$token->validate( $q['now'], $q['home'] );
		return array(
			'pid'      => $token->pid(),
			'origin'   => $token->origin(),
			'site_url' => $token->site_url(),
			'auth_b64' => base64_encode( $token->auth_key() ),
		);
	},
	'session'         => static function ( array $q ): array {
		$th   = Siteagent_Key_Derivation::transcript_hash( base64_decode( $q['hello_b64'], true ), base64_decode( $q['answer_b64'], true ) );
		$auth = base64_decode( $q['auth_b64'], true );
		$keys = Siteagent_Key_Derivation::session_keys( base64_decode( $q['private_b64'], true ), base64_decode( $q['peer_b64'], true ), $auth, $th );
		foreach ( array( 'd2s', 's2d', 'note' ) as $name ) {
			$keys[ "pair $name" ] = Siteagent_Key_Derivation::token_key( $auth, $name );
		}
		return array(
			'th_hex'      => bin2hex( $th ),
			'kid'         => Siteagent_Key_Derivation::key_id( $th ),
			'fingerprint' => Siteagent_Key_Derivation::fingerprint( $th ),
			'keys_b64'    => array_map( 'base64_encode', $keys ),
			'hashes_hex'  => array_map( array( 'Siteagent_Key_Derivation', 'hash_secret' ), $keys ),
		);
	},
	'rotation'        => static function ( array $q ): array {
		$plan = base64_decode( $q['plan_b64'], true );
		$th   = Siteagent_Key_Derivation::rotation_transcript_hash( $plan, base64_decode( $q['public_b64'], true ) );
		$old  = base64_decode( $q['old_d2s_b64'], true ) . base64_decode( $q['old_s2d_b64'], true );
		$keys = Siteagent_Key_Derivation::session_keys( base64_decode( $q['private_b64'], true ), base64_decode( $q['peer_b64'], true ), $old, $th );
		return array(
			'th_hex'     => bin2hex( $th ),
			'kid'        => Siteagent_Key_Derivation::next_key_id( $q['kid'], $q['gen'] ),
			'keys_b64'   => array_map( 'base64_encode', $keys ),
			'hashes_hex' => array_map( array( 'Siteagent_Key_Derivation', 'hash_secret' ), $keys ),
		);
	},
	'plan'            => static function ( array $q ): array {
		$plan = Siteagent_Signed_Plan::verify( $q['plan'], $q['sig'], $q['name'], $q['op_id'], $q['connection'], $q['uuid'] );
		return array(
			'gen'        => $plan->get( 'gen' ),
			'next_key'   => $plan->next_key( isset( $q['sig_next'] ) ? $q['sig_next'] : null ),
			'digest_hex' => bin2hex( Siteagent_Signed_Plan::digest( $plan->bytes() ) ),
		);
	},
	'update_plan'     => static function ( array $q ): array {
		$signed = Siteagent_Signed_Plan::verify( $q['plan'], $q['sig'], Siteagent_Update_Plan::CHANGE, $q['op_id'], $q['connection'], $q['uuid'] );
		$plan   = new Siteagent_Update_Plan( $signed );
		return array(
			'item'        => $plan->item()->to_array(),
			'digest_hex'  => bin2hex( $plan->digest() ),
			'tree_sha256' => $plan->tree_sha256(),
		);
	},
	'release'         => static function ( array $q ): bool {
		$release = Siteagent_Plugin_Release::from_fields( $q['fields'] );
		return null !== $release && $release->is_update_of( $q['present'], '' === $q['key'] ? null : Siteagent_HTTP_Signature::base64url_decode( $q['key'], 32 ) );
	},
	'package'         => static function ( array $q ): string {
		$file = tempnam( sys_get_temp_dir(), 'package' );
		file_put_contents( $file, base64_decode( $q['zip_b64'], true ) );
		try {
			$layout = new Siteagent_Package_Layout( isset( $q['kind'] ) ? $q['kind'] : 'plugin', isset( $q['id'] ) ? $q['id'] : 'desk/desk.php' );
			return Siteagent_Package_Archive::tree_digest( $file, $layout );
		} finally {
			unlink( $file );
		}
	},
	'signing_public'  => static function ( array $q ): string {
		return base64_encode( Siteagent_Key_Derivation::signing_public_key( base64_decode( $q['seed_b64'], true ) ) );
	},
	'same_home'       => static function ( array $q ): bool {
		return Siteagent_Site_Address::is_same_site( $q['one'], $q['other'] );
	},
	'is_patch'        => static function ( array $q ): ?bool {
		return Siteagent_Release_Type::is_patch( $q['from'], $q['to'] );
	},
	'is_open'         => static function ( array $q ): bool {
		$window = new Siteagent_Update_Window( $q['window']['days'], $q['window']['from_hour'], $q['window']['to_hour'] );
		return $window->is_open( $q['at'], new DateTimeZone( $q['window']['time_zone'] ) );
	},
	'seal_roundtrip'  => static function ( array $q ): array {
		$seal   = new Siteagent_Encryption( $q['secret'] );
		$sealed = $seal->encrypt( array( 'd2s' => base64_decode( $q['plain_b64'], true ) ) );
		$other  = new Siteagent_Encryption( $q['secret'] . 'x' );
		$opened = $seal->decrypt( $sealed );
		return array(
			'opened_b64' => base64_encode( $opened['d2s'] ),
			'elsewhere'  => $other->decrypt( $sealed ),
			'altered'    => $seal->decrypt( 'A' . substr( $sealed, 1 ) === $sealed ? 'B' . substr( $sealed, 1 ) : 'A' . substr( $sealed, 1 ) ),
			'cut'        => $seal->decrypt( substr( $sealed, 0, 20 ) ),
		);
	},
);

while ( false !== ( $line = fgets( STDIN ) ) ) {
	$question = json_decode( $line, true, 64, JSON_THROW_ON_ERROR );
	try {
		$answer = array( 'ok' => $known[ $question['do'] ]( $question ) );
	} catch ( Siteagent_Exception $refusal ) {
		$answer = array( 'refused' => $refusal->code() );
	}
	echo json_encode( $answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES ), "\n";
}
