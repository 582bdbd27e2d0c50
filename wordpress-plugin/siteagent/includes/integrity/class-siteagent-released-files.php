<?php
/**
 * The list of files that a release consists of, from WordPress.org.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Requests the checksums of WordPress and of plugins. WordPress's own function falls back to http; this one does not,
 * and follows no redirect.
 */
final class Siteagent_Released_Files {

	const CORE    = 'https://api.wordpress.org/core/checksums/1.0/';
	const PLUGINS = 'https://downloads.wordpress.org/plugin-checksums/';

	/** The list of a plugin with 6,000 files has 1 MB. */
	const MAX_BYTES = 8388608;
	const TIMEOUT_S = 10;

	const MD5    = '/^[0-9a-f]{32}\z/D';
	const SHA256 = '/^[0-9a-f]{64}\z/D';

	/**
	 * Returns the files of a release of WordPress, without those in wp-content, which belong to themes and plugins.
	 *
	 * @throws Siteagent_Exception no_list, list_*.
	 */
	public static function of_core( string $version, string $locale ): Siteagent_File_List {
		$document = self::fetch( self::CORE . '?' . http_build_query( array( 'version' => $version, 'locale' => $locale ), '', '&' ) );
		if ( ! isset( $document['checksums'] ) || ! is_array( $document['checksums'] ) ) {
			throw new Siteagent_Exception( 'no_list' );
		}
		$files = array();
		foreach ( $document['checksums'] as $path => $hash ) {
			if ( 0 !== strpos( (string) $path, 'wp-content/' ) ) {
				$files[ $path ] = self::allowed( $hash, self::MD5 );
			}
		}
		return new Siteagent_File_List( 'md5', self::valid( $files ), true );
	}

	/**
	 * Returns the files of a release of a plugin. If the same version was built more than once, the list has the files
	 * of all builds, so none of them can be missed.
	 *
	 * @throws Siteagent_Exception no_list, list_*.
	 */
	public static function of_plugin( string $slug, string $version ): Siteagent_File_List {
		if ( 1 !== preg_match( '/^[a-z0-9_-]{1,200}\z/Di', $slug ) || 1 !== preg_match( '/^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}\z/D', $version ) ) {
			throw new Siteagent_Exception( 'no_list' );
		}
		$document = self::fetch( self::PLUGINS . $slug . '/' . rawurlencode( $version ) . '.json' );
		if ( ! isset( $document['files'] ) || ! is_array( $document['files'] ) || ( isset( $document['version'] ) && $version !== $document['version'] ) ) {
			throw new Siteagent_Exception( 'list_unreadable' );
		}
		$files = array();
		foreach ( $document['files'] as $path => $hashes ) {
			$files[ $path ] = self::allowed( is_array( $hashes ) && isset( $hashes['sha256'] ) ? $hashes['sha256'] : null, self::SHA256 );
		}
		$is_one_build = ! is_array( isset( $document['zip'] ) ? $document['zip'] : '' ) && ! is_array( isset( $document['source'] ) ? $document['source'] : '' );
		return new Siteagent_File_List( 'sha256', self::valid( $files ), $is_one_build );
	}

	/**
	 * @return array The decoded answer.
	 */
	private static function fetch( string $address ): array {
		$response = wp_safe_remote_get(
			$address,
			array(
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0,
				'limit_response_size' => self::MAX_BYTES + 1,
			)
		);
		if ( is_wp_error( $response ) ) {
			throw new Siteagent_Exception( 1 === preg_match( '/timed? ?out|cURL error 28/i', $response->get_error_message() ) ? 'list_slow' : 'list_unreachable' );
		}
		$status = (int) wp_remote_retrieve_response_code( $response );
		$body   = wp_remote_retrieve_body( $response );
		if ( $status >= 300 && $status < 400 ) {
			throw new Siteagent_Exception( 'list_redirected' );
		}
		if ( 404 === $status ) {
			throw new Siteagent_Exception( 'no_list' );
		}
		if ( 200 !== $status ) {
			throw new Siteagent_Exception( 'list_unreachable' );
		}
		if ( strlen( $body ) > self::MAX_BYTES ) {
			throw new Siteagent_Exception( 'list_too_large' );
		}
		$document = json_decode( $body, true, 8 );
		if ( ! is_array( $document ) ) {
			throw new Siteagent_Exception( 'list_unreadable' );
		}
		return $document;
	}

	/**
	 * Returns the hashes that a file may have: one, or one for each build.
	 *
	 * @param mixed  $given   A hash or a list of them.
	 * @param string $pattern What each must look like.
	 * @return string[]
	 */
	private static function allowed( $given, string $pattern ): array {
		$hashes = is_array( $given ) ? $given : array( $given );
		foreach ( $hashes as $hash ) {
			if ( ! is_string( $hash ) || 1 !== preg_match( $pattern, $hash ) ) {
				throw new Siteagent_Exception( 'list_unreadable' );
			}
		}
		if ( array() === $hashes ) {
			throw new Siteagent_Exception( 'list_unreadable' );
		}
		return array_values( $hashes );
	}

	/**
	 * Returns the list if its paths stay below their folder and it is not too long.
	 */
	private static function valid( array $files ): array {
		if ( array() === $files ) {
			throw new Siteagent_Exception( 'list_unreadable' );
		}
		if ( count( $files ) > Siteagent_Package_Tree::MAX_FILES ) {
			throw new Siteagent_Exception( 'list_too_large' );
		}
		try {
			foreach ( array_keys( $files ) as $path ) {
				Siteagent_Package_Tree::require_safe_path( (string) $path );
			}
		} catch ( Siteagent_Exception $unsafe ) {
			throw new Siteagent_Exception( 'list_unreadable' );
		}
		return $files;
	}
}
