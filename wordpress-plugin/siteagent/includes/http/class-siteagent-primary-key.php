<?php
/**
 * Check and repair of the primary keys that SiteAgent depends on.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Restores a primary key that a migration tool has lost. Without it the database would accept the same nonce or
 * operation twice.
 */
final class Siteagent_Primary_Key {

	/**
	 * Whether a table has its primary key, repairing it if needed. True for a table that does not exist yet.
	 *
	 * @param wpdb   $db     WordPress database object.
	 * @param string $table  Full table name.
	 * @param string $column The column of the primary key.
	 */
	public static function ensure( $db, string $table, string $column ): bool {
		$shows_errors = $db->suppress_errors( true );
		$keys         = $db->get_results( "SHOW KEYS FROM {$table} WHERE Key_name = 'PRIMARY'", ARRAY_A );
		$is_ok        = '' !== $db->last_error || array() !== (array) $keys || self::repair( $db, $table, $column );
		$db->suppress_errors( $shows_errors );
		return $is_ok;
	}

	/**
	 * Copies the distinct rows into a new table with the primary key, and swaps the two tables.
	 *
	 * @param wpdb   $db     WordPress database object.
	 * @param string $table  Full table name.
	 * @param string $column The column of the primary key.
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
