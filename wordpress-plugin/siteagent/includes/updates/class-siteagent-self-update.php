<?php
/**
 * Updates of SiteAgent itself, offered by the connected dashboard through WordPress's own filters.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Offers signed releases only, and lets no other package take SiteAgent's place.
 *
 * The host named by the `Update URI` header cannot exist (RFC 2606), so that nobody can register it. It only
 * keeps WordPress.org out; releases come from the dashboard, or from the host in SITEAGENT_UPDATE_HOST.
 */
final class Siteagent_Self_Update {

	const UPDATE_URI = 'https://siteagent.invalid/';
	const METADATA   = '/siteagent/release.json';
	const TIMEOUT_S  = 5;
	const MAX_BYTES  = 16384;

	/** @var callable fn(): ?string, the origin of the connected dashboard. */
	private $dashboard;

	/** @var string|null Ed25519 public key, raw. */
	private $key;

	public function __construct( callable $dashboard ) {
		$this->dashboard = $dashboard;
		// A version without a key also has to stop packages of strangers, so everything below works without one.
		$this->key = Siteagent_Plugin_Release::read_key( dirname( SITEAGENT_FILE ) );
	}

	/**
	 * Answer WordPress's question for an update of SiteAgent (filter `update_plugins_{$hostname}`).
	 *
	 * @param array|false $update      What another filter answered.
	 * @param array       $plugin_data Headers of the plugin.
	 * @param string      $plugin_file The plugin, relative to the folder of plugins.
	 * @return array|false
	 */
	public function find_update( $update, $plugin_data, $plugin_file ) {
		if ( plugin_basename( SITEAGENT_FILE ) !== $plugin_file ) {
			return $update;
		}
		$origin = $this->origin();
		$fields = null === $origin || null === $this->key ? null : $this->fetch_metadata( $origin . self::METADATA );
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
	 * Drop an update of SiteAgent that is not a signed release from what WordPress keeps
	 * (filter `pre_set_site_transient_update_plugins`).
	 *
	 * @param mixed $updates As WordPress passes it.
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
	 * Fetch a package that is to replace SiteAgent, and refuse it unless it is the signed release
	 * (filter `upgrader_pre_download`; the last one, so that it also judges what other filters fetched).
	 *
	 * @param bool|string|WP_Error $reply      A file, when another filter has fetched it.
	 * @param string               $package    Its address.
	 * @param WP_Upgrader          $upgrader   Who asks.
	 * @param array                $hook_extra About the component.
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
	 * Let WordPress fetch a release from a dashboard in the agency's own network: an administrator agreed to
	 * this very address, and the signature decides (filter `http_request_args`).
	 *
	 * @param array  $arguments As WordPress passes them.
	 * @param string $url       The address.
	 */
	public function allow_private_dashboard( $arguments, $url ) {
		if ( $this->is_release_address( $url ) ) {
			$arguments['reject_unsafe_urls'] = false;
		}
		return $arguments;
	}

	/**
	 * Let a release come over http where the dashboard has no https: its signature says that it was not changed on
	 * the way (filter `siteagent_allow_insecure_package`).
	 *
	 * @param bool   $is_allowed What another filter answered.
	 * @param string $url        The address.
	 */
	public function allow_http( $is_allowed, $url ): bool {
		return true === $is_allowed || $this->is_release_address( (string) $url );
	}

	private function is_release_address( string $url ): bool {
		$origin = $this->origin();
		return null !== $origin && 1 === preg_match( '~^' . preg_quote( $origin, '~' ) . '/siteagent/[0-9a-f]{64}\.zip\z~D', $url );
	}

	/**
	 * Tell WordPress's details window about the offered release, as WordPress.org may list a stranger's
	 * plugin under the same name (filter `plugins_api`).
	 *
	 * @param false|object|array $result What another filter answered.
	 * @param string             $action What is asked for.
	 * @param object             $args   About which plugin.
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
				'description' => '<p>' . esc_html__( 'SiteAgent’s updates come from your dashboard. Each one is signed, and this version installs it only when the signature is valid.', 'siteagent' ) . '</p>',
			),
			'external' => true,
		);
	}

	/**
	 * The signed release that WordPress's list of updates offers; null when there is none.
	 *
	 * @param mixed $updates The transient `update_plugins`.
	 */
	private function available_release( $updates ): ?Siteagent_Plugin_Release {
		$plugin = plugin_basename( SITEAGENT_FILE );
		$entry  = is_object( $updates ) && isset( $updates->response[ $plugin ] ) ? (array) $updates->response[ $plugin ] : array();
		$fields = array(
			'slug'    => isset( $entry['slug'] ) ? $entry['slug'] : null,
			'version' => isset( $entry['new_version'] ) ? $entry['new_version'] : null,
			'sha256'  => isset( $entry['siteagent_sha256'] ) ? $entry['siteagent_sha256'] : null,
			'sig'     => isset( $entry['siteagent_sig'] ) ? $entry['siteagent_sig'] : null,
		);
		$release = Siteagent_Plugin_Release::from_fields( $fields );
		return null !== $release && $release->is_update_of( SITEAGENT_VERSION, $this->key ) ? $release : null;
	}

	/**
	 * @param mixed $file What was fetched already, if anything.
	 */
	private function reject_package( $file ): WP_Error {
		if ( is_string( $file ) && is_file( $file ) ) {
			wp_delete_file( $file );
		}
		return new WP_Error( 'siteagent_not_signed', __( 'This package is not a signed release of SiteAgent, so it was not installed.', 'siteagent' ) );
	}

	/**
	 * Where releases come from, without a slash at the end; null while there is no such place.
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
