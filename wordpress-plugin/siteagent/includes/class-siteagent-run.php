<?php
/**
 * One change while it runs, from the last checks to its outcome.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Fetch, keep, watch, install, look: in that order, so that whatever happens can be taken back and told.
 */
final class Siteagent_Run {

	/** @var Siteagent_Order */
	private $order;

	/** @var Siteagent_Component */
	private $component;

	/** @var Siteagent_Probation */
	private $probation;

	/** @var Siteagent_Upgrader */
	private $upgrader;

	/** @var Siteagent_Probe */
	private $probe;

	/** @var Siteagent_Evidence */
	private $evidence;

	/** @var Siteagent_Preconditions */
	private $holds;

	/** @var bool Whether what the site saw of itself may have come from code that is not on disk any more. */
	private $is_stale = false;

	/** @var int|null For how long PHP may go on running what it compiled before; null when nobody can say. */
	private $stale = 0;

	/** @var array The marker of this run. */
	private $marked;

	public function __construct( Siteagent_Order $order, Siteagent_Component $component, Siteagent_Probation $probation, Siteagent_Probe $probe ) {
		$this->order     = $order;
		$this->component = $component;
		$this->probation = $probation;
		$this->holds     = new Siteagent_Preconditions( $component, $order->step() );
		$this->upgrader  = new Siteagent_Upgrader();
		$this->probe     = $probe;
		$this->marked    = (array) $probation->marked();
		$this->evidence  = new Siteagent_Evidence( $this->marked['before'] );
	}

	/**
	 * Do it. The outcome is decided, and the watchdog called off or left on guard, when this returns.
	 */
	public function answer(): array {
		$began = microtime( true );
		list( $outcome, $reason ) = $this->outcome();
		$this->evidence->set( 'took_ms', (int) round( ( microtime( true ) - $began ) * 1000 ) );
		$this->evidence->set( 'messages', $this->upgrader->messages() );
		if ( 'succeeded' === $outcome && $this->is_unproven() ) {
			$until = time() + ( $this->is_stale ? DAY_IN_SECONDS : Siteagent_Probation::WATCH_S );
			$this->evidence->set( 'watched_until', $until );
			$this->evidence->set( 'stale_code', $this->is_stale );
			$answer = $this->evidence->told( $outcome, $reason );
			$moments = array(
				'look_at'  => $this->probe->is_reached() ? time() + max( Siteagent_Change::LOOK_S, (int) $this->stale ) : null,
				'fresh_at' => null === $this->stale ? null : time() + $this->stale,
			);
			$this->probation->go_on_watching( $this->marked, $answer, $until, $moments );
			return $answer;
		}
		$answer = $this->evidence->told( $outcome, $reason );
		$this->probation->decide( $this->marked, $answer );
		return $answer;
	}

	/**
	 * @return array{0:string,1:?string} Outcome and reason.
	 */
	private function outcome(): array {
		$reason = $this->unmet();
		if ( null !== $reason ) {
			return array( 'refused', $reason );
		}
		$offer = (array) $this->component->offer();
		$file  = $this->upgrader->fetch( $this->component, $offer['package'], is_dir( $this->marked['folder'] ) ? $this->marked['folder'] : '', $this->order->op_id() );
		if ( null === $file ) {
			return '' === $this->upgrader->refused() ? array( 'failed', 'download_failed' ) : array( 'refused', $this->upgrader->refused() );
		}
		$this->probation->beat( $this->marked );
		try {
			$reason = $this->unmet_by_the_package( $file );
			if ( null !== $reason ) {
				return array( 'refused', $reason );
			}
			return $this->install( $file );
		} finally {
			if ( is_file( $file ) ) {
				wp_delete_file( $file );
			}
		}
	}

	/**
	 * The first thing on this site that does not hold.
	 */
	private function unmet(): ?string {
		foreach ( $this->holds->of_the_place() as $reason ) {
			return $reason;
		}
		foreach ( $this->holds->of_the_component( $this->order->pre() ) as $reason ) {
			return $reason;
		}
		$this->component->look_for_offers();
		foreach ( $this->holds->of_the_offer( $this->order->package_host() ) as $reason ) {
			return $reason;
		}
		return null;
	}

	/**
	 * The package as it arrived, and room to keep what it replaces.
	 */
	private function unmet_by_the_package( string $file ): ?string {
		$sha256 = (string) hash_file( 'sha256', $file );
		$this->evidence->set( 'package_sha256', $sha256 );
		$this->evidence->set( 'package_host', $this->upgrader->host() );
		$wanted = $this->order->package_sha256();
		if ( null !== $wanted && ! hash_equals( $wanted, $sha256 ) ) {
			return 'package_changed';
		}
		if ( ! Siteagent_Seller_Package::is_archive( $file ) ) {
			return 'not_a_package';
		}
		$is_kept = $this->probation->keep( $this->marked, $this->component );
		$this->evidence->set( 'kept_copy', $is_kept );
		if ( ! Siteagent_Probation::is_possible( $this->component->kind() ) ) {
			return null;
		}
		// It was said that this can be taken back; where that is no longer so, it is not what was approved.
		if ( $is_kept && ( ! $this->component->owns_folder() || $this->probation->watch( $this->marked, $this->component ) ) ) {
			return null;
		}
		foreach ( $this->holds->of_the_place() as $reason ) {
			return $reason;
		}
		return 'filesystem';
	}

	private function install( string $file ): array {
		$op_id  = $this->order->op_id();
		$step   = $this->order->step();
		$before = array( 'probe' => $this->probe->look(), 'seen' => $this->probe->seen() ) + $this->marked['before'];
		$this->evidence->set( 'before', array_diff_key( $before, array( 'network' => true, 'sites' => true, 'seen' => true ) ) );
		$this->probation->reach( $op_id, 'installing', array( 'before' => $before ) );
		$this->marked = array( 'stage' => 'installing', 'before' => $before ) + $this->marked;
		if ( $this->component->is_siteagent() ) {
			self::load_everything();
		}
		$may_go = function (): bool {
			$this->probation->beat( $this->marked );
			return $this->probation->is_ours( $this->marked );
		};
		$this->upgrader->install( $this->component, $step, $file, $op_id, $may_go );
		$there = $this->component->version();
		if ( ! $may_go() ) {
			return $this->interrupted();
		}
		$stale = Siteagent_Code_Cache::stale_s( $this->component->owns_folder() || 'translation' === $step->kind() ? $this->component->folder() : ABSPATH . WPINC );
		if ( $step->to() !== $there ) {
			return $this->not_installed( $there );
		}
		if ( 0 !== $stale && is_dir( $this->marked['folder'] ) ) {
			touch( $this->marked['folder'] . '/' . Siteagent_Watchdog::STALE ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- read without WordPress.
		}
		$this->probation->reach( $op_id, 'installed' );
		$this->marked = array( 'stage' => 'installed' ) + $this->marked;
		$probe        = $this->seen( $stale );
		$this->evidence->close( $this->component, $probe );
		$reason = $this->spoiled( $probe );
		return null === $reason ? array( 'succeeded', null ) : $this->take_back( $reason );
	}

	/**
	 * Look at the site as it is with the new version, once its code is the code that runs.
	 *
	 * @param int|null $stale For how long PHP may still run what it compiled before; null when nobody can say.
	 */
	private function seen( ?int $stale ): string {
		$seen = $this->probe->look_again( $this->marked['before']['seen'], $this->component->folder() );
		if ( Siteagent_Probe::OK !== $seen || 0 === $stale || $this->probe->is_fresh() || true !== $this->marked['before']['active'] ) {
			return $seen;
		}
		$is_over = Siteagent_Code_Cache::wait(
			$stale,
			function (): void {
				$this->probation->beat( $this->marked );
			}
		);
		if ( $is_over ) {
			return $this->probe->look_again( $this->marked['before']['seen'], $this->component->folder() );
		}
		$this->is_stale = true;
		$this->stale    = $stale;
		$this->upgrader->note( 'PHP on this server may go on running the previous version, so nothing shows whether the new one works.' );
		return Siteagent_Probe::COULD_NOT_TELL;
	}

	/**
	 * Another process took this run for dead and put the copy back. What was exchanged since is put back once more.
	 */
	private function interrupted(): array {
		$this->evidence->close( $this->component, null );
		return $this->take_back( 'interrupted' );
	}

	/**
	 * Another version than approved is on disk after the upgrader ran.
	 */
	private function not_installed( string $there ): array {
		if ( $this->order->step()->from() === $there && $this->probation->is_as_kept( $this->marked, $this->component ) ) {
			$this->evidence->close( $this->component, null );
			$reason = $this->upgrader->refused();
			return '' === $reason ? array( 'failed', 'install_failed' ) : array( 'refused', $reason );
		}
		$reason = '' === $there || $this->order->step()->from() === $there ? 'install_failed' : 'version_wrong_after';
		$this->evidence->close( $this->component, null );
		return $this->take_back( $reason );
	}

	/**
	 * What is wrong with the new version; null when nothing is.
	 */
	private function spoiled( string $probe ): ?string {
		$note = $this->probation->restored( $this->marked );
		if ( null !== $note ) {
			return $note['installed'] ? 'fatal_after' : 'interrupted';
		}
		$before = $this->evidence->before();
		if ( true === $before['active'] && true !== $this->evidence->after()['active'] ) {
			return 'inactive_after';
		}
		if ( ! $this->is_stale && Siteagent_Probe::is_worse( $probe, (string) $before['probe'] ) ) {
			if ( $this->probe->is_silent() ) {
				return 'no_answer_after';
			}
			return Siteagent_Probe::FATAL === $probe ? 'fatal_after' : 'probe_worse';
		}
		return null;
	}

	/**
	 * The files of SiteAgent are about to be others: what this process still needs of them is in memory before,
	 * as half of one version and half of another is neither.
	 */
	private static function load_everything(): void {
		foreach ( array( __DIR__, dirname( __DIR__ ) . '/admin' ) as $folder ) {
			foreach ( Siteagent_Files::entries( $folder ) as $name ) {
				if ( 1 === preg_match( '/^class-siteagent-[a-z-]+\.php\z/D', $name ) ) {
					require_once $folder . '/' . $name;
				}
			}
		}
	}

	/**
	 * Put the kept copy back and look whether all is as it was.
	 */
	private function take_back( string $reason ): array {
		$note  = $this->probation->restored( $this->marked );
		$error = null === $note || '' === $note['message'] ? $this->probe->error() : Siteagent_Error_Summary::of( $note );
		$after = $this->evidence->after();
		$this->upgrader->note( $error );
		$this->evidence->add_during( $after['version'], $after['active'], null === $note ? $after['probe'] : Siteagent_Probe::FATAL, $error );
		self::put_back( $this->probation, $this->marked, $this->component, $reason );
		return self::looked_over( $this->evidence, $this->marked, $this->component, $this->probe, $reason );
	}

	/**
	 * Put the kept copy back, unless it is back: a note is believed only if the disk bears it out.
	 */
	public static function put_back( Siteagent_Probation $probation, array $marked, Siteagent_Component $component, string $reason ): void {
		if ( null !== $probation->restored( $marked ) && $probation->is_as_kept( $marked, $component ) ) {
			return;
		}
		$probation->drop_note( $marked );
		$probation->restore( $marked, $component, $reason );
	}

	/**
	 * Whether a component that was put back is as it was before.
	 *
	 * @return array{0:string,1:string} Outcome and reason.
	 */
	public static function looked_over( Siteagent_Evidence $evidence, array $marked, Siteagent_Component $component, Siteagent_Probe $probe, string $reason ): array {
		$before = $marked['before'];
		if ( true === $before['active'] && ! $component->is_active() && $before['version'] === $component->version() ) {
			$component->activate( true === $before['network'], isset( $before['sites'] ) ? $before['sites'] : array( get_current_blog_id() ) );
		}
		$component->forget_offers();
		Siteagent_Code_Cache::wait( $component->owns_folder() ? Siteagent_Code_Cache::stale_s( $component->folder() ) : 0, static function (): void {} );
		$evidence->close( $component, $probe->look_again( isset( $before['seen'] ) ? $before['seen'] : array(), $component->folder() ) );
		$after   = $evidence->after();
		$is_same = $before['version'] === $after['version'] && $before['active'] === $after['active'] && ( null === $before['probe'] || Siteagent_Probe::FATAL !== $after['probe'] )
			&& ( ! $component->is_siteagent() || null === $before['probe'] || ! Siteagent_Probe::is_worse( (string) $after['probe'], (string) $before['probe'] ) );
		return array( $is_same ? 'rolled_back' : 'failed', $reason );
	}

	/**
	 * Whether nobody has seen the new version at work, and the watchdog may stay.
	 */
	private function is_unproven(): bool {
		return $this->component->owns_folder() && true === $this->evidence->after()['active'] && Siteagent_Probe::COULD_NOT_TELL === $this->evidence->after()['probe']
			&& is_dir( $this->marked['folder'] . '/' . Siteagent_Watchdog::KEPT );
	}
}
