<?php
/**
 * What a plan says about the package of an update (docs/PROTOCOL.md section 3.6).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Downloads the package of an update during the pre-check, so that the dashboard can name its very bytes in the plan.
 * The URL, which may contain a license key, does not leave the site.
 */
final class Siteagent_Package_Pin {

	/** Answers are repeated for this time: the dashboard may ask again while a large package is still on its way. */
	const TRANSIENT = 'siteagent_package_';
	const CACHE_S   = HOUR_IN_SECONDS;

	const TIME_LIMIT_S = 300;

	/** SiteAgent's own package is signed instead. */
	const KINDS = array( 'plugin', 'theme', 'translation', 'core' );

	/**
	 * Whether plans for this component name a package.
	 */
	public static function is_pinned( Siteagent_Component $component ): bool {
		return in_array( $component->kind(), self::KINDS, true );
	}

	/**
	 * Returns the reasons against an update with the one that its package gives, and what the pre-check answers about
	 * that package. It is downloaded only if the dashboard asks for it and nothing else is against the update, and not
	 * if the dashboard has downloaded it itself.
	 *
	 * @param Siteagent_Component   $component The component.
	 * @param Siteagent_Update_Item $item      The versions.
	 * @param stdClass              $asked     The item as received.
	 * @param string[]              $reasons   The reasons so far.
	 * @return array{0:string[],1:array{package_path:?string,package_sha256:?string,tree_sha256:?string}}
	 */
	public static function for_check(
		Siteagent_Component $component,
		Siteagent_Update_Item $item,
		stdClass $asked,
		array $reasons
	): array {
		$facts  = array( 'package_path' => null, 'package_sha256' => null, 'tree_sha256' => null );
		$update = $component->available_update();
		if ( null === $update || ! self::is_pinned( $component ) ) {
			return array( $reasons, $facts );
		}
		$facts['package_path'] = self::public_path( $update['package'] );
		$is_known              = isset( $asked->package_paths ) && in_array( $facts['package_path'], (array) $asked->package_paths, true );
		if ( array() !== $reasons || $is_known || ! isset( $asked->package ) || true !== $asked->package ) {
			return array( $reasons, $facts );
		}
		$measured = self::measure( $component, $item, $update['package'] );
		$reasons  = null === $measured['reason'] ? array() : array( $measured['reason'] );
		unset( $measured['reason'] );
		return array( $reasons, $measured + $facts );
	}

	/**
	 * Returns the path of a package on WordPress.org, which the dashboard can download itself; null for any other.
	 */
	private static function public_path( string $package ): ?string {
		$is_public = 'https' === wp_parse_url( $package, PHP_URL_SCHEME ) && Siteagent_Changelog::PACKAGES === Siteagent_Update_Requirements::host_with_port( $package );
		$path      = wp_parse_url( $package, PHP_URL_PATH );
		return $is_public && is_string( $path ) ? $path : null;
	}

	/**
	 * Downloads and inspects the package that would be installed.
	 *
	 * @return array{reason:?string,package_sha256:?string,tree_sha256:?string} The reason against it, or its hashes.
	 */
	private static function measure( Siteagent_Component $component, Siteagent_Update_Item $item, string $package ): array {
		$name  = self::TRANSIENT . md5( implode( '|', $item->to_array() ) . '|' . $package );
		$known = get_site_transient( $name );
		if ( is_array( $known ) ) {
			return $known;
		}
		// A later request finds the answer, even if the dashboard has stopped waiting for this one.
		if ( function_exists( 'ignore_user_abort' ) ) {
			ignore_user_abort( true );
		}
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( self::TIME_LIMIT_S );
		}
		$upgrader = new Siteagent_Upgrader();
		$file     = $upgrader->download( $component, $package, '', wp_generate_uuid4() );
		if ( null === $file ) {
			return self::refused( '' === $upgrader->refusal_reason() ? 'download_failed' : $upgrader->refusal_reason() );
		}
		try {
			$measured = array(
				'reason'         => null,
				'package_sha256' => (string) hash_file( 'sha256', $file ),
				'tree_sha256'    => Siteagent_Package_Archive::tree_digest( $file, Siteagent_Package_Layout::of( $component ) ),
			);
		} catch ( Siteagent_Exception $refusal ) {
			$measured = self::refused( $refusal->code() );
		} finally {
			wp_delete_file( $file );
		}
		set_site_transient( $name, $measured, self::CACHE_S );
		return $measured;
	}

	private static function refused( string $reason ): array {
		return array(
			'reason'         => $reason,
			'package_sha256' => null,
			'tree_sha256'    => null,
		);
	}
}
