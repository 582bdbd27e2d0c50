<?php
/**
 * The unique key that a table of SiteAgent depends on.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Notices when a migration tool has lost a table's primary key, and makes it again. Without it the database would
 * take the same nonce, or the same operation, twice.
 */
final class Siteagent_Primary_Key {

	/**
	 * Whether this table has its primary key, if need be after a repair. True for a table that is not there yet.
	 *
	 * @param wpdb   $db     WordPress's database object.
	 * @param string $table  Its full name.
	 * @param string $column The column that has to be unique.
	 */
	public static function ensure( $db, string $table, string $column ): bool {
		$shows_errors = $db->suppress_errors( true );
		$keys  = $db->get_results( "SHOW KEYS FROM {$table} WHERE Key_name = 'PRIMARY'", ARRAY_A );
		$is_ok = '' !== $db->last_error || array() !== (array) $keys || self::repair( $db, $table, $column );
		$db->suppress_errors( $shows_errors );
		return $is_ok;
	}

	/**
	 * Copy the rows, each once, into a table that has the key, and put that in the place of the other.
	 *
	 * @param wpdb $db WordPress's database object.
	 */
	private static function repair( $db, string $table, string $column ): bool {
		$steps = array(
			"DROP TABLE IF EXISTS {$table}_new, {$table}_old",
			"CREATE TABLE {$table}_new LIKE {$table}",
			"ALTER TABLE {$table}_new ADD PRIMARY KEY ({$column})",
			"INSERT IGNORE INTO {$table}_new SELECT * FROM {$table}",
			"RENAME TABLE {$table} TO {$table}_old, {$table}_new TO {$table}",
			"DROP TABLE {$table}_old",
		);
		foreach ( $steps as $step ) {
			if ( false === $db->query( $step ) ) {
				return false;
			}
		}
		return true;
	}
}
