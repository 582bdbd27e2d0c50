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

	/** What a refusal inside WordPress's upgrader means in the words of the protocol. */
	const REASONS = array(
		'siteagent_package_lies'              => 'package_lies',
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

	/** @var string[] */
	private $messages = array();

	/** @var string */
	private $refused = '';

	/**
	 * Fetch a package to a temporary file.
	 *
	 * @return string|null The file; null when it could not be fetched, with the reason among the messages.
	 */
	public function fetch( string $address ): ?string {
		$file = download_url( $address, self::DOWNLOAD_S );
		if ( is_wp_error( $file ) ) {
			$this->note( $file->get_error_message() );
			return null;
		}
		return $file;
	}

	/**
	 * Let WordPress put this file in the component's place, if it holds what was approved.
	 *
	 * @param string $file As fetch() returned it; gone afterwards.
	 * @param string $lock The file the run holds a lock on, or empty.
	 */
	public function install( Siteagent_Component $component, Siteagent_Step $step, string $file, string $op_id, string $lock ): void {
		require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
		$this->refused = '';
		$judge     = function ( $source ) use ( $component, $step ) {
			return is_wp_error( $source ) ? $source : $this->judge( $component, $step, (string) $source );
		};
		$hand_over = static function () use ( $judge, $file ): string {
			// WordPress drops every such filter before it installs translations, so it is added this late.
			add_filter( 'upgrader_source_selection', $judge, PHP_INT_MAX );
			return $file;
		};
		$options   = static function ( $options ) {
			// SiteAgent keeps a copy of its own until the new version has proven itself.
			unset( $options['hook_extra']['temp_backup'] );
			return $options;
		};
		add_filter( 'upgrader_pre_download', $hand_over, PHP_INT_MAX );
		add_filter( 'upgrader_package_options', $options, PHP_INT_MAX );
		// It would install translations that nobody approved.
		remove_action( 'upgrader_process_complete', array( 'Language_Pack_Upgrader', 'async_upgrade' ), 20 );
		try {
			$this->run( $component, $op_id, $lock );
		} finally {
			remove_filter( 'upgrader_pre_download', $hand_over, PHP_INT_MAX );
			remove_filter( 'upgrader_package_options', $options, PHP_INT_MAX );
			remove_filter( 'upgrader_source_selection', $judge, PHP_INT_MAX );
			Siteagent_Watchdog::end_maintenance( $op_id );
			if ( is_file( $file ) ) {
				wp_delete_file( $file );
			}
		}
	}

	/**
	 * The reason for which the package was turned away before it touched the site; empty when it was not.
	 */
	public function refused(): string {
		return $this->refused;
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
	public function note( string $message ): void {
		$plain = Siteagent_Inventory::plain( $message );
		$plain = (string) preg_replace( '~https?://\S+~', '…', str_replace( array( ABSPATH, WP_CONTENT_DIR ), '', $plain ) );
		if ( '' !== trim( $plain ) ) {
			$this->messages[] = mb_substr( trim( $plain ), 0, self::MAX_CHARS, 'UTF-8' );
		}
	}

	private function run( Siteagent_Component $component, string $op_id, string $lock ): void {
		$skin = new WP_Ajax_Upgrader_Skin();
		switch ( $component->kind() ) {
			case 'plugin':
				$upgrader = new class( $skin ) extends Plugin_Upgrader {
					use Siteagent_Maintenance;
				};
				break;
			case 'theme':
				$upgrader = new class( $skin ) extends Theme_Upgrader {
					use Siteagent_Maintenance;
				};
				break;
			case 'translation':
				$upgrader = new Language_Pack_Upgrader( $skin );
				$this->hear( $upgrader->bulk_upgrade( array( $component->raw_offer() ) ), $skin );
				return;
			default:
				$upgrader = new Core_Upgrader( $skin );
				$this->hear( $upgrader->upgrade( $component->raw_offer() ), $skin );
				return;
		}
		$upgrader->siteagent_op_id = $op_id;
		$upgrader->siteagent_lock  = $lock;
		$this->hear( $upgrader->bulk_upgrade( array( $component->id() ) ), $skin );
	}

	/**
	 * @param mixed $said Whatever the upgrader returned: true, false, null, an error, or an array of results.
	 */
	private function hear( $said, WP_Ajax_Upgrader_Skin $skin ): void {
		foreach ( $skin->get_upgrade_messages() as $message ) {
			$this->note( (string) $message );
		}
		foreach ( array_merge( array( $skin->get_errors() ), is_array( $said ) ? $said : array( $said ) ) as $error ) {
			if ( ! is_wp_error( $error ) ) {
				continue;
			}
			foreach ( $error->get_error_codes() as $code ) {
				$this->note( $error->get_error_message( $code ) );
				if ( '' === $this->refused && isset( self::REASONS[ $code ] ) ) {
					$this->refused = self::REASONS[ $code ];
				}
			}
		}
	}

	/**
	 * The unpacked package, the last moment before a file of the site is replaced.
	 *
	 * @return string|WP_Error
	 */
	private function judge( Siteagent_Component $component, Siteagent_Step $step, string $source ) {
		$name    = basename( $source );
		$found   = '';
		$is_ours = true;
		if ( 'plugin' === $component->kind() ) {
			// WordPress would install into the folder the package names, whichever that is.
			$is_ours = dirname( $component->id() ) === $name;
			$found   = $this->header( $source . '/' . basename( $component->id() ) );
		} elseif ( 'theme' === $component->kind() ) {
			$is_ours = $component->id() === $name;
			$found   = $this->header( $source . '/style.css' );
		} else {
			$found = ( new Siteagent_Language( $component->id() ) )->stamp_of( $source );
		}
		if ( $is_ours && $step->to() === $found ) {
			return $source;
		}
		return new WP_Error( 'siteagent_package_lies', sprintf( 'The package holds %1$s %2$s.', $name, '' === $found ? '(no version)' : $found ) );
	}

	private function header( string $file ): string {
		return is_readable( $file ) ? trim( get_file_data( $file, array( 'Version' => 'Version' ) )['Version'] ) : '';
	}
}
