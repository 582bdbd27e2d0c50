<?php
/**
 * The files that an installation has left on disk (docs/PROTOCOL.md section 3.6).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Computes their digest during an installation, right after the files were replaced.
 */
final class Siteagent_Installed_Tree {

	/** The first moment at which all files of a kind are in their place. */
	const PLACED = array(
		'plugin'      => array( 'upgrader_post_install', PHP_INT_MAX ),
		'theme'       => array( 'upgrader_post_install', PHP_INT_MAX ),
		// WordPress removes all filters of the hook above before it installs translations.
		'translation' => array( 'upgrader_install_package_result', PHP_INT_MAX ),
		'core'        => array( '_core_updated_successfully', PHP_INT_MIN ),
	);

	/** @var Siteagent_Component */
	private $component;

	/** @var string[] What WordPress's own package leaves; its folder holds other files too. */
	private $paths;

	/** @var string|null */
	private $digest = null;

	/** @var array<int,array{0:string,1:string}>|null */
	private $files = null;

	/** @var string */
	private $problem = '';

	/**
	 * @param Siteagent_Component $component The component.
	 * @param string              $file      Its package, which passed the inspection.
	 */
	public function __construct( Siteagent_Component $component, string $file ) {
		$this->component = $component;
		$this->paths     = 'core' === $component->kind() ? Siteagent_Package_Archive::paths( $file, Siteagent_Package_Layout::of( $component ) ) : array();
	}

	/**
	 * Runs an installation and computes the digest on its way.
	 *
	 * @param callable $install fn(): void.
	 */
	public function record( callable $install ): void {
		if ( ! isset( self::PLACED[ $this->component->kind() ] ) ) {
			$install();
			return;
		}
		list( $hook, $priority ) = self::PLACED[ $this->component->kind() ];
		$measure                 = function ( $passed ) {
			try {
				$this->digest = $this->measure();
			} catch ( Siteagent_Exception $refusal ) {
				$this->digest = null;
			}
			return $passed;
		};
		add_filter( $hook, $measure, $priority );
		try {
			$install();
		} finally {
			remove_filter( $hook, $measure, $priority );
		}
	}

	/**
	 * Returns the digest, in hex; null if nothing was installed, a file is missing, or the folder does not belong to
	 * the component alone.
	 */
	public function digest(): ?string {
		return $this->digest;
	}

	/**
	 * Returns the files of a plugin or theme that the digest covers, as Siteagent_Package_Tree::files_of_folder(); null
	 * for any other kind, and without a digest.
	 */
	public function files(): ?array {
		return null === $this->digest ? null : $this->files;
	}

	/**
	 * Returns which file is not as the package has it, as far as that is known; empty otherwise.
	 */
	public function problem(): string {
		return $this->problem;
	}

	/**
	 * @throws Siteagent_Exception When a file cannot be read, or cannot be in a package.
	 */
	private function measure(): ?string {
		switch ( $this->component->kind() ) {
			case 'core':
				return $this->leftover() ? null : Siteagent_Package_Tree::digest( $this->hashes( $this->core_files() ) );
			case 'translation':
				$files = ( new Siteagent_Translation( $this->component->id() ) )->files();
				return Siteagent_Package_Tree::digest( $this->hashes( array_combine( array_map( 'basename', $files ), $files ) ) );
		}
		if ( ! $this->component->owns_folder() ) {
			return null;
		}
		$this->files = Siteagent_Package_Tree::files_of_folder( $this->component->folder() );
		return Siteagent_Package_Tree::digest( $this->files );
	}

	/**
	 * @return array<array-key,string> Where each file of WordPress's package is on disk, by its path in the package.
	 */
	private function core_files(): array {
		$files = array();
		foreach ( $this->paths as $path ) {
			$is_language    = 0 === strpos( $path, Siteagent_Package_Layout::LANGUAGES );
			$files[ $path ] = $is_language ? WP_LANG_DIR . '/' . substr( $path, strlen( Siteagent_Package_Layout::LANGUAGES ) ) : ABSPATH . $path;
		}
		return $files;
	}

	/**
	 * Whether a file is still there that this version of WordPress has removed. Where it cannot delete one, it empties
	 * it.
	 */
	private function leftover(): bool {
		foreach ( isset( $GLOBALS['_old_files'] ) ? (array) $GLOBALS['_old_files'] : array() as $path ) {
			$file = ABSPATH . $path;
			if ( is_dir( $file ) || ( is_file( $file ) && 0 !== filesize( $file ) ) ) {
				$this->problem = sprintf( 'WordPress could not remove %s, which the new version no longer has.', $path );
				return true;
			}
		}
		return false;
	}

	/**
	 * @param array<array-key,string> $files Full path by path in the package.
	 * @return array<int,array{0:string,1:string}>
	 */
	private function hashes( array $files ): array {
		$hashes = array();
		foreach ( $files as $path => $file ) {
			$hash = is_file( $file ) && is_readable( $file ) ? hash_file( 'sha256', $file, true ) : false;
			if ( false === $hash ) {
				$this->problem = sprintf( 'After the installation, %s is missing or cannot be read.', $path );
				throw new Siteagent_Exception( 'package_unreadable' );
			}
			$hashes[] = array( (string) $path, $hash );
		}
		return $hashes;
	}
}
