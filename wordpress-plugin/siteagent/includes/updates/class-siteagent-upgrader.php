<?php
/**
 * Installs one version of one component with WordPress's own upgraders.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * The only place that installs anything. What an upgrader returns is not passed on: it says "true" for
 * nothing done and the same array for a success and a disaster. The caller looks at the disk.
 */
final class Siteagent_Upgrader {

	const MAX_MESSAGES = 20;
	const MAX_CHARS    = 200;
	const DOWNLOAD_S   = 300;
	const MAX_REDIRECTS         = 5;

	/** What a refusal inside WordPress's upgrader means in the words of the protocol. */
	const REASONS = array(
		'siteagent_package_lies'              => 'package_lies',
		'siteagent_no_way_back'               => 'no_way_back',
		'siteagent_not_signed'                => 'not_signed',
		'incompatible_archive'                => 'package_lies',
		'incompatible_archive_empty'          => 'package_lies',
		'incompatible_archive_no_plugins'     => 'package_lies',
		'incompatible_archive_pomo'           => 'package_lies',
		'incompatible_archive_theme_no_index' => 'package_lies',
		'incompatible_archive_theme_no_name'  => 'package_lies',
		'incompatible_archive_theme_no_style' => 'package_lies',
		'incompatible_php_required_version'   => 'requires_php',
		'incompatible_wp_required_version'    => 'requires_wp',
	);

	/** WordPress would delete its lists of available updates, and with them what sellers' updaters added. */
	const BULK_OPTIONS = array( 'clear_update_cache' => false );

	/** @var string[] */
	private $messages = array();

	/** @var string */
	private $refusal = '';

	/** @var string Where WordPress unpacked the package. */
	private $unpacked = '';

	/** @var string */
	private $host = '';

	/**
	 * Fetch a package to a file, over https and from the host of its address alone. As with WordPress's own upgrader, a
	 * seller's updater may put the real address in at this moment (`upgrader_package_options`), or fetch it itself
	 * (`upgrader_pre_download`).
	 *
	 * @param string $folder Where to put it; the system's folder for temporary files when empty.
	 * @return string|null The file; null when it could not be fetched, with the reason among the messages and in refused().
	 */
	public function download( Siteagent_Component $component, string $address, string $folder, string $op_id ): ?string {
		require_once ABSPATH . 'wp-admin/includes/file.php';
		$file = self::package_path( '' === $folder ? untrailingslashit( get_temp_dir() ) : $folder, $op_id );
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
			// A release of SiteAgent is signed; the agency's own dashboard may be without https.
			if ( 'siteagent' !== $component->kind() && ! self::is_allowed_url( $address ) ) {
				$this->refusal = 'package_host';
				$this->add_message( 'The package would come over a connection that is not encrypted.' );
				return null;
			}
			$response = wp_safe_remote_get( $address, array( 'timeout' => self::DOWNLOAD_S, 'redirection' => 0, 'stream' => true, 'filename' => $file ) );
			$status = (int) wp_remote_retrieve_response_code( $response );
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
	 * The server from which the package came at last; empty before.
	 */
	public function package_host(): string {
		return $this->host;
	}

	/**
	 * Whether a package may be fetched from there.
	 */
	public static function is_allowed_url( string $address ): bool {
		/**
		 * Filters whether a package may be downloaded without encryption, for a repository on this very machine.
		 *
		 * @param bool   $allowed False.
		 * @param string $address Where the package is.
		 */
		return 'https' === wp_parse_url( $address, PHP_URL_SCHEME ) || true === apply_filters( 'siteagent_allow_insecure_package', false, $address );
	}

	/**
	 * Remove the package of a run and what WordPress unpacked of it, also after its process was killed.
	 */
	public static function remove_leftovers( string $op_id ): void {
		$name = self::package_name( $op_id );
		foreach ( Siteagent_Filesystem::list_entries( WP_CONTENT_DIR . '/upgrade' ) as $entry ) {
			if ( 0 === strpos( $entry, $name ) ) {
				Siteagent_Filesystem::remove( WP_CONTENT_DIR . '/upgrade/' . $entry );
			}
		}
		$file = self::package_path( untrailingslashit( get_temp_dir() ), $op_id );
		if ( is_file( $file ) ) {
			wp_delete_file( $file );
		}
	}

	private static function package_path( string $folder, string $op_id ): string {
		return $folder . '/' . self::package_name( $op_id ) . '.zip';
	}

	/**
	 * WordPress calls the folder it unpacks into by the name of the package.
	 */
	private static function package_name( string $op_id ): string {
		return 'siteagent-' . substr( hash( 'sha256', $op_id ), 0, 24 );
	}

	/**
	 * The package that a seller's updater has fetched, in its place.
	 *
	 * @param string|WP_Error $downloaded As the updater answered.
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
	 * Let WordPress put this file in the component's place, if it holds what was approved. WordPress's own
	 * upgraders read the offer again; what they get is this file and no other.
	 *
	 * @param string   $file   As fetch() returned it; gone afterwards.
	 * @param callable $may_continue fn(): bool. Asked before each step; the last time just before a file of the site is replaced.
	 */
	public function install( Siteagent_Component $component, Siteagent_Update_Item $item, string $file, string $op_id, callable $may_continue ): void {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		$this->refusal = 'core' === $component->kind() && $item->to() !== $this->core_version_in( $file ) ? 'package_lies' : '';
		if ( '' !== $this->refusal ) {
			return;
		}
		$validate     = function ( $source, $remote = '' ) use ( $component, $item ) {
			$this->unpacked = (string) $remote;
			return is_wp_error( $source ) ? $source : $this->validate_package( $component, $item, (string) $source );
		};
		$stop_if_interrupted = static function ( $passed ) use ( $may_continue ) {
			return is_wp_error( $passed ) || $may_continue() ? $passed : new WP_Error( 'siteagent_interrupted', 'Another process took this update for dead, so it stopped.' );
		};
		$is_used  = false;
		$provide_package = static function () use ( $validate, $file, &$is_used ) {
			if ( $is_used ) {
				return new WP_Error( 'siteagent_one_change', 'One change is one component.' );
			}
			$is_used = true;
			// WordPress drops every such filter before it installs translations, so it is added this late.
			add_filter( 'upgrader_source_selection', $validate, PHP_INT_MAX, 2 );
			return $file;
		};
		$options   = static function ( $options ) {
			// SiteAgent keeps a copy of its own until the new version has proven itself.
			unset( $options['hook_extra']['temp_backup'] );
			return $options;
		};
		// One before the last, which judges a package of SiteAgent itself (class-siteagent-self-update.php).
		add_filter( 'upgrader_pre_download', $provide_package, PHP_INT_MAX - 1 );
		add_filter( 'upgrader_package_options', $options, PHP_INT_MAX );
		foreach ( array( 'upgrader_pre_install', 'upgrader_clear_destination', 'upgrader_post_install' ) as $hook ) {
			add_filter( $hook, $stop_if_interrupted, PHP_INT_MAX );
		}
		// It would install translations that nobody approved.
		remove_action( 'upgrader_process_complete', array( 'Language_Pack_Upgrader', 'async_upgrade' ), 20 );
		// It would check for updates once more, in a request in which not every seller's updater runs.
		foreach ( array( 'wp_version_check', 'wp_update_plugins', 'wp_update_themes' ) as $check ) {
			remove_action( 'upgrader_process_complete', $check );
		}
		// In English, so that messages read the same for every site.
		$switched = switch_to_locale( 'en_US' );
		try {
			$this->run_upgrader( $component, $op_id );
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
			// WordPress leaves a package there that was refused, with PHP that a browser could call.
			if ( '' !== $this->unpacked && dirname( $this->unpacked ) === WP_CONTENT_DIR . '/upgrade' ) {
				Siteagent_Filesystem::remove( $this->unpacked );
			}
			self::remove_leftovers( $op_id );
		}
	}

	/**
	 * The reason for which the package was turned away before it touched the site; empty when it was not.
	 */
	public function refusal_reason(): string {
		return $this->refusal;
	}

	/**
	 * What WordPress said meanwhile, without addresses and paths.
	 *
	 * @return string[]
	 */
	public function messages(): array {
		return array_slice( array_values( array_unique( $this->messages ) ), -self::MAX_MESSAGES );
	}

	/**
	 * Keep a message. Download addresses may carry a licence key.
	 */
	public function add_message( string $message ): void {
		$plain = self::redact( $message );
		if ( '' !== $plain ) {
			$this->messages[] = $plain;
		}
	}

	/**
	 * A text without addresses, e-mail addresses and paths, as it may leave the site.
	 */
	public static function redact( string $text ): string {
		$plain = str_replace( array( ABSPATH, WP_CONTENT_DIR ), '', Siteagent_Report::plain_text( $text ) );
		return mb_substr( trim( (string) preg_replace( '~https?://\S+|\S+@\S+\.\S+~', '…', $plain ) ), 0, self::MAX_CHARS, 'UTF-8' );
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
	 * Themes and plugins that come with a new WordPress are components of their own, and nobody approved them.
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
	 * @param mixed $result Whatever the upgrader returned: true, false, null, an error, or an array of results.
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

	/**
	 * The unpacked package, the last moment before a file of the site is replaced.
	 *
	 * @return string|WP_Error
	 */
	private function validate_package( Siteagent_Component $component, Siteagent_Update_Item $item, string $source ) {
		$name    = basename( $source );
		$is_same_folder = true;
		if ( $component->is_plugin() ) {
			// WordPress would install into the folder the package names, whichever that is.
			$is_same_folder = dirname( $component->id() ) === $name;
			$headers = $this->read_headers( $source . '/' . basename( $component->id() ) );
		} elseif ( 'theme' === $component->kind() ) {
			$is_same_folder = $component->id() === $name;
			$headers = $this->read_headers( $source . '/style.css' );
		} else {
			$headers = array( 'version' => ( new Siteagent_Translation( $component->id() ) )->package_revision_date( $source ) ) + $this->read_headers( '' );
		}
		if ( ! $is_same_folder || $item->to() !== $headers['version'] ) {
			return new WP_Error( 'siteagent_package_lies', sprintf( 'The package holds %1$s %2$s.', $name, '' === $headers['version'] ? '(no version)' : $headers['version'] ) );
		}
		if ( $component->is_siteagent() && ! $this->is_readable_format( $headers['format'] ) ) {
			return new WP_Error( 'siteagent_no_way_back', 'What the package would store could not be read by this version, should it have to run again.' );
		}
		// Older versions of WordPress look at the offer alone, which may keep quiet about it.
		if ( '' !== $headers['php'] && ! is_php_version_compatible( $headers['php'] ) ) {
			return new WP_Error( 'incompatible_php_required_version', sprintf( 'The package requires PHP %s.', $headers['php'] ) );
		}
		if ( '' !== $headers['wp'] && ! is_wp_version_compatible( $headers['wp'] ) ) {
			return new WP_Error( 'incompatible_wp_required_version', sprintf( 'The package requires WordPress %s.', $headers['wp'] ) );
		}
		return $source;
	}

	/**
	 * The version of WordPress in a package. Its upgrader replaces a first file before it looks.
	 */
	private function core_version_in( string $file ): string {
		require_once ABSPATH . 'wp-admin/includes/class-pclzip.php';
		$found = ( new PclZip( $file ) )->extract( PCLZIP_OPT_BY_NAME, 'wordpress/wp-includes/version.php', PCLZIP_OPT_EXTRACT_AS_STRING );
		$text  = is_array( $found ) && isset( $found[0]['content'] ) ? (string) $found[0]['content'] : '';
		return Siteagent_Component::core_version( $text );
	}

	/**
	 * Whether this version could go on with what another one has stored. One that does not tell is not believed.
	 */
	private function is_readable_format( string $format ): bool {
		return 1 === preg_match( '/^[1-9][0-9]{0,5}\z/D', $format ) && (int) $format <= Siteagent_Option_Store::FORMAT_READ;
	}

	/**
	 * @return array{version:string,php:string,wp:string,format:string} Empty where the file says nothing.
	 */
	private function read_headers( string $file ): array {
		$names = array(
			'version' => 'Version',
			'php'     => 'Requires PHP',
			'wp'      => 'Requires at least',
			'format'  => 'Data format',
		);
		return is_readable( $file ) ? array_map( 'trim', get_file_data( $file, $names ) ) : array_fill_keys( array_keys( $names ), '' );
	}
}
