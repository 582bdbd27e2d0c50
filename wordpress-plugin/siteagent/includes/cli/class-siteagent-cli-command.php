<?php
/**
 * The WP-CLI command wp siteagent audit.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads SiteAgent's activity log. Changes nothing.
 */
final class Siteagent_CLI_Command {

	/** @var Siteagent_Audit_Log */
	private $log;

	/** @var Siteagent_Audit_Log_Reader */
	private $log_reader;

	/** @var Siteagent_Audit_Log_Verifier */
	private $log_verifier;

	/** @var Siteagent_Audit_Log_Export */
	private $export;

	public function __construct(
		Siteagent_Audit_Log $log,
		Siteagent_Audit_Log_Reader $log_reader,
		Siteagent_Audit_Log_Verifier $log_verifier,
		Siteagent_Audit_Log_Export $export
	) {
		$this->log          = $log;
		$this->log_reader   = $log_reader;
		$this->log_verifier = $log_verifier;
		$this->export       = $export;
	}

	/**
	 * Verifies the log. Exits with status 1 and the first altered entry if verification fails.
	 *
	 * ## EXAMPLES
	 *
	 *     wp siteagent audit verify
	 */
	public function verify(): void {
		$result = $this->log_verifier->verify();
		if ( ! $result['ok'] ) {
			/* translators: %d: number of an entry */
			WP_CLI::error( sprintf( __( 'Log verification failed at entry %d.', 'siteagent' ), $result['broken_at'] ) );
		}
		$head = $this->log->head();
		/* translators: 1: number of entries, 2: number of the newest, 3: its hash */
		WP_CLI::success( sprintf( __( 'Log verified: %1$d entries, no tampering detected. The newest is %2$d with hash %3$s.', 'siteagent' ), $result['checked'], $head['n'], $head['hash'] ) );
	}

	/**
	 * Lists entries, newest first.
	 *
	 * ## OPTIONS
	 *
	 * [--words=<text>]
	 * : Only entries that contain this text.
	 *
	 * [--limit=<number>]
	 * : Maximum number of entries.
	 * ---
	 * default: 20
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp siteagent audit list --words=contact-desk
	 *
	 * @subcommand list
	 *
	 * @param string[] $arguments None.
	 * @param string[] $options   By name.
	 */
	public function list_entries( array $arguments, array $options ): void {
		$limit  = max( 1, (int) ( isset( $options['limit'] ) ? $options['limit'] : 20 ) );
		$search = isset( $options['words'] ) ? (string) $options['words'] : '';
		foreach ( $this->log_reader->recent( $limit, 0, $search ) as $entry ) {
			$formatted = Siteagent_Log_Formatter::format( $entry );
			$line      = array( $formatted['seq'], gmdate( 'Y-m-d\TH:i:s\Z', $formatted['at'] ), $formatted['who'], $formatted['what'], Siteagent_Log_Formatter::one_line( $formatted ) );
			// Untrusted text must not contain control characters that move the cursor.
			WP_CLI::line( (string) preg_replace( '/[\x00-\x08\x0a-\x1f\x7f]|\xc2[\x80-\x9f]/', '?', implode( "\t", $line ) ) );
		}
	}

	/**
	 * Exports the log to a file, as JSON Lines, which verify_audit.py verifies without this site, or as CSV.
	 *
	 * ## OPTIONS
	 *
	 * <file>
	 * : Path of the file. An existing file is not overwritten.
	 *
	 * [--form=<form>]
	 * : Format of the file.
	 * ---
	 * default: jsonl
	 * options:
	 *   - jsonl
	 *   - csv
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp siteagent audit export log.jsonl
	 *
	 * @param string[] $arguments The file.
	 * @param string[] $options   By name.
	 */
	public function export( array $arguments, array $options ): void {
		$format = isset( $options['form'] ) ? (string) $options['form'] : 'jsonl';
		if ( ! in_array( $format, Siteagent_Audit_Log_Export::FORMATS, true ) ) {
			WP_CLI::error( __( 'The form must be jsonl or csv.', 'siteagent' ) );
		}
		// phpcs:disable WordPress.WP.AlternativeFunctions -- at the terminal, with the permissions of the user.
		$stream = @fopen( $arguments[0], 'xb' ); // phpcs:ignore WordPress.PHP.NoSilencedErrors, Generic.PHP.NoSilencedErrors -- reported below.
		if ( false === $stream ) {
			/* translators: %s: a file */
			WP_CLI::error( sprintf( __( '%s already exists or cannot be written.', 'siteagent' ), $arguments[0] ) );
		}
		$count = $this->export->write( $format, $stream );
		fclose( $stream );
		// phpcs:enable
		/* translators: 1: number of entries, 2: a file */
		WP_CLI::success( sprintf( __( 'Exported %1$d entries to %2$s.', 'siteagent' ), $count, $arguments[0] ) );
	}
}
