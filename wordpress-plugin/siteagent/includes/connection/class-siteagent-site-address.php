<?php
/**
 * Addresses of this site, and whether two of them name one site.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Compares host, port and path; the scheme and a leading www. do not make another site.
 */
final class Siteagent_Site_Address {

	/** The path of the one route, below WordPress's REST prefix. */
	const ROUTE = '/siteagent/v1/rpc';

	/** Where it is answered too, should REST be closed to everybody. */
	const AJAX = '/wp-admin/admin-ajax.php?action=siteagent_rpc';

	/** As many addresses as the dashboard takes. */
	const MAX_ENDPOINTS = 8;

	/**
	 * False for what is no address at all.
	 */
	public static function is_same_site( string $one, string $other ): bool {
		$key = self::comparison_key( $one );
		return '' !== $key && $key === self::comparison_key( $other );
	}

	/**
	 * What tells two sites apart: `example.com:8080/blog`; empty for what is no address.
	 */
	public static function comparison_key( string $url ): string {
		// parse_url() and not wp_parse_url(): this class is also tested without WordPress.
		$parts = parse_url( trim( $url ) ); // phpcs:ignore WordPress.WP.AlternativeFunctions
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
	 * The public address of this site; for a network that shares one connection, of its main site.
	 */
	public static function home( bool $is_network ): string {
		// Not home_url(): translation plugins put a language into it.
		$home = $is_network ? get_blog_option( get_main_site_id(), 'home' ) : get_option( 'home' );
		return rtrim( (string) $home, '/' );
	}

	/**
	 * Where the dashboard may call: below the address it knows, and below the site's own spelling of it.
	 *
	 * @param string $known_url The address in the token.
	 * @param string $home  This site's own.
	 * @return string[]
	 */
	public static function endpoints( string $known_url, string $home ): array {
		$urls = array();
		foreach ( array( rtrim( $known_url, '/' ), $home ) as $base ) {
			$urls[] = $base . '/' . rest_get_url_prefix() . self::ROUTE;
			// What the dashboard tries first, even where the REST prefix was changed.
			$urls[] = $base . '/wp-json' . self::ROUTE;
			$urls[] = $base . '/?rest_route=' . self::ROUTE;
			$urls[] = $base . self::AJAX;
		}
		// WordPress's own folder may be another one than the site's.
		$urls[] = rtrim( (string) get_option( 'siteurl' ), '/' ) . self::AJAX;
		return array_slice( array_values( array_unique( $urls ) ), 0, self::MAX_ENDPOINTS );
	}

	/**
	 * A host name as it travels; the token holds it so, WordPress may not.
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
