<?php
/**
 * The tab "Pause and limits".
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Collects what the tab shows. Changes nothing.
 */
final class Siteagent_Limits_Tab {

	const NAME = 'limits';

	/** The hours that the form suggests. */
	const FROM_HOUR = 1;
	const TO_HOUR   = 5;

	/** @var Siteagent_Update_Limits */
	private $limits;

	public function __construct( Siteagent_Update_Limits $limits ) {
		$this->limits = $limits;
	}

	/**
	 * Returns the data of the view.
	 */
	public function data( int $now ): array {
		$pause  = $this->limits->pause();
		$window = $this->limits->window();
		$hours  = null === $window ? array( 'days' => array(), 'from_hour' => self::FROM_HOUR, 'to_hour' => self::TO_HOUR ) : $window->to_array();
		return array(
			'can_allow_any' => current_user_can( Siteagent_Capabilities::ALLOW ),
			'paused'        => null === $pause ? null : Siteagent_Limits_Texts::pause( $pause, $now ),
			'reason'        => null === $pause ? '' : $pause['reason'],
			'read_only'     => Siteagent_Update_Limits::is_read_only(),
			'window'        => $hours,
			'is_open'       => null === $window || $window->is_open( $now, wp_timezone() ),
			'min_age_hours' => $this->limits->min_age_hours(),
			'components'    => $this->components(),
		);
	}

	/**
	 * Returns the text for other tabs while updates are paused; null otherwise.
	 */
	public function pause_text( int $now ): ?string {
		$pause = $this->limits->pause();
		return null === $pause ? null : Siteagent_Limits_Texts::pause( $pause, $now );
	}

	/**
	 * Returns the installed plugins and themes by name, and those that only have a rule.
	 *
	 * @return array<int,array{kind:string,id:string,name:string,version:string,field:string,rule:string,effective:string}>
	 */
	public function components(): array {
		require_once ABSPATH . 'wp-admin/includes/plugin.php';
		$found = array();
		foreach ( get_plugins() as $id => $plugin ) {
			if ( plugin_basename( SITEAGENT_FILE ) !== $id ) {
				$found['plugin'][ $id ] = array( $plugin['Name'], $plugin['Version'] );
			}
		}
		foreach ( wp_get_themes() as $id => $theme ) {
			$found['theme'][ $id ] = array( (string) $theme->get( 'Name' ), (string) $theme->get( 'Version' ) );
		}
		$components = array();
		foreach ( $this->limits->exclusions() as $kind => $rules ) {
			$installed = isset( $found[ $kind ] ) ? $found[ $kind ] : array();
			foreach ( $installed + array_fill_keys( array_keys( $rules ), array( '', '' ) ) as $id => list( $name, $version ) ) {
				$components[] = array(
					'kind'      => $kind,
					'id'        => (string) $id,
					'name'      => Siteagent_Report::plain_text( '' === $name ? (string) $id : $name ),
					'version'   => $version,
					'field'     => $kind . '-' . md5( (string) $id ),
					'rule'      => isset( $rules[ $id ] ) ? $rules[ $id ] : Siteagent_Update_Limits::ALL_RELEASES,
					'effective' => $this->limits->release_rule( $kind, (string) $id ),
				);
			}
		}
		usort(
			$components,
			static function ( array $one, array $other ): int {
				return array( $one['kind'], strtolower( $one['name'] ) ) <=> array( $other['kind'], strtolower( $other['name'] ) );
			}
		);
		return $components;
	}
}
