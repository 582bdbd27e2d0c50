<?php
/**
 * One component with its present and its new version.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Holds and validates what was requested. Knows nothing of the site.
 */
final class Siteagent_Update_Item {

	const MAX_ID      = 300;
	const MAX_VERSION = 64;

	/** Allowed ids. None can name a file outside its folder. */
	const ID_PATTERNS = array(
		'plugin'      => '~^(?!\.)[^/\\\\\x00-\x1F:]+(/(?!\.)[^/\\\\\x00-\x1F:]+)?\.php\z~D',
		'theme'       => '~^(?!\.)[^/\\\\\x00-\x1F:]+\z~D',
		'translation' => '~^(core|plugin|theme):([A-Za-z0-9_][A-Za-z0-9_.-]*):([A-Za-z]{2,3}[A-Za-z0-9_-]*)\z~D',
		'core'        => '~^core\z~D',
		'database'    => '~^wordpress\z~D',
		'siteagent'   => '~^(?!\.)[^/\\\\\x00-\x1F:]+/(?!\.)[^/\\\\\x00-\x1F:]+\.php\z~D',
	);

	/** @var array{kind:string,id:string,from:string,to:string} */
	private $fields;

	/**
	 * @param mixed $document The fields as received.
	 * @throws Siteagent_Exception invalid_arguments.
	 */
	public function __construct( $document ) {
		$fields = array();
		foreach ( array( 'kind', 'id', 'from', 'to' ) as $field ) {
			$fields[ $field ] = $document instanceof stdClass && isset( $document->$field ) && is_string( $document->$field ) ? $document->$field : '';
		}
		// A translation that was never installed has no present version.
		$is_whole = '' !== $fields['to'] && ( '' !== $fields['from'] || 'translation' === $fields['kind'] );
		if ( ! $is_whole || strlen( $fields['id'] ) > self::MAX_ID || max( strlen( $fields['from'] ), strlen( $fields['to'] ) ) > self::MAX_VERSION
			|| ! isset( self::ID_PATTERNS[ $fields['kind'] ] ) || 1 !== preg_match( self::ID_PATTERNS[ $fields['kind'] ], $fields['id'] ) ) {
			throw new Siteagent_Exception( 'invalid_arguments', 'item', array( 'argument' => 'item' ) );
		}
		$this->fields = $fields;
	}

	public function kind(): string {
		return $this->fields['kind'];
	}

	public function id(): string {
		return $this->fields['id'];
	}

	public function from(): string {
		return $this->fields['from'];
	}

	public function to(): string {
		return $this->fields['to'];
	}

	/**
	 * Returns the permission that this update requires.
	 */
	public function permission(): string {
		if ( 'core' === $this->kind() ) {
			return Siteagent_Available_Updates::branch( $this->from() ) === Siteagent_Available_Updates::branch( $this->to() ) ? 'core_minor' : 'core_major';
		}
		return in_array( $this->kind(), array( 'siteagent', 'database' ), true ) ? $this->kind() : $this->kind() . 's';
	}

	/**
	 * Whether the second version is newer than the first. Translations are compared by revision date.
	 */
	public static function is_newer( string $kind, string $from, string $to ): bool {
		return 'translation' === $kind ? strcmp( $to, $from ) > 0 : version_compare( $to, $from, '>' );
	}

	/**
	 * @return array{kind:string,id:string,from:string,to:string}
	 */
	public function to_array(): array {
		return $this->fields;
	}
}
