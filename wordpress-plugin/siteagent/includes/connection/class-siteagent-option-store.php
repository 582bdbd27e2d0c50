<?php
/**
 * The option that holds the state of SiteAgent.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Reads past every cache, and writes with compare-and-swap.
 *
 * WordPress's update_option() overwrites what another request has written meanwhile, and an object cache may
 * return a key that was deleted. Here the database decides both.
 */
final class Siteagent_Option_Store {

	const OPTION   = 'siteagent';
	const ATTEMPTS = 20;

	/**
	 * The data format that this version writes, in the option and the tables, and the newest one it reads.
	 * siteagent.php repeats the first as "Data format". A new format takes two releases, one that reads it and then
	 * one that writes it, so that the previous version can always run again.
	 */
	const FORMAT_WRITTEN = 1;
	const FORMAT_READ    = 1;

	const FORMAT_KEY = 'format';

	/** @var wpdb */
	private $db;

	/** @var bool */
	private $is_network;

	/** @var array|null What was read. Kept until this request changes it, so that one request sees one state. */
	private $cache = null;

	/**
	 * @param wpdb $db         WordPress database object.
	 * @param bool $is_network Whether the sites of a network share one connection.
	 */
	public function __construct( $db, bool $is_network ) {
		$this->db         = $db;
		$this->is_network = $is_network;
	}

	public function is_network(): bool {
		return $this->is_network;
	}

	/**
	 * Returns everything stored. Empty before the first change, and when the format is unknown: a site without keys
	 * rejects every request.
	 */
	public function read(): array {
		if ( null === $this->cache ) {
			$this->cache = $this->decode( $this->read_raw() );
		}
		return self::is_known( $this->cache ) ? $this->cache : array();
	}

	/**
	 * Returns everything stored, as another request may just have written it. For a decision that must not be late.
	 */
	public function read_now(): array {
		$data = $this->decode( $this->read_raw() );
		return self::is_known( $data ) ? $data : array();
	}

	/**
	 * Whether the stored data was written by a newer SiteAgent in an unknown format.
	 */
	public function is_newer(): bool {
		return ! self::is_known( $this->decode( $this->read_raw() ) );
	}

	/**
	 * Changes the stored data.
	 *
	 * @param callable $edit fn( array $data ): ?array. May be called several times. Null changes nothing.
	 * @return bool Whether something was written.
	 * @throws RuntimeException When it cannot be written, or was written by a newer SiteAgent.
	 */
	public function change( callable $edit ): bool {
		for ( $attempt = 0; $attempt < self::ATTEMPTS; $attempt++ ) {
			$this->cache = null;
			$stored      = $this->read_raw();
			$current     = $this->decode( $stored );
			if ( ! self::is_known( $current ) ) {
				throw new RuntimeException( 'SiteAgent\'s option was written by a newer version' );
			}
			$data = $edit( $current );
			if ( null === $data ) {
				return false;
			}
			$data[ self::FORMAT_KEY ] = self::FORMAT_WRITTEN;
			array_walk_recursive( $data, array( $this, 'make_storable' ) );
			$serialized = serialize( $data ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions, Generic.PHP.ForbiddenFunctions -- what get_option() reads.
			if ( $serialized === $stored || $this->compare_and_swap( $stored, $serialized ) ) {
				return $serialized !== $stored;
			}
		}
		throw new RuntimeException( 'SiteAgent\'s option cannot be written' );
	}

	/**
	 * Removes what the table cannot store from a text: in one that is older than WordPress 4.2, emoji. Otherwise WordPress
	 * would refuse the whole query.
	 *
	 * @param mixed $value A value of the data.
	 */
	private function make_storable( &$value ): void {
		if ( is_string( $value ) && 1 === preg_match( '/[^\x00-\x7F]/', $value ) ) {
			$text  = $this->is_network
				? $this->db->strip_invalid_text_for_column( $this->db->sitemeta, 'meta_value', $value )
				: $this->db->strip_invalid_text_for_column( $this->db->options, 'option_value', $value );
			$value = is_string( $text ) ? $text : '';
		}
	}

	private static function is_known( array $data ): bool {
		return ! isset( $data[ self::FORMAT_KEY ] ) || $data[ self::FORMAT_KEY ] <= self::FORMAT_READ;
	}

	private function decode( ?string $stored ): array {
		// Only arrays and scalars: a manipulated row must not create objects.
		$data = null !== $stored && is_serialized( $stored ) ? @unserialize( $stored, array( 'allowed_classes' => false ) ) : array(); // phpcs:ignore WordPress.PHP, Generic.PHP.NoSilencedErrors, Generic.PHP.ForbiddenFunctions -- see above; a damaged row counts as empty.
		return is_array( $data ) ? $data : array();
	}

	private function read_raw(): ?string {
		if ( $this->is_network ) {
			$query = $this->db->prepare( "SELECT meta_value FROM {$this->db->sitemeta} WHERE meta_key = %s AND site_id = %d", self::OPTION, get_current_network_id() );
		} else {
			$query = $this->db->prepare( "SELECT option_value FROM {$this->db->options} WHERE option_name = %s", self::OPTION );
		}
		return $this->db->get_var( $query );
	}

	/**
	 * Writes new data if the stored data is still the given one. False when another request was faster.
	 */
	private function compare_and_swap( ?string $stored, string $serialized ): bool {
		$written = null === $stored ? $this->insert( $serialized ) : $this->update( $stored, $serialized );
		wp_cache_delete( self::OPTION, 'options' );
		wp_cache_delete( 'notoptions', 'options' );
		wp_cache_delete( get_current_network_id() . ':' . self::OPTION, 'site-options' );
		wp_cache_delete( get_current_network_id() . ':notoptions', 'site-options' );
		return 1 === $written;
	}

	/**
	 * @return int|false Number of rows written.
	 */
	private function insert( string $serialized ) {
		if ( $this->is_network ) {
			// The table of network options has no unique key on the name. WordPress uses the first row.
			return $this->db->query(
				$this->db->prepare(
					"INSERT INTO {$this->db->sitemeta} (site_id, meta_key, meta_value) SELECT %d, %s, %s FROM DUAL"
						. " WHERE NOT EXISTS (SELECT 1 FROM {$this->db->sitemeta} WHERE meta_key = %s AND site_id = %d)",
					get_current_network_id(),
					self::OPTION,
					$serialized,
					self::OPTION,
					get_current_network_id()
				)
			);
		}
		return $this->db->query(
			$this->db->prepare( "INSERT IGNORE INTO {$this->db->options} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", self::OPTION, $serialized )
		);
	}

	/**
	 * @return int|false Number of rows written.
	 */
	private function update( string $stored, string $serialized ) {
		// Compare hashes, because the column's collation may treat two different texts as equal.
		$hash = hash( 'sha256', $stored );
		if ( $this->is_network ) {
			return $this->db->query(
				$this->db->prepare(
					"UPDATE {$this->db->sitemeta} SET meta_value = %s WHERE meta_key = %s AND site_id = %d AND SHA2(meta_value, 256) = %s",
					$serialized,
					self::OPTION,
					get_current_network_id(),
					$hash
				)
			);
		}
		return $this->db->query(
			$this->db->prepare( "UPDATE {$this->db->options} SET option_value = %s WHERE option_name = %s AND SHA2(option_value, 256) = %s", $serialized, self::OPTION, $hash )
		);
	}
}
