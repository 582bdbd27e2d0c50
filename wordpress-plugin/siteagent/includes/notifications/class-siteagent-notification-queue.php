<?php
/**
 * Events that the owner of the site has not been notified of yet.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Stores the events until an e-mail is sent, and whether e-mails are sent at all.
 */
final class Siteagent_Notification_Queue {

	/** More events than fit into one e-mail are dropped. The activity log has them all. */
	const MAX_EVENTS = 50;

	const EVENTS   = 'notifications';
	const DISABLED = 'notifications_off';

	/** @var Siteagent_Option_Store */
	private $store;

	public function __construct( Siteagent_Option_Store $store ) {
		$this->store = $store;
	}

	/**
	 * Whether the owner wants e-mails. They are sent unless the owner turned them off.
	 */
	public function is_enabled(): bool {
		return empty( $this->store->read()[ self::DISABLED ] );
	}

	/**
	 * Turns e-mails on or off. What is queued already is still sent.
	 *
	 * @return bool Whether anything changed.
	 */
	public function set_enabled( bool $is_enabled ): bool {
		return $this->store->change(
			static function ( array $data ) use ( $is_enabled ): ?array {
				if ( empty( $data[ self::DISABLED ] ) === $is_enabled ) {
					return null;
				}
				unset( $data[ self::DISABLED ] );
				return $is_enabled ? $data : $data + array( self::DISABLED => true );
			}
		);
	}

	/**
	 * Adds an event.
	 *
	 * @param array $event event, facts, actor and at, as in the log.
	 */
	public function add( array $event ): void {
		$this->store->change(
			static function ( array $data ) use ( $event ): ?array {
				if ( ! empty( $data[ self::DISABLED ] ) ) {
					return null;
				}
				$events               = isset( $data[ self::EVENTS ] ) ? $data[ self::EVENTS ] : array();
				$data[ self::EVENTS ] = array_slice( array_merge( $events, array( $event ) ), -self::MAX_EVENTS );
				return $data;
			}
		);
	}

	/**
	 * Puts events back that were taken and could not be sent, before those of the meantime.
	 *
	 * @param array[] $taken As take() returned them.
	 */
	public function put_back( array $taken ): void {
		$this->store->change(
			static function ( array $data ) use ( $taken ): array {
				$events               = isset( $data[ self::EVENTS ] ) ? $data[ self::EVENTS ] : array();
				$data[ self::EVENTS ] = array_slice( array_merge( $taken, $events ), -self::MAX_EVENTS );
				return $data;
			}
		);
	}

	/**
	 * Returns the events, oldest first, and removes them. Of two processes at once only one gets them.
	 *
	 * @return array[]
	 */
	public function take(): array {
		$events = array();
		$this->store->change(
			static function ( array $data ) use ( &$events ): ?array {
				$events = isset( $data[ self::EVENTS ] ) ? $data[ self::EVENTS ] : array();
				if ( array() === $events ) {
					return null;
				}
				unset( $data[ self::EVENTS ] );
				return $data;
			}
		);
		return $events;
	}
}
