<?php
/**
 * Addresses of this site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Compares addresses by host, port and path, ignoring scheme and a leading "www.", and lists the URLs of the
 * endpoint.
 */
final class Siteagent_Site_Address {

	/** Path of the route below WordPress's REST prefix. */
	const ROUTE = '/siteagent/v1/rpc';

	/** The endpoint is also available here, in case the REST API is blocked. */
	const AJAX = '/wp-admin/admin-ajax.php?action=siteagent_rpc';

	/** The dashboard accepts this many URLs. */
	const MAX_ENDPOINTS = 8;

	/**
	 * Whether two addresses name the same site. False for an invalid address.
	 */
	public static function is_same_site( string $home, string $other ): bool {
		$key = self::comparison_key( $home );
		return '' !== $key && $key === self::comparison_key( $other );
	}

	/**
	 * Returns what identifies a site, such as `example.com:8080/blog`; empty for an invalid address.
	 */
	public static function comparison_key( string $url ): string {
		// parse_url() and not wp_parse_url(): this class is also tested without WordPress.
		$parts = parse_url( trim( $url ) ); // phpcs:ignore WordPress.WP.AlternativeFunctions, Generic.PHP.ForbiddenFunctions -- see above.
		if ( ! is_array( $parts ) || empty( $parts['host'] ) || empty( $parts['scheme'] ) ) {
			return '';
		}
		$scheme   = strtolower( $parts['scheme'] );
		$defaults = array(
			'http'  => 80,
			'https' => 443,
		);
		if ( ! isset( $defaults[ $scheme ] ) ) {
			return '';
		}
		$host = self::to_ascii( rtrim( strtolower( $parts['host'] ), '.' ) );
		$host = 0 === strpos( $host, 'www.' ) ? substr( $host, 4 ) : $host;
		$port = isset( $parts['port'] ) && $parts['port'] !== $defaults[ $scheme ] ? ':' . $parts['port'] : '';
		return $host . $port . rtrim( isset( $parts['path'] ) ? $parts['path'] : '', '/' );
	}

	/**
	 * Returns the public address of this site; for a network that shares one connection, of its main site.
	 */
	public static function home( bool $is_network ): string {
		// Not home_url(), to which translation plugins add a language.
		$home = $is_network ? get_blog_option( get_main_site_id(), 'home' ) : get_option( 'home' );
		return rtrim( (string) $home, '/' );
	}

	/**
	 * Returns the URLs of the endpoint, below the address the dashboard knows and below the site's own.
	 *
	 * @param string $known_url The address in the token.
	 * @param string $home      The site's own address.
	 * @return string[]
	 */
	public static function endpoints( string $known_url, string $home ): array {
		$urls = array();
		foreach ( array( rtrim( $known_url, '/' ), $home ) as $base ) {
			$urls[] = $base . '/' . rest_get_url_prefix() . self::ROUTE;
			// The dashboard tries this URL first, even where the REST prefix was changed.
			$urls[] = $base . '/wp-json' . self::ROUTE;
			$urls[] = $base . '/?rest_route=' . self::ROUTE;
			$urls[] = $base . self::AJAX;
		}
		// WordPress may be installed in another folder than the site's.
		$urls[] = rtrim( (string) get_option( 'siteurl' ), '/' ) . self::AJAX;
		return array_slice( array_values( array_unique( $urls ) ), 0, self::MAX_ENDPOINTS );
	}

	/**
	 * Returns a host name in ASCII (IDNA), as the token spells it.
	 */
	private static function to_ascii( string $host ): string {
		if ( 1 !== preg_match( '/[^\x00-\x7F]/', $host ) ) {
			return $host;
		}
		foreach ( array( 'WpOrg\Requests\IdnaEncoder', 'Requests_IDNAEncoder' ) as $encoder ) {
			if ( class_exists( $encoder ) ) {
				return strtolower( (string) call_user_func( array( $encoder, 'encode' ), $host ) );
			}
		}
		return $host;
	}
}
