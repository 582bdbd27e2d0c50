<?php
/**
 * The tab "Update history".
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads the results of updates and restored copies from the audit log, with the copy that each has left.
 */
final class Siteagent_Update_History_Tab {

	const PER_PAGE = 50;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	/** @var Siteagent_Kept_Copies */
	private $copies;

	public function __construct( Siteagent_Audit_Log_Reader $log_reader, Siteagent_Kept_Copies $copies ) {
		$this->log_reader = $log_reader;
		$this->copies     = $copies;
	}

	/**
	 * Returns the data of the view.
	 *
	 * @param int $page The page that was asked for, not verified.
	 * @param int $now  Unix time in seconds.
	 */
	public function data( int $page, int $now ): array {
		$count   = $this->log_reader->count_of_kind( Siteagent_Audit_Log_Reader::HISTORY );
		$pages   = max( 1, (int) ceil( $count / self::PER_PAGE ) );
		$page    = min( $pages, max( 1, $page ) );
		$recent  = $this->log_reader->recent( self::PER_PAGE, ( $page - 1 ) * self::PER_PAGE, '', Siteagent_Audit_Log_Reader::HISTORY );
		$copies  = $this->copies->all( $now );
		$unkept  = $this->reasons_without_copy();
		$entries = array();
		foreach ( $recent as $entry ) {
			$update_id = isset( $entry['facts']['op_id'] ) ? (string) $entry['facts']['op_id'] : '';
			$is_done   = isset( $entry['facts']['outcome'] ) && 'succeeded' === $entry['facts']['outcome'];
			$copy      = $is_done && isset( $copies[ $update_id ] ) ? $copies[ $update_id ] : null;
			$entries[] = $this->row( $entry ) + array(
				'update_id' => $update_id,
				'copy'      => null === $copy ? null : $copy['version'],
				'until'     => $entry['at'] + Siteagent_Kept_Copies::LIFETIME_S,
				'installed' => null !== $copy && self::is_installed( $copy ),
				'allowed'   => null !== $copy && self::may_restore( $copy ),
				'no_copy'   => $is_done && null === $copy && isset( $unkept[ $update_id ] ) ? $unkept[ $update_id ] : '',
			);
		}
		return array(
			'entries' => $entries,
			'count'   => $count,
			'pages'   => $pages,
			'page'    => $page,
		);
	}

	/**
	 * Returns the data of the page that confirms the restoring of a copy; null when there is no such copy, or when the
	 * person may not restore it.
	 *
	 * @param string $update_id Id of the update that replaced it, not verified.
	 * @param int    $now       Unix time in seconds.
	 */
	public function copy_data( string $update_id, int $now ): ?array {
		$copy = $this->copies->find( $update_id, $now );
		if ( null === $copy || self::is_installed( $copy ) || ! self::may_restore( $copy ) ) {
			return null;
		}
		require_once ABSPATH . 'wp-admin/includes/file.php';
		$component = new Siteagent_Component( $copy['kind'], $copy['id'] );
		return array(
			'update_id' => $update_id,
			'label'     => Siteagent_Messages::component_label( $copy['kind'], $copy['id'], $copy['version'] ),
			'version'   => $copy['version'],
			'installed' => $component->version(),
			'active'    => $component->is_active(),
			'rollback'  => Siteagent_Rollback::is_available( $copy['kind'] ),
		);
	}

	/**
	 * Returns the URL of a page of the history.
	 */
	public static function url( int $page = 1 ): string {
		return Siteagent_Settings_Page::url( array( 'tab' => 'history' ) + ( 1 === $page ? array() : array( 'paged' => $page ) ) );
	}

	/**
	 * Returns an entry in words.
	 *
	 * @return array{at:int,what:string,id:string,result:string,reason:string,by:string}
	 */
	private function row( array $entry ): array {
		$facts      = array_filter( $entry['facts'], 'is_scalar' );
		$is_restore = 'restore_ended' === $entry['event'];
		$formatted  = Siteagent_Log_Formatter::format( $entry );
		return array(
			'at'     => $entry['at'],
			'what'   => Siteagent_Log_Formatter::has_texts( $facts, array( 'kind', 'id', 'from', 'to' ) ) ? Siteagent_Messages::update_label( $facts ) : '',
			'id'     => isset( $facts['id'] ) ? (string) $facts['id'] : '',
			'result' => $formatted['what'],
			'reason' => isset( $facts['reason'] ) ? ucfirst( Siteagent_Update_Reasons::label( (string) $facts['reason'] ) ) . '.' : '',
			'by'     => $is_restore ? $formatted['who'] : ( isset( $facts['by'] ) ? (string) $facts['by'] : '' ),
		);
	}

	/**
	 * Returns why an update has left no copy, by its id.
	 *
	 * @return array<string,string>
	 */
	private function reasons_without_copy(): array {
		$reasons = array();
		foreach ( $this->log_reader->recent( Siteagent_Kept_Copies::MAX_LISTED, 0, '', Siteagent_Audit_Log_Reader::COPIES ) as $entry ) {
			if ( 'copy_not_kept' === $entry['event'] && isset( $entry['facts']['op_id'], $entry['facts']['reason'] ) ) {
				$reasons[ (string) $entry['facts']['op_id'] ] = Siteagent_Update_Reasons::label( (string) $entry['facts']['reason'] );
			}
		}
		return $reasons;
	}

	private static function is_installed( array $copy ): bool {
		return ( new Siteagent_Component( $copy['kind'], $copy['id'] ) )->version() === $copy['version'];
	}

	private static function may_restore( array $copy ): bool {
		return current_user_can( Siteagent_Capabilities::ALLOW, Siteagent_Capabilities::permission_for_kind( $copy['kind'] ) );
	}
}
