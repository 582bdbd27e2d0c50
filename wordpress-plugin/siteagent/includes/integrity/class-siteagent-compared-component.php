<?php
/**
 * WordPress, a plugin or a theme, with the files it was released with.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Finds out what a component can be compared with, and compares it. Requires wp-admin's includes.
 */
final class Siteagent_Compared_Component {

	/** A component that takes longer is not compared. 6,000 files of 21 MB take about 0.3 s. */
	const TIME_LIMIT_S = 20;

	const NOTHING = array(
		'changed'       => 0,
		'missing'       => 0,
		'unknown'       => 0,
		'soft'          => 0,
		'changed_files' => array(),
		'missing_files' => array(),
		'unknown_files' => array(),
		'fingerprint'   => null,
	);

	/** @var string */
	private $kind;

	/** @var string */
	private $id;

	/**
	 * @param string $kind core, plugin, theme, mu_plugin or dropin.
	 * @param string $id   As in the report; of a folder of must-use plugins its name with a slash at its end.
	 */
	public function __construct( string $kind, string $id ) {
		$this->kind = $kind;
		$this->id   = $id;
	}

	/**
	 * Returns everything that is compared on this site, in a fixed order.
	 *
	 * @return array<int,array{0:string,1:string}> Kind and id.
	 */
	public static function all(): array {
		$found = array( array( 'core', 'wordpress' ) );
		foreach ( array_keys( get_plugins() ) as $file ) {
			$found[] = array( 'plugin', (string) $file );
		}
		foreach ( array_keys( wp_get_themes( array( 'errors' => null ) ) ) as $stylesheet ) {
			$found[] = array( 'theme', (string) $stylesheet );
		}
		foreach ( Siteagent_Filesystem::list_entries( WPMU_PLUGIN_DIR ) as $name ) {
			$found[] = array( 'mu_plugin', is_dir( WPMU_PLUGIN_DIR . "/$name" ) ? "$name/" : $name );
		}
		foreach ( array_keys( get_dropins() ) as $file ) {
			$found[] = array( 'dropin', (string) $file );
		}
		return $found;
	}

	/**
	 * Returns the result of a component whose comparison did not end.
	 *
	 * @return array Fields of "integrity.components[]" of the report.
	 */
	public function unfinished(): array {
		return $this->about() + array( 'compared_with' => 'nothing', 'reason' => 'too_slow' ) + self::NOTHING;
	}

	/**
	 * Compares the component. Never throws: what cannot be compared has a reason instead.
	 *
	 * @return array Fields of "integrity.components[]" of the report.
	 */
	public function compare(): array {
		$component = $this->component();
		$about     = $this->about();
		$version   = $about['version'];
		try {
			if ( null === $component ) {
				return $about + array( 'compared_with' => 'nothing', 'reason' => 'no_release', 'fingerprint' => $this->fingerprint() ) + self::NOTHING;
			}
			list( $with, $released ) = $this->released_files( $component, $version );
			$comparison              = new Siteagent_File_Comparison( $component->folder(), microtime( true ) + self::TIME_LIMIT_S );
			return $about + array( 'compared_with' => $with, 'reason' => null ) + $comparison->compare( $released, self::present( $comparison, $component, $released ) );
		} catch ( Siteagent_Exception $refusal ) {
			return $about + array( 'compared_with' => 'nothing', 'reason' => $refusal->code() ) + self::NOTHING;
		}
	}

	/**
	 * Returns the component; null for one without releases.
	 */
	private function component(): ?Siteagent_Component {
		return in_array( $this->kind, array( 'core', 'plugin', 'theme' ), true ) ? new Siteagent_Component( $this->kind, 'core' === $this->kind ? '' : $this->id ) : null;
	}

	/**
	 * @return array{kind:string,id:string,version:string}
	 */
	private function about(): array {
		$component = $this->component();
		return array( 'kind' => $this->kind, 'id' => $this->id, 'version' => null === $component ? '' : $component->version() );
	}

	/**
	 * Returns what the component is compared with, and its files.
	 *
	 * @return array{0:string,1:Siteagent_File_List}
	 * @throws Siteagent_Exception As Siteagent_Released_Files; not_published.
	 */
	private function released_files( Siteagent_Component $component, string $version ): array {
		try {
			if ( 'core' === $this->kind ) {
				$locale = isset( $GLOBALS['wp_local_package'] ) && is_string( $GLOBALS['wp_local_package'] ) ? $GLOBALS['wp_local_package'] : 'en_US';
				return array( 'wordpress_org', Siteagent_Released_Files::of_core( $version, $locale ) );
			}
			// There are no checksums of themes.
			$slug = 'plugin' === $this->kind ? self::published_slug( $this->id ) : null;
			if ( null === $slug ) {
				throw new Siteagent_Exception( 'plugin' === $this->kind ? 'not_published' : 'no_list' );
			}
			return array( 'wordpress_org', Siteagent_Released_Files::of_plugin( $slug, $version ) );
		} catch ( Siteagent_Exception $refusal ) {
			$installed = Siteagent_Installed_Files::find( $component, $version );
			if ( null === $installed ) {
				throw $refusal;
			}
			return array( 'installation', $installed );
		}
	}

	/**
	 * Returns the slug of a plugin that WordPress.org updates; null for any other, and for one that it has closed. No name
	 * of a plugin from elsewhere is asked for.
	 */
	private static function published_slug( string $file ): ?string {
		$known = get_site_transient( 'update_plugins' );
		foreach ( array( 'response', 'no_update' ) as $list ) {
			$entries = is_object( $known ) && isset( $known->$list ) ? (array) $known->$list : array();
			$entry   = isset( $entries[ $file ] ) ? (array) $entries[ $file ] : array();
			if ( isset( $entry['id'] ) && is_string( $entry['id'] ) && 0 === strpos( $entry['id'], 'w.org/plugins/' ) ) {
				return substr( $entry['id'], strlen( 'w.org/plugins/' ) );
			}
		}
		return null;
	}

	/**
	 * Returns the files on disk that belong to the component, or are where only its files should be.
	 *
	 * @return string[]
	 */
	private static function present( Siteagent_File_Comparison $comparison, Siteagent_Component $component, Siteagent_File_List $released ): array {
		if ( $component->is_single_file() ) {
			return array( $component->id() );
		}
		if ( 'core' !== $component->kind() ) {
			return $comparison->files( '' );
		}
		$root = array();
		foreach ( Siteagent_Filesystem::list_entries( $component->folder() ) as $name ) {
			$is_program = 1 === preg_match( '/\.(php\d*|phtml|phar)\z/Di', $name ) && 'wp-config.php' !== $name;
			if ( ( $is_program || $released->has( $name ) ) && ! is_dir( $component->folder() . "/$name" ) ) {
				$root[] = $name;
			}
		}
		return array_merge( $root, $comparison->files( 'wp-admin/' ), $comparison->files( WPINC . '/' ) );
	}

	/**
	 * Returns the digest of a must-use plugin or drop-in.
	 */
	private function fingerprint(): string {
		$comparison = new Siteagent_File_Comparison( 'dropin' === $this->kind ? WP_CONTENT_DIR : WPMU_PLUGIN_DIR, microtime( true ) + self::TIME_LIMIT_S );
		return $comparison->fingerprint( '/' === substr( $this->id, -1 ) ? $comparison->files( $this->id ) : array( $this->id ) );
	}
}
