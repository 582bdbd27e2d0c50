<?php
/**
 * Installation with WordPress's own upgraders.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * The only class that installs anything. The return value of an upgrader is not used: it is "true" when nothing
 * was done, and the same array after success and failure. The caller checks the disk.
 */
final class Siteagent_Upgrader {

	const MAX_MESSAGES  = 20;
	const MAX_CHARS     = 200;
	const DOWNLOAD_S    = 300;
	const MAX_REDIRECTS = 5;

	/** Error codes of WordPress's upgraders, and what the protocol calls them. */
	const REASONS = array(
		'siteagent_package_mismatch'          => 'package_mismatch',
		'siteagent_rollback_impossible'       => 'rollback_impossible',
		'siteagent_not_signed'                => 'not_signed',
		'incompatible_archive'                => 'package_mismatch',
		'incompatible_archive_empty'          => 'package_mismatch',
		'incompatible_archive_no_plugins'     => 'package_mismatch',
		'incompatible_archive_pomo'           => 'package_mismatch',
		'incompatible_archive_theme_no_index' => 'package_mismatch',
		'incompatible_archive_theme_no_name'  => 'package_mismatch',
		'incompatible_archive_theme_no_style' => 'package_mismatch',
		'incompatible_php_required_version'   => 'requires_php',
		'incompatible_wp_required_version'    => 'requires_wp',
	);

	/** Otherwise WordPress deletes its lists of available updates, with the ones that sellers' updaters added. */
	const BULK_OPTIONS = array( 'clear_update_cache' => false );

	/** @var string[] */
	private $messages = array();

	/** @var string */
	private $refusal = '';

	/** @var string Where WordPress unpacked the package. */
	private $unpacked = '';

	/** @var string */
	private $host = '';

	/** @var Siteagent_Installed_Tree|null */
	private $installed_tree = null;

	/**
	 * Downloads a package over https, without following redirects to another host. As in WordPress's own upgrader, a
	 * seller's updater may set the URL now (`upgrader_package_options`), or download the package itself
	 * (`upgrader_pre_download`).
	 *
	 * @param Siteagent_Component $component The component.
	 * @param string              $address   URL of the package.
	 * @param string              $folder    Where to put it; empty for the system's folder for temporary files.
	 * @param string              $op_id     Id of the operation.
	 * @return string|null The file; null on failure, with the reason in messages() and refusal_reason().
	 */
	public function download( Siteagent_Component $component, string $address, string $folder, string $op_id ): ?string {
		require_once ABSPATH . 'wp-admin/includes/file.php';
		$file = Siteagent_Package_File::path( '' === $folder ? untrailingslashit( get_temp_dir() ) : $folder, $op_id );
		if ( in_array( $component->kind(), array( 'plugin', 'theme' ), true ) ) {
			list( $address, $downloaded ) = Siteagent_Premium_Package::resolve( $component, $address );
			if ( false !== $downloaded ) {
				return $this->move_downloaded( $downloaded, $file );
			}
		}
		if ( '' === (string) wp_parse_url( $address, PHP_URL_HOST ) ) {
			$this->add_message( 'The update has no download address, and its own updater did not fetch it.' );
			return null;
		}
		for ( $redirect = 0; $redirect < self::MAX_REDIRECTS; $redirect++ ) {
			// A release of SiteAgent is signed, and the agency's own dashboard may have no https.
			if ( 'siteagent' !== $component->kind() && ! self::is_allowed_url( $address ) ) {
				$this->refusal = 'package_host';
				$this->add_message( 'The package would come over a connection that is not encrypted.' );
				return null;
			}
			$response = wp_safe_remote_get( $address, array( 'timeout' => self::DOWNLOAD_S, 'redirection' => 0, 'stream' => true, 'filename' => $file ) );
			$status   = (int) wp_remote_retrieve_response_code( $response );
			if ( 200 === $status && is_file( $file ) ) {
				$this->host = Siteagent_Update_Requirements::host_with_port( $address );
				return $file;
			}
			if ( is_file( $file ) ) {
				wp_delete_file( $file );
			}
			$next = wp_remote_retrieve_header( $response, 'location' );
			if ( $status < 300 || $status > 399 || ! is_string( $next ) || '' === $next ) {
				$this->add_message( is_wp_error( $response ) ? $response->get_error_message() : sprintf( 'The server of the package answered with status %d.', $status ) );
				return null;
			}
			$next = WP_Http::make_absolute_url( $next, $address );
			if ( Siteagent_Update_Requirements::host_with_port( $next ) !== Siteagent_Update_Requirements::host_with_port( $address ) ) {
				$this->refusal = 'package_host';
				$this->add_message( sprintf( 'The package would come from another server, %s.', Siteagent_Update_Requirements::host_with_port( $next ) ) );
				return null;
			}
			$address = $next;
		}
		$this->add_message( 'The server of the package redirects without end.' );
		return null;
	}

	/**
	 * Returns the host that the package came from; empty before the download.
	 */
	public function package_host(): string {
		return $this->host;
	}

	/**
	 * Returns the digest of the files on disk right after the installation, as Siteagent_Installed_Tree::digest().
	 */
	public function installed_tree(): ?string {
		return null === $this->installed_tree ? null : $this->installed_tree->digest();
	}

	/**
	 * Returns the files that it covers, as Siteagent_Installed_Tree::files().
	 */
	public function installed_files(): ?array {
		return null === $this->installed_tree ? null : $this->installed_tree->files();
	}

	/**
	 * Whether a package may be downloaded from this URL.
	 */
	public static function is_allowed_url( string $address ): bool {
		/**
		 * Filters whether a package may be downloaded without encryption, for a repository on this very machine.
		 *
		 * @param bool   $allowed Default false.
		 * @param string $address URL of the package.
		 */
		return 'https' === wp_parse_url( $address, PHP_URL_SCHEME ) || true === apply_filters( 'siteagent_allow_insecure_package', false, $address );
	}

	/**
	 * Takes over a package that a seller's updater has downloaded.
	 *
	 * @param string|WP_Error $downloaded Result of the updater.
	 * @param string          $file       Where to put it.
	 */
	private function move_downloaded( $downloaded, string $file ): ?string {
		if ( is_wp_error( $downloaded ) ) {
			$this->add_message( $downloaded->get_error_message() );
			return null;
		}
		if ( ! copy( $downloaded, $file ) ) {
			$this->add_message( 'The package that the plugin itself has fetched cannot be read.' );
			return null;
		}
		if ( 0 === strpos( $downloaded, get_temp_dir() ) ) {
			wp_delete_file( $downloaded );
		}
		$this->host = Siteagent_Component::FETCHED_BY_PLUGIN;
		return $file;
	}

	/**
	 * Installs a downloaded package, if it holds what was approved. WordPress's upgraders read the available update
	 * again, but only ever get this file.
	 *
	 * @param Siteagent_Component   $component     The component.
	 * @param Siteagent_Update_Item $item          The approved versions.
	 * @param string                $file          As download() returned it. Deleted afterwards.
	 * @param string                $op_id         Id of the operation.
	 * @param callable              $may_continue  fn(): bool. Called before each step, the last time just before a file
	 *                                             of the site is replaced.
	 * @param callable              $owner_refusal fn(): ?string returns why the owner of the site forbids it by now.
	 *                                             Called before the package is unpacked and, except for WordPress
	 *                                             itself, just before the first file of the site is replaced.
	 */
	public function install(
		Siteagent_Component $component,
		Siteagent_Update_Item $item,
		string $file,
		string $op_id,
		callable $may_continue,
		callable $owner_refusal
	): void {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		$this->refusal = 'core' === $component->kind() && $item->to() !== Siteagent_Package_Validator::core_version( $file ) ? 'package_mismatch' : '';
		if ( '' !== $this->refusal ) {
			return;
		}
		$this->installed_tree = new Siteagent_Installed_Tree( $component, $file );

		$validate            = function ( $source, $remote = '' ) use ( $component, $item, $owner_refusal ) {
			$this->unpacked = (string) $remote;
			return $this->stop_if_forbidden( is_wp_error( $source ) ? $source : Siteagent_Package_Validator::validate( $component, $item, (string) $source ), $owner_refusal );
		};
		$stop_if_interrupted = static function ( $passed ) use ( $may_continue ) {
			return is_wp_error( $passed ) || $may_continue() ? $passed : new WP_Error( 'siteagent_interrupted', 'Another process took this update for dead, so it stopped.' );
		};
		$is_used             = false;
		$provide_package     = function () use ( $validate, $file, $owner_refusal, &$is_used ) {
			if ( $is_used ) {
				return new WP_Error( 'siteagent_single_update', 'One change is one component.' );
			}
			$is_used = true;
			// Added this late, because WordPress removes all filters of this hook before it installs translations.
			add_filter( 'upgrader_source_selection', $validate, PHP_INT_MAX, 2 );
			return $this->stop_if_forbidden( $file, $owner_refusal );
		};
		$options             = static function ( $options ) {
			// SiteAgent keeps its own backup.
			unset( $options['hook_extra']['temp_backup'] );
			return $options;
		};
		// One priority before the last, which verifies packages of SiteAgent itself (class-siteagent-self-update.php).
		add_filter( 'upgrader_pre_download', $provide_package, PHP_INT_MAX - 1 );
		add_filter( 'upgrader_package_options', $options, PHP_INT_MAX );
		foreach ( array( 'upgrader_pre_install', 'upgrader_clear_destination', 'upgrader_post_install' ) as $hook ) {
			add_filter( $hook, $stop_if_interrupted, PHP_INT_MAX );
		}
		// It would install translations that were not approved.
		remove_action( 'upgrader_process_complete', array( 'Language_Pack_Upgrader', 'async_upgrade' ), 20 );
		// It would check for updates once more, in a request without all sellers' updaters.
		foreach ( array( 'wp_version_check', 'wp_update_plugins', 'wp_update_themes' ) as $check ) {
			remove_action( 'upgrader_process_complete', $check );
		}
		// In English, so that messages are the same on every site.
		$switched = switch_to_locale( 'en_US' );
		try {
			// The last filter of its hook, while the maintenance page is still up: nothing has run the new files yet.
			$this->installed_tree->record(
				function () use ( $component, $op_id ): void {
					$this->run_upgrader( $component, $op_id );
				}
			);
			$this->add_message( $this->installed_tree->problem() );
		} finally {
			if ( $switched ) {
				restore_previous_locale();
			}
			remove_filter( 'upgrader_pre_download', $provide_package, PHP_INT_MAX - 1 );
			remove_filter( 'upgrader_package_options', $options, PHP_INT_MAX );
			remove_filter( 'upgrader_source_selection', $validate, PHP_INT_MAX );
			foreach ( array( 'upgrader_pre_install', 'upgrader_clear_destination', 'upgrader_post_install' ) as $hook ) {
				remove_filter( $hook, $stop_if_interrupted, PHP_INT_MAX );
			}
			Siteagent_Rollback_Watchdog::end_maintenance( $op_id );
			$component->remove_installed_update();
			if ( is_file( $file ) ) {
				wp_delete_file( $file );
			}
			// WordPress leaves a rejected package there, with PHP files that a browser could request.
			if ( '' !== $this->unpacked && dirname( $this->unpacked ) === WP_CONTENT_DIR . '/upgrade' ) {
				Siteagent_Filesystem::remove( $this->unpacked );
			}
			Siteagent_Package_File::remove_leftovers( $op_id );
		}
	}

	/**
	 * Returns why the package was rejected before it changed the site; empty when it was not.
	 */
	public function refusal_reason(): string {
		return $this->refusal;
	}

	/**
	 * Rejects the package before it changed the site.
	 *
	 * @param string $reason A code of docs/PROTOCOL.md section 3.3.
	 */
	public function refuse( string $reason ): void {
		$this->refusal = $reason;
	}

	/**
	 * Returns WordPress's messages, without URLs and paths.
	 *
	 * @return string[]
	 */
	public function messages(): array {
		return array_slice( array_values( array_unique( $this->messages ) ), -self::MAX_MESSAGES );
	}

	/**
	 * Adds a message. Download URLs are removed, because they may contain a license key.
	 */
	public function add_message( string $message ): void {
		$plain = self::redact( $message );
		if ( '' !== $plain ) {
			$this->messages[] = $plain;
		}
	}

	/**
	 * Removes URLs, e-mail addresses and paths from a text, so that it may leave the site.
	 */
	public static function redact( string $text ): string {
		$plain = Siteagent_Report::plain_text( $text );
		foreach ( array( ABSPATH, WP_CONTENT_DIR, WP_PLUGIN_DIR, WPMU_PLUGIN_DIR ) as $path ) {
			$plain    = str_replace( $path, '', $plain );
			$resolved = realpath( $path );
			if ( false !== $resolved ) {
				// PHP names files by their paths without links.
				$plain = str_replace( ABSPATH === $path ? $resolved . '/' : $resolved, '', $plain );
			}
		}
		return mb_substr( trim( (string) preg_replace( '~https?://\S+|\S+@\S+\.\S+~', '…', $plain ) ), 0, self::MAX_CHARS, 'UTF-8' );
	}

	/**
	 * @param mixed    $passed        What a step of WordPress's upgrader returned.
	 * @param callable $owner_refusal As in install().
	 * @return mixed The same, or an error if the owner of the site forbids the update by now.
	 */
	private function stop_if_forbidden( $passed, callable $owner_refusal ) {
		$reason = is_wp_error( $passed ) ? null : $owner_refusal();
		if ( null === $reason ) {
			return $passed;
		}
		$this->refusal = $reason;
		return new WP_Error( 'siteagent_forbidden', 'The owner of the site has paused, limited or forbidden updates meanwhile.' );
	}

	private function run_upgrader( Siteagent_Component $component, string $op_id ): void {
		$skin = new WP_Ajax_Upgrader_Skin();
		switch ( $component->kind() ) {
			case 'plugin':
			case 'siteagent':
				$upgrader = new class( $skin ) extends Plugin_Upgrader {
					use Siteagent_Maintenance_Mode;
				};
				break;
			case 'theme':
				$upgrader = new class( $skin ) extends Theme_Upgrader {
					use Siteagent_Maintenance_Mode;
				};
				break;
			case 'translation':
				$upgrader = new Language_Pack_Upgrader( $skin );
				$this->collect_errors( $upgrader->bulk_upgrade( array( $component->raw_update() ), self::BULK_OPTIONS ), $skin );
				return;
			default:
				$this->upgrade_core( $component, $skin );
				return;
		}
		$upgrader->siteagent_op_id = $op_id;
		$this->collect_errors( $upgrader->bulk_upgrade( array( $component->id() ), self::BULK_OPTIONS ), $skin );
	}

	/**
	 * Upgrades WordPress, without the themes and plugins bundled with a new version, which were not approved.
	 */
	private function upgrade_core( Siteagent_Component $component, WP_Ajax_Upgrader_Skin $skin ): void {
		if ( ! defined( 'CORE_UPGRADE_SKIP_NEW_BUNDLED' ) ) {
			define( 'CORE_UPGRADE_SKIP_NEW_BUNDLED', true );
		}
		$feedback = function ( $message ) {
			$this->add_message( is_wp_error( $message ) ? $message->get_error_message() : (string) $message );
			return $message;
		};
		add_filter( 'update_feedback', $feedback );
		$this->collect_errors( ( new Core_Upgrader( $skin ) )->upgrade( $component->raw_update() ), $skin );
		remove_filter( 'update_feedback', $feedback );
	}

	/**
	 * Collects messages and errors of an upgrader.
	 *
	 * @param mixed                 $result What the upgrader returned: true, false, null, an error, or an array of
	 *                                      results.
	 * @param WP_Ajax_Upgrader_Skin $skin   The skin with its messages.
	 */
	private function collect_errors( $result, WP_Ajax_Upgrader_Skin $skin ): void {
		foreach ( $skin->get_upgrade_messages() as $message ) {
			$this->add_message( (string) $message );
		}
		foreach ( array_merge( array( $skin->get_errors() ), is_array( $result ) ? $result : array( $result ) ) as $error ) {
			if ( ! is_wp_error( $error ) ) {
				continue;
			}
			foreach ( $error->get_error_codes() as $code ) {
				$this->add_message( $error->get_error_message( $code ) );
				if ( '' === $this->refusal && isset( self::REASONS[ $code ] ) ) {
					$this->refusal = self::REASONS[ $code ];
				}
			}
		}
	}
}
