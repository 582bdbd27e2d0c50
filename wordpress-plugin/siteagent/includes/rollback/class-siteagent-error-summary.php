<?php
/**
 * Summaries of PHP errors for the dashboard.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reduces an error to its type, file and line.
 *
 * The message of an exception comes from the plugin that throws it and may hold anything: an e-mail address, a
 * customer's name, a database user. It stays on the site unless the owner decides otherwise. PHP's own messages
 * only name code (functions, classes, limits) and are sent.
 */
final class Siteagent_Error_Summary {

	/** PHP's own messages that only hold names from the code (Zend/zend_execute.c, zend_alloc.c, zend_compile.c). */
	const SAFE_MESSAGE = '/^(?:'
		. '(?:Uncaught \S+: )?(?:Call to undefined (?:function|method) [\w\\\\:]+\(\)|(?:Class|Interface|Trait) "[\w\\\\]+" not found)'
		. '|Cannot redeclare (?:function |class )?[\w\\\\:]+(?:\(\))?'
		. '|Cannot declare class [\w\\\\]+'
		. '|Allowed memory size of \d+ bytes exhausted'
		. '|Maximum execution time of \d+ seconds? exceeded'
		. ')/';

	const UNCAUGHT = '/^Uncaught ([\w\\\\]+)/';

	/**
	 * Describes an error for the dashboard.
	 *
	 * @param array $error As from error_get_last(): `message`, `file`, `line` and, where known, `type`.
	 * @return string For example "Uncaught TypeError in wp-content/plugins/forms/forms.php:12"; empty without an
	 *         error.
	 */
	public static function summarize( array $error ): string {
		$error  += array(
			'message' => '',
			'file'    => '',
			'line'    => 0,
			'type'    => E_ERROR,
		);
		$message = (string) strtok( (string) $error['message'], "\n" );
		if ( '' === $message ) {
			return '';
		}
		/**
		 * Filters whether the message of a PHP error that broke an update is sent to the dashboard.
		 *
		 * @param bool  $send  Whether to send the first line of the message. Default false.
		 * @param array $error The error, as from error_get_last().
		 */
		$text = true === apply_filters( 'siteagent_send_error_message', false, $error ) ? $message : self::error_kind( $message, (int) $error['type'] );
		return Siteagent_Upgrader::redact( sprintf( '%1$s in %2$s:%3$d', $text, $error['file'], $error['line'] ) );
	}

	private static function error_kind( string $message, int $type ): string {
		if ( 1 === preg_match( self::SAFE_MESSAGE, $message, $found ) ) {
			return $found[0];
		}
		if ( 1 === preg_match( self::UNCAUGHT, $message, $found ) ) {
			return 'Uncaught ' . $found[1];
		}
		return in_array( $type, array( E_PARSE, E_COMPILE_ERROR ), true ) || 0 === strpos( $message, 'syntax error' ) ? 'Parse error' : 'Fatal error';
	}
}
