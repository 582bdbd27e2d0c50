<?php
/**
 * The changelog of an available update.
 *
 * @package SiteAgent
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

/**
 * Requests changelogs from WordPress.org and converts their HTML, which is untrusted, to plain text. Never throws:
 * a missing changelog is returned with the reason.
 */
final class Siteagent_Changelog {

	const HOST     = 'api.wordpress.org';
	const PACKAGES = 'downloads.wordpress.org';

	const MAX_RESPONSE_BYTES = 2097152;
	const MAX_HTML           = 262144;
	const MAX_TEXT           = 4096;

	const TIMEOUT_S       = 5;
	const TRANSIENT       = 'siteagent_changelog_';
	const CACHE_S         = 12 * HOUR_IN_SECONDS;
	const FAILURE_CACHE_S = 5 * MINUTE_IN_SECONDS;
	const RETRYABLE       = array( 'unreachable', 'unreadable' );

	/** What WordPress.org leaves out of its answer. */
	const UNUSED_FIELDS = array(
		'description',
		'short_description',
		'reviews',
		'screenshots',
		'screenshot_url',
		'banners',
		'icons',
		'versions',
		'contributors',
		'ratings',
		'tags',
	);

	/** A line that opens the section of one version, as readme files write them. */
	const VERSION_HEADING = '~^(?<heading>=\s+)?(?:\d{4}-\d\d-\d\d\s*[-:]+\s*)?[\[(]?(?:(?:version|release|ver\.?|v\.?)\s*:?\s*)?(?<version>\d+(?:\.\d+)*(?:-?(?:alpha|beta|rc)[-.]?\d*)?)(?![\w.])~i';

	/** Longer lines are sentences. */
	const MAX_HEADING = 80;

	/**
	 * Returns what changed between the two versions of an update; null for a component that has no changelog.
	 *
	 * @return array{text:?string,part:?string,cut:bool,source:?string,why:?string}|null
	 */
	public function for_update( Siteagent_Component $component, Siteagent_Update_Item $item ): ?array {
		if ( ! in_array( $item->kind(), array( 'plugin', 'theme' ), true ) ) {
			return null;
		}
		$update  = (array) $component->raw_update();
		$package = isset( $update['package'] ) && is_string( $update['package'] ) ? $update['package'] : '';
		if ( self::PACKAGES !== Siteagent_Update_Requirements::host_with_port( $package ) ) {
			return self::unavailable( 'elsewhere' );
		}
		$name   = self::TRANSIENT . md5( implode( '|', $item->to_array() ) );
		$cached = get_site_transient( $name );
		if ( is_array( $cached ) ) {
			return $cached;
		}
		$result = $this->fetch( $item, $this->slug( $item, $update ) );
		if ( null === $result['text'] && isset( $update['upgrade_notice'] ) && is_string( $update['upgrade_notice'] ) ) {
			$notice = self::to_plain_text( $update['upgrade_notice'] );
			$result = '' === $notice ? $result : self::found( $notice, 'notice' );
		}
		set_site_transient( $name, $result, in_array( $result['why'], self::RETRYABLE, true ) ? self::FAILURE_CACHE_S : self::CACHE_S );
		return $result;
	}

	/**
	 * Converts HTML to plain text in valid UTF-8, with one line for each block and list item.
	 */
	public static function to_plain_text( string $html ): string {
		// WordPress's own check returns false on 6.1 where iconv() meets half a character.
		$html = (string) json_decode( (string) wp_json_encode( substr( $html, 0, self::MAX_HTML ), JSON_INVALID_UTF8_SUBSTITUTE ) );
		$html = (string) preg_replace( '~<h[1-6]\b[^>]*>~i', "\n= ", $html );
		$html = (string) preg_replace( '~<li\b[^>]*>~i', "\n* ", $html );
		$html = (string) preg_replace( '~</?(?:p|br|hr|h[1-6]|ul|ol|li|div|pre|table|tr|blockquote)\b[^>]*>~i', "\n", $html );
		$text = html_entity_decode( wp_strip_all_tags( $html ), ENT_QUOTES | ENT_HTML5, 'UTF-8' );
		$text = str_replace( array( "\r\n", "\r", "\t" ), array( "\n", "\n", ' ' ), $text );
		// Control, formatting and unassigned characters are invisible, and some change the reading direction.
		$text  = (string) preg_replace( '/[^\P{C}\n]+/u', '', $text );
		$lines = array_map( 'trim', explode( "\n", $text ) );
		return implode(
			"\n",
			array_filter(
				$lines,
				static function ( string $line ): bool {
					return ! in_array( $line, array( '', '=', '*' ), true );
				}
			)
		);
	}

	/**
	 * Returns the sections of the versions after one and up to another; the whole text when it has no recognizable
	 * versions.
	 *
	 * @return array{0:string,1:string} The text, empty when none of the versions is named; and which part it is.
	 */
	public static function between( string $text, string $from, string $to ): array {
		$lines        = array();
		$has_versions = false;
		$is_in        = false;
		foreach ( explode( "\n", $text ) as $line ) {
			$version = self::version_heading( $line );
			if ( null !== $version ) {
				$has_versions = true;
				$is_in        = version_compare( $version, $from, '>' ) && version_compare( $version, $to, '<=' );
			}
			if ( $is_in ) {
				$lines[] = $line;
			}
		}
		return $has_versions ? array( implode( "\n", $lines ), 'versions' ) : array( $text, 'beginning' );
	}

	/**
	 * Returns the version whose section a line opens; null for any other line.
	 */
	private static function version_heading( string $line ): ?string {
		if ( strlen( $line ) > self::MAX_HEADING || 1 !== preg_match( self::VERSION_HEADING, $line, $found ) ) {
			return null;
		}
		// A bare number opens a section only in a heading.
		return '' === $found['heading'] && false === strpos( $found['version'], '.' ) ? null : $found['version'];
	}

	private function slug( Siteagent_Update_Item $item, array $update ): string {
		$result = 'plugin' === $item->kind() && isset( $update['slug'] ) && is_string( $update['slug'] ) ? $update['slug'] : '';
		return '' === $result ? explode( '/', $item->id() )[0] : $result;
	}

	/**
	 * Requests the changelog over https. Does not use plugins_api(), which falls back to http and lets other plugins
	 * answer for WordPress.org.
	 */
	private function fetch( Siteagent_Update_Item $item, string $slug ): array {
		$kind     = $item->kind();
		$request  = array(
			'slug'   => $slug,
			'locale' => 'en_US',
			'fields' => array_fill_keys( self::UNUSED_FIELDS, 0 ) + array( 'sections' => 1 ),
		);
		$address  = 'https://' . self::HOST . "/{$kind}s/info/1.2/?" . http_build_query(
			array(
				'action'  => "{$kind}_information",
				'request' => $request,
			),
			'',
			'&'
		);
		$response = wp_safe_remote_get(
			$address,
			array(
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0,
				'limit_response_size' => self::MAX_RESPONSE_BYTES,
			)
		);
		if ( is_wp_error( $response ) ) {
			return self::unavailable( 'unreachable' );
		}
		$body = wp_remote_retrieve_body( $response );
		if ( strlen( $body ) >= self::MAX_RESPONSE_BYTES ) {
			return self::unavailable( 'too_large' );
		}
		$found = 200 === wp_remote_retrieve_response_code( $response ) ? json_decode( $body, true, 32, JSON_INVALID_UTF8_SUBSTITUTE ) : null;
		if ( ! is_array( $found ) ) {
			return self::unavailable( 'unreadable' );
		}
		$html = isset( $found['sections']['changelog'] ) && is_string( $found['sections']['changelog'] ) ? $found['sections']['changelog'] : '';
		$text = self::to_plain_text( $html );
		if ( '' === $text ) {
			return self::unavailable( 'none' );
		}
		list( $text, $part ) = self::between( $text, $item->from(), $item->to() );
		return '' === $text ? self::unavailable( 'not_named' ) : self::found( $text, $part );
	}

	private static function found( string $text, string $part ): array {
		$is_cut = strlen( $text ) > self::MAX_TEXT;
		if ( $is_cut ) {
			// Do not cut within a character.
			$text = (string) preg_replace( '/[\xC0-\xFF][\x80-\xBF]*\z/', '', substr( $text, 0, self::MAX_TEXT ) );
		}
		return array(
			'text'   => $text,
			'part'   => $part,
			'cut'    => $is_cut,
			'source' => self::HOST,
			'why'    => null,
		);
	}

	private static function unavailable( string $why ): array {
		return array(
			'text'   => null,
			'part'   => null,
			'cut'    => false,
			'source' => null,
			'why'    => $why,
		);
	}
}
