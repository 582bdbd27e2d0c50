<?php
/**
 * A kept copy as the package of a run.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.WP.AlternativeFunctions -- see class-siteagent-filesystem.php.

/**
 * Takes a former version from its archive, if the archive is the one that was logged.
 */
final class Siteagent_Kept_Package implements Siteagent_Package_Source {

	/** @var string */
	private $op_id;

	/** @var Siteagent_Update_Item */
	private $item;

	/** @var array */
	private $copy;

	/** @var string Where the archive is during the run. */
	private $file = '';

	/**
	 * @param string                $op_id Id of this operation.
	 * @param Siteagent_Update_Item $item  The installed version, and the one to restore.
	 * @param array                 $copy  As Siteagent_Kept_Copies::find() returned it.
	 */
	public function __construct( string $op_id, Siteagent_Update_Item $item, array $copy ) {
		$this->op_id = $op_id;
		$this->item  = $item;
		$this->copy  = $copy;
	}

	public function op_id(): string {
		return $this->op_id;
	}

	public function item(): Siteagent_Update_Item {
		return $this->item;
	}

	public function unmet_requirement( Siteagent_Component $component, Siteagent_Update_Requirements $requirements ): ?string {
		foreach ( $requirements->site_problems() as $reason ) {
			return $reason;
		}
		return $this->item->from() === $component->version() ? null : 'version_changed';
	}

	/**
	 * Copies the archive into the folder of the run and checks this copy, which nothing else can replace any more.
	 */
	public function fetch( Siteagent_Component $component, Siteagent_Upgrader $upgrader, string $folder ): ?string {
		$archive = Siteagent_Kept_Copies::path( $this->copy['copy'] );
		$file    = Siteagent_Package_File::path( '' === $folder ? untrailingslashit( get_temp_dir() ) : $folder, $this->op_id );
		if ( null === $archive || ! copy( $archive, $file ) ) {
			$upgrader->refuse( null === $archive ? 'copy_gone' : 'filesystem' );
			return null;
		}
		$is_logged = hash_equals( (string) $this->copy['sha256'], (string) hash_file( 'sha256', $file ) );
		if ( ! $is_logged || ! Siteagent_Kept_Archive::is_safe( $file, basename( $component->folder() ) ) ) {
			wp_delete_file( $file );
			$upgrader->refuse( $is_logged ? 'copy_unsafe' : 'copy_changed' );
			return null;
		}
		$this->file = $file;
		return $file;
	}

	public function package_sha256(): ?string {
		return $this->copy['sha256'];
	}

	public function tree_sha256(): ?string {
		return null;
	}

	/**
	 * The owner's limits are for the dashboard. Here the owner acts.
	 */
	public function owner_refusal_reason(): ?string {
		return null;
	}

	/**
	 * WordPress's upgraders install only what its list of updates names.
	 */
	public function run_offered( callable $install ): void {
		$is_theme = 'theme' === $this->item->kind();
		$hook     = 'site_transient_update_' . ( $is_theme ? 'themes' : 'plugins' );
		$entry    = array(
			$this->item->kind() => $this->item->id(),
			'slug'              => $is_theme ? $this->item->id() : dirname( $this->item->id() ),
			'new_version'       => $this->item->to(),
			'url'               => '',
			'package'           => $this->file,
		);
		$offer    = function ( $updates ) use ( $is_theme, $entry ) {
			$updates           = is_object( $updates ) ? clone $updates : new stdClass();
			$updates->response = array( $this->item->id() => $is_theme ? $entry : (object) $entry ) + ( isset( $updates->response ) ? (array) $updates->response : array() );
			return $updates;
		};
		add_filter( $hook, $offer, PHP_INT_MAX );
		try {
			$install();
		} finally {
			remove_filter( $hook, $offer, PHP_INT_MAX );
		}
	}
}
