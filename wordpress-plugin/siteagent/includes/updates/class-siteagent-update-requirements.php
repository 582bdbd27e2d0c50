<?php
/**
 * Requirements of an update on this site (docs/PROTOCOL.md section 3.3).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Yields the reasons for which an update cannot run, in the order of the protocol. Changes nothing. Requires
 * wp-admin's includes.
 */
final class Siteagent_Update_Requirements {

	/** Room for the package, its unpacked files and the backup, each as large as the component. */
	const COPIES       = 4;
	const SPACE_MARGIN = 16777216;

	/** Only this many files are measured. */
	const MAX_FILES = 20000;

	/** @var Siteagent_Component */
	private $component;

	/** @var Siteagent_Update_Item */
	private $item;

	public function __construct( Siteagent_Component $component, Siteagent_Update_Item $item ) {
		$this->component = $component;
		$this->item      = $item;
	}

	/**
	 * Yields problems of the site: whether files may be replaced at all.
	 */
	public function site_problems(): Generator {
		if ( 'database' === $this->component->kind() ) {
			// WordPress upgrades the sites of a network one after the other, in its own page.
			if ( is_multisite() ) {
				yield 'multisite';
			}
			return;
		}
		if ( ! wp_is_file_mod_allowed( 'siteagent_change' ) ) {
			yield 'file_mods_off';
		}
		if ( self::is_version_controlled( $this->component->folder() ) ) {
			yield 'version_controlled';
		}
		if ( ! $this->is_writable() ) {
			yield 'filesystem';
		}
		if ( 'siteagent' === $this->component->kind() && ! Siteagent_Rollback::is_available( 'siteagent' ) ) {
			// A SiteAgent that does not answer cannot be asked to roll back.
			yield 'rollback_impossible';
		}
		if ( $this->free_space() < self::COPIES * $this->component_size() + self::SPACE_MARGIN ) {
			yield 'disk_full';
		}
	}

	/**
	 * Yields problems of the component: whether it is the version that the plan starts from.
	 *
	 * @param array{wp:string,php:string}|null $environment Versions of the site when the plan was made; null without a
	 *                                                      plan.
	 */
	public function component_problems( ?array $environment ): Generator {
		if ( null !== $environment && ( get_bloginfo( 'version' ) !== $environment['wp'] || PHP_VERSION !== $environment['php'] ) ) {
			yield 'environment_changed';
		}
		$installed = $this->component->version();
		if ( '' === $installed && '' !== $this->item->from() ) {
			yield 'not_installed';
		} elseif ( $this->item->from() !== $installed ) {
			yield 'version_changed';
		}
		if ( ! Siteagent_Update_Item::is_newer( $this->item->kind(), $this->item->from(), $this->item->to() ) ) {
			yield 'not_newer';
		}
		if ( $this->component->is_single_file() ) {
			yield 'single_file';
		}
	}

	/**
	 * Yields problems of the available update.
	 *
	 * @param string|null $host The host in the plan; null without a plan.
	 */
	public function update_problems( ?string $host ): Generator {
		$update = $this->component->available_update();
		if ( null === $update ) {
			yield 'no_update_available';
			return;
		}
		if ( $this->item->to() !== $update['version'] ) {
			yield 'other_version_available';
		}
		if ( '' === $update['package'] ) {
			yield 'no_package';
		} elseif ( null !== $host && self::host_with_port( $update['package'] ) !== $host ) {
			yield 'package_host';
		}
		if ( '' !== $update['requires_php'] && ! is_php_version_compatible( $update['requires_php'] ) ) {
			yield 'requires_php';
		}
		if ( '' !== $update['requires_wp'] && ! is_wp_version_compatible( $update['requires_wp'] ) ) {
			yield 'requires_wp';
		}
	}

	/**
	 * Returns the host of a URL in lower case, with the port if it is not the default; empty for an invalid URL.
	 */
	public static function host_with_port( string $address ): string {
		if ( in_array( $address, array( Siteagent_Component::FETCHED_BY_PLUGIN, Siteagent_Component::NO_PACKAGE ), true ) ) {
			return $address;
		}
		$host = strtolower( (string) wp_parse_url( $address, PHP_URL_HOST ) );
		$port = wp_parse_url( $address, PHP_URL_PORT );
		return is_int( $port ) ? "$host:$port" : $host;
	}

	/**
	 * Whether this folder or one above it is under version control, so that changes come from there.
	 */
	public static function is_version_controlled( string $folder ): bool {
		if ( ! class_exists( 'WP_Automatic_Updater' ) ) {
			require_once ABSPATH . 'wp-admin/includes/class-wp-automatic-updater.php';
		}
		return ( new WP_Automatic_Updater() )->is_vcs_checkout( $folder );
	}

	/**
	 * Whether PHP can write every file that would be replaced.
	 */
	private function is_writable(): bool {
		$folder = $this->component->folder();
		if ( array() !== Siteagent_Rollback::missing_functions() || 'direct' !== get_filesystem_method( array(), $folder ) || ! wp_is_writable( WP_CONTENT_DIR ) ) {
			return false;
		}
		if ( 'translation' === $this->component->kind() ) {
			return is_dir( $folder ) ? wp_is_writable( $folder ) : wp_is_writable( WP_CONTENT_DIR );
		}
		if ( 'core' === $this->component->kind() ) {
			return wp_is_writable( $folder ) && wp_is_writable( ABSPATH . 'wp-admin' ) && wp_is_writable( ABSPATH . WPINC . '/version.php' );
		}
		// An update would replace a link by a folder, and leave its target unchanged.
		if ( ! is_dir( $folder ) || is_link( $folder ) || ! wp_is_writable( dirname( $folder ) ) || ! wp_is_writable( $folder ) ) {
			return ! file_exists( $folder );
		}
		foreach ( $this->files( $folder ) as $file ) {
			if ( ! wp_is_writable( $file->getPathname() ) ) {
				return false;
			}
		}
		return true;
	}

	/**
	 * Returns the free bytes on the fullest disk involved. A host that does not report them counts as having enough.
	 */
	private function free_space(): float {
		$space = INF;
		foreach ( array_unique( array( $this->component->folder(), WP_CONTENT_DIR, get_temp_dir(), Siteagent_Rollback::base_folder() ) ) as $folder ) {
			$space = min( $space, Siteagent_Filesystem::free_bytes( $folder ) );
		}
		return $space;
	}

	private function component_size(): float {
		if ( 'core' === $this->component->kind() ) {
			// What WordPress itself requires to unpack an update.
			return 100 * MB_IN_BYTES / self::COPIES;
		}
		$size = 0.0;
		foreach ( $this->component->owns_folder() ? $this->files( $this->component->folder() ) : array() as $file ) {
			$size += $file->isFile() ? (float) $file->getSize() : 0.0;
		}
		return $size;
	}

	/**
	 * @return iterable<SplFileInfo>
	 */
	private function files( string $folder ): iterable {
		if ( ! is_dir( $folder ) || ! is_readable( $folder ) ) {
			return;
		}
		$iterator = new RecursiveDirectoryIterator( $folder, FilesystemIterator::SKIP_DOTS );
		$all      = new RecursiveIteratorIterator( $iterator, RecursiveIteratorIterator::SELF_FIRST, RecursiveIteratorIterator::CATCH_GET_CHILD );
		yield from new LimitIterator( $all, 0, self::MAX_FILES );
	}
}
