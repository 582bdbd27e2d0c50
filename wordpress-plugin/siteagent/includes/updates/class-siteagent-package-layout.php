<?php
/**
 * What the package of a component contains, and which of it WordPress installs (docs/PROTOCOL.md section 3.6).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Tells where each file of a package belongs. A plugin or theme is one folder, WordPress itself is the folder
 * `wordpress`, and a translation is files without a folder. Uses no WordPress.
 */
final class Siteagent_Package_Layout {

	const CORE_FOLDER = 'wordpress';

	/** Of these plugins, themes and translations, WordPress installs the translations. */
	const CONTENT   = 'wp-content/';
	const LANGUAGES = 'wp-content/languages/';

	/** @var string */
	private $kind;

	/** @var string */
	private $id;

	/** @var string|null The one folder; null until a file has named it. */
	private $folder;

	public function __construct( string $kind, string $id ) {
		$this->kind   = $kind;
		$this->id     = $id;
		$this->folder = 'core' === $kind ? self::CORE_FOLDER : null;
	}

	public static function of( Siteagent_Component $component ): self {
		return new self( $component->kind(), $component->id() );
	}

	/**
	 * Returns the layout of a plugin or theme whose folder is known.
	 */
	public static function in_folder( string $folder ): self {
		$layout         = new self( 'plugin', '' );
		$layout->folder = $folder;
		return $layout;
	}

	/**
	 * Returns the path of an entry below the folder of the package.
	 *
	 * @throws Siteagent_Exception package_not_one_folder, package_not_translation.
	 */
	public function path_below( string $path ): string {
		if ( 'translation' === $this->kind ) {
			if ( ! ( new Siteagent_Translation( $this->id ) )->is_own_file( $path ) ) {
				throw new Siteagent_Exception( $this->empty_reason() );
			}
			return $path;
		}
		$parts        = explode( '/', $path, 2 );
		$this->folder = null === $this->folder ? $parts[0] : $this->folder;
		if ( 2 !== count( $parts ) || $this->folder !== $parts[0] ) {
			throw new Siteagent_Exception( $this->empty_reason() );
		}
		return $parts[1];
	}

	/**
	 * Returns the reason against a package without any file.
	 */
	public function empty_reason(): string {
		return 'translation' === $this->kind ? 'package_not_translation' : 'package_not_one_folder';
	}

	/**
	 * Whether an update leaves this file on the disk. One of WordPress installs no plugins and themes.
	 *
	 * @param string $path Path below the folder.
	 */
	public function is_installed( string $path ): bool {
		return 'core' !== $this->kind || 0 !== strpos( $path, self::CONTENT ) || 0 === strpos( $path, self::LANGUAGES );
	}
}
