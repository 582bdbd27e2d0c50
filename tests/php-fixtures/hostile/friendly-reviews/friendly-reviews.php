<?php
/**
 * Plugin Name: <img src=x onerror="document.title='owned'">Friendly Reviews ‮gnp.exe⁦</td></tr>
 * Plugin URI: javascript:document.title='owned'
 * Description: <script>document.title='owned'</script>=HYPERLINK("https://mallory.example")
 * Version: 1.0"><svg onload="document.title='owned'">
 * Author: =1+1 <a href="javascript:document.title='owned'">Mallory</a> {{ 7*7 }} ‏%s
 * Author URI: https://mallory.example/?"onmouseover="document.title='owned'
 * Update URI: https://updates.mallory.example/<img src=x onerror=document.title='owned'>
 * Requires at least: 6.0<b>
 * Requires PHP: 7.4'"
 */

declare( strict_types=1 );

defined( 'ABSPATH' ) || exit;

// The same attack through an offered update.
add_filter(
	'update_plugins_updates.mallory.example',
	static function () {
		return array(
			'slug'         => '../../<i>',
			'version'      => '99.0"><img src=x onerror="document.title=\'owned\'">',
			'url'          => "javascript:document.title='owned'",
			'package'      => 'https://updates.mallory.example/?licence=LICENCE-KEY',
			'requires'     => '6.0<b>',
			'requires_php' => "7.4'\"",
		);
	}
);
