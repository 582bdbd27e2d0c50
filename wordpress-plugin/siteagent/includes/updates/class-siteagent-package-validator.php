<?php
/**
 * Checks of a downloaded package.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Checks that a package holds the approved version of the approved component, and that this site can run it.
 */
final class Siteagent_Package_Validator {

	/**
	 * Checks the unpacked package, just before a file of the site is replaced.
	 *
	 * @param Siteagent_Component   $component The component.
	 * @param Siteagent_Update_Item $item      The approved versions.
	 * @param string                $source    The folder it was unpacked into.
	 * @return string|WP_Error The source folder.
	 */
	public static function validate( Siteagent_Component $component, Siteagent_Update_Item $item, string $source ) {
		$name           = basename( $source );
		$is_same_folder = true;
		if ( $component->is_plugin() ) {
			// WordPress would install into whatever folder the package names.
			$is_same_folder = dirname( $component->id() ) === $name;
			$headers        = self::read_headers( $source . '/' . basename( $component->id() ) );
		} elseif ( 'theme' === $component->kind() ) {
			$is_same_folder = $component->id() === $name;
			$headers        = self::read_headers( $source . '/style.css' );
		} else {
			$headers = array( 'version' => ( new Siteagent_Translation( $component->id() ) )->package_revision_date( $source ) ) + self::read_headers( '' );
		}
		if ( ! $is_same_folder || $item->to() !== $headers['version'] ) {
			return new WP_Error( 'siteagent_package_mismatch', sprintf( 'The package holds %1$s %2$s.', $name, '' === $headers['version'] ? '(no version)' : $headers['version'] ) );
		}
		if ( $component->is_siteagent() && ! self::is_readable_format( $headers['format'] ) ) {
			return new WP_Error( 'siteagent_rollback_impossible', 'What the package would store could not be read by this version, should it have to run again.' );
		}
		// Older versions of WordPress only check the available update, which may not mention this requirement.
		if ( '' !== $headers['php'] && ! is_php_version_compatible( $headers['php'] ) ) {
			return new WP_Error( 'incompatible_php_required_version', sprintf( 'The package requires PHP %s.', $headers['php'] ) );
		}
		if ( '' !== $headers['wp'] && ! is_wp_version_compatible( $headers['wp'] ) ) {
			return new WP_Error( 'incompatible_wp_required_version', sprintf( 'The package requires WordPress %s.', $headers['wp'] ) );
		}
		return $source;
	}

	/**
	 * Returns the version of WordPress in a package. WordPress's upgrader replaces a file before it checks this.
	 */
	public static function core_version( string $file ): string {
		require_once ABSPATH . 'wp-admin/includes/class-pclzip.php';
		$found = ( new PclZip( $file ) )->extract( PCLZIP_OPT_BY_NAME, 'wordpress/wp-includes/version.php', PCLZIP_OPT_EXTRACT_AS_STRING );
		$text  = is_array( $found ) && isset( $found[0]['content'] ) ? (string) $found[0]['content'] : '';
		return Siteagent_Component::core_version( $text );
	}

	/**
	 * Whether this version can read the data format of another one. A version without the header is rejected.
	 */
	private static function is_readable_format( string $format ): bool {
		return 1 === preg_match( '/^[1-9][0-9]{0,5}\z/D', $format ) && (int) $format <= Siteagent_Option_Store::FORMAT_READ;
	}

	/**
	 * @return array{version:string,php:string,wp:string,format:string} Empty strings for missing headers.
	 */
	private static function read_headers( string $file ): array {
		$names = array(
			'version' => 'Version',
			'php'     => 'Requires PHP',
			'wp'      => 'Requires at least',
			'format'  => 'Data format',
		);
		return is_readable( $file ) ? array_map( 'trim', get_file_data( $file, $names ) ) : array_fill_keys( array_keys( $names ), '' );
	}
}
