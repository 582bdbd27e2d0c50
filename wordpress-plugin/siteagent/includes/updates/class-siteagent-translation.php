<?php
/**
 * A translation of WordPress, a plugin or a theme into one language.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * A translation has no version. Both sides identify it by the date of its last revision.
 */
final class Siteagent_Translation {

	/** @var string */
	private $type;

	/** @var string */
	private $slug;

	/** @var string */
	private $locale;

	/**
	 * @param string $id "<core|plugin|theme>:<slug>:<locale>", validated by Siteagent_Update_Item.
	 */
	public function __construct( string $id ) {
		list( $this->type, $this->slug, $this->locale ) = explode( ':', $id );
	}

	public function type(): string {
		return $this->type;
	}

	/**
	 * Returns the revision date of the installed files; empty when there are none.
	 */
	public function revision_date(): string {
		return self::find_revision_date( wp_get_installed_translations( 'core' === $this->type ? 'core' : $this->type . 's' ), $this->slug, $this->locale );
	}

	/**
	 * Returns the revision date of the files in an unpacked package.
	 */
	public function package_revision_date( string $folder ): string {
		foreach ( array( 'po', 'l10n.php' ) as $extension ) {
			$file = trailingslashit( $folder ) . $this->file_name() . '.' . $extension;
			if ( is_readable( $file ) && ( 'po' === $extension || function_exists( 'wp_get_l10n_php_file_data' ) ) ) {
				$data = 'po' === $extension ? wp_get_pomo_file_data( $file ) : wp_get_l10n_php_file_data( $file );
				return self::normalize_date( (string) $data['PO-Revision-Date'] );
			}
		}
		return '';
	}

	/**
	 * @param array  $installed As wp_get_installed_translations() returned it.
	 * @param string $slug      Slug of the plugin or theme.
	 * @param string $locale    Locale.
	 */
	public static function find_revision_date( array $installed, string $slug, string $locale ): string {
		return isset( $installed[ $slug ][ $locale ]['PO-Revision-Date'] ) ? self::normalize_date( (string) $installed[ $slug ][ $locale ]['PO-Revision-Date'] ) : '';
	}

	public function folder(): string {
		return WP_LANG_DIR . ( 'core' === $this->type ? '' : '/' . $this->type . 's' );
	}

	/**
	 * Returns the installed files of this translation.
	 *
	 * @return string[] Absolute paths.
	 */
	public function files(): array {
		$files = array();
		foreach ( Siteagent_Filesystem::list_entries( $this->folder() ) as $name ) {
			if ( $this->is_own_file( $name ) && is_file( $this->folder() . '/' . $name ) ) {
				$files[] = $this->folder() . '/' . $name;
			}
		}
		return $files;
	}

	public function available_update(): ?object {
		foreach ( wp_get_translation_updates() as $update ) {
			$update = (object) $update;
			if ( isset( $update->type, $update->slug, $update->language ) && $this->type === $update->type && $this->slug === $update->slug && $this->locale === $update->language ) {
				return $update;
			}
		}
		return null;
	}

	/**
	 * Removes this translation from WordPress's list of updates.
	 */
	public function remove_update(): void {
		$transient = 'core' === $this->type ? 'update_core' : 'update_' . $this->type . 's';
		$list      = get_site_transient( $transient );
		if ( ! is_object( $list ) || empty( $list->translations ) ) {
			return;
		}
		$list               = clone $list;
		$list->translations = array_values(
			array_filter(
				(array) $list->translations,
				function ( $update ): bool {
					$update = (array) $update + array( 'slug' => '', 'language' => '' );
					return $this->slug !== $update['slug'] || $this->locale !== $update['language'];
				}
			)
		);
		set_site_transient( $transient, $list );
	}

	/**
	 * Whether a file belongs to this translation. WordPress's own texts are in several files, and the names of those
	 * for scripts end in a hash.
	 *
	 * @param string $file Name of the file.
	 */
	public function is_own_file( string $file ): bool {
		$parts = 'core' === $this->type ? '(?:(?:admin|admin-network|continents-cities)-)?' . preg_quote( $this->locale, '~' ) : preg_quote( $this->file_name(), '~' );
		return 1 === preg_match( '~^' . $parts . '(?:-[0-9a-f]{32}\.json|\.po|\.mo|\.l10n\.php)\z~D', $file );
	}

	private function file_name(): string {
		return 'core' === $this->type ? $this->locale : $this->slug . '-' . $this->locale;
	}

	/**
	 * WordPress.org announces "2026-09-14 08:30:00", and the file says "2026-09-14 08:30:00+0000".
	 */
	private static function normalize_date( string $stamp ): string {
		return (string) preg_replace( '/\+0000\z/D', '', trim( $stamp ) );
	}
}
