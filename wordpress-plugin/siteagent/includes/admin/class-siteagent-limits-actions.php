<?php
/**
 * The forms of the tab "Pause and limits".
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Each form checks capability and nonce, makes one call and redirects.
 */
final class Siteagent_Limits_Actions {

	use Siteagent_Form_Handling;

	/** @var Siteagent_Limit_Decisions */
	private $decisions;

	/** @var Siteagent_Limits_Tab */
	private $tab;

	public function __construct( Siteagent_Limit_Decisions $decisions, Siteagent_Limits_Tab $tab ) {
		$this->decisions = $decisions;
		$this->tab       = $tab;
	}

	/**
	 * Pauses all updates.
	 */
	public function pause(): void {
		$this->authorize( 'siteagent_pause', Siteagent_Capabilities::ALLOW );
		$reason = implode( ' ', $this->posted_texts( 'reason' ) );
		$this->save( 'updates_paused', fn(): string => $this->decisions->pause( $reason, $this->actor() ) );
	}

	/**
	 * Resumes updates.
	 */
	public function resume(): void {
		$this->authorize( 'siteagent_resume', Siteagent_Capabilities::ALLOW );
		if ( Siteagent_Update_Limits::is_read_only() ) {
			( new Siteagent_Flash_Store() )->set_notice( 'read_only' );
			$this->redirect( array( 'tab' => Siteagent_Limits_Tab::NAME ) );
		}
		$this->save( 'updates_resumed', fn(): string => $this->decisions->resume( $this->actor() ) );
	}

	/**
	 * Saves when updates may start. Without a day, they may at any time.
	 */
	public function save_window(): void {
		$this->authorize( 'siteagent_window', Siteagent_Capabilities::ALLOW );
		$days = array_map( 'intval', $this->posted_texts( 'days' ) );
		$from = (int) implode( '', $this->posted_texts( 'from_hour' ) );
		$to   = (int) implode( '', $this->posted_texts( 'to_hour' ) );
		try {
			$window = array() === $days ? null : new Siteagent_Update_Window( $days, $from, $to );
		} catch ( InvalidArgumentException $invalid ) {
			( new Siteagent_Flash_Store() )->set_notice( 'window_invalid' );
			$this->redirect( array( 'tab' => Siteagent_Limits_Tab::NAME ) );
		}
		$this->save( 'limits_saved', fn(): string => $this->decisions->save_window( $window, $this->actor() ) );
	}

	/**
	 * Saves how old a release has to be. An empty field stands for any age.
	 */
	public function save_min_age(): void {
		$this->authorize( 'siteagent_min_age', Siteagent_Capabilities::ALLOW );
		$typed = trim( implode( '', $this->posted_texts( 'hours' ) ) );
		$hours = '' === $typed ? '0' : $typed;
		if ( 1 !== preg_match( '/^[0-9]{1,4}\z/D', $hours ) || (int) $hours > Siteagent_Update_Limits::MAX_AGE_HOURS ) {
			( new Siteagent_Flash_Store() )->set_notice( 'min_age_invalid' );
			$this->redirect( array( 'tab' => Siteagent_Limits_Tab::NAME ) );
		}
		$this->save( 'limits_saved', fn(): string => $this->decisions->save_min_age( (int) $hours, $this->actor() ) );
	}

	/**
	 * Saves which updates of plugins and themes may be installed.
	 */
	public function save_exclusions(): void {
		$this->authorize( 'siteagent_exclusions', Siteagent_Capabilities::ALLOW );
		$given = $this->posted_texts( 'rules' );
		$rules = array();
		foreach ( $this->tab->components() as $component ) {
			if ( isset( $given[ $component['field'] ] ) && in_array( $given[ $component['field'] ], Siteagent_Update_Limits::RELEASE_RULES, true ) ) {
				$rules[ $component['kind'] ][ $component['id'] ] = $given[ $component['field'] ];
			}
		}
		$this->save( 'limits_saved', fn(): string => $this->decisions->save_exclusions( $rules, $this->actor() ) );
	}

	/**
	 * @param string   $notice   Key of Siteagent_Messages::notice() when it was saved.
	 * @param callable $decision fn(): string returns a constant of Siteagent_Limit_Decisions.
	 * @return never
	 */
	private function save( string $notice, callable $decision ): void {
		$this->run_and_notify(
			static function () use ( $notice, $decision ): string {
				$result = $decision();
				if ( Siteagent_Limit_Decisions::UNCHANGED === $result ) {
					return 'permissions_unchanged';
				}
				return Siteagent_Limit_Decisions::SENT === $result ? $notice . '_and_sent' : $notice;
			}
		);
		$this->redirect( array( 'tab' => Siteagent_Limits_Tab::NAME ) );
	}
}
