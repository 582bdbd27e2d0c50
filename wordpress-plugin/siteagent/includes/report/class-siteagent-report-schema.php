<?php
/**
 * The schema of the report (manifest.json).
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Lets only the fields in manifest.json pass, with the type and length given there.
 */
final class Siteagent_Report_Schema {

	const MAX_CHARS   = 300;
	const MAX_INTEGER = 9007199254740991;

	/** C0 and C1 controls, and characters that change the reading direction. */
	const CONTROL_CHARACTERS = '/[\x00-\x1F\x7F-\x{9F}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]/u';

	/** @var array[] Fields of the report, in the order of the file. */
	private $fields;

	/** @var array[] Fields of a log entry. */
	private $log;

	/** @var array[] Fields of the result of an update. */
	private $result;

	/** @var array A tree of objects ('children'), lists ('item') and values ('field'). */
	private $tree;

	/**
	 * @throws RuntimeException When the file is missing or not a schema.
	 */
	public function __construct( string $path ) {
		$text     = is_readable( $path ) ? (string) file_get_contents( $path ) : '';
		$document = json_decode( $text, true );
		if ( ! is_array( $document ) || ! isset( $document['v'], $document['fields'] ) || 1 !== $document['v'] ) {
			throw new RuntimeException( 'manifest.json is missing or damaged' );
		}
		$this->fields = $document['fields'];
		$this->log    = isset( $document['log'] ) ? $document['log'] : array();
		$this->result = isset( $document['evidence'] ) ? $document['evidence'] : array();
		$this->tree   = $this->build_tree();
	}

	/**
	 * Returns the fields of the report, each with path, type and reason.
	 */
	public function fields(): array {
		return $this->fields;
	}

	/**
	 * Returns the fields of a log entry, each with path, type and reason.
	 */
	public function log(): array {
		return $this->log;
	}

	/**
	 * Returns the fields of the result of an update, each with path, type and reason.
	 */
	public function evidence(): array {
		return $this->result;
	}

	/**
	 * Returns the part of a document that may leave the site. Missing fields become empty.
	 */
	public function project( array $collected ): array {
		return $this->filter_object( $this->tree, $collected );
	}

	/**
	 * Builds the tree of fields from their paths.
	 */
	private function build_tree(): array {
		$tree = array( 'children' => array() );
		foreach ( $this->fields as $field ) {
			$node = &$tree;
			foreach ( explode( '.', $field['path'] ) as $part ) {
				$is_list = '[]' === substr( $part, -2 );
				$name    = $is_list ? substr( $part, 0, -2 ) : $part;
				if ( ! isset( $node['children'][ $name ] ) ) {
					$node['children'][ $name ] = array();
				}
				$node = &$node['children'][ $name ];
				if ( $is_list ) {
					if ( ! isset( $node['item'] ) ) {
						$node['item'] = array();
					}
					$node = &$node['item'];
				}
			}
			$node['field'] = $field;
			unset( $node );
		}
		return $tree;
	}

	/**
	 * @param array $node  Part of the tree.
	 * @param mixed $value The collected value.
	 * @return mixed
	 */
	private function filter_value( array $node, $value ) {
		if ( isset( $node['field'] ) ) {
			return $this->filter_field( $node['field'], $value );
		}
		if ( isset( $node['item'] ) ) {
			$filtered = array();
			foreach ( is_array( $value ) ? $value : array() as $item ) {
				$filtered[] = $this->filter_value( $node['item'], $item );
			}
			return $filtered;
		}
		return $this->filter_object( $node, is_array( $value ) ? $value : array() );
	}

	private function filter_object( array $node, array $collected ): array {
		$filtered = array();
		foreach ( $node['children'] as $name => $child ) {
			$filtered[ $name ] = $this->filter_value( $child, isset( $collected[ $name ] ) ? $collected[ $name ] : null );
		}
		return $filtered;
	}

	/**
	 * @param array $field The field.
	 * @param mixed $value The collected value.
	 * @return string|int|bool|null
	 */
	private function filter_field( array $field, $value ) {
		if ( null === $value && ! empty( $field['null'] ) ) {
			return null;
		}
		switch ( $field['type'] ) {
			case 'boolean':
				return true === $value;
			case 'integer':
				return $this->to_integer( $value );
			case 'string':
				return $this->to_text( $field, $value );
		}
		throw new RuntimeException( 'manifest.json names an unknown type' );
	}

	/**
	 * @param mixed $value The collected value.
	 */
	private function to_integer( $value ): int {
		if ( ! is_int( $value ) && ! is_float( $value ) ) {
			return 0;
		}
		return (int) max( -self::MAX_INTEGER, min( self::MAX_INTEGER, $value ) );
	}

	/**
	 * @param array $field The field.
	 * @param mixed $value The collected value.
	 */
	private function to_text( array $field, $value ): string {
		$text = is_string( $value ) ? $this->clean_text( $value ) : '';
		if ( isset( $field['enum'] ) ) {
			return in_array( $text, $field['enum'], true ) ? $text : $field['enum'][0];
		}
		$max = isset( $field['max'] ) ? $field['max'] : self::MAX_CHARS;
		return mb_substr( $text, 0, $max, 'UTF-8' );
	}

	/**
	 * Returns valid UTF-8 without control characters, because the texts come from files that anyone may have written.
	 */
	private function clean_text( string $text ): string {
		if ( 1 !== preg_match( '//u', $text ) ) {
			$text = (string) preg_replace( '/[^\x20-\x7E]/', '?', $text );
		}
		return trim( (string) preg_replace( self::CONTROL_CHARACTERS, '', $text ) );
	}
}
