<?php
/**
 * SiteAgent in WordPress's privacy tools.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Answers requests for personal data.
 */
final class Siteagent_Privacy {

	const PER_PAGE = 100;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	public function __construct( Siteagent_Audit_Log_Reader $log_reader ) {
		$this->log_reader = $log_reader;
	}

	public function add_exporter( array $exporters ): array {
		$exporters['siteagent'] = array(
			'exporter_friendly_name' => 'SiteAgent',
			'callback'               => array( $this, 'export' ),
		);
		return $exporters;
	}

	public function add_eraser( array $erasers ): array {
		$erasers['siteagent'] = array(
			'eraser_friendly_name' => 'SiteAgent',
			'callback'             => array( $this, 'erase' ),
		);
		return $erasers;
	}

	/**
	 * Exports what the owner of an e-mail address did on the settings page.
	 *
	 * @param string     $email E-mail address.
	 * @param int|string $page  Page, from 1.
	 */
	public function export( $email, $page = 1 ): array {
		$user = get_user_by( 'email', (string) $email );
		$data = array();
		if ( false !== $user ) {
			foreach ( $this->log_reader->entries_by_user( (int) $user->ID, self::PER_PAGE, ( max( 1, (int) $page ) - 1 ) * self::PER_PAGE ) as $entry ) {
				$data[] = $this->export_item( $entry );
			}
		}
		return array(
			'data' => $data,
			'done' => count( $data ) < self::PER_PAGE,
		);
	}

	/**
	 * Erases nothing: the log holds only the id of an account, which means nothing once the account is deleted.
	 *
	 * @param string     $email E-mail address.
	 * @param int|string $page  Page, from 1.
	 */
	public function erase( $email, $page = 1 ): array {
		unset( $page );
		$user        = get_user_by( 'email', (string) $email );
		$has_entries = false !== $user && array() !== $this->log_reader->entries_by_user( (int) $user->ID, 1, 0 );
		return array(
			'items_removed'  => false,
			'items_retained' => $has_entries,
			'messages'       => $has_entries ? array( __( 'SiteAgent’s log records by account number who connected or disconnected this site. It contains no names or addresses, and is kept so that it can be verified.', 'siteagent' ) ) : array(),
			'done'           => true,
		);
	}

	private function export_item( array $entry ): array {
		$formatted = Siteagent_Log_Formatter::format( $entry );
		return array(
			'group_id'    => 'siteagent',
			'group_label' => 'SiteAgent',
			'item_id'     => 'siteagent-' . $entry['seq'],
			'data'        => array(
				array(
					'name'  => __( 'When', 'siteagent' ),
					'value' => gmdate( 'Y-m-d H:i:s', $entry['at'] ) . ' UTC',
				),
				array(
					'name'  => __( 'What', 'siteagent' ),
					'value' => trim( $formatted['what'] . ' ' . $formatted['detail'] ),
				),
			),
		);
	}
}
