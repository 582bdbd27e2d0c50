<?php
/**
 * Export of the audit log.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Writes the log as JSON Lines, which verify_audit.py checks without this site (docs/AUDIT.md), or as CSV that is
 * safe to open in a spreadsheet.
 */
final class Siteagent_Audit_Log_Export {

	const FORMATS = array( 'jsonl', 'csv' );

	/** What a spreadsheet treats as a formula (OWASP, CSV injection). */
	const FORMULA = '/^[=+\-@\t\r]/';

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	/** @var Siteagent_Checkpoint_Store */
	private $checkpoint_store;

	/** @var Siteagent_Site_Identity */
	private $site_identity;

	public function __construct(
		Siteagent_Audit_Log $log,
		Siteagent_Audit_Log_Reader $log_reader,
		Siteagent_Checkpoint_Store $checkpoint_store,
		Siteagent_Site_Identity $site_identity
	) {
		$this->log              = $log;
		$this->log_reader       = $log_reader;
		$this->checkpoint_store = $checkpoint_store;
		$this->site_identity    = $site_identity;
	}

	/**
	 * Returns the file name.
	 */
	public static function file_name( string $format, int $now ): string {
		return 'siteagent-log-' . gmdate( 'Y-m-d', $now ) . '.' . $format;
	}

	/**
	 * Writes the whole log up to its present end.
	 *
	 * @param string   $format One of FORMATS.
	 * @param resource $stream Where to write.
	 * @return int Number of entries.
	 */
	public function write( string $format, $stream ): int {
		$head = $this->log->head();
		if ( 'csv' === $format ) {
			return $this->write_csv( $stream, $head['n'] );
		}
		fwrite( $stream, $this->json_line( $this->header( $head ) ) ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a stream, not a file.
		$count = 0;
		foreach ( $this->log_reader->chain( $head['n'] ) as $row ) {
			fwrite( $stream, $this->json_line( $row ) ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a stream, not a file.
			++$count;
		}
		return $count;
	}

	/**
	 * Returns the first line: which log it is, and a signed checkpoint. Without a readable key there is no checkpoint.
	 */
	private function header( array $head ): array {
		$key        = $this->site_identity->signing_public_key();
		$checkpoint = 0 === $head['n'] ? null : $this->checkpoint_store->own_checkpoint( $head );
		return array(
			'v'          => 1,
			'log'        => $this->log->name(),
			'site'       => home_url(),
			'created_at' => gmdate( 'Y-m-d\TH:i:s\Z' ),
			'key'        => null === $checkpoint ? null : $key,
			'checkpoint' => $checkpoint,
		);
	}

	/**
	 * Encodes a line. A body that is not valid UTF-8 was altered, so the replacement characters do not match its hash
	 * either.
	 */
	private function json_line( array $document ): string {
		return wp_json_encode( $document, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE ) . "\n";
	}

	/**
	 * @param resource $stream Where to write.
	 * @param int      $last   Number of the last entry.
	 */
	private function write_csv( $stream, int $last ): int {
		$this->write_csv_row( $stream, array( 'number', 'time', 'event', 'actor', 'facts', 'hash' ) );
		$count = 0;
		foreach ( $this->log_reader->chain( $last ) as $row ) {
			$entry = json_decode( $row['body'], true );
			$entry = ( is_array( $entry ) ? $entry : array() ) + array_fill_keys( array( 'at', 'event', 'actor', 'facts' ), '' );
			$facts = wp_json_encode( $entry['facts'], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
			$this->write_csv_row( $stream, array( $row['seq'], $entry['at'], $entry['event'], $entry['actor'], $facts, $row['hash'] ) );
			++$count;
		}
		return $count;
	}

	/**
	 * @param resource $stream Where to write.
	 * @param array    $cells  Values of the row.
	 */
	private function write_csv_row( $stream, array $cells ): void {
		$escape = static function ( $cell ): string {
			$text = is_scalar( $cell ) ? (string) $cell : '';
			return ( 1 === preg_match( self::FORMULA, $text ) ? "'" : '' ) . $text;
		};
		fputcsv( $stream, array_map( $escape, $cells ), ',', '"', '' ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a stream, not a file.
	}
}
