<?php
/**
 * The tab "Activity log".
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads one page of the log, of one kind and with the words that were searched for.
 */
final class Siteagent_Activity_Log_Tab {

	const PER_PAGE = 50;

	/** No entry contains longer words. */
	const MAX_SEARCH_CHARS = 200;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	/** @var Siteagent_Audit_Log_Verifier */
	private $log_verifier;

	public function __construct( Siteagent_Audit_Log_Reader $log_reader, Siteagent_Audit_Log_Verifier $log_verifier ) {
		$this->log_reader   = $log_reader;
		$this->log_verifier = $log_verifier;
	}

	/**
	 * Returns the data of the view.
	 *
	 * @param array $query The query of the request, not verified.
	 */
	public function data( array $query ): array {
		$search = isset( $query['words'] ) && is_string( $query['words'] ) ? substr( trim( sanitize_text_field( wp_unslash( $query['words'] ) ) ), 0, self::MAX_SEARCH_CHARS ) : '';
		$kind   = isset( $query['kind'] ) && is_string( $query['kind'] ) && isset( self::kinds()[ $query['kind'] ] ) ? $query['kind'] : self::default_kind( $search );
		$counts = $this->log_reader->counts( $search );
		$pages  = max( 1, (int) ceil( $counts[ $kind ] / self::PER_PAGE ) );
		$page   = min( $pages, max( 1, isset( $query['paged'] ) && is_string( $query['paged'] ) ? (int) $query['paged'] : 1 ) );
		$recent = $this->log_reader->recent( self::PER_PAGE, ( $page - 1 ) * self::PER_PAGE, $search, $kind );
		$rows   = array();
		foreach ( $recent as $entry ) {
			$rows[] = Siteagent_Log_Formatter::format( $entry ) + array(
				'event' => $entry['event'],
				'hash'  => $entry['hash'],
			);
		}
		return array(
			'entries'  => $rows,
			'words'    => $search,
			'kind'     => $kind,
			'kinds'    => self::kinds(),
			'counts'   => $counts,
			'verified' => $this->log_verifier->verify(),
			'pages'    => $pages,
			'page'     => $page,
		);
	}

	/**
	 * Returns the kind of entries that is shown first. A search looks at all of them.
	 */
	private static function default_kind( string $search ): string {
		return '' === $search ? Siteagent_Audit_Log_Reader::IMPORTANT : Siteagent_Audit_Log_Reader::ALL;
	}

	/**
	 * Returns the URL of a page of the log.
	 */
	public static function url( string $kind, string $search, int $page = 1 ): string {
		$query = array(
			'tab'   => 'log',
			'kind'  => self::default_kind( $search ) === $kind ? '' : $kind,
			'words' => rawurlencode( $search ),
			'paged' => 1 === $page ? '' : $page,
		);
		return Siteagent_Settings_Page::url( array_filter( $query ) );
	}

	/**
	 * Returns the kinds of entries in the order of the page.
	 *
	 * @return array<string,string> Labels by kind.
	 */
	private static function kinds(): array {
		return array(
			Siteagent_Audit_Log_Reader::IMPORTANT  => __( 'Important', 'siteagent' ),
			Siteagent_Audit_Log_Reader::DECISIONS  => __( 'Decisions and updates', 'siteagent' ),
			Siteagent_Audit_Log_Reader::CONNECTION => __( 'Connection', 'siteagent' ),
			Siteagent_Audit_Log_Reader::ROUTINE    => __( 'Routine requests', 'siteagent' ),
			Siteagent_Audit_Log_Reader::ALL        => __( 'All', 'siteagent' ),
		);
	}
}
