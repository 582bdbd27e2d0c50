<?php
/**
 * Text for the privacy policy.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Suggests what the privacy policy of the site may say about SiteAgent.
 */
final class Siteagent_Privacy_Policy {

	public function add_text(): void {
		try {
			$fields = ( new Siteagent_Report_Schema( dirname( SITEAGENT_FILE ) . '/manifest.json' ) )->fields();
		} catch ( RuntimeException $exception ) {
			return; // The tab "Shared data" shows the error.
		}
		$text  = '<p class="privacy-policy-tutorial">' . esc_html__( 'SiteAgent handles no data of your visitors, so most sites do not need to add anything. If you name your service providers, you can use this text:', 'siteagent' ) . '</p>';
		$text .= '<p>' . esc_html__( 'The agency that maintains this website reads a technical report from it. The report contains no personal data: no names, e-mail addresses, IP addresses, content or passwords. It consists of these fields:', 'siteagent' ) . '</p><ul>';
		foreach ( $fields as $field ) {
			$text .= '<li><code>' . esc_html( $field['path'] ) . '</code>: ' . esc_html( translate( $field['why'], 'siteagent' ) ) . '</li>';
		}
		$text .= '</ul><p>' . esc_html__( 'The agency also reads the log of its requests and of what administrators did on SiteAgent’s settings page. The log identifies an administrator’s account by its number.', 'siteagent' ) . '</p>';
		wp_add_privacy_policy_content( 'SiteAgent', $text );
	}
}
