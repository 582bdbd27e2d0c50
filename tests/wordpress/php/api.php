<?php
/**
 * Answers as api.wordpress.org does, for the three questions WordPress asks about updates.
 *
 * What is on offer stands in catalogue.json beside this file, which a test may rewrite.
 */

declare( strict_types=1 );

const DOWNLOADS = 'https://downloads.wordpress.org';

$catalogue = json_decode( file_get_contents( __DIR__ . '/catalogue.json' ), true, 16, JSON_THROW_ON_ERROR );

/** A list that WordPress sent as JSON in a form field. */
function asked( string $field ): array {
	return (array) json_decode( $_POST[ $field ] ?? '[]', true, 16, JSON_THROW_ON_ERROR );
}

/** Translations of installed components into installed languages, unless the site has them. */
function translations( array $offered, array $slugs ): array {
	$languages = asked( 'locale' );
	$there     = asked( 'translations' );
	$missing   = static function ( array $one ) use ( $slugs, $languages, $there ): bool {
		$revision = $there[ $one['slug'] ][ $one['language'] ]['PO-Revision-Date'] ?? '';
		return in_array( $one['slug'], $slugs, true )
			&& in_array( $one['language'], $languages, true )
			&& ( '' === $revision || strtotime( $revision ) < strtotime( $one['updated'] ) );
	};
	$address   = static function ( array $one ): array {
		$path = "/translation/{$one['type']}/{$one['slug']}/{$one['version']}/{$one['language']}.zip";
		// Not by themselves: an available update must still stand when a test looks for it.
		return $one + array(
			'package'    => DOWNLOADS . $path,
			'autoupdate' => false,
		);
	};
	return array_values( array_map( $address, array_filter( $offered, $missing ) ) );
}

/** The installed ones of the catalogue: with a newer version, and without. */
function compared( array $offers, array $installed ): array {
	$newer = array();
	$same  = array();
	foreach ( array_intersect_key( $offers, $installed ) as $id => $offer ) {
		if ( version_compare( $offer['new_version'], $installed[ $id ]['Version'], '>' ) ) {
			$newer[ $id ] = $offer;
		} else {
			$same[ $id ] = $offer;
		}
	}
	return array( $newer, $same );
}

function plugin_updates( array $catalogue ): array {
	$offers = array();
	foreach ( $catalogue['plugins'] as $slug => $about ) {
		$offers[ "$slug/$slug.php" ] = array(
			'id'            => "w.org/plugins/$slug",
			'slug'          => $slug,
			'plugin'        => "$slug/$slug.php",
			'new_version'   => $about['version'],
			'url'           => "https://wordpress.org/plugins/$slug/",
			'package'       => DOWNLOADS . "/plugin/$slug.{$about['version']}.zip",
			'icons'         => array(),
			'banners'       => array(),
			'banners_rtl'   => array(),
			'requires'      => $about['requires'],
			'tested'        => $about['tested'],
			'requires_php'  => $about['requires_php'],
			'compatibility' => array(),
		);
	}
	$installed      = asked( 'plugins' )['plugins'];
	[$newer, $same] = compared( $offers, $installed );
	return array(
		'plugins'      => (object) $newer,
		'translations' => translations( $catalogue['translations'], array_map( 'dirname', array_keys( $installed ) ) ),
		'no_update'    => (object) $same,
	);
}

function theme_updates( array $catalogue ): array {
	$offers = array();
	foreach ( $catalogue['themes'] as $slug => $about ) {
		$offers[ $slug ] = array(
			'theme'        => $slug,
			'new_version'  => $about['version'],
			'url'          => "https://wordpress.org/themes/$slug/",
			'package'      => DOWNLOADS . "/theme/$slug.{$about['version']}.zip",
			'requires'     => $about['requires'],
			'requires_php' => $about['requires_php'],
		);
	}
	$installed      = asked( 'themes' )['themes'];
	[$newer, $same] = compared( $offers, $installed );
	return array(
		'themes'       => (object) $newer,
		'no_update'    => (object) $same,
		'translations' => array(),
	);
}

/**
 * The next minor release of whatever asks, or the one that the catalogue names. As the real API does, releases
 * that a site could install in the background come besides, with another kind of response.
 */
function core_updates( array $catalogue ): array {
	$parts  = explode( '.', preg_replace( '/[^0-9.].*/', '', $_GET['version'] ) );
	$next   = $catalogue['core'] ?? "{$parts[0]}.{$parts[1]}." . ( (int) ( $parts[2] ?? 0 ) + 1 );
	$offers = array( core_update( 'upgrade', $next, $parts ) );
	foreach ( $catalogue['core_background'] ?? array() as $version ) {
		$offers[] = core_update( 'autoupdate', $version, $parts );
	}
	return array(
		'offers'       => $offers,
		'translations' => array(),
	);
}

function core_update( string $response, string $version, array $parts ): array {
	$release = DOWNLOADS . "/release/wordpress-$version";
	return array(
		'response'        => $response,
		'download'        => "$release.zip",
		'locale'          => $_GET['locale'],
		'packages'        => array(
			'full'        => "$release.zip",
			'no_content'  => "$release-no-content.zip",
			'new_bundled' => "$release-new-bundled.zip",
			'partial'     => '',
			'rollback'    => '',
		),
		'current'         => $version,
		'version'         => $version,
		'php_version'     => '7.4',
		'mysql_version'   => '5.5.5',
		'new_bundled'     => "{$parts[0]}.{$parts[1]}",
		'partial_version' => '',
	);
}

/** What is known of one plugin or theme; its changelog only where the catalogue has one. */
function information( array $listed ): array {
	$slug = $_GET['request']['slug'] ?? '';
	if ( ! isset( $listed[ $slug ] ) ) {
		http_response_code( 404 );
		return array( 'error' => 'Plugin not found.' );
	}
	$changelog = $listed[ $slug ]['changelog'] ?? null;
	return array(
		'slug'     => $slug,
		'version'  => $listed[ $slug ]['version'],
		'sections' => array( 'description' => '<p>What it does.</p>' ) + ( null === $changelog ? array() : array( 'changelog' => $changelog ) ),
	);
}

switch ( $_SERVER['PATH_INFO'] ?? '' ) {
	case '/plugins/info/1.2/':
		$answer = information( $catalogue['plugins'] );
		break;
	case '/themes/info/1.2/':
		$answer = information( $catalogue['themes'] );
		break;
	case '/plugins/update-check/1.1/':
		$answer = plugin_updates( $catalogue );
		break;
	case '/themes/update-check/1.1/':
		$answer = theme_updates( $catalogue );
		break;
	case '/core/version-check/1.7/':
		$answer = core_updates( $catalogue );
		break;
	default:
		http_response_code( 404 );
		$answer = array( 'error' => 'This stand-in does not answer that.' );
}
header( 'Content-Type: application/json; charset=utf-8' );
echo json_encode( $answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES );
