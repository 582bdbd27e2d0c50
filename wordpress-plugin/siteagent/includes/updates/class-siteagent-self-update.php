<?php
/**
 * Updates of SiteAgent itself.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Adds signed releases from the dashboard to WordPress's updates, and rejects every other package for SiteAgent.
 *
 * The host in the `Update URI` header cannot exist (RFC 2606), so it cannot be registered. It only keeps
 * WordPress.org out. Releases come from the dashboard, or from the host in SITEAGENT_UPDATE_HOST.
 */
final class Siteagent_Self_Update {

	const UPDATE_URI = 'https://siteagent.invalid/';
	const METADATA   = '/siteagent/release.json';
	const TIMEOUT_S  = 5;
	const MAX_BYTES  = 16384;

	/** @var callable fn(): ?string, the origin of the connected dashboard. */
	private $dashboard;

	/** @var string|null Ed25519 public key, raw bytes. */
	private $key;

	public function __construct( callable $dashboard ) {
		$this->dashboard = $dashboard;
		// Null in a version without a key, which must reject foreign packages too.
		$this->key = Siteagent_Plugin_Release::read_key( dirname( SITEAGENT_FILE ) );
	}

	/**
	 * Returns the available release (filter `update_plugins_{$hostname}`).
	 *
	 * @param array|false $update      Result of other filters.
	 * @param array       $plugin_data Headers of the plugin.
	 * @param string      $plugin_file The plugin, relative to the plugins folder.
	 * @return array|false
	 */
	public function find_update( $update, $plugin_data, $plugin_file ) {
		if ( plugin_basename( SITEAGENT_FILE ) !== $plugin_file ) {
			return $update;
		}
		$origin  = $this->origin();
		$fields  = null === $origin || null === $this->key ? null : $this->fetch_metadata( $origin . self::METADATA );
		$release = null === $fields ? null : Siteagent_Plugin_Release::from_fields( $fields );
		if ( null === $release || ! $release->is_update_of( SITEAGENT_VERSION, $this->key ) ) {
			return false;
		}
		return array(
			'id'               => self::UPDATE_URI,
			'slug'             => Siteagent_Plugin_Release::SLUG,
			'version'          => $release->version(),
			'new_version'      => $release->version(),
			'url'              => $origin,
			'package'          => $origin . '/siteagent/' . $release->sha256() . '.zip',
			'requires'         => self::text( $fields, 'requires' ),
			'requires_php'     => self::text( $fields, 'requires_php' ),
			'tested'           => self::text( $fields, 'tested' ),
			'siteagent_sha256' => $release->sha256(),
			'siteagent_sig'    => (string) $fields['sig'],
		);
	}

	/**
	 * Removes an update of SiteAgent that is not a signed release (filter `pre_set_site_transient_update_plugins`).
	 *
	 * @param mixed $updates The list of updates.
	 * @return mixed
	 */
	public function remove_unsigned_update( $updates ) {
		$plugin = plugin_basename( SITEAGENT_FILE );
		if ( is_object( $updates ) && isset( $updates->response[ $plugin ] ) && null === $this->available_release( $updates ) ) {
			unset( $updates->response[ $plugin ] );
		}
		return $updates;
	}

	/**
	 * Downloads a package for SiteAgent, and rejects it unless it is the signed release (filter
	 * `upgrader_pre_download`; runs last, so that it also checks what other filters downloaded).
	 *
	 * @param bool|string|WP_Error $reply      A file, if another filter downloaded it.
	 * @param string               $package    URL of the package.
	 * @param WP_Upgrader          $upgrader   The upgrader.
	 * @param array                $hook_extra The component.
	 * @return bool|string|WP_Error
	 */
	public function verify_package( $reply, $package, $upgrader, $hook_extra = array() ) {
		if ( ! isset( $hook_extra['plugin'] ) || plugin_basename( SITEAGENT_FILE ) !== $hook_extra['plugin'] || is_wp_error( $reply ) ) {
			return $reply;
		}
		$release = $this->available_release( get_site_transient( 'update_plugins' ) );
		if ( null === $release ) {
			return $this->reject_package( $reply );
		}
		$file = is_string( $reply ) ? $reply : download_url( (string) $package );
		if ( is_wp_error( $file ) ) {
			return $file;
		}
		return $release->matches_package( $file ) ? $file : $this->reject_package( $file );
	}

	/**
	 * Allows the download of a release from a dashboard in the agency's own network: an administrator agreed to its
	 * address, and the signature decides (filter `http_request_args`).
	 *
	 * @param array  $arguments Arguments of the request.
	 * @param string $url       The URL.
	 */
	public function allow_private_dashboard( $arguments, $url ) {
		if ( $this->is_release_address( $url ) ) {
			$arguments['reject_unsafe_urls'] = false;
		}
		return $arguments;
	}

	/**
	 * Allows the download of a release over http where the dashboard has no https: the signature shows that it was not
	 * changed on the way (filter `siteagent_allow_insecure_package`).
	 *
	 * @param bool   $is_allowed Result of other filters.
	 * @param string $url        The URL.
	 */
	public function allow_http( $is_allowed, $url ): bool {
		return true === $is_allowed || $this->is_release_address( (string) $url );
	}

	private function is_release_address( string $url ): bool {
		$origin = $this->origin();
		return null !== $origin && 1 === preg_match( '~^' . preg_quote( $origin, '~' ) . '/siteagent/[0-9a-f]{64}\.zip\z~D', $url );
	}

	/**
	 * Returns the details window of SiteAgent, because WordPress.org may list another plugin under the same name
	 * (filter `plugins_api`).
	 *
	 * @param false|object|array $result Result of other filters.
	 * @param string             $action The request.
	 * @param object             $args   The plugin.
	 * @return false|object|array
	 */
	public function plugin_details( $result, $action, $args ) {
		if ( 'plugin_information' !== $action || ! isset( $args->slug ) || Siteagent_Plugin_Release::SLUG !== $args->slug ) {
			return $result;
		}
		$release = $this->available_release( get_site_transient( 'update_plugins' ) );
		return (object) array(
			'name'     => 'SiteAgent',
			'slug'     => Siteagent_Plugin_Release::SLUG,
			'version'  => null === $release ? SITEAGENT_VERSION : $release->version(),
			'author'   => 'Aura',
			'homepage' => (string) $this->origin(),
			'sections' => array(
				'description' => '<p>' . esc_html__( 'SiteAgent’s updates come from your dashboard. Each one is signed, and is installed only if the signature is valid.', 'siteagent' ) . '</p>',
			),
			'external' => true,
		);
	}

	/**
	 * Returns the signed release in WordPress's list of updates; null when there is none.
	 *
	 * @param mixed $updates The transient `update_plugins`.
	 */
	private function available_release( $updates ): ?Siteagent_Plugin_Release {
		$plugin  = plugin_basename( SITEAGENT_FILE );
		$entry   = is_object( $updates ) && isset( $updates->response[ $plugin ] ) ? (array) $updates->response[ $plugin ] : array();
		$fields  = array(
			'slug'    => isset( $entry['slug'] ) ? $entry['slug'] : null,
			'version' => isset( $entry['new_version'] ) ? $entry['new_version'] : null,
			'sha256'  => isset( $entry['siteagent_sha256'] ) ? $entry['siteagent_sha256'] : null,
			'sig'     => isset( $entry['siteagent_sig'] ) ? $entry['siteagent_sig'] : null,
		);
		$release = Siteagent_Plugin_Release::from_fields( $fields );
		return null !== $release && $release->is_update_of( SITEAGENT_VERSION, $this->key ) ? $release : null;
	}

	/**
	 * @param mixed $file The downloaded file, if any.
	 */
	private function reject_package( $file ): WP_Error {
		if ( is_string( $file ) && is_file( $file ) ) {
			wp_delete_file( $file );
		}
		return new WP_Error( 'siteagent_not_signed', __( 'This package is not a signed release of SiteAgent, so it was not installed.', 'siteagent' ) );
	}

	/**
	 * Returns where releases come from, without a trailing slash; null when there is no such place.
	 */
	private function origin(): ?string {
		$host = defined( 'SITEAGENT_UPDATE_HOST' ) ? trim( (string) constant( 'SITEAGENT_UPDATE_HOST' ) ) : '';
		if ( '' === $host ) {
			return ( $this->dashboard )();
		}
		return untrailingslashit( false === strpos( $host, '://' ) ? "https://$host" : $host );
	}

	private function fetch_metadata( string $address ): ?array {
		$answer = wp_remote_get(
			$address,
			array(
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0,
				'limit_response_size' => self::MAX_BYTES,
				'user-agent'          => 'SiteAgent/' . SITEAGENT_VERSION,
			)
		);
		if ( is_wp_error( $answer ) || 200 !== (int) wp_remote_retrieve_response_code( $answer ) ) {
			return null;
		}
		$fields = json_decode( wp_remote_retrieve_body( $answer ), true );
		return is_array( $fields ) ? $fields : null;
	}

	private static function text( array $fields, string $name ): string {
		return isset( $fields[ $name ] ) && is_string( $fields[ $name ] ) ? substr( $fields[ $name ], 0, 20 ) : '';
	}
}
