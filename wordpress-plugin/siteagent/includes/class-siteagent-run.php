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
			$until = time() + Siteagent_Probation::WATCH_S;
			$this->evidence->set( 'watched_until', $until );
			$answer = $this->evidence->told( $outcome, $reason );
			$this->probation->go_on_watching( $this->marked, $answer, $until );
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
		$file  = $this->upgrader->fetch( $offer['package'] );
		if ( null === $file ) {
			return array( 'failed', 'download_failed' );
		}
		try {
			$reason = $this->unmet_by_the_package( $file, $offer['package'] );
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
	private function unmet_by_the_package( string $file, string $address ): ?string {
		$sha256 = (string) hash_file( 'sha256', $file );
		$this->evidence->set( 'package_sha256', $sha256 );
		$this->evidence->set( 'package_host', Siteagent_Preconditions::host_of( $address ) );
		$wanted = $this->order->package_sha256();
		if ( null !== $wanted && ! hash_equals( $wanted, $sha256 ) ) {
			return 'package_changed';
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
		$before = array( 'probe' => $this->probe->look() ) + $this->marked['before'];
		$this->evidence->set( 'before', array_diff_key( $before, array( 'network' => true ) ) );
		$this->probation->reach( $op_id, 'installing', array( 'before' => $before ) );
		$this->marked = (array) $this->probation->marked();
		if ( $this->component->is_siteagent() ) {
			self::load_everything();
		}
		$this->upgrader->install( $this->component, $step, $file, $op_id, $this->probation->lock_of( $this->marked ) );
		Siteagent_Watchdog::forget_compiled( $this->component->owns_folder() || 'translation' === $step->kind() ? $this->component->folder() : ABSPATH . WPINC );
		$there = $this->component->version();
		if ( $step->to() !== $there ) {
			return $this->not_installed( $there );
		}
		$this->probation->reach( $op_id, 'installed' );
		$probe = $this->probe->look();
		$this->evidence->close( $this->component, $probe );
		$reason = $this->spoiled( $probe );
		return null === $reason ? array( 'succeeded', null ) : $this->take_back( $reason );
	}

	/**
	 * Another version than approved is on disk after the upgrader ran.
	 */
	private function not_installed( string $there ): array {
		if ( $this->order->step()->from() === $there && $this->is_untouched() ) {
			$this->evidence->close( $this->component, null );
			$reason = $this->upgrader->refused();
			return '' === $reason ? array( 'failed', 'install_failed' ) : array( 'refused', $reason );
		}
		return $this->take_back( '' === $there || $this->order->step()->from() === $there ? 'install_failed' : 'version_wrong_after' );
	}

	/**
	 * What is wrong with the new version; null when nothing is.
	 */
	private function spoiled( string $probe ): ?string {
		if ( null !== $this->probation->restored( $this->marked ) ) {
			return 'fatal_after';
		}
		$before = $this->evidence->before();
		if ( true === $before['active'] && true !== $this->evidence->after()['active'] ) {
			return 'inactive_after';
		}
		if ( Siteagent_Probe::is_worse( $probe, (string) $before['probe'] ) ) {
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
			foreach ( (array) glob( $folder . '/class-siteagent-*.php' ) as $file ) {
				require_once $file;
			}
		}
	}

	/**
	 * Put the kept copy back and look whether all is as it was.
	 */
	private function take_back( string $reason ): array {
		$note = $this->probation->restored( $this->marked );
		if ( null === $note ) {
			$this->probation->restore( $this->marked, $this->component, $reason );
		} else {
			$this->upgrader->note( sprintf( '%1$s in %2$s:%3$d', $note['message'], $note['file'], $note['line'] ) );
		}
		return self::looked_over( $this->evidence, $this->marked, $this->component, $this->probe, $reason );
	}

	/**
	 * Whether a component that was taken back is as it was before.
	 *
	 * @return array{0:string,1:string} Outcome and reason.
	 */
	public static function looked_over( Siteagent_Evidence $evidence, array $marked, Siteagent_Component $component, Siteagent_Probe $probe, string $reason ): array {
		$before = $marked['before'];
		if ( true === $before['active'] && ! $component->is_active() && $before['version'] === $component->version() ) {
			$component->activate( true === $before['network'] );
		}
		$component->forget_offers();
		$evidence->close( $component, $probe->look() );
		$after   = $evidence->after();
		$is_same = $before['version'] === $after['version'] && $before['active'] === $after['active']
			&& ( null === $before['probe'] || ! Siteagent_Probe::is_worse( (string) $after['probe'], (string) $before['probe'] ) );
		return array( $is_same ? 'rolled_back' : 'failed', $reason );
	}

	/**
	 * Whether the upgrader left every file as it was.
	 */
	private function is_untouched(): bool {
		$kept = $this->marked['folder'] . '/' . Siteagent_Watchdog::KEPT;
		return ! $this->component->owns_folder() || ! is_dir( $kept ) || self::prints( $kept ) === self::prints( $this->component->folder() );
	}

	/**
	 * @return array<string,string> Relative path to hash.
	 */
	private static function prints( string $folder, string $below = '' ): array {
		$prints = array();
		foreach ( Siteagent_Watchdog::entries( $folder . $below ) as $name ) {
			$path    = "$below/$name";
			$prints += is_dir( $folder . $path ) ? self::prints( $folder, $path ) : array( $path => (string) md5_file( $folder . $path ) );
		}
		return $prints;
	}

	/**
	 * Whether nobody has seen the new version at work: the site could not ask itself, and the watchdog may stay.
	 */
	private function is_unproven(): bool {
		return $this->component->owns_folder() && true === $this->evidence->after()['active'] && Siteagent_Probe::COULD_NOT_TELL === $this->evidence->after()['probe']
			&& is_dir( $this->marked['folder'] . '/' . Siteagent_Watchdog::KEPT );
	}
}
