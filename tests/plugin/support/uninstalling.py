"""Uninstall SiteAgent inside WordPress and return what it sent."""

from __future__ import annotations

UNINSTALL = """
require_once ABSPATH . 'wp-admin/includes/admin.php';
deactivate_plugins('siteagent/siteagent.php');
add_filter('pre_http_request', function ($_, $args, $url) {
    $GLOBALS['sent'][] = array($url, $args['body']);
    return array('response' => array('code' => 200), 'body' => '', 'headers' => array());
}, 10, 3);
$GLOBALS['sent'] = array();
uninstall_plugin('siteagent/siteagent.php');
return $GLOBALS['sent'];
"""
