<?php
/**
 * Canonical JSON (docs/PROTOCOL.md section 5).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads and writes the only accepted encoding of a document. Calls no WordPress function.
 *
 * app/protocol.py implements the same, and both are tested against tests/php-fixtures/vectors.json.
 */
final class Siteagent_Canonical_JSON {

	const MAX_DEPTH   = 32;
	const MAX_INTEGER = 9007199254740991;

	/**
	 * Encodes a document as canonical JSON: RFC 8785 without floats (docs/PROTOCOL.md section 5).
	 *
	 * @param mixed $document Objects, arrays, strings, integers, booleans and null. A PHP array with keys counting
	 *                        from 0 is a list.
	 * @throws Siteagent_Exception malformed, for anything that two parsers might read differently.
	 */
	public static function encode( $document ): string {
		return self::encode_value( $document, self::MAX_DEPTH );
	}

	/**
	 * Parses one JSON object strictly.
	 *
	 * @throws Siteagent_Exception malformed.
	 */
	public static function parse( string $raw, int $depth = self::MAX_DEPTH ): stdClass {
		$document = json_decode( $raw, false, $depth + 1 ); // PHP counts the values inside as a level.
		if ( ! $document instanceof stdClass ) {
			throw new Siteagent_Exception( 'malformed', JSON_ERROR_NONE === json_last_error() ? 'not a JSON object' : json_last_error_msg() );
		}
		// Encoding the document again detects floats, and integers that PHP could not represent.
		self::encode_value( $document, $depth );
		return $document;
	}

	/**
	 * Encodes one value, down to the given number of nested levels.
	 */
	private static function encode_value( $value, int $levels ): string {
		if ( is_string( $value ) ) {
			return self::encode_text( $value );
		}
		if ( null === $value || is_bool( $value ) ) {
			return null === $value ? 'null' : ( $value ? 'true' : 'false' );
		}
		if ( is_int( $value ) && abs( $value ) <= self::MAX_INTEGER ) {
			return (string) $value;
		}
		if ( ! is_array( $value ) && ! $value instanceof stdClass ) {
			throw new Siteagent_Exception( 'malformed', gettype( $value ) . ' in JSON' );
		}
		if ( 0 === $levels ) {
			throw new Siteagent_Exception( 'malformed', 'nested too deep' );
		}
		if ( is_array( $value ) && array_keys( $value ) === array_keys( array_keys( $value ) ) ) {
			$items = array();
			foreach ( $value as $item ) {
				$items[] = self::encode_value( $item, $levels - 1 );
			}
			return '[' . implode( ',', $items ) . ']';
		}
		$members = (array) $value;
		ksort( $members, SORT_STRING );
		$encoded = array();
		foreach ( $members as $key => $item ) {
			if ( 1 === preg_match( '/[^\x00-\x7F]/', (string) $key ) ) {
				throw new Siteagent_Exception( 'malformed', 'key is not ASCII text' );
			}
			$encoded[] = self::encode_text( (string) $key ) . ':' . self::encode_value( $item, $levels - 1 );
		}
		return '{' . implode( ',', $encoded ) . '}';
	}

	private static function encode_text( string $text ): string {
		$encoded = json_encode( $text, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS );
		if ( ! is_string( $encoded ) ) {
			throw new Siteagent_Exception( 'malformed', 'text is not UTF-8' );
		}
		return $encoded;
	}
}
